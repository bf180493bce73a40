"""BASE_IMAGE: which downloads need a checksum."""

from pathlib import Path

import prepare
import pytest
import settings
from progress import Progress
from settings import SettingError


def given(monkeypatch: pytest.MonkeyPatch, image: str, checksum: str) -> tuple[str, str]:
    monkeypatch.setenv("BASE_IMAGE", image)
    monkeypatch.setenv("BASE_CHECKSUM", checksum)
    return settings.base_image()


@pytest.mark.parametrize("checksum", ["", "none"])
def test_http_without_a_checksum_is_refused(monkeypatch: pytest.MonkeyPatch, checksum: str) -> None:
    problem = "BASE_IMAGE=HTTP://a/b: give BASE_CHECKSUM=sha256:..., or use https://"
    with pytest.raises(SettingError, match=f"^{problem}$"):
        given(monkeypatch, "HTTP://a/b", checksum)
    monkeypatch.setenv("APP", str(Path(__file__).parents[1] / "projects" / "long_poll"))
    with pytest.raises(SettingError, match=problem):
        prepare.plan()


@pytest.mark.parametrize(
    ("image", "checksum", "warned"),
    [
        ("http://a/b.qcow2", "sha256:1", False),
        ("https://a/b.qcow2", "sha256:1", False),
        ("https://a/b.qcow2", "", True),
        ("/images/b.qcow2", "", False),
    ],
)
def test_https_without_a_checksum_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    image: str,
    checksum: str,
    warned: bool,
) -> None:
    assert given(monkeypatch, image, checksum) == (image, checksum)
    monkeypatch.setenv("APP", str(Path(__file__).parents[1] / "projects" / "long_poll"))
    base, _ = prepare.start(prepare.plan(), "", Progress(2))
    assert base == image
    warning = "warning: BASE_IMAGE is downloaded without a BASE_CHECKSUM"
    assert (warning in capsys.readouterr().out) == warned
