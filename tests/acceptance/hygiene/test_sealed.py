"""The image's disk holds nothing of its builder, and no identity that its machines would share.

Nothing boots: the checks read the disk, including free blocks. On a copy with every fault planted,
each check must find its own fault and no other.
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
def sealed(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """The disk of the image."""
    raw = tmp_path_factory.mktemp("sealed") / "disk.raw"
    run("qemu-img", "convert", "-O", "raw", image, raw)
    return Disk(raw)


@pytest.fixture(scope="session")
def faulty(sealed: Disk, tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """A copy of that disk with the fault of every item planted."""
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
    assert item.message in found[0]


def test_the_root_file_system_is_whole(sealed: Disk) -> None:
    run("e2fsck", "-fn", sealed.device)
