"""Checks of values, under the names that settings.toml uses.

Each function takes a value that is not empty. It raises ValueError, with the reason, if nginx,
Django or the shell would not accept the value.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from laurel import servers

HIGHEST_PORT = 65535
MOST_PROCESSES = 1024  # as many as nginx's upstream has shared memory for: see site.conf
MOST_CONNECTIONS = 65535  # nginx's limit_conn takes no larger number
LONGEST_NAME = 253  # characters of a host name: RFC 1035, 2.3.4
LONGEST_VALUE = 1000  # characters; nginx takes 4095, and a regular expression may double them
# Bits of the widest network of proxies, such as 10.0.0.0/8; a provider has a /20 of IPv6 or less.
WIDEST_IPV4, WIDEST_IPV6 = 8, 16
LARGEST_OFFSET = 2**63 - 1  # bytes; nginx's off_t
SMALLEST_MESSAGE, LARGEST_MESSAGE = 1 << 10, 1 << 30  # bytes
LEAST_MEMORY = 64  # MiB: an idle process has about 60
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
# redis+sentinel://[:PASSWORD@]HOST[:PORT][,HOST[:PORT] ...]/SERVICE[/NUMBER]
_SENTINELS = re.compile(
    r"redis\+sentinel://(:[^@/]*@)?[\w.-]+(:\d+)?(,[\w.-]+(:\d+)?)*/[\w.-]+(/\d+)?"
)
_REDIS_FORM = (
    "not of the form redis://[:PASSWORD@]HOST[:PORT][/NUMBER] or"
    " redis+sentinel://[:PASSWORD@]HOST[:PORT],.../SERVICE[/NUMBER]"
)


def text(_value: str) -> None:
    """Any text."""


def system(value: str) -> None:
    """The name of a file of packer/os/, which the bake looks up."""
    _match(r"[a-z]+-[\d.]+", value, "not the name of a system, such as debian-13")


def file(value: str) -> None:
    """A path below the project's root that supervisor and systemd take without quotes."""
    if not re.fullmatch(r"(?!/)[\w.@+~ /-]+", value):
        raise ValueError("not a path below the project's root (letters, digits, blanks, .@+~-)")
    if ".." in value.split("/"):
        raise ValueError("it leads out of the project's root")


def application(value: str) -> None:
    """MODULE:ATTRIBUTE, or a module whose attribute is `application`."""
    _match(r"[\w.]+(:[\w.]+)?", value, "not module:attribute, such as mysite.asgi:application")


def package(value: str) -> None:
    """A package of the system's archive (Debian Policy 5.6.7), as apt-get takes it."""
    _match(r"[a-z0-9][a-z0-9+.-]+([:=/][\w.+:~-]+)*", value, "not the name of a package")


def processes(value: str) -> None:
    """`auto` or a number."""
    if value != "auto" and not (_is_number(value) and 1 <= int(value) <= MOST_PROCESSES):
        raise ValueError(f"not `auto` or a number from 1 to {MOST_PROCESSES}")


def port(value: str) -> None:
    """A TCP port, without leading zeros."""
    if not (_is_number(value) and 1 <= int(value) <= HIGHEST_PORT) or value.startswith("0"):
        raise ValueError(f"not a number from 1 to {HIGHEST_PORT}")


def address(value: str) -> None:
    """An IPv4 address to listen on."""
    ipaddress.IPv4Address(value)


def size(value: str) -> None:
    """Bytes as nginx writes them: 10m."""
    _match(r"\d+[kKmMgG]?", value, "not a size, such as 10m")
    if bytes_of(value) > LARGEST_OFFSET:
        raise ValueError("larger than nginx can count")


def message_size(value: str) -> None:
    """Bytes of a websocket message, at least 1k."""
    size(value)
    if not SMALLEST_MESSAGE <= bytes_of(value) <= LARGEST_MESSAGE:
        raise ValueError("not a size from 1k to 1g")


def bytes_of(value: str) -> int:
    """The number of bytes of a valid size."""
    digits = value.rstrip("kKmMgG")
    return int(digits) * _UNITS[value[len(digits) :].lower()]


def client_limit(value: str) -> None:
    """How many of something one client may have; 0: no limit."""
    if not (_is_number(value) and int(value) <= MOST_CONNECTIONS) or value[0] == "0" != value:
        raise ValueError(f"not a number from 0 to {MOST_CONNECTIONS}")


