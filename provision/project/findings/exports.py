"""What a project's laurel.env gives the project itself."""

import re

from project.source.tree import Tree


def exports(tree: Tree) -> dict[str, str]:
    """Its `export NAME=value` lines; none without that file."""
    file = tree.root / "laurel.env"
    if not file.is_file():
        return {}
    return dict(re.findall(r"^export (\w+)=(.*)$", tree.text(file), re.MULTILINE))
