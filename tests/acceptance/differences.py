"""`make differences`: how Vagrant's machine differs from the image, and why it may.

Packages, units, and every file that provisioning may write are listed on both. A difference without
a reason below is a fault, and the exit code is 1.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from acceptance.stages import bring_up, settle
from machine import Host, Machine, MachineError
from machine.vagrant import vagrant_host

TOP = Path(__file__).resolve().parents[2]
LISTING_SECONDS = 600.0  # emulation on two cores: one minute

# Prints a JSON object: each package, unit, file and line by name, with what it is like.
LIST = r"""
import hashlib, json, os, re, subprocess

USERS = ("vagrant", "debian", "ubuntu")

# D-Bus times out after 25 s; a busy emulated machine may need longer to read its units.
os.environ["SYSTEMD_BUS_TIMEOUT"] = "300"

def lines(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()

found = {}
for line in lines("dpkg-query", "-W", "-f", "${binary:Package} ${Version}\n"):
    name, version = line.split()
    found["package " + name] = version
# No one sets the other states (generated, alias ...).
for line in lines("systemctl", "list-unit-files", "--no-legend", "--plain",
                  "--state=enabled,enabled-runtime,disabled,masked"):
    name, state = line.split()[:2]
    found["unit " + name] = state
for path in ("/etc/passwd", "/etc/group", "/etc/fstab", "/etc/laurel/build.env"):
    for line in open(path).read().splitlines():
        if path == "/etc/group":
            group, members = line.rsplit(":", 1)
            members = [user for user in members.split(",") if user not in USERS]
            line = group + ":" + ",".join(members)
        # Each base disk has its own UUIDs.
        line = re.sub(r"\bUUID=[0-9A-Fa-f-]{36}", "UUID=...", line)
        found["line of " + path + " " + line] = "there"
for top in ("/etc", "/usr/bin", "/usr/lib/laurel", "/usr/lib/systemd/system",
            "/usr/lib/tmpfiles.d", "/usr/local", "/usr/share/laurel", "/srv/site"):
    for folder, folders, files in os.walk(top):
        if "__pycache__" in folders:
            folders.remove("__pycache__")
        for name in files + [name for name in folders if os.path.islink(f"{folder}/{name}")]:
            path = f"{folder}/{name}"
            if os.path.islink(path):
                like = "-> " + os.readlink(path)
            else:
                status = os.stat(path)
                with open(path, "rb") as file:
                    content = file.read()
                if name == "staticfiles.json":  # its order is that of the files on the disk
                    content = json.dumps(json.loads(content), sort_keys=True).encode()
                content = hashlib.sha256(content).hexdigest()[:12]
                like = f"{status.st_mode & 0o7777:o} {status.st_uid}:{status.st_gid} {content}"
            found["file " + path] = like
print(json.dumps(found))
"""

USERS = "the machine's user and its key"
RSYNC = "rsync, with which Vagrant copies the project"
IDENTITY = "identity of each machine"
SEALING = "sealing"
LISTED = "compared line by line"
MAY_DIFFER = (
    (r"line of /etc/(passwd|group) .*\b(vagrant|debian|ubuntu)\b.*", USERS),
    (r"file /etc/(shadow|gshadow|subuid|subgid|passwd|group|sudoers\.d/.*)-?", USERS),
    (r"(package|unit) (rsync|libpopt0|libxxhash0)(:\w+|\.service)?", RSYNC),
    (r"file /(etc|usr)/.*rsync[^/]*", RSYNC),
    (r"file /etc/(machine-id|hostname|hosts|ssh/ssh_host_.*)", IDENTITY),
    (r"file /etc/\.updated", IDENTITY),  # when systemd last compared it with /usr
    (r"file /etc/(netplan|systemd/network)/.*cloud-init.*", IDENTITY),
    (r"file /etc/laurel/(site\.env|instance-id|release\.json)", IDENTITY),
    (r"(unit |file /etc/systemd/system/)systemd-firstboot\.service", SEALING),
    (r"file /etc/\.resolv\.conf\.systemd-resolved\.bak", SEALING),
    (r"line of /etc/laurel/build\.env DEVELOPMENT=.*", "development settings"),
    (r"file /etc/(laurel/build\.env|fstab)", LISTED),
)


def reason(name: str) -> str:
    """Why `name` may differ; empty if it may not."""
    return next((why for pattern, why in MAY_DIFFER if re.fullmatch(pattern, name)), "")


def report(found: dict[str, tuple[str, str]]) -> list[str]:
    """Lines for every difference: those with a reason by reason, then the others in full."""
    by_reason: dict[str, list[str]] = {}
    for name in found:
        by_reason.setdefault(reason(name), []).append(name)
    wrong = by_reason.pop("", [])
    lines = []
    for why, names in by_reason.items():
        lines += [f"{why}:", *(f"    {name}" for name in names)]
    if any(name.startswith("package ") for name in wrong):
        lines.append(
            "packages differ: one of the two may have got newer ones from the archive."
            " Run `make image`, then `make vagrant-destroy vagrant`"
        )
    lines.append(f"without a reason: {len(wrong) or 'none'}")
    for name in wrong:
        lines += [f"    {name}", *(f"        {like}" for like in found[name])]
    return lines


def listing(machine: Host) -> dict[str, str]:
    """The packages, units, files and lines of `machine`."""
    found: dict[str, str] = json.loads(
        machine.succeed("python3 -", stdin=LIST, timeout=LISTING_SECONDS)
    )
    return found


def main() -> int:
    """Compare, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    options = parser.parse_args()
    try:
        with vagrant_host(TOP / "vagrant") as vagrant:
            cpus = int(vagrant.succeed("nproc"))
            on_vagrant = listing(vagrant)
        with Machine(options.image, name="differences", cpus=cpus) as machine:
            print(f"differences: {options.image} boots ({machine.accelerator})", flush=True)
            bring_up(machine, machine.start)
            settle(machine, "/")
            on_image = listing(machine)
    except MachineError as error:
        print(f"differences: {error}", file=sys.stderr)
        return 1
    found = {
        name: (on_vagrant.get(name, "missing"), on_image.get(name, "missing"))
        for name in sorted(on_vagrant.keys() | on_image.keys())
        if on_vagrant.get(name) != on_image.get(name)
    }
    print(f"{len(found)} differences between Vagrant's machine and {options.image}")
    print(*report(found), sep="\n")
    return 1 if any(not reason(name) for name in found) else 0


if __name__ == "__main__":
    sys.exit(main())
