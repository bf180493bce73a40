"""The settings of this machine: as baked, as its operator says, as worked out."""

import difflib
import ipaddress
import json
import os
import re
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from laurel import choices, cloud, env_file
from laurel.env_file import EnvFile
from laurel.errors import LaurelError
from laurel.paths import CURRENT

BUILD_ENV = Path("/etc/laurel/build.env")
PROJECT_ENV = Path("/etc/laurel/project.env")
SITE_ENV = Path("/etc/laurel/site.env")
MEMORY = Path("/proc/meminfo")
# redis+sentinel://[:PASSWORD@]HOST[:PORT][,HOST[:PORT] ...]/SERVICE[/NUMBER]
_SENTINELS = re.compile(
    r"redis\+sentinel://(:[^@/]*@)?[\w.-]+(:\d+)?(,[\w.-]+(:\d+)?)*/[\w.-]+(/\d+)?"
)

# What site.env may say besides the settings of the bake: production/laurel_production.py reads
# these, and so may the project.
FOR_THE_SITE = (
    *("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS"),
    "LOG_LEVEL",
)
# The first administrator: Django's own names for what `createsuperuser --noinput` is given.
ADMINISTRATOR = "DJANGO_SUPERUSER_"
LOCAL_REDIS = "redis://127.0.0.1:6379"
HIGHEST_PORT = 65535

# MiB, of `free` and smaps_rollup on Debian 13 with a small project: 257 are the system's, 60 belong
# to each process that nobody visits; as much again is for its visitors.
SYSTEM_MEMORY = 256
PROCESS_MEMORY = 128


@dataclass(frozen=True)
class Settings:
    """What the templates and the site's processes are given.

    `processes` is the number of processes of each server; `environment` is what each process of the
    site gets; `values` holds every other setting by its name; `administrator` is what
    makes the first one, as `createsuperuser` takes it; `problems` holds one line for
    each thing in the files that could not be used.
    """

    processes: int
    environment: dict[str, str]
    values: dict[str, str]
    administrator: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def get(self, name: str) -> str:
        """The setting `name`. Raises LaurelError if the machine has none of that name."""
        try:
            return self.values[name]
        except KeyError:
            raise LaurelError(f"{BUILD_ENV} has no {name}: provision this machine again") from None

    def words(self, name: str) -> list[str]:
        """The parts of the setting `name`, which are separated by commas or spaces."""
        return self.get(name).replace(",", " ").split()


def load() -> Settings:
    """Read the files and work out the rest. Raises LaurelError if this machine has none."""
    baked, project, site = (env_file.read(path) for path in (BUILD_ENV, PROJECT_ENV, SITE_ENV))
    if not baked.values:
        raise LaurelError(f"no settings in {BUILD_ENV}: this machine was not provisioned")
    problems = [*baked.problems, *project.problems, *site.problems, *_unknown(site, baked)]
    given = {key: site.values[key] for key in baked.values if key in site.values}
    values = _usable({**baked.values, **given}, problems)
    choices.settle(values, baked.values, problems)
    others = {key: value for key, value in site.values.items() if key not in baked.values}
    administrator = {key: others.pop(key) for key in list(others) if key.startswith(ADMINISTRATOR)}
    if administrator and not administrator.get(f"{ADMINISTRATOR}PASSWORD"):
        problems.append(f"{ADMINISTRATOR}PASSWORD is missing: the first administrator was not made")
        administrator = {}
    hosts = _hosts(f"{values.get('SITE_HOSTS', '')},{values.get('ASGI_HOSTS', '')}")
    environment = {
        "DJANGO_SETTINGS_MODULE": "laurel_production",
        "LAUREL_SETTINGS_MODULE": values.get("SETTINGS_MODULE", ""),
        "LAUREL_ASGI_APPLICATION": values.get("ASGI_APPLICATION", ""),
        "LAUREL_WSGI_APPLICATION": values.get("WSGI_APPLICATION", ""),
        "LAUREL_CHANNEL_LAYER": values.get("CHANNEL_LAYER", "project"),
        "LAUREL_PROCFILE": f"{CURRENT}/app/{values.get('PROCFILE', '')}",
        "PYTHONPATH": "/usr/lib/laurel/production",
        "ALLOWED_HOSTS": ",".join(hosts),
        "TLS_IN_FRONT": values.get("TLS_IN_FRONT", "no"),
        "STATIC_ROOT": f"{CURRENT}/public{values.get('STATIC_URL', '/static/')}".rstrip("/"),
        "MEDIA_ROOT": "/var/lib/site/media",
        "STATE_DIR": "/var/lib/site",
        "REDIS_URL": LOCAL_REDIS,
        "HOME": "/var/lib/site",
        "LANG": "C.UTF-8",
        "PATH": f"{CURRENT}/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
        **({"DEBUG": "true"} if values.get("DEVELOPMENT") == "yes" else {}),
        **project.values,
        **others,
        **site.exported,
    }
    if "*" in environment["ALLOWED_HOSTS"].replace(",", " ").split():
        problems.append(
            "ALLOWED_HOSTS: `*` would let every Origin in, the machine's own names are used;"
            " put those of the site into SITE_HOSTS"
        )
        environment["ALLOWED_HOSTS"] = ",".join(hosts)
    _check_urls(environment, problems)
    return Settings(
        processes=_processes(values, problems),
        environment=environment,
        values=values,
        administrator=administrator,
        problems=problems,
    )