def process_memory(value: str) -> None:
    """`auto`, or MiB."""
    if value != "auto" and not (_is_number(value) and int(value) >= LEAST_MEMORY):
        raise ValueError(f"not `auto` or a number of MiB, at least {LEAST_MEMORY}")


def host(value: str) -> None:
    """A host name, `.example.org` for all below one, or an address; never `*`."""
    if re.fullmatch(r"\[[^\]]+\]", value):
        if "%" in value:
            raise ValueError("an address with a zone (%) is not a host")
        ipaddress.IPv6Address(value[1:-1])
        return
    _match(
        r"\.?[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)*",
        value,
        "not the name or address of a host (`*` would let every Origin in)",
    )
    if len(value) > LONGEST_NAME:
        raise ValueError(f"longer than {LONGEST_NAME} characters")


def network(value: str) -> None:
    """An address or network, as nginx's `geo` and `set_real_ip_from` take it."""
    if "%" in value:
        raise ValueError("nginx takes no address with a zone (%)")
    read = ipaddress.ip_network(value, strict=False)
    mapped = read.version == 6 and read.network_address.ipv4_mapped
    widest = WIDEST_IPV4 if read.version == 4 else 96 + WIDEST_IPV4 if mapped else WIDEST_IPV6
    if read.prefixlen < widest:
        raise ValueError("it covers too many addresses: any client there could forge its own")
    if "." in value.partition("/")[2]:
        raise ValueError(f"nginx takes no netmask: write {read}")
    if str(read) == "255.255.255.255/32":
        raise ValueError("no proxy has the broadcast address, and nginx refuses it")
    if re.match("([^:]+:){7}:", value):
        raise ValueError(f"nginx does not read `::` for a single group: write {read}")


def origin(value: str) -> None:
    """An origin of Django's CSRF_TRUSTED_ORIGINS."""
    _match(
        r"https?://(\*\.)?[\w.-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:\d{1,5})?",
        value,
        "not an origin, such as https://www.example.com",
    )


def url_path(value: str) -> None:
    """The path of a request."""
    _match(r"/[!-~]*", value, "not a path that begins with a slash, in ASCII without blanks")


def url_prefix(value: str) -> None:
    """A `location` of nginx, other than `/`, which is the project's."""
    _match(r"(/[\w.~-]+)+/", value, "not a path below `/`, such as /static/")
    if {".", ".."} & set(value.split("/")):
        raise ValueError("nginx resolves `.` and `..` before it compares paths")


def path_prefix(value: str) -> None:
    """The beginning of a request's path, decoded as in nginx's $uri."""
    _match(r"/[\w./~+@-]*", value, "not a path that begins with a slash and has no %")


def asgi_server(value: str) -> None:
    """A server of websockets."""
    _one_of(value, servers.names("asgi"))


def http_server(value: str) -> None:
    """A server of pages."""
    _one_of(value, ["same", *servers.names("wsgi")])


def log_level(value: str) -> None:
    """A level of Python's logging, in upper or lower case."""
    _one_of(value.upper(), LOG_LEVELS)


def redis_url(value: str) -> None:
    """A URL that channels_redis takes, or Laurel's own for Sentinels."""
    if value.startswith("redis+sentinel:"):
        if not _SENTINELS.fullmatch(value):
            raise ValueError(_REDIS_FORM)
    elif not _has_host(value, ("redis", "rediss")) and not _is_socket(value):
        raise ValueError(_REDIS_FORM)


def database_url(value: str) -> None:
    """A URL that dj-database-url takes."""
    if not value.startswith(("sqlite:", "spatialite:")) and not _has_host(value, ()):
        raise ValueError(
            "not of the form postgres://USER:PASSWORD@HOST[:PORT]/NAME;"
            " the site does not start with it"
        )


def _match(pattern: str, value: str, reason: str) -> None:
    if len(value) > LONGEST_VALUE:
        raise ValueError(f"longer than {LONGEST_VALUE} characters")
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ValueError(reason)


def _one_of(value: str, choices: list[str] | tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"not one of {', '.join(choices)}")


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdecimal()


def _has_host(value: str, schemes: tuple[str, ...]) -> bool:
    """Whether `value` is a URL with a host and one of `schemes`; no schemes mean any scheme."""
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 # raises ValueError for what is not a number
    except ValueError:
        return False
    return bool(parts.hostname) and (not schemes or parts.scheme in schemes)


def _is_socket(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme == "unix" and parts.path.startswith("/")
