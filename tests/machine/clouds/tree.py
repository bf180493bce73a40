"""Metadata as EC2 lays them out, and the clouds that answer as it does: folders and texts."""

from collections.abc import Mapping, Sequence
from typing import Union

Tree = Mapping[str, Union[str, "Tree"]]


def text_at(tree: Tree, names: Sequence[str]) -> str | None:
    """Return the text that is there, for a folder its list; None if nothing is.

    A key, "0=name", is listed with its name and asked for by its number.
    """
    node: str | Tree = tree
    for name in names:
        found = {} if isinstance(node, str) else {k.partition("=")[0]: v for k, v in node.items()}
        if name not in found:
            return None
        node = found[name]
    if isinstance(node, str):
        return node
    return "\n".join(
        name if isinstance(below, str) or "=" in name else f"{name}/"
        for name, below in node.items()
    )
