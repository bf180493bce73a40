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


def azure_card(*addresses: str) -> dict[str, Any]:
    pairs = [{"privateIpAddress": "10.0.0.4", "publicIpAddress": each} for each in addresses]
    return {"ipv4": {"ipAddress": pairs}, "ipv6": {"ipAddress": []}}


EC2 = {
    "meta-data": {
        "ami-id": "ami-1",
        "local-hostname": "ip-172-31-0-15.compute.internal",
        "local-ipv4": "172.31.0.15",
        "network": {
            "interfaces": {
                "macs": {
                    "02:01": {"public-ipv4s": [FIRST, SECOND], "public-hostname": "a.example"},
                    "02:02": {"public-ipv4s": "203.0.113.27", "local-ipv4s": "172.31.0.16"},
                    "02:03": {"local-ipv4s": "172.31.0.17"},
                }
            }
        },
        "public-hostname": "a.example",
        "public-ipv4": FIRST,
    },
    "dynamic": {"instance-identity": {}},
}
OPENSTACK = {
    "meta_data": {"uuid": "u", "hostname": "web-1", "local-hostname": "web-1"},
    "ec2_metadata": {"public-ipv4": FIRST, "local-ipv4": "172.31.0.15", "public-hostname": "web-1"},
    "network_json": {"services": [{"type": "dns", "address": "172.31.0.2"}]},
}
AZURE = {
    "meta_data": {
        "local-hostname": "web-1",
        "imds": {"network": {"interface": [azure_card(FIRST, ""), azure_card(SECOND)]}},
    }
}
DIGITALOCEAN = {
    "meta_data": {
        "local-hostname": "web-1",
        "interfaces": {
            "public": [
                {
                    "ipv4": {"ip_address": FIRST, "gateway": "203.0.113.1"},
                    "ipv6": {"ip_address": "2001:0DB8::7", "cidr": 64},
                    "anchor_ipv4": {"ip_address": "10.17.0.9"},
                }
            ],
            "private": [{"ipv4": {"ip_address": "10.132.75.35"}}],
        },
    }
}


@pytest.mark.parametrize(
    ("ds", "names"),
    [
        (
            EC2,
            [FIRST, SECOND, "203.0.113.27", "a.example", "ip-172-31-0-15.compute.internal"],
        ),
        (OPENSTACK, [FIRST, "web-1"]),
        (
            {"meta_data": {}, "ec2_metadata": {"local-hostname": "web-1", "public-ipv4": ""}},
            ["web-1"],
        ),
        (AZURE, [FIRST, SECOND, "web-1"]),
        (DIGITALOCEAN, [FIRST, "[2001:db8::7]", "web-1"]),
        ({"meta_data": {"public-ipv4": FIRST, "ami-id": "ami"}}, [FIRST]),
        (
            {"meta-data": {"public_ipv4": FIRST, "public_hostname": "b.example"}},
            [FIRST, "b.example"],
        ),
    ],
    ids=["ec2", "openstack", "openstack without address", "azure", "digitalocean", "other", "_"],
)
def test_names_come_from_the_clouds_metadata(
    instance_data: Path, ds: dict[str, Any], names: list[str]
) -> None:
    instance_data.write_text(json.dumps({"v1": {"cloud_name": "any"}, "ds": ds}))
    assert sorted(cloud.names()) == names


@pytest.mark.parametrize("name", ["*", "a,*", 'x";', "$host", "-a", None, 7, {"a": "b"}, [None]])
def test_invalid_names_are_ignored(instance_data: Path, name: Any) -> None:
    instance_data.write_text(json.dumps({"ds": {"meta-data": {"public-hostname": name}}}))
    assert cloud.names() == []


@pytest.mark.parametrize(
    "text",
    [
        *("", "not json", "{}", "[]", "null", '{"ds": null, "v1": null}', '{"ds": []}'),
        *('{"v1": "gce"}', '{"v1": {"cloud_name": ["gce"]}}', '{"ds": {"meta_data": 0}}'),
        '{"ds": {"meta_data": {"imds": {"network": {"interface": {"0": []}}}}}}',
    ],
)
def test_data_of_another_shape_are_ignored(instance_data: Path, text: str) -> None:
    instance_data.write_text(text)
    assert (cloud.ask(), cloud.names()) == ("", [])


@pytest.mark.usefixtures("instance_data")
def test_machine_outside_a_cloud_has_no_names() -> None:
    assert (cloud.ask(), cloud.names()) == ("", [])
