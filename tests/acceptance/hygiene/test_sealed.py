"""The disk of the image holds nothing of its builder, and no identity for its machines to share.

Nothing boots: the disk is read as it lies there, freed blocks and all. Each check is seen to find
its fault, and no other, on a copy of the disk on which every fault is planted.
"""

from pathlib import Path

import pytest
from acceptance.hygiene.builder import STRANGER, this_host
from acceptance.hygiene.disk import Disk
from acceptance.hygiene.faults import plant
from acceptance.hygiene.items import ITEMS, Item
from machine.command import run

pytestmark = [pytest.mark.once, pytest.mark.sealed]

every_item = pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)


@pytest.fixture(scope="session")
def sealed(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """The disk of the image, of which nothing is changed."""
    image: Path = pytestconfig.getoption("--image")
    if not image.is_file():
        pytest.exit(f"no image at {image}: run `make image` first", returncode=4)
    raw = tmp_path_factory.mktemp("sealed") / "disk.raw"
    run("qemu-img", "convert", "-O", "raw", image, raw)
    return Disk(raw)


@pytest.fixture(scope="session")
def faulty(sealed: Disk, tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """A copy of that disk on which the fault of every check is planted."""
    folder = tmp_path_factory.mktemp("faulty")
    raw = folder / "disk.raw"
    run("cp", "--sparse=always", sealed.raw, raw)
    return plant([item.fault for item in ITEMS], Disk(raw), folder)


@every_item
def test_sealed_disk_has_none(sealed: Disk, item: Item) -> None:
    assert item.check(sealed, this_host()) == []


@every_item
def test_planted_fault_is_found_alone(faulty: Disk, item: Item) -> None:
    found = item.check(faulty, STRANGER)
    assert len(found) == 1, found
    assert item.told in found[0]


def test_the_root_file_system_is_whole(sealed: Disk) -> None:
    run("e2fsck", "-fn", sealed.device)
