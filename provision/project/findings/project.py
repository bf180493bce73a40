"""What reading a project has found."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from project.findings.dependencies import Package
from project.findings.settled import Findings
from project.source import names
from project.source.modules import Modules
from project.source.names import Value
from project.source.tree import Tree


@dataclass
class Project:
    """The parts of a project; its settings are looked up on demand."""

    tree: Tree
    django_root: Path
    modules: Modules
    settings_module: str
    asgi_module: str
    requirements: Path
    packages: dict[str, Package]
    processes: dict[str, str]  # of the Procfile, beside the site's own: name to command
    findings: Findings

    def setting(self, name: str) -> Value | None:
        """The last value that the settings assign to `name`."""
        return names.value(self.modules, self.settings_module, name)

    def candidates(self, name: str) -> list[Value]:
        """The values that the settings may have for `name`: several where conditions decide."""
        return names.candidates(self.modules, self.settings_module, name)

    def settings_files(self) -> Iterator[Path]:
        """The settings module and the modules from which it imports all names."""
        for module in self.modules.taken_in(self.settings_module):
            file = self.modules.file(module)
            if file:
                yield file
