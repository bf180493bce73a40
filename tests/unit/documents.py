"""The pages of the documentation, as tests read them."""

import re
from pathlib import Path


def shell_blocks(page: Path) -> list[str]:
    """Return the blocks of `page` that a reader types into a shell, in order."""
    return re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