def _unknown(site: EnvFile, baked: EnvFile) -> list[str]:
    """A line for each key of site.env that Laurel does not know; the project gets it still."""
    known = [*baked.values, *FOR_THE_SITE]
    told = []
    for key in site.values:
        if key in known or key.startswith(ADMINISTRATOR):
            continue
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
        told.append(
            f"{site.places[key]}: {key} is no setting of Laurel's"
            + (f" ({near[0]}?)" if near else "")
            + f"; if the project reads it, write `export {key}=...`"
        )
    return told


def _check_urls(environment: dict[str, str], problems: list[str]) -> None:
    """Tell of a URL that can't be one. The site then runs on its own Redis; a database of its own
    would take what belongs elsewhere, so that stays, and the site does not start."""
    if not _is_url(environment["REDIS_URL"], ("redis", "rediss", "unix", "redis+sentinel")):
        problems.append(
            "REDIS_URL is not of the form redis://[:PASSWORD@]HOST[:PORT][/NUMBER], nor"
            " redis+sentinel://[:PASSWORD@]HOST[:PORT],.../SERVICE[/NUMBER];"
            " this machine's own Redis is used"
        )
        environment["REDIS_URL"] = LOCAL_REDIS
    database = environment.get("DATABASE_URL", "")
    if database and not _is_url(database, ()):
        problems.append(
            "DATABASE_URL is not of the form postgres://USER:PASSWORD@HOST[:PORT]/NAME;"
            " the site does not start with it"
        )


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    """Whether `text` names a host by one of `schemes`, or by any if there are none, or a file."""
    if text.startswith(("unix:", "sqlite:", "spatialite:")):
        return True
    if text.startswith("redis+sentinel:"):
        return "redis+sentinel" in schemes and bool(_SENTINELS.fullmatch(text))
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 # raises for what is no number
    except ValueError:
        return False
    return bool(parts.hostname) and (not schemes or parts.scheme in schemes)


