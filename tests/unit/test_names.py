"""Names of images: one for each project, whatever its folder is called."""

from pathlib import Path

import names
import prepare
import prove
import pytest

CHAT = "tests/acceptance/chat_site"


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    """The folder of a project."""
    folder = tmp_path / "a" / "backend"
    folder.mkdir(parents=True)
    return folder


def test_own_app_has_no_prefix(top: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(top / "app")
    for folder in (top / "app", top / "docs" / ".." / "app", tmp_path / "link"):
        assert names.image_name(folder, "debian-13") == "laurel-debian-13-amd64.qcow2"


def test_other_folder_named_app_is_not_laurels(top: Path, tmp_path: Path) -> None:
    assert names.prefix(tmp_path / "app").startswith("app-")
    own, other = (
        prove.Proof({}, project, "debian-13", Path("i"))
        for project in (top / "app", tmp_path / "app")
    )
    assert CHAT in own.stages()[0]
    assert CHAT not in other.stages()[0]


def test_folders_of_one_name_have_two_images(backend: Path) -> None:
    twin = backend.parents[1] / "b" / "backend"
    assert names.image_name(backend, "x") != names.image_name(twin, "x")
    assert names.prefix(backend) == names.prefix(backend / ".." / "backend")
    assert names.prefix(backend / "my site/ä b").startswith("-b-")  # no blanks


@pytest.mark.parametrize("chosen", ["", "images/a b.qcow2"])
def test_image_option_comes_first(
    backend: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    monkeypatch.setenv("IMAGE", chosen)
    monkeypatch.setenv("APP", str(backend))
    monkeypatch.setenv("OS", "debian-12")
    expected = chosen or f"build/image/laurel-{names.prefix(backend)}debian-12-amd64.qcow2"
    assert names.image() == Path(expected)


def test_expression_in_a_path_is_text_for_packer() -> None:
    assert prepare._hcl('a "${b}" %{c}') == r'"a \"$${b}\" %%{c}"'
