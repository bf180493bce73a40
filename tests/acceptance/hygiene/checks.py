"""Checks of a sealed disk: each returns what it found, one line for each finding."""

import json
import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

import scrub
from acceptance.hygiene.builder import CERTIFICATE, Builder, certificates
from acceptance.hygiene.disk import Disk

Check = Callable[[Disk, Builder], list[str]]

PEOPLE = range(1000, 60000)  # login.defs: UID_MIN to UID_MAX
COMPILERS = re.compile(
    r"build-essential|(gcc|g\+\+|cpp|clang|rustc|golang|gfortran)(-[\d.]+)?|make|cmake|.+-dev"
    r"|linux-headers-.+"
)


def no_file(*patterns: str, but: str = "") -> Check:
    """No path matches `patterns`, except those that match `but`; `*` matches slashes, too.

    A pattern that ends with / is for folders. Links are ignored.
    """

    def check(disk: Disk, _: Builder) -> list[str]:
        there = {path: entry for path, entry in disk.entries.items() if not entry.link}
        paths = [f"{path}/" if entry.folder else path for path, entry in there.items()]
        return [
            path
            for path in (*paths, *disk.esp_files)
            if not fnmatchcase(path, but)
            and any(
                fnmatchcase(path, pattern) and path.endswith("/") == pattern.endswith("/")
                for pattern in patterns
            )
        ]

    return check


def no_line(pattern: str, *files: str) -> Check:
    """No line matches the regular expression `pattern` in files whose path matches `files`."""

    def check(disk: Disk, _: Builder) -> list[str]:
        return [
            f"{path}: {line.strip()}"
            for path, entry in disk.entries.items()
            if not entry.folder and not entry.link and any(fnmatchcase(path, f) for f in files)
            for line in disk.read(path).splitlines()
            if re.search(pattern, line)
        ]

    return check


def no_trace(*patterns: bytes) -> Check:
    """No bytes of the disk match `patterns`, in files or elsewhere."""

    def check(disk: Disk, _: Builder) -> list[str]:
        return _traces(disk, patterns)

    return check


def _traces(disk: Disk, patterns: Iterable[bytes]) -> list[str]:
    return [
        f"at byte {place}: {match[0].decode(errors='replace')}"
        for pattern in patterns
        for place, match in disk.search(pattern)
    ]


def no_person(disk: Disk, _: Builder) -> list[str]:
    """There is no account of a person, and no home."""
    accounts = [line.split(":") for line in disk.read("/etc/passwd").splitlines()]
    people = [f"{name} in /etc/passwd" for name, _, uid, *_ in accounts if int(uid) in PEOPLE]
    return people + [path for path in disk.entries if fnmatchcase(path, "/home/*")]


def no_password(disk: Disk, _: Builder) -> list[str]:
    """No account has a password that could match (shadow(5))."""
    lines = disk.read("/etc/shadow").splitlines()
    return [
        f"{name} has a password"
        for name, password, *_ in (line.split(":") for line in lines)
        if not password.startswith(("!", "*"))
    ]


def machine_id_is_unset(disk: Disk, _: Builder) -> list[str]:
    """systemd generates an id at the next boot, as a first boot (machine-id(5))."""
    text = disk.read("/etc/machine-id")
    return [] if text == "uninitialized\n" else [f"/etc/machine-id is {text!r}"]


def no_compiler(disk: Disk, _: Builder) -> list[str]:
    """No compiler or header package is installed, except APT_PACKAGES and what they depend on."""
    needs: dict[str, set[str]] = {}
    for stanza in disk.read("/var/lib/dpkg/status").split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            depends = ",".join(fields.get(name, "") for name in ("Depends", "Pre-Depends"))
            needs[fields["Package"]] = set(re.findall(r"(?:^|[,|]) *([\w.+-]+)", depends))
    wanted = re.findall(r"^APT_PACKAGES=(.*)$", disk.read("/etc/laurel/build.env"), re.MULTILINE)
    allowed: set[str] = set()
    todo = set(" ".join(wanted).split())
    while todo:
        allowed |= todo
        todo = {need for package in todo for need in needs.get(package, ())} - allowed
    return [
        f"package {name}" for name in needs if COMPILERS.fullmatch(name) and name not in allowed
    ]


def no_other_kernel(disk: Disk, _: Builder) -> list[str]:
    """The only kernel is the one that ran during the bake."""
    kernel = json.loads(disk.read("/etc/laurel/release.json"))["kernel"]
    folders = ("/boot/vmlinuz-", "/boot/initrd.img-", "/usr/lib/modules/")
    there = [path for path in disk.entries if re.fullmatch(f"({'|'.join(folders)})[^/]+", path)]
    return [path for path in there if not path.endswith(kernel)]


def free_space_is_empty(disk: Disk, _: Builder) -> list[str]:
    """Free blocks and inodes are zeros, so that no deleted content can be read."""
    full = [place for place, length in scrub.free(disk.partition) if disk.holds(place, length)]
    return [f"{len(full)} free places hold something, first at byte {full[0]}"] if full else []


def no_private_key(disk: Disk, _: Builder) -> list[str]:
    """No file is or was a private key of SSH. Keys inside the tests of libraries are ignored."""
    pattern = rb"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl"
    return [
        f"at byte {place}: a private key"
        for place, _ in disk.search(pattern)
        if (place - disk.root) % disk.block == 0
    ]


def no_host_name(disk: Disk, builder: Builder) -> list[str]:
    """The name of the build host is nowhere."""
    return _traces(disk, [_word(builder.host)] if builder.host else [])


def no_path(disk: Disk, builder: Builder) -> list[str]:
    """The path of the sources is nowhere."""
    return _traces(disk, [_word(builder.path)] if builder.path else [])


def no_proxy(disk: Disk, builder: Builder) -> list[str]:
    """The build host's proxies are nowhere."""
    return _traces(disk, [re.escape(proxy.encode()) for proxy in builder.proxies])


def no_certificate(disk: Disk, builder: Builder) -> list[str]:
    """No certificate is from the build host only, unknown to the system and its libraries."""
    bundles = ("/etc/ssl/certs/ca-certificates.crt", "*/cacert.pem")
    known: set[str] = set()
    for path in disk.entries:
        if any(fnmatchcase(path, bundle) for bundle in bundles):
            known |= certificates(disk.read(path))
    return [
        f"at byte {place}: a certificate of the builder's"
        for place, match in disk.search(CERTIFICATE)
        if match[1].decode().replace("\r", "") in builder.certificates - known
    ]


def _word(text: str) -> bytes:
    """Matches `text` at the end of a word."""
    return re.escape(text.encode()) + rb"(?![\w-])"
