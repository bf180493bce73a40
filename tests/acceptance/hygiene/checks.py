"""What a sealed disk must not hold: each check lists what it found, one line a finding."""

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
    """No file has a path like `patterns`, unless it is like `but` too; `*` is for slashes as well.

    A pattern that ends with / is for folders. Links share nothing by themselves.
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
    """No line of the files with a path like `files` holds the regular expression `pattern`."""

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
    """Nothing anywhere among the bytes of the disk matches one of `patterns`."""

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
    """No account is a person's, and nobody has a home."""
    accounts = [line.split(":") for line in disk.read("/etc/passwd").splitlines()]
    people = [f"{name} in /etc/passwd" for name, _, uid, *_ in accounts if int(uid) in PEOPLE]
    return people + [path for path in disk.entries if fnmatchcase(path, "/home/*")]


def no_password(disk: Disk, _: Builder) -> list[str]:
    """Every account's password is one that nothing matches (man 5 shadow)."""
    lines = disk.read("/etc/shadow").splitlines()
    return [
        f"{name} has a password"
        for name, password, *_ in (line.split(":") for line in lines)
        if not password.startswith(("!", "*"))
    ]


def machine_id_is_unset(disk: Disk, _: Builder) -> list[str]:
    """systemd makes an id at the next boot, which is the first (man machine-id)."""
    told = disk.read("/etc/machine-id")
    return [] if told == "uninitialized\n" else [f"/etc/machine-id is {told!r}"]


def no_compiler(disk: Disk, _: Builder) -> list[str]:
    """No package builds others, but what APT_PACKAGES asks for and what those need."""
    needs: dict[str, set[str]] = {}
    for stanza in disk.read("/var/lib/dpkg/status").split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            told = ",".join(fields.get(name, "") for name in ("Depends", "Pre-Depends"))
            needs[fields["Package"]] = set(re.findall(r"(?:^|[,|]) *([\w.+-]+)", told))
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
    """The one kernel is that which ran when the image was baked."""
    kernel = json.loads(disk.read("/etc/laurel/release.json"))["kernel"]
    folders = ("/boot/vmlinuz-", "/boot/initrd.img-", "/usr/lib/modules/")
    there = [path for path in disk.entries if re.fullmatch(f"({'|'.join(folders)})[^/]+", path)]
    return [path for path in there if not path.endswith(kernel)]


def free_space_is_empty(disk: Disk, _: Builder) -> list[str]:
    """What no file holds is zeros: nobody can read there what was deleted."""
    (root,) = (part for part in scrub.partitions(disk.raw) if part.start == disk.root)
    full = [place for place, length in scrub.free(root) if disk.holds(place, length)]
    return [f"{len(full)} free places hold something, first at byte {full[0]}"] if full else []


def no_private_key(disk: Disk, _: Builder) -> list[str]:
    """No private key of SSH is a file, or was: libraries have some within their tests' code."""
    pattern = rb"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl"
    return [
        f"at byte {place}: a private key"
        for place, _ in disk.search(pattern)
        if (place - disk.root) % disk.block == 0
    ]


def no_host_name(disk: Disk, builder: Builder) -> list[str]:
    """Nothing is named after the host that built it."""
    return _traces(disk, [_word(builder.host)] if builder.host else [])


def no_path(disk: Disk, builder: Builder) -> list[str]:
    """Nothing says where the sources were."""
    return _traces(disk, [_word(builder.path)] if builder.path else [])


def no_proxy(disk: Disk, builder: Builder) -> list[str]:
    """Nothing tells of the proxies that the bake went through."""
    return _traces(disk, [re.escape(proxy.encode()) for proxy in builder.proxies])


def no_certificate(disk: Disk, builder: Builder) -> list[str]:
    """No certificate is the builder's own: one that the system and its libraries lack."""
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
    """Matches `text` where no longer word goes on."""
    return re.escape(text.encode()) + rb"(?![\w-])"
