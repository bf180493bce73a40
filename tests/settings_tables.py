"""Writes the tables of settings in README.md and docs/, from provision/settings.toml.

A table stands between `<!-- settings: GROUP -->` and `<!-- end -->`. `make format` runs this.
"""

import re
import sys
from pathlib import Path

from laurel.schema import SETTINGS

_TABLE = re.compile(r"(<!-- settings: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages(top: Path) -> list[Path]:
    """The pages that may have such tables."""
    return [top / "README.md", *sorted(top.glob("docs/**/*.md"))]


def render(page: str) -> str:
    """The text of a page with current tables. Raises KeyError for an unknown group."""
    return _TABLE.sub(lambda found: f"{found[1]}{_table(found[2])}{found[3]}", page)


def groups(page: str) -> list[str]:
    """The groups of settings that a page has tables of."""
    return [found[2] for found in _TABLE.finditer(page)]


def _table(group: str) -> str:
    settings = [setting for setting in SETTINGS.values() if setting.group == group]
    if not settings:
        raise KeyError(f"settings.toml has no group {group}")
    rows = ["| setting | default | |", "| --- | --- | --- |"]
    for setting in settings:
        default = f"`{setting.default}`" if setting.default else "none"
        rows.append(f"| `{setting.name}` | {default} | {setting.text} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Rewrite the pages whose tables are outdated."""
    for page in pages(Path(__file__).resolve().parents[1]):
        text = page.read_text(encoding="utf-8")
        if (current := render(text)) != text:
            page.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
