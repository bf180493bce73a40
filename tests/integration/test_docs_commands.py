"""The commands of the cloud pages are valid shell, and do what the pages say."""

import re
import subprocess
from pathlib import Path

import pytest
from unit.documents import shell_blocks

PAGES = sorted(Path(__file__).resolve().parents[2].glob("docs/clouds/*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_cloud_commands_pass_shellcheck(page: Path, tmp_path: Path) -> None:
    commands = "\n".join(shell_blocks(page))
    script = tmp_path / "page.sh"
    script.write_text(commands)
    subprocess.run(["shellcheck", "--shell=bash", "--severity=warning", script], check=True)
    # shellcheck takes an unset variable in capitals for one of the environment.
    defined = {"HOME", *re.findall(r"(?:^| )([A-Z_]+)=", commands, re.MULTILINE)}
    assert set(re.findall(r"\$\{?([A-Z_]+)", commands)) - defined == set()


def test_cloud_user_data_is_the_first_boot_example(top: Path) -> None:
    index = (top / "docs/clouds/README.md").read_text()
    (command,) = re.findall(r"^(sed .*) >build/user-data.yaml$", index, re.MULTILINE)
    user_data = subprocess.run(
        ["bash", "-c", command], cwd=top, capture_output=True, text=True, check=True
    ).stdout
    assert user_data.startswith("#cloud-config\n")
    assert f"```yaml\n{user_data}```" in (top / "docs/first-boot.md").read_text()
