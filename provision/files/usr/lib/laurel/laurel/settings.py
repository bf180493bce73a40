"""The settings of this machine: as baked, as its operator says, as worked out."""

import ipaddress
import json
import os
import re
import secrets
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from laurel.errors import LaurelError

BUILD_ENV = Path("/etc/laurel/build.env")
PROJECT_ENV = Path("/etc/laurel/project.env")
SITE_ENV = Path("/etc/laurel/site.env")
CURRENT = Path("/srv/site/current")  # the release in service
INSTANCE_DATA = Path("/run/cloud-init/instance-data.json")

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Settings:
    """What the templates and the site's processes are given.

    `processes` is the number of Daphnes; `environment` is what each process of the
    site gets; `values` holds every other setting by its name; `problems` holds one
    line for each line of the files that could not be used.
    """

    processes: int
    environment: dict[str, str]
    values: dict[str, str]
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


def parse(path: Path, problems: list[str]) -> dict[str, str]:
    """The KEY=VALUE lines of `path`; a line that is none is added to `problems`.

    A value is what follows the first `=`, less one pair of quotes around all of it.
    """
    found: dict[str, str] = {}
    if not path.exists():
        return found
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.strip().partition("=")
        if not equals or not _KEY.fullmatch(key):
            problems.append(f"{path}, line {number}: not KEY=VALUE, left out")
            continue
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[key] = value
    return found


def load() -> Settings:
    """Read the files and work out the rest. Raises LaurelError if this machine has none."""
    problems: list[str] = []
    baked = parse(BUILD_ENV, problems)
    if not baked:
        raise LaurelError(f"no settings in {BUILD_ENV}: this machine was not provisioned")
    given = parse(SITE_ENV, problems)
    values = _usable({**baked, **{key: given[key] for key in baked if key in given}}, problems)
    hosts = _hosts(values.get("SITE_HOSTS", ""))
    environment = {
        "DJANGO_SETTINGS_MODULE": "laurel_production",
        "LAUREL_SETTINGS_MODULE": values.get("SETTINGS_MODULE", ""),
        "LAUREL_PROCFILE": f"{CURRENT}/app/{values.get('PROCFILE', '')}",
        "PYTHONPATH": "/usr/lib/laurel/production",
        "ALLOWED_HOSTS": ",".join(hosts),
        "TLS_IN_FRONT": values.get("TLS_IN_FRONT", "no"),
        "STATIC_ROOT": f"{CURRENT}/public{values.get('STATIC_URL', '/static/')}".rstrip("/"),
        "MEDIA_ROOT": "/var/lib/site/media",
        "STATE_DIR": "/var/lib/site",
        "REDIS_URL": "redis://127.0.0.1:6379",
        "HOME": "/var/lib/site",
        "LANG": "C.UTF-8",
        "PATH": f"{CURRENT}/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
        **({"DEBUG": "true"} if values.get("DEVELOPMENT") == "yes" else {}),
        **parse(PROJECT_ENV, problems),
        **{key: value for key, value in given.items() if key not in baked},
    }
    if "*" in environment["ALLOWED_HOSTS"].replace(",", " ").split():
        problems.append(
            "ALLOWED_HOSTS: `*` would let every Origin in, the machine's own names are used;"
            " put those of the site into SITE_HOSTS"
        )
        environment["ALLOWED_HOSTS"] = ",".join(hosts)
    return Settings(
        processes=_processes(values.get("PROCESSES", "auto"), problems),
        environment=environment,
        values=values,
        problems=problems,
    )


def new_secret_key() -> str:
    """A key for Django: 50 characters, as `startproject` makes, of about 300 bits."""
    return secrets.token_urlsafe(38)[:50]


def _usable(values: dict[str, str], problems: list[str]) -> dict[str, str]:
    """`values` without what nginx would refuse to start with; each is told in `problems`."""
    usable = dict(values)
    for name, accept in (("SITE_HOSTS", _host_name), ("TRUSTED_PROXIES", _network)):
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
    ):
        if name in values and not re.fullmatch(form, values[name]):
            problems.append(f"{name}={values[name]} is not of the form {form}; {default} is used")
            usable[name] = default
    return usable


def _host_name(word: str) -> str:
    if not re.fullmatch(r"\.?[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]", word):
        raise ValueError("not the name or address of a host (`*` would let every Origin in)")
    return word


def _network(word: str) -> str:
    return str(ipaddress.ip_network(word, strict=False))


def _processes(wanted: str, problems: list[str]) -> int:
    if wanted == "auto":
        return len(os.sched_getaffinity(0))
    if wanted.isdecimal() and 1 <= int(wanted) <= 1024:
        return int(wanted)
    problems.append(f"PROCESSES={wanted}: not `auto` or a number from 1 to 1024; `auto` is used")
    return len(os.sched_getaffinity(0))


def _hosts(site_hosts: str) -> list[str]:
    """Every name and address this machine is reached by; never `*`."""
    found = [
        *site_hosts.replace(",", " ").split(),
        "localhost",
        "127.0.0.1",
        "[::1]",
        socket.gethostname(),
        *_addresses(),
        *_cloud_names(),
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


def _cloud_names() -> list[str]:
    """The public names and addresses that a cloud's metadata gives, where there is one."""
    try:
        data = json.loads(INSTANCE_DATA.read_text())
    except (OSError, ValueError):
        return []
    source = data.get("ds") or {}
    # cloud-init passes on what EC2 says under EC2's own name, and most others' under its own.
    metadata = source.get("meta-data") or source.get("meta_data") or {}
    keys = ("public-ipv4", "public_ipv4", "public-hostname", "public_hostname", "local-hostname")
    return [value for key in keys if isinstance(value := metadata.get(key), str) and value]
