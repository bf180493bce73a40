"""What must not be on a sealed disk: a check for each item, and a fault that the check finds.

docs/sealing.md says what removes each of them.
"""

from dataclasses import dataclass

from acceptance.hygiene import checks
from acceptance.hygiene.builder import STRANGER
from acceptance.hygiene.checks import Check, no_file, no_line, no_trace
from acceptance.hygiene.faults import BootFile, Bytes, Fault, File, Folder

MAC = "52:54:00:12:34:56"  # QEMU's default
# The rest of the line in our 50-laurel-gce.cfg, which cloud-init reads only on GCE.
GCE = r': \{GCE: \{metadata_url: "http://169\.254\.169\.254/computeMetadata/v1/"\}\}$'


@dataclass(frozen=True)
class Item:
    """What must not be on the disk. For `fault` the check says a line with `message` in it."""

    name: str
    check: Check
    fault: Fault
    message: str


def file(name: str, fault: str, *patterns: str) -> Item:
    """Files that must not exist; `fault` is the path to plant, a folder if it ends with /."""
    planted = Folder(fault.rstrip("/")) if fault.endswith("/") else File(fault)
    return Item(name, no_file(*patterns), planted, fault)


def trace(name: str, fault: bytes, *patterns: bytes) -> Item:
    """Bytes that must not be in any file or free block."""
    return Item(name, no_trace(*patterns), Bytes(fault, at=100), f": {fault.decode()}")


