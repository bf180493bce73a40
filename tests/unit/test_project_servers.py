"""Servers, their manager and the channel layer: what is refused before a bake, and what is told."""

from pathlib import Path

import pytest
from unit.inspected import add, notes, problems

WSGI = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()"
MEMORY = 'CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}'


@pytest.fixture
def project(plain_project: Path) -> Path:
    """A project that works, with a WSGI application as startproject makes it."""
    add(plain_project / "rooms/wsgi.py", WSGI)
    return plain_project


# What goes together


@pytest.mark.parametrize(
    "given",
    [
        {},
        *({"ASGI_SERVER": name} for name in ("daphne", "uvicorn", "hypercorn", "granian")),
        {"HTTP_SERVER": "same"},
        {"HTTP_SERVER": "gunicorn"},
        {"HTTP_SERVER": "gunicorn", "PROCESSES": "1", "CHANNEL_LAYER": "core"},
        *({"PROCESS_MANAGER": name} for name in ("supervisor", "systemd")),
        *({"CHANNEL_LAYER": name} for name in ("project", "pubsub", "core")),
        {"CHANNEL_LAYER": "memory", "PROCESSES": "1"},
        {"CHANNEL_LAYER": "memory", "PROCESSES": "1", "HTTP_SERVER": "same"},
        *({"BIND_PORT": port} for port in ("1", "8000", "65000", "65535")),
        {"BIND_ADDRESS": "0.0.0.0"},
    ],
    ids=str,
)
def test_what_goes_together_is_baked(project: Path, given: dict[str, str]) -> None:
    assert problems(project, given) == []


@pytest.mark.parametrize(
    ("name", "value", "known"),
    [
        ("ASGI_SERVER", "gunicorn", "daphne, granian, hypercorn, uvicorn"),
        ("ASGI_SERVER", "Daphne", "daphne, granian, hypercorn, uvicorn"),
        ("HTTP_SERVER", "uvicorn", "same, gunicorn"),
        ("HTTP_SERVER", "none", "same, gunicorn"),
        ("PROCESS_MANAGER", "runit", "supervisor, systemd"),
        ("CHANNEL_LAYER", "redis", "project, pubsub, core, memory"),
    ],
)
def test_a_name_that_is_unknown_is_refused_with_those_that_are_known(
    project: Path, name: str, value: str, known: str
) -> None:
    assert problems(project, {name: value}) == [f"{name}={value}: it is one of {known}"]


def test_gunicorn_needs_a_wsgi_application(plain_project: Path) -> None:
    given = {"HTTP_SERVER": "gunicorn"}
    (problem,) = problems(plain_project, given)
    assert problem.startswith("HTTP_SERVER=gunicorn: the project has no WSGI application: add wsgi")
    assert "WSGI_APPLICATION=module:name" in problem
    add(plain_project / "rooms/wsgi.py", WSGI)
    assert problems(plain_project, given) == []


def test_a_wsgi_application_may_be_named(plain_project: Path) -> None:
    add(plain_project / "rooms/pages.py", WSGI)
    given = {"HTTP_SERVER": "gunicorn", "WSGI_APPLICATION": "rooms.pages:application"}
    assert problems(plain_project, given) == []


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"PROCESSES": "auto"},
        {"PROCESSES": "2"},
        {"PROCESSES": "1", "HTTP_SERVER": "gunicorn"},
    ],
    ids=str,
)
def test_a_layer_in_memory_goes_with_one_process_alone(
    project: Path, others: dict[str, str]
) -> None:
    (problem,) = problems(project, {"CHANNEL_LAYER": "memory", **others})
    assert problem == (
        "CHANNEL_LAYER=memory loses messages between processes: it goes with PROCESSES=1 and"
        " HTTP_SERVER=same, or choose pubsub"
    )


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "80.5", "08000"])
def test_a_port_that_is_none_is_refused(project: Path, port: str) -> None:
    assert problems(project, {"BIND_PORT": port}) == [
        f"BIND_PORT={port}: it is a number from 1 to 65535"
    ]


