"""What the documents name is there."""

import re
import subprocess
from pathlib import Path

import pytest
from acceptance.hygiene.items import ITEMS
from export import chosen
from laurel import env_file, settings

CLOUDS = ("azure", "digitalocean", "ec2", "gce", "hetzner", "openstack")


def shell(page: Path) -> list[str]:
    """The blocks of `page` that are to be typed, in their order."""
    return re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def test_every_check_that_is_named_exists(top: Path) -> None:
    named = re.findall(r"`(test_\w+)`", (top / "docs/traps.md").read_text())
    programs = [*top.glob("tests/*/test_*.py"), *top.glob("tests/acceptance/**/*.py")]
    there = {name for path in programs for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert len(named) > 20
    assert set(named) - there == set()


def test_every_command_and_file_of_the_documents_is_there(top: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (top / "Makefile").read_text(), re.MULTILINE))
    for document in (top / "README.md", *top.glob("docs/**/*.md")):
        text = document.read_text()
        commands = set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", text, re.MULTILINE))
        assert {first or second for first, second in commands} <= targets, document
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (document.parent / link).exists(), f"{document}: {link}"


def test_every_setting_is_in_the_documents(top: Path) -> None:
    settings = re.findall(
        r'^: "\$\{(\w+):=', (top / "provision/settings.sh").read_text(), re.MULTILINE
    )
    documents = [top / "README.md", top / "docs/projects.md", top / "docs/servers.md"]
    text = "".join(document.read_text() for document in documents)
    assert [name for name in settings if f"`{name}`" not in text] == []


def test_every_key_of_the_first_boots_example_is_known(top: Path, tmp_path: Path) -> None:
    page = (top / "docs/first-boot.md").read_text()
    (content,) = re.findall(r"content: \|\n((?: {6}.*\n)+)", page)
    example = tmp_path / "site.env"
    # Those that are commented out, too.
    example.write_text(re.sub(r"^ *(# (?=\S+=|export ))?", "", content, flags=re.MULTILINE))
    found = env_file.read(example)
    baked = re.findall(
        r'^: "\$\{(\w+):=', (top / "provision/settings.sh").read_text(), re.MULTILINE
    )
    known = {*baked, *settings.FOR_THE_SITE}
    assert len(found.values) >= 6
    assert found.problems == []
    assert {key for key in found.values if not key.startswith(settings.ADMINISTRATOR)} <= known


def test_the_page_of_the_first_boot_has_every_key_that_a_machine_takes(top: Path) -> None:
    page = (top / "docs/first-boot.md").read_text()
    assert [key for key in settings.FOR_THE_SITE if f"`{key}`" not in page] == []


def test_every_check_of_the_disk_is_in_the_document_and_no_other(top: Path) -> None:
    text = (top / "docs" / "sealing.md").read_text()
    rows = [line.split("|")[3] for line in text.splitlines() if line.startswith("| ")][2:]
    assert set(re.findall(r"`([^`]+)`", " ".join(rows))) == {item.name for item in ITEMS}


def test_each_cloud_has_a_page_and_the_index_leads_to_it(top: Path) -> None:
    folder = top / "docs/clouds"
    pages = {f"{cloud}.md" for cloud in CLOUDS}
    assert {page.name for page in folder.glob("*.md")} == {"README.md", *pages}
    assert set(re.findall(r"\]\((\w+\.md)\)", (folder / "README.md").read_text())) == pages


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_clouds_page_ends_with_the_proof(top: Path, cloud: str) -> None:
    text = (top / f"docs/clouds/{cloud}.md").read_text()
    fences = re.findall(r"^```(.*)$", text, re.MULTILINE)
    assert fences == ["sh", ""] * (len(fences) // 2)  # all that is typed is looked at
    last = shell(top / f"docs/clouds/{cloud}.md")[-1]
    assert last.splitlines()[-1].startswith("make acceptance HOST=")
    assert text.endswith(f"{last}```\n")


@pytest.mark.parametrize("cloud", [*CLOUDS, "README"])
def test_what_a_clouds_page_has_typed_is_shell(top: Path, tmp_path: Path, cloud: str) -> None:
    typed = "\n".join(shell(top / f"docs/clouds/{cloud}.md"))
    script = tmp_path / "page.sh"
    script.write_text(typed)
    subprocess.run(["bash", "-n", script], check=True)
    # Warns of a variable that nothing uses, too; one in capitals that nothing sets, it lets pass.
    subprocess.run(["shellcheck", "--shell=bash", "--severity=warning", script], check=True)
    given = {"HOME", *re.findall(r"(?:^| )([A-Z_]+)=", typed, re.MULTILINE)}
    assert set(re.findall(r"\$\{?([A-Z_]+)", typed)) - given == set()


def test_the_user_data_of_the_clouds_are_the_example(top: Path) -> None:
    index = (top / "docs/clouds/README.md").read_text()
    (command,) = re.findall(r"^(sed .*) >build/user-data.yaml$", index, re.MULTILINE)
    told = subprocess.run(
        ["bash", "-c", command], cwd=top, capture_output=True, text=True, check=True
    ).stdout
    assert told.startswith("#cloud-config\n")
    assert f"```yaml\n{told}```" in (top / "docs/first-boot.md").read_text()


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_a_clouds_page_uploads_is_what_is_made(top: Path, cloud: str) -> None:
    image = Path("build/image/laurel-debian-13-amd64.qcow2")
    index = (top / "docs/clouds/README.md").read_text()
    (asked,) = re.findall(r'^make export FORMATS="(.*)"$', index, re.MULTILINE)
    made = {kind.file(Path("build/export"), image) for kind in chosen(asked.split())}
    (file,) = re.findall(r"^FILE=(.*)$", "".join(shell(top / f"docs/clouds/{cloud}.md")), re.M)
    assert Path(file) in {image, *made}
    (row,) = re.findall(rf"^\|.*\({cloud}\.md\) \|$", index, re.MULTILINE)
    assert f"`{Path(file).name}`" in row