ITEMS = (
    # Who built it
    Item(
        "an account of a person",
        checks.no_person,
        File("/etc/passwd", "planted:x:1000:1000::/:/bin/sh\n", append=True),
        "planted in /etc/passwd",
    ),
    file(
        "sudo without a password",
        "/etc/sudoers.d/90-cloud-init-users",
        "/etc/sudoers.d/90-cloud-init*",
    ),
    file("authorized keys", "/root/.ssh/authorized_keys", "/root/.ssh/*", "*/authorized_keys*"),
    Item(
        "a password",
        checks.no_password,
        File("/etc/shadow", "planted:$y$j9T$x:20000:0:99999:7:::\n", append=True),
        "planted has a password",
    ),
    file("backups of the accounts", "/etc/passwd-", "/etc/*-"),
    file("what root typed", "/root/.bash_history", "*/.*_history", "*/.lesshst", "*/.wget-hsts"),
    file("who logged in", "/var/lib/wtmpdb/wtmp.db", "/var/lib/wtmpdb/*", "/var/lib/lastlog/*"),
    file("whom sudo has lectured", "/var/lib/sudo/lectured/planted", "/var/lib/sudo/*"),
    trace("the build user's name", b"laurel-build", rb"laurel-build"),
    trace(
        "the name of the machine that baked",
        b"_HOSTNAME=bake",
        rb"_HOSTNAME=bake\b",
        rb"hostname: bake\b",
        rb"root@bake\b",
    ),
    trace("where the bake kept its files", b"/tmp/laurel/app/manage.py", rb"/tmp/laurel/[\w./-]+"),
    Item(
        "the name of the host",
        checks.no_host_name,
        Bytes(STRANGER.host.encode()),
        f": {STRANGER.host}",
    ),
    Item(
        "where the sources were",
        checks.no_path,
        Bytes(STRANGER.path.encode()),
        f": {STRANGER.path}",
    ),
    # How it reached the network
    Item(
        "a proxy's address",
        checks.no_proxy,
        Bytes(STRANGER.proxies[0].encode()),
        f": {STRANGER.proxies[0]}",
    ),
    Item(
        "a proxy in the configuration",
        no_line(
            r"(?i)^\s*(acquire::\S*proxy|(export )?\w+_proxy=)",
            "/etc/apt/apt.conf.d/*",
            "/etc/environment",
            "/etc/profile.d/*",
        ),
        File("/etc/apt/apt.conf.d/01proxy", 'Acquire::http::Proxy "http://planted";\n'),
        "/etc/apt/apt.conf.d/01proxy: Acquire",
    ),
    Item(
        "a certificate of the builder's",
        checks.no_certificate,
        Bytes(b"-----BEGIN CERTIFICATE-----\n" + min(STRANGER.certificates).encode()),
        "a certificate of the builder's",
    ),
    file(
        "a certificate in the system's store",
        "/usr/local/share/ca-certificates/planted.crt",
        "/usr/local/share/ca-certificates/*",
    ),
    file(
        "name servers of the host",
        "/etc/.resolv.conf.systemd-resolved.bak",
        "/etc/.resolv.conf*",
        "/etc/resolv.conf?*",
    ),
    # What each machine must generate itself
    Item(
        "a machine id",
        checks.machine_id_is_unset,
        File("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        "0123456789abcdef",
    ),
    file("D-Bus's id", "/var/lib/dbus/machine-id", "/var/lib/dbus/machine-id"),
    file("host keys", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_*"),
    Item(
        "a private key of SSH",
        checks.no_private_key,
        Bytes(b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA"),
        "a private key",
    ),
    trace(
        "a secret of Django's",
        b"another instance makes its own.\nSECRET_KEY=" + b"k" * 50,
        rb"another instance makes its own\.\nSECRET_KEY=[\w-]{50}",
    ),
    file(
        "a random seed",
        "/var/lib/systemd/random-seed",
        "/var/lib/*/random-seed",
        "/var/lib/systemd/credential.secret",
    ),
    Item(
        "the boot loader's random seed",
        no_file("/boot/efi/loader/random-seed"),
        BootFile("/loader/random-seed"),
        "/boot/efi/loader/random-seed",
    ),
    file("a host name", "/etc/hostname", "/etc/hostname"),
    file(
        "leases of DHCP",
        "/var/lib/dhcp/dhclient.eth0.leases",
        "/var/lib/dhc*/*",
        "/var/lib/systemd/network/*",
        "/var/lib/NetworkManager/*",
        "*/dhcpcd.duid",
    ),
    file(
        "networks of the machine that baked",
        "/etc/systemd/network/10-cloud-init-eth0.network",
        "/etc/netplan/50-cloud-init*",
        "/etc/systemd/network/*cloud-init*",
        "/etc/network/interfaces.d/50-cloud-init*",
    ),
    Item(
        "the address of a card",
        no_line(
            r"(?i)\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b",
            *("/etc/netplan/*", "/etc/systemd/network/*", "/etc/network/*", "/etc/udev/rules.d/*"),
        ),
        File("/etc/systemd/network/20-planted.network", f"[Match]\nMACAddress={MAC}\n"),
        MAC,
    ),
    file(
        "cards by udev's rules",
        "/etc/udev/rules.d/70-persistent-net.rules",
        "/etc/udev/rules.d/*persistent*",
    ),
    file("what cloud-init did", "/var/lib/cloud/instances/bake/sem/planted", "/var/lib/cloud/*"),
    Item(
        "where cloud-init must look",
        no_line(
            rf"^\s*(datasource\b(?!{GCE})|seedfrom\b|datasource_list: *\[ *\w+ *(, *None *)?\])",
            "/etc/cloud/cloud.cfg",
            "/etc/cloud/cloud.cfg.d/*.cfg",
        ),
        File("/etc/cloud/cloud.cfg.d/99-planted.cfg", "datasource:\n  NoCloud: {}\n"),
        "99-planted.cfg: datasource:",
    ),
    file(
        "the site's settings and data",
        "/var/lib/site/db.sqlite3",
        "/etc/laurel/site.env",
        "/etc/laurel/instance-id",
        "/var/lib/site/*",
        "/var/lib/redis/*",
    ),
    # What wastes space or reveals the bake
    file("logs", "/var/log/planted.log", "/var/log/*"),
    file("a journal", "/var/log/journal/0123456789abcdef0123456789abcdef/", "/var/log/journal/*/"),
    file("temporary files", "/var/tmp/planted", "/tmp/*", "/var/tmp/*"),  # noqa: S108 # of the image
    file(
        "the archive's lists",
        "/var/lib/apt/lists/planted_InRelease",
        "/var/lib/apt/lists/*",
        "/var/lib/apt/periodic/*",
    ),
    file(
        "the archive's packages",
        "/var/cache/apt/archives/planted.deb",
        "/var/cache/apt/*.deb",
        "/var/cache/apt/*.bin",
    ),
    file(
        "backups of the packages' lists",
        "/var/lib/dpkg/status-old",
        "/var/lib/dpkg/*-old",
        "/var/cache/debconf/*-old",
        "/var/backups/*",
    ),
    file("dpkg's haste", "/etc/dpkg/dpkg.cfg.d/laurel-planted", "/etc/dpkg/dpkg.cfg.d/laurel-*"),
    file(
        "caches of Python's packages",
        "/root/.cache/uv/planted",
        "/root/.cache/*",
        "/var/cache/laurel/*",
    ),
    Item(
        "a compiler",
        checks.no_compiler,
        File(
            "/var/lib/dpkg/status",
            "\nPackage: gcc-14\nStatus: install ok installed\n\n",
            append=True,
        ),
        "package gcc-14",
    ),
    file("headers", "/usr/include/planted.h", "/usr/include/*"),
    Item(
        "documentation",
        no_file("/usr/share/man/*", "/usr/share/info/*", "/usr/share/doc/*", but="*/copyright"),
        File("/usr/share/man/man1/planted.1.gz"),
        "/usr/share/man/man1/planted.1.gz",
    ),
    Item(
        "a second kernel",
        checks.no_other_kernel,
        File("/boot/vmlinuz-5.10.0-0-planted"),
        "/boot/vmlinuz-5.10.0-0-planted",
    ),
    file("when timers last ran", "/var/lib/systemd/timers/stamp-planted.timer", "*/stamp-*.timer"),
    file(
        "core dumps",
        "/var/lib/systemd/coredump/core.planted.zst",
        "/var/lib/systemd/coredump/*",
        "/var/crash/*",
        "/core*",
    ),
    file("a swap file", "/swapfile", "/swap*"),
    Item(
        "swap that is turned on",
        no_line(r"^[^#]*\sswap\s", "/etc/fstab"),
        File("/etc/fstab", "/dev/planted none swap sw 0 0\n", append=True),
        "/etc/fstab: /dev/planted",
    ),
    Item(
        "free space that is full",
        checks.free_space_is_empty,
        Bytes(b"planted"),
        "free places hold something",
    ),
)
