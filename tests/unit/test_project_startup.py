"""Whether the ASGI application can start, and which application and settings are found."""

from collections.abc import Callable
from pathlib import Path

import pytest
from unit.inspected import add, problems, settled

Write = Callable[..., Path]

OFFERED = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rooms.settings")'
ASSIGNED = 'os.environ["DJANGO_SETTINGS_MODULE"] = '
SET_UP = "from django.core.asgi import get_asgi_application\nhttp = get_asgi_application()\n"
IMPORT = "from chat import routing\n"
ROUTER = (
    "from channels.routing import ProtocolTypeRouter, URLRouter\n"
    'application = ProtocolTypeRouter({"http": http,'
    ' "websocket": URLRouter(routing.websocket_urlpatterns)})\n'
)
ROUTING = 'from django.urls import path\nwebsocket_urlpatterns = [path("ws/", Room.as_asgi())]\n'
MODELS = "from django.db import models\n"


@pytest.fixture
def write(plain_project: Path) -> Write:
    """Writes an asgi.py that sets Django up and imports an app `chat`, in this order."""

    def written(*asgi: str, **files: str) -> Path:
        usual = {"rooms/asgi": "".join(["import os\n", OFFERED, "\n", *asgi]), "chat/__init__": ""}
        named = {f"chat/{name.replace('__', '/')}": text for name, text in files.items()}
        for name, text in {**usual, "chat/routing": ROUTING, **named}.items():
            (plain_project / f"{name}.py").unlink(missing_ok=True)
            add(plain_project / f"{name}.py", text)
        return plain_project

    return written


@pytest.mark.parametrize(
    ("routing", "way"),
    [
        ("import chat.models", "imports chat.models,"),
        ("import chat.tokens", "imports chat.tokens, which imports rest_framework.token.models,"),
        ("class Room:\n    owner = get_user_model()", "calls get_user_model(),"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import chat.models", None),
        ("def user():\n    return get_user_model()", None),
        ("from shapes.models import Circle", None),
        ("import chat.routing", None),
    ],
)
def test_need_of_django_before_it_is_set_up_is_refused(
    write: Write, routing: str, way: str | None
) -> None:
    files = {
        "models": MODELS,
        "routing": f"{routing}\n{ROUTING}",
        "tokens": "from rest_framework.token.models import Token",
    }
    folder = write(IMPORT, SET_UP, ROUTER, **files)
    add(folder / "rooms/settings.py", 'INSTALLED_APPS += ["rest_framework.token"]')
    add(folder / "shapes/models.py", "Circle = 1")
    found = problems(folder)
    assert len(found) == (way is not None)
    for problem in found:
        assert problem.startswith("rooms/asgi.py, line 4 imports chat.routing, which ")
        assert way in problem
        assert problem.endswith("Move line 4 below line 6")
    assert problems(write(SET_UP, IMPORT, ROUTER, **files)) == []


def test_imported_module_may_set_django_up(write: Write) -> None:
    files = {"routing": "import chat.models\n" + ROUTING, "models": MODELS, "setup": SET_UP}
    first = "from chat.setup import http\n"
    assert problems(write(first, IMPORT, ROUTER, **files)) == []
    (problem,) = problems(write(IMPORT, first, ROUTER, **files))
    assert "before line 5 sets Django up" in problem


def test_application_that_never_sets_django_up_is_refused(write: Write) -> None:
    (problem,) = problems(write(IMPORT, "http = None\n", ROUTER))
    assert "rooms/asgi.py never calls get_asgi_application()" in problem


@pytest.mark.parametrize(("channels", "is_refused"), [("4.3.2", True), ("3.0.5", False)])
def test_router_without_http_is_refused_on_channels_4(
    write: Write, channels: str, is_refused: bool
) -> None:
    folder = write(SET_UP, IMPORT, ROUTER.replace('"http": http,', ""))
    (folder / "requirements.txt").write_text(f"channels=={channels}\nchannels-redis\n")
    found = problems(folder)
    assert len(found) == is_refused
    assert all('ProtocolTypeRouter has no "http"' in one for one in found)


def test_asgi_file_replaces_a_setting_of_channels_2(write: Write) -> None:
    routed = ROUTING + "http = None\n" + ROUTER.replace("routing.websocket", "websocket")
    asgi = "import django\ndjango.setup()\napplication = get_default_application()\n"
    folder = write(asgi, routing=routed)
    add(folder / "rooms/settings.py", 'ASGI_APPLICATION = "chat.routing.application"')
    found = settled(folder)
    assert found["ASGI_APPLICATION"][0] == "rooms.asgi:application"
    assert found["WEBSOCKET_PATH"][0] == "/ws/"


def test_production_settings_replace_local_ones(plain_project: Path) -> None:
    for name in ("local", "prod"):
        add(plain_project / f"rooms/conf/{name}.py", "from rooms.settings import *")
    asgi = plain_project / "rooms/asgi.py"
    asgi.write_text(asgi.read_text().replace("rooms.settings", "rooms.conf.local"))
    source = "rooms/conf/prod.py; rooms/asgi.py, line 6 names rooms.conf.local"
    assert settled(plain_project)["SETTINGS_MODULE"] == ("rooms.conf.prod", source)


@pytest.mark.parametrize("name", ["rooms/asgi.py", "manage.py"])
@pytest.mark.parametrize(
    ("lines", "is_refused"),
    [
        (f'{ASSIGNED}os.environ.get("DJANGO_SETTINGS_MODULE", "rooms.settings")', False),
        (f'{OFFERED}\nif "test" in sys.argv:\n    {ASSIGNED}"rooms.test"', False),
        (f'{OFFERED}\ndef testing():\n    {ASSIGNED}"rooms.test"', False),
        (f'{ASSIGNED}os.environ.get("S", "rooms.settings")', True),
        (f'if __name__:\n    {ASSIGNED}"rooms.settings"', True),
    ],
)
def test_settings_that_are_always_assigned_are_refused(
    plain_project: Path, name: str, lines: str, is_refused: bool
) -> None:
    file = plain_project / name
    indent = "    " if name == "manage.py" else ""
    file.write_text(file.read_text().replace(OFFERED, lines.replace("\n", f"\n{indent}")))
    found = problems(plain_project)
    assert bool(found) is is_refused
    assert all("assigns DJANGO_SETTINGS_MODULE and ignores" in one for one in found)
    assert settled(plain_project)["SETTINGS_MODULE"][0] == "rooms.settings"
