"""The settings that are given: on the command line, in settings.env, or in laurel.env."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from laurel import env_file, schema
from laurel.env_file import EnvFile
from laurel.schema import BAKED, SETTINGS

LAUREL_ENV = "laurel.env"


class GivenError(Exception):
    """Every given setting that cannot be used: one line each, with its place."""


@dataclass(frozen=True)
class Given:
    """`values` and `places` of the settings by name; `exports` are variables for the project."""

    values: dict[str, str]
    places: dict[str, str]
    exports: dict[str, str]


def read(root: Path, environ: Mapping[str, str], settings_env: Path | None = None) -> Given:
    """The settings for the project at `root`, each from the first place that has it.

    The places are `environ`, then the file `settings_env` (the settings of one run), then
    laurel.env at `root`. Raises GivenError.
    """
    project = _file(root / LAUREL_ENV)
    run = _file(settings_env) if settings_env else EnvFile()
    problems = [*run.problems, *project.problems]
    values: dict[str, str] = {}
    places: dict[str, str] = {}
    for file in (project, run):
        problems += _unknown(file)
        values |= {name: value for name, value in file.values.items() if value and name in BAKED}
        places |= {name: file.places[name] for name in file.values}
    on_command_line = {name: environ[name] for name in BAKED if environ.get(name)}
    values |= on_command_line
    places |= dict.fromkeys(on_command_line, "the command line")
    problems += [
        f"{places[name]}: {SETTINGS[name].shown(part)}: {reason}"
        for name, value in values.items()
        for part, reason in SETTINGS[name].problems(value)
    ]
    problems += _unusable_exports(project)
    if problems:
        raise GivenError("\n".join(problems))
    return Given(values, places, project.exported)


def _file(path: Path) -> EnvFile:
    return env_file.parse(path.read_bytes() if path.is_file() else b"", path.name)


def _unknown(file: EnvFile) -> Iterator[str]:
    """A line for each key that is not a setting of the bake."""
    for name in file.values:
        if name in BAKED:
            continue
        setting = SETTINGS.get(name)
        near = difflib.get_close_matches(name, BAKED, n=1, cutoff=0.8)
        if setting and setting.group == "host":
            hint = "give it on the command line"
        elif near:
            hint = f"{near[0]}?"
        else:
            hint = f"if the project reads it, write `export {name}=...`"
        yield f"{file.places[name]}: {name} is not a setting of the project ({hint})"


def _unusable_exports(project: EnvFile) -> Iterator[str]:
    for name, value in project.exported.items():
        place = project.places[name]
        if reason := schema.reserved(name):
            yield f"{place}: `export {name}` cannot be used: {reason}"
        elif name in SETTINGS and SETTINGS[name].group == "machine" and value:
            setting = SETTINGS[name]
            for part, reason in setting.problems(value):
                yield f"{place}: {setting.shown(part)}: {reason}"
