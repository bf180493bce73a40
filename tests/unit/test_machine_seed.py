"""The seed disk, read back with the tools of another hand than cloud-init's."""

import json
from pathlib import Path

import pytest
from machine.command import run
from machine.error import MachineError
from machine.seed import cloud_config
from machine.seed import seed as seed_of


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    path = tmp_path / "seed.img"
    seed_of(user_data="#!/bin/sh\necho ü\n", meta_data={"instance-id": "i-1"}).write(path)
    return path


def test_seed_holds_what_cloud_init_looks_for(seed: Path) -> None:
    assert run("mcopy", "-i", seed, "::user-data", "-") == "#!/bin/sh\necho ü\n"
    assert json.loads(run("mcopy", "-i", seed, "::meta-data", "-")) == {"instance-id": "i-1"}


def test_seed_has_the_label_of_nocloud(seed: Path) -> None:
    assert "CIDATA" in run("mlabel", "-s", "-i", seed, "::")


def test_seed_replaces_an_older_one(seed: Path) -> None:
    seed_of(user_data="#cloud-config\n", meta_data={"instance-id": "i-2"}).write(seed)
    assert run("mcopy", "-i", seed, "::user-data", "-") == "#cloud-config\n"


def test_default_user_data_is_one_key_and_nothing_else() -> None:
    header, _, body = cloud_config("ssh-ed25519 AAAA").partition("\n")
    assert header == "#cloud-config"
    assert json.loads(body) == {"ssh_authorized_keys": ["ssh-ed25519 AAAA"]}


def test_extra_fields_join_the_key() -> None:
    extra = {"write_files": [{"path": "/a"}], "ssh_authorized_keys": ["theirs"]}
    fields = json.loads(cloud_config("ours", extra).partition("\n")[2])
    assert fields == {
        "ssh_authorized_keys": ["ours", "theirs"],
        "write_files": [{"path": "/a"}],
    }
    assert extra["ssh_authorized_keys"] == ["theirs"]


def test_a_failing_tool_is_named_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"mkfs\.vfat.*failed"):
        seed_of(user_data="", meta_data={}).write(tmp_path / "missing/seed.img")
    with pytest.raises(MachineError, match="no-such-program is not installed"):
        run("no-such-program")
