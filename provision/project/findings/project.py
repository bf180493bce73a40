"""A project, as far as it could be told by reading it."""

from dataclasses import dataclass
from pathlib import Path

from project.findings.dependencies import Package
from project.findings.settled import Findings
from project.source.modules import Modules, Value
from project.source.tree import Tree


@dataclass
class Project:
    """What was found at once; a setting is looked up when it is asked for."""

    tree: Tree
    django_root: Path
    modules: Modules
    settings_module: str
    asgi_module: str
    requirements: Path
    packages: dict[str, Package]
    processes: dict[str, str]  # beside the site, of the Procfile: name to command
    findings: Findings

    def setting(self, name: str) -> Value | None:
        """What the project's settings assign to `name`."""
        return self.modules.assigned(self.settings_module, name)

    def candidates(self, name: str) -> list[Value]:
        """All that `name` of the settings may be, where conditions decide."""
        return self.modules.candidates(self.settings_module, name)