def _usable(values: dict[str, str], problems: list[str]) -> dict[str, str]:
    """`values` without what nginx would refuse to start with; each is told in `problems`."""
    usable = dict(values)
    for name, accept in (
        ("SITE_HOSTS", _host_name),
        ("TRUSTED_PROXIES", _network),
        ("ASGI_PATHS", _path),
        ("ASGI_HOSTS", _host_name),
    ):
        words = []
        for word in values.get(name, "").replace(",", " ").split():
            try:
                words.append(accept(word))
            except ValueError as error:
                problems.append(f"{name}: {word} is left out: {error}")
        usable[name] = ",".join(dict.fromkeys(words))
    for name, form, default in (
        ("MAX_BODY", r"\d+[kKmMgG]?", "10m"),
        ("DRAIN_SECONDS", r"\d{1,4}", "10"),
        ("HEALTH_PATH", r"/[!-~]*", "/"),
        ("DEVELOPMENT", r"yes|no", "no"),
        ("TLS_IN_FRONT", r"yes|no", "no"),
        ("STATIC_URL", r"(/[\w.~-]+)*/", "/static/"),
        ("MEDIA_URL", r"((/[\w.~-]+)+/)?", ""),
        ("CHANNEL_LAYER", r"project|pubsub|core|memory", "project"),
    ):
        if name in values and not re.fullmatch(form, values[name]):
            problems.append(f"{name}={values[name]} is not of the form {form}; {default} is used")
            usable[name] = default
    for name, accept, default in (
        ("BIND_ADDRESS", _address, "127.0.0.1"),
        ("BIND_PORT", _port, "8000"),
    ):
        try:
            accept(values.get(name, default))
        except ValueError as error:
            problems.append(f"{name}={values[name]}: {error}; {default} is used")
            usable[name] = default
    return usable


def _host_name(word: str) -> str:
    if not re.fullmatch(r"\.?[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]", word):
        raise ValueError("not the name or address of a host (`*` would let every Origin in)")
    return word


def _path(word: str) -> str:
    if not re.fullmatch(r"/[\w./~+@-]*", word):
        raise ValueError("not a path, which begins with a slash, and has no %")
    return word


def _network(word: str) -> str:
    return str(ipaddress.ip_network(word, strict=False))


def _address(word: str) -> str:
    return str(ipaddress.IPv4Address(word))


def _port(word: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", word) or int(word) > HIGHEST_PORT:
        raise ValueError(f"not a number from 1 to {HIGHEST_PORT}")
    return word


def _processes(values: dict[str, str], problems: list[str]) -> int:
    wanted = values.get("PROCESSES", "auto")
    if values.get("CHANNEL_LAYER") == "memory" and wanted != "1":
        problems.append(
            f"CHANNEL_LAYER=memory loses messages between processes, and PROCESSES={wanted}: one"
            " process is used; set PROCESSES=1, or another layer"
        )
        return 1
    if wanted.isdecimal() and 1 <= int(wanted) <= 1024:
        return int(wanted)
    if wanted != "auto":
        problems.append(
            f"PROCESSES={wanted}: not `auto` or a number from 1 to 1024; `auto` is used"
        )
    # With a server of its own for plain HTTP, each is two.
    each = PROCESS_MEMORY * (1 if values.get("HTTP_SERVER", "same") == "same" else 2)
    return max(1, min(len(os.sched_getaffinity(0)), _processes_that_fit(each)))


def _processes_that_fit(each: int) -> int:
    """How many processes of `each` MiB the machine's memory has room for, beside the system."""
    total = re.search(r"^MemTotal: +(\d+) kB", MEMORY.read_text(), re.MULTILINE)
    if not total:
        raise LaurelError(f"{MEMORY} does not say how much memory there is (MemTotal)")
    return (int(total[1]) // 1024 - SYSTEM_MEMORY) // each


def _hosts(site_hosts: str) -> list[str]:
    """Every name and address this machine is reached by; never `*`."""
    found = [
        *site_hosts.replace(",", " ").split(),
        "localhost",
        "127.0.0.1",
        "[::1]",
        socket.gethostname(),
        *_addresses(),
        *cloud.names(),
    ]
    return list(dict.fromkeys(found))


def _addresses() -> list[str]:
    shown = subprocess.run(
        ["ip", "-json", "address"], capture_output=True, text=True, check=True
    ).stdout
    return [
        f"[{address['local']}]" if address["family"] == "inet6" else address["local"]
        for link in json.loads(shown)
        for address in link.get("addr_info", [])
        if address.get("scope") == "global"
    ]
