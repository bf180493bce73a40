"""The settings of this machine: the baked ones, those of site.env, and what follows from them."""

import difflib
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from laurel import capacity, choices, cloud, env_file, forms, schema
from laurel.env_file import EnvFile
from laurel.errors import LaurelError
from laurel.paths import CURRENT
from laurel.schema import ADMINISTRATOR, BAKED, SETTINGS, Setting

BUILD_ENV = Path("/etc/laurel/build.env")
PROJECT_ENV = Path("/etc/laurel/project.env")
SITE_ENV = Path("/etc/laurel/site.env")
# The project's value of one of these comes after Laurel's own.
PATH_LISTS = ("PATH", "PYTHONPATH")


@dataclass(frozen=True)
class Settings:
    """What the templates and the site's processes get.

    `processes` is the number of processes of each server; `environment` is the environment of each
    process of the site; `values` holds every baked setting by its name; `administrator` is what
    `createsuperuser` reads to make the first administrator; `problems` holds one line for each
    thing in the files that cannot be used.
    """

    processes: int
    environment: dict[str, str]
    values: dict[str, str]
    administrator: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def get(self, name: str) -> str:
        """The setting `name`."""
        return self.values[name]

    def words(self, name: str) -> list[str]:
        """The parts of the setting `name`, a list."""
        return schema.words(self.get(name))


def load() -> Settings:
    """Read the files and compute the rest. Raises LaurelError if there are no baked settings."""
    baked, project, site = (env_file.read(path) for path in (BUILD_ENV, PROJECT_ENV, SITE_ENV))
    if not baked.values:
        raise LaurelError(f"no settings in {BUILD_ENV}: this machine was not provisioned")
    problems = [*baked.problems, *project.problems, *site.problems, *_unknown(site)]
    values = _values(baked, site, problems)
    administrator = {key: one for key, one in site.values.items() if key.startswith(ADMINISTRATOR)}
    if administrator and not administrator.get(f"{ADMINISTRATOR}PASSWORD"):
        problems.append(f"{ADMINISTRATOR}PASSWORD is missing: the first administrator was not made")
        administrator = {}
    others = {
        key: value
        for key, value in site.values.items()
        if key not in BAKED and key not in administrator and not key.startswith(ADMINISTRATOR)
    }
    hosts = _hosts([*schema.words(values["SITE_HOSTS"]), *schema.words(values["ASGI_HOSTS"])])
    environment = own_environment(values, hosts)
    for given, places in (
        (project.values, project.places),
        (others, site.places),
        (site.exported, site.places),
    ):
        for name, value in _usable_variables(given, places, problems).items():
            own = environment.get(name) if name in PATH_LISTS else None
            environment[name] = f"{own}:{value}" if own else value
    if environment["ALLOWED_HOSTS"] != ",".join(hosts):
        environment["LAUREL_OWN_ADDRESSES"] = "no"  # the operator has named all of them
    return Settings(
        processes=capacity.processes(values),
        environment=environment,
        values=values,
        administrator=administrator,
        problems=problems,
    )


def own_environment(values: Mapping[str, str], hosts: list[str]) -> dict[str, str]:
    """What every process of the site gets unless the operator or the project says otherwise."""
    path = ["/usr/lib/laurel/production"]
    if values["IMPORT_ROOT"]:
        path.append(f"{CURRENT}/app/{values['IMPORT_ROOT']}")
    return {
        "DJANGO_SETTINGS_MODULE": "laurel_production",
        "LAUREL_SETTINGS_MODULE": values["SETTINGS_MODULE"],
        "LAUREL_ASGI_APPLICATION": values["ASGI_APPLICATION"],
        "LAUREL_WSGI_APPLICATION": values["WSGI_APPLICATION"],
        "LAUREL_CHANNEL_LAYER": values["CHANNEL_LAYER"],
        "LAUREL_PROCFILE": f"{CURRENT}/app/{values['PROCFILE']}",
        "PYTHONPATH": ":".join(path),
        "ALLOWED_HOSTS": ",".join(hosts),
        "LAUREL_OWN_ADDRESSES": "yes",
        "TLS_IN_FRONT": "yes" if choices.tls_in_front(values) else "no",
        "LAUREL_WEBSOCKET_MESSAGE": str(forms.bytes_of(values["WEBSOCKET_MESSAGE"])),
        "STATIC_ROOT": f"{CURRENT}/public{values['STATIC_URL']}".rstrip("/"),
        "MEDIA_ROOT": "/var/lib/site/media",
        "STATE_DIR": "/var/lib/site",
        "REDIS_URL": SETTINGS["REDIS_URL"].default,
        "HOME": "/var/lib/site",
        "LANG": "C.UTF-8",
        "PATH": f"{CURRENT}/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
        **({"DEBUG": "true"} if values["DEVELOPMENT"] == "yes" else {}),
    }


