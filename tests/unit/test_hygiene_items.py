"""What must not be on a sealed disk, where a pattern lets something of ours pass."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from acceptance.hygiene.items import ITEMS

(DATASOURCE,) = (item for item in ITEMS if item.name == "where cloud-init must look")
OURS = "etc/cloud/cloud.cfg.d/50-laurel-gce.cfg"


def found(text: str) -> list[str]:
    """What is found where a file of cloud-init's holds `text`."""
    entry = SimpleNamespace(folder=False, link=False)
    disk = SimpleNamespace(entries={f"/{OURS}": entry}, read=lambda _: text)
    return DATASOURCE.check(disk, None)  # type: ignore[arg-type]


def test_our_own_line_about_gce_may_be_there(top: Path) -> None:
    text = (top / "provision/files" / OURS).read_text()
    assert "\ndatasource:" in text
    assert found(text) == []


@pytest.mark.parametrize(
    "line",
    [
        'datasource: {GCE: {metadata_url: "http://10.0.2.2:8000/computeMetadata/v1/"}}',
        'datasource: {GCE: {metadata_url: "http://169.254.169.254/"}, NoCloud: {}}',
        'datasource: {GCE: {}, NoCloud: {seedfrom: "http://10.0.2.2/"}}',
        "datasource: {NoCloud: {}}",
        "datasource:",
        "datasource_list: [ NoCloud, None ]",
        "  seedfrom: http://10.0.2.2/",
    ],
)
def test_no_other_place_may_be_named(line: str) -> None:
    assert found(f"# a comment\n{line}\n") == [f"/{OURS}: {line.strip()}"]
