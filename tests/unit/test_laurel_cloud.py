"""The public names and addresses that cloud-init keeps of a cloud's metadata."""

import json
from pathlib import Path
from typing import Any

import pytest
from laurel import cloud

FIRST, SECOND = "203.0.113.25", "203.0.113.26"


@pytest.fixture
def instance_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """cloud-init's file, missing as on a machine outside a cloud."""
    monkeypatch.setattr(cloud, "INSTANCE_DATA", tmp_path / "instance-data.json")
    monkeypatch.setattr(cloud, "ANSWER", tmp_path / "run" / "cloud-addresses")
    return cloud.INSTANCE_DATA


EC2 = {
    "meta-data": {
        "ami-id": "ami-1",
        "local-ipv4": "172.31.0.15",
        "network": {
            "interfaces": {
                "macs": {
                    "02:01": {"public-ipv4s": [FIRST, SECOND], "public-hostname": "a.example"},
                    "02:02": {"public-ipv4s": "203.0.113.27", "local-ipv4s": "172.31.0.16"},
                }
            }
        },
        "public-hostname": "a.example",
        "public-ipv4": FIRST,
    },
}


@pytest.mark.parametrize(
    ("ds", "names"),
    [
        (EC2, [FIRST, SECOND, "203.0.113.27", "a.example"]),
        (
            {"meta_data": {}, "ec2_metadata": {"local-hostname": "web-1", "public-ipv4": ""}},
            ["web-1"],
        ),
        (
            {"meta-data": {"public_ipv4": "2001:0DB8::7", "public_hostname": "b.example"}},
            ["[2001:db8::7]", "b.example"],
        ),
    ],
    ids=["ec2", "openstack without address", "other"],
)
def test_names_come_from_the_clouds_metadata(
    instance_data: Path, ds: dict[str, Any], names: list[str]
) -> None:
    """What the other clouds have is in tests/acceptance/first_boot/clouds."""
    instance_data.write_text(json.dumps({"v1": {"cloud_name": "any"}, "ds": ds}))
    assert sorted(cloud.names()) == names


@pytest.mark.parametrize("name", ["*", "a,*", 'x";', "-a", 7, [None]])
def test_invalid_names_are_ignored(instance_data: Path, name: Any) -> None:
    instance_data.write_text(json.dumps({"ds": {"meta-data": {"public-hostname": name}}}))
    assert cloud.names() == []


@pytest.mark.parametrize(
    "text",
    ["not json", "[]", '{"ds": null, "v1": null}', '{"v1": {"cloud_name": ["gce"]}}'],
)
def test_data_of_another_shape_are_ignored(instance_data: Path, text: str) -> None:
    instance_data.write_text(text)
    assert (cloud.ask(), cloud.names()) == ("", [])


@pytest.mark.usefixtures("instance_data")
def test_machine_outside_a_cloud_has_no_names() -> None:
    assert (cloud.ask(), cloud.names()) == ("", [])
