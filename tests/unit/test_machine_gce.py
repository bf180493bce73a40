"""GCE's metadata server by itself."""

import dataclasses
from collections.abc import Iterator

import pytest
import requests
from machine.cloud import Instance
from machine.clouds import Gce
from machine.clouds.gce import NAME, PROJECT_KEY
from machine.metadata import MetadataServer
from unit.cloud_client import MAC, Client, bare_instance, instance

INSTANCE = instance("1234567890123456789")
TOP = "/computeMetadata/v1"
CARD = f"{TOP}/instance/network-interfaces/0"


class Shower(Client):
    """Asks as one who means it."""

    def get(self, path: str) -> requests.Response:
        return self.ask("GET", path, Metadata_Flavor="Google")

    def text(self, path: str) -> str:
        answer = self.get(TOP + path)
        assert answer.status_code == 200, path
        assert answer.headers["Content-Type"] == "application/text"
        return answer.text

    def json(self, path: str) -> object:
        answer = self.get(TOP + path)
        assert answer.status_code == 200, path
        assert answer.headers["Content-Type"] == "application/json"
        return answer.json()


def serve(cloud: Gce, of: Instance = INSTANCE) -> Iterator[Shower]:
    server = MetadataServer(cloud.service(of))
    yield Shower(server)
    server.close()


@pytest.fixture
def gce() -> Iterator[Shower]:
    yield from serve(Gce())


@pytest.fixture
def writable() -> Iterator[Shower]:
    """An instance that may write guest attributes, and has the project's keys."""
    yield from serve(Gce(guest_attributes=True, block_project_keys=False))


@pytest.fixture
def bare() -> Iterator[Shower]:
    yield from serve(Gce(), bare_instance(INSTANCE.identity))


# Who is told


@pytest.mark.parametrize("path", ["/", "/instance/id", "/instance/attributes/user-data", "/no"])
@pytest.mark.parametrize("flavor", [{}, {"Metadata_Flavor": "google"}, {"Metadata_Flavor": ""}])
def test_without_the_header_nothing_is_told(gce: Shower, path: str, flavor: dict[str, str]) -> None:
    answer = gce.ask("GET", TOP + path, **flavor)
    assert answer.status_code == 403
    assert "Missing Metadata-Flavor:Google header." in answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert gce.server.log[-1].token == ("wrong" if flavor else "none")


def test_a_proxys_request_is_refused_whatever_it_shows(gce: Shower) -> None:
    answer = gce.ask(
        "GET", f"{TOP}/instance/id", Metadata_Flavor="Google", X_Forwarded_For="192.0.2.1"
    )
    assert answer.status_code == 403
    assert INSTANCE.identity not in answer.text


def test_that_it_is_google_is_shown_by_each_answer_and_to_each(gce: Shower) -> None:
    answers = [gce.ask("GET", "/"), gce.ask("GET", f"{TOP}/instance/id")]
    answers += [gce.get(f"{TOP}/instance/id"), gce.get("/no"), gce.get(TOP)]
    assert [answer.status_code for answer in answers] == [200, 403, 200, 404, 301]
    assert {answer.headers["Metadata-Flavor"] for answer in answers} == {"Google"}
    assert answers[0].text == "computeMetadata/\n"


# Folders and values


def test_a_folder_is_listed_and_a_folder_in_it_has_a_slash(gce: Shower) -> None:
    assert gce.text("/").splitlines() == ["instance/", "oslogin/", "project/"]
    assert gce.get("/computeMetadata/").text == "v1/\n"
    listed = gce.text("/instance/").splitlines()
    assert {"attributes/", "hostname", "network-interfaces/", "service-accounts/"} <= set(listed)
    assert gce.text("/instance/network-interfaces/") == "0/\n"