@pytest.mark.parametrize("address", ["localhost", "::1", "127.0.0", "127.0.0.256", "*"])
def test_an_address_that_is_none_is_refused(project: Path, address: str) -> None:
    (problem,) = problems(project, {"BIND_ADDRESS": address})
    assert problem.startswith(f"BIND_ADDRESS={address}: ")


# The layer of the project's own


@pytest.mark.parametrize(
    "given", [{}, {"PROCESSES": "2"}, {"PROCESSES": "1", "HTTP_SERVER": "gunicorn"}], ids=str
)
def test_a_project_with_a_layer_in_memory_may_choose_another(
    project: Path, given: dict[str, str]
) -> None:
    add(project / "rooms/settings.py", MEMORY)
    (problem,) = problems(project, given)
    assert "channels.layers.InMemoryChannelLayer, which loses messages between" in problem
    assert "CHANNEL_LAYER=pubsub" in problem
    for layer in ("pubsub", "core"):
        assert problems(project, {**given, "CHANNEL_LAYER": layer}) == []
    assert len(problems(project, {**given, "CHANNEL_LAYER": "project"})) == 1


def test_a_layer_in_memory_serves_one_process(project: Path) -> None:
    add(project / "rooms/settings.py", MEMORY)
    assert problems(project, {"PROCESSES": "1"}) == []


def test_the_package_of_a_layer_is_brought_where_one_is_chosen(project: Path) -> None:
    requirements = "Django==5.2.1\nasgiref==3.9.1\nsqlparse==0.5.3\nchannels==4.3.2\n"
    (project / "requirements.txt").write_text(requirements)
    assert len(problems(project)) == 1
    assert problems(project, {"CHANNEL_LAYER": "pubsub"}) == []
    assert problems(project, {"CHANNEL_LAYER": "memory", "PROCESSES": "1"}) == []


# The versions that the project holds


@pytest.mark.parametrize(
    ("given", "requirement", "since"),
    [
        ({"ASGI_SERVER": "granian"}, "granian==2.5.7", "2.6"),
        ({"ASGI_SERVER": "granian"}, "granian~=1.7.0", "2.6"),
        ({"ASGI_SERVER": "hypercorn"}, "hypercorn==0.14.4", "0.16"),
        ({"ASGI_SERVER": "uvicorn"}, "uvicorn[standard]<0.22", "0.22"),
    ],
)
def test_a_server_without_the_options_it_is_started_with_is_refused(
    project: Path, given: dict[str, str], requirement: str, since: str
) -> None:
    add(project / "requirements.txt", requirement)
    (name,) = given.values()
    (problem,) = problems(project, given)
    assert problem.startswith("requirements.txt, line ")
    assert f": {name}" in problem
    assert f"as it does from {since} on: raise it" in problem
    # It is nobody's business where another one serves.
    assert problems(project) == []


@pytest.mark.parametrize(
    "requirement",
    ["granian", "granian>=2.0", "granian==2.6.0", "granian~=2.5", "hypercorn==0.14.4"],
)
def test_a_server_that_may_be_new_enough_is_not(project: Path, requirement: str) -> None:
    add(project / "requirements.txt", requirement)
    assert problems(project, {"ASGI_SERVER": "granian"}) == []


@pytest.mark.parametrize("requirement", ["gunicorn==20.1.0", "gunicorn==23.0.0"])
def test_any_gunicorn_will_do(project: Path, requirement: str) -> None:
    add(project / "requirements.txt", requirement)
    assert problems(project, {"HTTP_SERVER": "gunicorn"}) == []


# What is told


def brought(project: Path, given: dict[str, str]) -> list[str]:
    told = " is not among the requirements: the newest one is installed beside them"
    return [one.removesuffix(told) for one in notes(project, given) if one.endswith(told)]


def test_a_server_that_the_project_does_not_bring_is_told(project: Path) -> None:
    # long_poll has Daphne.
    assert brought(project, {}) == []
    assert brought(project, {"ASGI_SERVER": "uvicorn"}) == ["uvicorn"]
    both = {"ASGI_SERVER": "granian", "HTTP_SERVER": "gunicorn"}
    assert brought(project, both) == ["granian", "gunicorn"]
    add(project / "requirements.txt", "gunicorn")
    assert brought(project, both) == ["granian"]