def _unknown(site: EnvFile) -> list[str]:
    """A line for each key of site.env that Laurel does not know; the project still gets it."""
    known = [name for name, setting in SETTINGS.items() if setting.group != "host"]
    lines = []
    for key in site.values:
        if key in known or key.startswith(ADMINISTRATOR):
            continue
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
        lines.append(
            f"{site.places[key]}: {key} is not a setting of Laurel"
            + (f" ({near[0]}?)" if near else "")
            + f"; if the project reads it, write `export {key}=...`"
        )
    return lines


def _values(baked: EnvFile, site: EnvFile, problems: list[str]) -> dict[str, str]:
    """Every baked setting: site.env's value if it can be used, or else the baked one."""
    sound = {
        name: _usable(
            SETTINGS[name], baked.values.get(name, ""), SETTINGS[name].default, baked, problems
        )
        if name in baked.values
        else SETTINGS[name].default
        for name in BAKED
    }
    values = dict(sound)
    for name in site.values:
        if name in BAKED:
            values[name] = _chosen(SETTINGS[name], site, sound[name], problems)
    for conflict in list(choices.conflicts(values)):
        setting, value = SETTINGS[conflict.name], values[conflict.name]
        values[conflict.name] = conflict.instead
        problems.append(_replaced(setting, value, conflict.reason, conflict.instead, site))
    problems.extend(choices.warnings(values))
    return values


def _chosen(setting: Setting, site: EnvFile, baked: str, problems: list[str]) -> str:
    """The value that this machine uses for `setting`, which site.env names."""
    value = site.values[setting.name]
    if value == baked:
        return value
    if setting.scope == "bake":
        reason = "it is fixed when a machine is provisioned"
    else:
        usable = _usable(setting, value, baked, site, problems)
        reason = choices.not_installed(setting.name, usable) if usable != baked else ""
        if not reason:
            return usable
    problems.append(_replaced(setting, value, reason, baked, site))
    return baked


def _usable(
    setting: Setting, value: str, otherwise: str, source: EnvFile, problems: list[str]
) -> str:
    """The usable parts of `value`; `otherwise` if there are none. The other parts are reported."""
    found = setting.problems(value)
    if not found:
        return ",".join(dict.fromkeys(schema.words(value))) if setting.many else value
    bad = [part for part, _ in found]
    kept = [word for word in schema.words(value) if word not in bad] if setting.many else []
    used = ",".join(dict.fromkeys(kept)) if kept else otherwise
    problems.extend(_replaced(setting, part, reason, used, source) for part, reason in found)
    return used


def _replaced(setting: Setting, value: str, reason: str, used: str, source: EnvFile) -> str:
    place = source.places.get(setting.name)
    instead = (
        "the setting is ignored"
        if not used
        else "another value is used"
        if setting.secret
        else f"{used} is used"
    )
    return (f"{place}: " if place else "") + f"{setting.shown(value)}: {reason}; {instead}"


def _usable_variables(
    given: Mapping[str, str], places: Mapping[str, str], problems: list[str]
) -> dict[str, str]:
    """The variables of `given` with which a process can start; the others are reported."""
    usable = {}
    for name, value in given.items():
        place = f"{places[name]}: "
        if reason := schema.reserved(name):
            problems.append(f"{place}{name} is ignored: {reason}")
            continue
        setting = SETTINGS.get(name)
        if setting is None or setting.group != "machine" or not value:
            usable[name] = value
            continue
        found = setting.problems(value)
        problems.extend(f"{place}{setting.shown(part)}: {reason}" for part, reason in found)
        if setting.many:
            bad = [part for part, _ in found]
            value = ",".join(word for word in schema.words(value) if word not in bad)
        # An invalid DATABASE_URL stays, so that no process starts: without it, the site would write
        # its data into SQLite.
        if (value if setting.many else not found) or name == "DATABASE_URL":
            usable[name] = value
    return usable


def _hosts(named: list[str]) -> list[str]:
    """The names that this machine answers to; never `*`.

    laurel_production adds the addresses that the machine has at the time of a request.
    """
    found = [
        *named,
        "localhost",
        "127.0.0.1",
        "[::1]",
        socket.gethostname(),
        *cloud.names(),
    ]
    return list(dict.fromkeys(found))