@pytest.mark.parametrize("query", ["", "?recursive=true"])
def test_a_folder_without_its_slash_is_elsewhere(gce: Shower, query: str) -> None:
    for path in ("/instance", "/instance/attributes", ""):
        answer = gce.get(TOP + path + query)
        assert answer.status_code == 301
        assert answer.headers["Location"] == f"http://{NAME}{TOP}{path}/{query}"


def test_each_thing_that_is_listed_is_there(gce: Shower) -> None:
    folders, leaves = ["/"], 0
    while folders:
        folder = folders.pop()
        if folder == "/instance/guest-attributes/":
            continue
        for name in gce.text(folder).splitlines():
            if name.endswith("/"):
                folders.append(folder + name)
            else:
                assert gce.get(TOP + folder + name).status_code == 200
                leaves += 1
    assert leaves > 30


@pytest.mark.parametrize("asked", ["true", "True", "TRUE"])
def test_all_of_a_folder_is_told_in_json_with_its_names_as_json_has_them(
    gce: Shower, asked: str
) -> None:
    told = gce.json(f"/instance/network-interfaces/?recursive={asked}")
    assert isinstance(told, list)
    (card,) = told
    assert card["accessConfigs"] == [{"externalIp": "203.0.113.25", "type": "ONE_TO_ONE_NAT"}]
    assert (card["mac"], card["ip"], card["ipAliases"]) == (MAC, INSTANCE.address, [])


def test_a_users_own_names_stay_as_they_are(gce: Shower) -> None:
    attributes = {
        "block-project-ssh-keys": "TRUE",
        "ssh-keys": f"cloudinit:{INSTANCE.public_key}",
        "user-data": INSTANCE.user_data,
    }
    assert gce.json("/instance/attributes/?recursive=true") == attributes
    everything = gce.json("/?recursive=true")
    assert isinstance(everything, dict)
    assert everything["instance"]["attributes"] == attributes
    assert everything["instance"]["id"] == int(INSTANCE.identity)
    assert everything["instance"]["serviceAccounts"] == {}
    assert everything["project"]["numericProjectId"] == 123456789012


def test_all_of_a_folder_is_told_as_text_with_the_path_of_each(gce: Shower) -> None:
    lines = gce.text("/instance/network-interfaces/?recursive=true&alt=text").splitlines()
    assert "0/access-configs/0/external-ip 203.0.113.25" in lines
    assert f"0/mac {MAC}" in lines


def test_a_value_is_told_in_the_form_that_is_asked_for(gce: Shower) -> None:
    assert gce.text("/instance/name") == "web-1"
    assert gce.json("/instance/name?alt=json") == "web-1"
    assert gce.json("/instance/id?alt=json") == int(INSTANCE.identity)
    assert gce.json("/instance/tags") == ["http-server"]
    assert gce.text("/instance/tags?alt=text") == "http-server\n"


@pytest.mark.parametrize("query", ["?alt=xml", "?alt=json", "?alt=text", "?recursive=true&alt=x"])
def test_a_folder_has_no_other_form(gce: Shower, query: str) -> None:
    assert gce.get(f"{TOP}/instance/{query}").status_code == 400


def test_a_value_has_a_tag_that_changes_with_it(gce: Shower) -> None:
    tags = [gce.get(f"{TOP}/instance/{name}").headers["ETag"] for name in ("id", "name", "id")]
    assert tags[0] == tags[2] != tags[1]


# The instance


def test_the_instance_is_what_its_user_and_its_cloud_made_it(gce: Shower) -> None:
    assert gce.text("/instance/id") == INSTANCE.identity
    assert gce.text("/instance/hostname") == "web-1.europe-west1-b.c.laurel-proof.internal"
    assert gce.text("/instance/zone") == "projects/123456789012/zones/europe-west1-b"
    assert gce.get(f"{CARD}/access-configs/0/external-ip").text == Gce().external_ipv4
    assert gce.text("/instance/attributes/user-data") == INSTANCE.user_data
    assert gce.text("/project/project-id") == "laurel-proof"


