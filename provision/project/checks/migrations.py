"""Installed apps whose tables no migration creates."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from project.findings.project import Project
from project.source.modules import Modules, calls
from project.source.names import Term, elements, literal
from project.source.tree import Tree

_BASES = ("models.Model", "AbstractUser", "AbstractBaseUser")
# Migrations create no table for a model whose Meta says so.
_WITHOUT_TABLE = re.compile(
    r"^class Meta\b.*\b(abstract = True|proxy = True|managed = False)", re.DOTALL
)


def problems(project: Project) -> Iterator[str]:
    """Installed apps with models and without migrations."""
    installed = _installed_apps(project)
    for app in Tree(project.modules.folder).folders():
        label = ".".join(app.relative_to(project.modules.folder).parts)
        name = label.rpartition(".")[2]
        if not label or (installed is not None and label not in installed):
            continue
        if any(path.name != "__init__.py" for path in (app / "migrations").glob("*.py")):
            continue
        models = _models(project.modules, label)
        if models and not _are_elsewhere(project, name):
            yield (
                f"{project.tree.relative(models)} has models and no migrations: run"
                f" `python manage.py makemigrations {name}` and commit"
                f" {project.tree.relative(app)}/migrations/"
            )


def _installed_apps(project: Project) -> set[str] | None:
    """The packages of the apps that are installed under every condition; None if not known."""
    name = "INSTALLED_APPS"
    term = Term(project.settings_module, ast.Name(name))
    found = [one.node for one in elements(project.modules, term) if one.certain]
    if not all(isinstance(node, ast.Constant) for node in found):
        return None
    removed = {
        literal(call.args[0])
        for file in project.settings_files()
        for call in calls(project.modules.parse(file), "remove")
        if ast.unparse(call.func) == f"{name}.remove"
    }
    entries = {str(literal(node)) for node in found} - removed
    return entries | {_package(project.modules, entry) for entry in entries}


def _package(modules: Modules, config: str) -> str:
    """The package of the AppConfig `config`; empty if that does not name a class."""
    module, _, name = config.rpartition(".")
    file = modules.file(module) if name[:1].isupper() else None
    if file is None:
        return ""
    return module if file.name == "__init__.py" else module.rpartition(".")[0]


def _are_elsewhere(project: Project, app: str) -> bool:
    """Whether MIGRATION_MODULES has the app, or may have it."""
    for value in project.candidates("MIGRATION_MODULES"):
        keys = value.node.keys if isinstance(value.node, ast.Dict) else [None]
        if any(not isinstance(key, ast.Constant) or key.value == app for key in keys):
            return True
    return False


def _models(modules: Modules, app: str) -> Path | None:
    """The first file with a model that needs a table: models.py, or one of models/."""
    for module in modules.reached(f"{app}.models"):
        file = modules.file(module)
        if file and f"{module}.".startswith(f"{app}.models.") and _has_models(modules.parse(file)):
            return file
    return None


def _has_models(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).endswith(_BASES) for base in node.bases)
        and not any(_WITHOUT_TABLE.search(ast.unparse(inner)) for inner in node.body)
        for node in tree.body
    )
