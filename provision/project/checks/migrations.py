"""Apps of a project whose tables would never be made."""

import ast
from collections.abc import Iterator
from pathlib import Path

from project.findings.project import Project
from project.source.lists import Texts, listed
from project.source.modules import Modules
from project.source.tree import Tree


def problems(project: Project) -> Iterator[str]:
    """Installed apps with models and no migration."""
    installed = listed(project.modules, project.settings_module, "INSTALLED_APPS")
    for app in Tree(project.modules.folder).folders():
        label = ".".join(app.relative_to(project.modules.folder).parts)
        name = label.rpartition(".")[2]
        if not label or not _is_installed(project.modules, label, installed):
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


def _is_installed(modules: Modules, app: str, installed: Texts | None) -> bool:
    """Whether INSTALLED_APPS names `app`, by itself or by its AppConfig; all count if not known."""
    return installed is None or any(
        name == app or _package(modules, name) == app for name in installed
    )


def _package(modules: Modules, config: str) -> str:
    """The package in which the AppConfig `config` stands; empty for what is no class."""
    module, _, name = config.rpartition(".")
    file = modules.file(module) if name[:1].isupper() else None
    if file is None:
        return ""
    return module if file.name == "__init__.py" else module.rpartition(".")[0]


def _are_elsewhere(project: Project, app: str) -> bool:
    """Whether MIGRATION_MODULES has the app, or may have."""
    for value in project.candidates("MIGRATION_MODULES"):
        keys = value.node.keys if isinstance(value.node, ast.Dict) else [None]
        if any(not isinstance(key, ast.Constant) or key.value == app for key in keys):
            return True
    return False


def _models(modules: Modules, app: str) -> Path | None:
    """The file of the app's models that has the first of them: models.py, or one of models/."""
    waiting, seen = [f"{app}.models"], set[str]()
    while waiting:
        module = waiting.pop(0)
        file = modules.file(module)
        if file is None or module in seen:
            continue
        if _has_models(modules.parse(file)):
            return file
        seen.add(module)
        waiting += [
            name for _, name in modules.imports(module) if name.startswith(f"{app}.models.")
        ]
    return None


def _has_models(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ClassDef)
        and any(
            ast.unparse(base).endswith(("models.Model", "AbstractUser", "AbstractBaseUser"))
            for base in node.bases
        )
        and not _has_no_table(node)
        for node in tree.body
    )


def _has_no_table(model: ast.ClassDef) -> bool:
    """Whether the model's Meta says that no migration makes a table for it."""
    meta = {
        target.id: statement.value.value
        for inner in model.body
        if isinstance(inner, ast.ClassDef) and inner.name == "Meta"
        for statement in inner.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    return bool(meta.get("abstract") or meta.get("proxy") or not meta.get("managed", True))