def test_the_projects_keys_are_there_and_may_be_blocked(gce: Shower, writable: Shower) -> None:
    block = f"{TOP}/instance/attributes/block-project-ssh-keys"
    assert (gce.get(block).text, writable.get(block).status_code) == ("TRUE", 404)
    for client in (gce, writable):
        assert client.text("/project/attributes/ssh-keys") == f"cloudinit:{PROJECT_KEY}"


def test_without_a_name_and_user_data_it_has_its_clouds_name_and_no_user_data(
    bare: Shower,
) -> None:
    assert bare.text("/instance/name") == "instance-456789"
    assert bare.get(f"{TOP}/instance/attributes/user-data").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        f"{TOP}/instance/service-accounts/default/token",
        f"{TOP}/instance/service-accounts/default/",
        f"{TOP}/instance/attributes/startup-script",
        f"{CARD}/access-configs/1/external-ip",
        f"{TOP}/instance/id/more",
        "/computeMetadata/v2/",
        "/latest/meta-data/",
        "/openstack/latest/meta_data.json",
    ],
)
def test_what_the_instance_has_not_is_not_found(gce: Shower, path: str) -> None:
    answer = gce.get(path)
    assert answer.status_code == 404
    assert f"The requested URL <code>{path}</code> was not found on this server." in answer.text


def test_metadata_are_only_read(gce: Shower) -> None:
    for method in ("PUT", "POST", "DELETE"):
        answer = gce.ask(method, f"{TOP}/instance/id", Metadata_Flavor="Google")
        assert answer.status_code == 405


# Guest attributes


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_instance_that_may_not_write_is_told_so(gce: Shower, method: str) -> None:
    path = f"{TOP}/instance/guest-attributes/hostkeys/ssh-ed25519"
    answer = gce.ask(method, path, "AAAA", Metadata_Flavor="Google")
    assert answer.status_code == 403
    assert "Guest attributes endpoint access is disabled." in answer.text


def test_an_instance_that_may_write_reads_it_again(writable: Shower) -> None:
    assert writable.text("/instance/attributes/enable-guest-attributes") == "TRUE"
    folder = f"{TOP}/instance/guest-attributes/hostkeys"

    def put(path: str) -> int:
        return writable.ask("PUT", path, "AAAA", Metadata_Flavor="Google").status_code

    assert writable.get(f"{folder}/ssh-ed25519").status_code == 404
    assert put(f"{folder}/ssh-ed25519") == 200
    assert writable.text("/instance/guest-attributes/hostkeys/ssh-ed25519") == "AAAA"
    assert writable.text("/instance/guest-attributes/") == "hostkeys/\n"
    assert put(folder) == 400
    dropped = [
        writable.ask("DELETE", f"{folder}/ssh-ed25519", Metadata_Flavor="Google").status_code
        for _ in range(2)
    ]
    assert dropped == [200, 404]


# The machine


def test_by_its_product_and_its_serial_number_a_machine_knows_that_it_is_on_gce() -> None:
    system, board = Gce().smbios(INSTANCE)
    fields = dict(part.split("=") for part in system.split(","))
    assert (fields["type"], fields["manufacturer"]) == ("1", "Google")
    assert fields["product"] == "Google Compute Engine"
    kind, _, digits = fields["serial"].partition("-")
    assert kind == "GoogleCloud"
    assert digits == fields["uuid"].replace("-", "").upper()
    assert board.startswith("type=2,manufacturer=Google,")
    other = dataclasses.replace(INSTANCE, identity=Gce().new_identity())
    assert Gce().smbios(other) != Gce().smbios(INSTANCE)


def test_an_identity_is_a_number_of_19_digits() -> None:
    found = {Gce().new_identity() for _ in range(50)}
    assert len(found) == 50
    assert all(identity.isdecimal() and len(identity) == 19 for identity in found)


def test_its_resolver_knows_where_the_server_is() -> None:
    assert Gce().names[NAME] in Gce().addresses
