"""The documentation names only what exists, and every setting is documented."""

import re
from pathlib import Path

import pytest
import settings_tables
from acceptance.hygiene.items import ITEMS
from export import chosen
from laurel import env_file
from laurel.schema import ADMINISTRATOR, SETTINGS
from unit.documents import shell_blocks

CLOUDS = ("azure", "digitalocean", "ec2", "gce", "hetzner", "openstack")


def test_documents_name_only_existing_checks(top: Path) -> None:
    text = "".join(page.read_text() for page in top.glob("docs/**/*.md"))
    named = set(re.findall(r"`(test_\w+(?:\.py)?)`", text))
    modules = [*top.glob("tests/*/test_*.py"), *top.glob("tests/acceptance/**/*.py")]
    existing = {path.name for path in modules}
    for path in modules:
        existing |= set(re.findall(r"def (test_\w+)", path.read_text()))
    assert len(named) > 20
    assert named - existing == set()


def test_documents_name_only_existing_targets_and_files(top: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (top / "Makefile").read_text(), re.MULTILINE))
    for document in (top / "README.md", *top.glob("docs/**/*.md")):
        text = document.read_text()
        assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets, document
        linked = {document.parent / link for link in re.findall(r"\]\(([^)#:]+)[)#]", text)}
        named = {top / path for path in re.findall(r"`((?:docs|packer|tests)/[\w./-]+)`", text)}
        assert [path for path in linked | named if not path.exists()] == [], document


def test_tables_of_settings_are_current(top: Path) -> None:
    """`make format` writes them."""
    texts = [page.read_text() for page in settings_tables.pages(top)]
    assert [settings_tables.render(text) for text in texts] == texts
    shown = [group for text in texts for group in settings_tables.groups(text)]
    assert sorted(shown) == ["build", "host", "machine", "run"]


def test_settings_found_in_a_project_are_documented(top: Path) -> None:
    page = (top / "docs/projects.md").read_text()
    found = [name for name, setting in SETTINGS.items() if setting.group == "project"]
    assert [name for name in found if f"`{name}`" not in page] == []


def test_first_boot_example_has_only_valid_settings(top: Path, tmp_path: Path) -> None:
    page = (top / "docs/first-boot.md").read_text()
    (content,) = re.findall(r"content: \|\n((?: {6}.*\n)+)", page)
    example = tmp_path / "site.env"
    # With the settings that the example has commented out.
    example.write_text(re.sub(r"^ *(# (?=\S+=|export ))?", "", content, flags=re.MULTILINE))
    found = env_file.read(example)
    assert len(found.values) >= 6
    assert found.problems == []
    given = {key for key in found.values if not key.startswith(ADMINISTRATOR)}
    assert [key for key in given if SETTINGS[key].problems(found.values[key])] == []


def test_sealing_names_every_check_of_the_disk(top: Path) -> None:
    text = (top / "docs/sealing.md").read_text()
    rows = [line.split("|")[3] for line in text.splitlines() if line.startswith("| ")][2:]
    assert set(re.findall(r"`([^`]+)`", " ".join(rows))) == {item.name for item in ITEMS}


def test_index_links_every_cloud_page(top: Path) -> None:
    folder = top / "docs/clouds"
    pages = {f"{cloud}.md" for cloud in CLOUDS}
    assert {page.name for page in folder.glob("*.md")} == {"README.md", *pages}
    assert set(re.findall(r"\]\((\w+\.md)\)", (folder / "README.md").read_text())) == pages


@pytest.mark.parametrize("cloud", CLOUDS)
def test_cloud_page_proves_then_removes_the_machine(top: Path, cloud: str) -> None:
    page = top / f"docs/clouds/{cloud}.md"
    fences = re.findall(r"^```(.*)$", page.read_text(), re.MULTILINE)
    assert fences == ["sh", ""] * (len(fences) // 2)  # shell_blocks sees every block
    *_, proof, removal = shell_blocks(page)
    assert proof.startswith("make acceptance HOST=")
    assert "delete" in removal


@pytest.mark.parametrize("cloud", CLOUDS)
def test_cloud_page_uploads_an_exported_file(top: Path, cloud: str) -> None:
    image = Path("build/image/laurel-debian-13-amd64.qcow2")
    index = (top / "docs/clouds/README.md").read_text()
    (formats,) = re.findall(r'^make export FORMATS="(.*)"$', index, re.MULTILINE)
    exported = {kind.file(Path("build/export"), image) for kind in chosen(formats.split())}
    commands = "".join(shell_blocks(top / f"docs/clouds/{cloud}.md"))
    (file,) = re.findall(r"^FILE=(.*)$", commands, re.MULTILINE)
    assert Path(file) in {image, *exported}
    (row,) = re.findall(rf"^\|.*\({cloud}\.md\) \|$", index, re.MULTILINE)
    assert f"`{Path(file).name}`" in row
