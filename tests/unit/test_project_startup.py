"""What importing a project's ASGI application runs; which application and settings are taken."""

from collections.abc import Callable
from pathlib import Path

import pytest
from project.checks import application
from project.findings.project import Project
from project.inspection import inspect
from project.source import startup

Files = dict[str, str]
Write = Callable[[Files], Path]

SETTINGS = 'ROOT_URLCONF = "site_.urls"\nINSTALLED_APPS = ["rest_framework.authtoken", "chat"]\n'
HEAD = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")\n'
SET_UP = "from django.core.asgi import get_asgi_application\ndjango_app = get_asgi_application()\n"
ROUTER = (
    "from channels.routing import ProtocolTypeRouter, URLRouter\n"
    'application = ProtocolTypeRouter({"http": django_app,'
    ' "websocket": URLRouter(routing.websocket_urlpatterns)})\n'
)
ROUTING = 'from django.urls import path\nwebsocket_urlpatterns = [path("ws/", Room.as_asgi())]\n'


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a project of the files given, beside those that every project has."""

    def written(files: Files) -> Path:
        usual = {
            "manage.py": HEAD,
            "requirements.txt": "Django==5.2.5\nchannels==4.3.2\ndaphne==4.2.2\n",
            "site_/__init__.py": "",
            "site_/settings.py": SETTINGS,
            "site_/urls.py": "urlpatterns = []\n",
            "site_/asgi.py": HEAD + SET_UP + "from chat import routing\n" + ROUTER,
            "chat/__init__.py": "",
            "chat/routing.py": ROUTING,
        }
        for name, text in {**usual, **files}.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return written


def problems(folder: Path) -> list[str]:
    return list(application.problems(inspect(folder, {})))


def found(folder: Path, name: str) -> str:
    project: Project = inspect(folder, {})
    return project.findings.value(name)


EARLY = HEAD + "from chat import routing\n" + SET_UP + ROUTER


def test_a_project_as_the_guide_has_it_is_right(write: Write) -> None:
    assert problems(write({})) == []


@pytest.mark.parametrize(
    ("files", "way"),
    [
        (
            {"chat/models.py": "from django.db import models\n"},
            "imports chat.routing, which imports chat.models,",
        ),
        (
            {
                "chat/models/__init__.py": "",
                "chat/models/room.py": "from django.db import models\n",
            },
            "imports chat.routing, which imports chat.models.room,",
        ),
        (
            {"chat/tokens.py": "from rest_framework.authtoken.models import Token\n"},
            "which imports chat.tokens, which imports rest_framework.authtoken.models,",
        ),
        (
            {"chat/users.py": "User = get_user_model()\n"},
            "which imports chat.users, which calls get_user_model(),",
        ),
        (
            {"chat/users.py": "class Room:\n    owner = get_user_model()\n"},
            "which imports chat.users, which calls get_user_model(),",
        ),
    ],
)
def test_what_needs_django_before_it_is_set_up_is_refused(
    write: Write, files: Files, way: str
) -> None:
    needed = next(name for name in files if not name.endswith("__init__.py"))
    module = needed.removesuffix(".py").replace("/", ".")
    routing = {"chat/routing.py": f"import {module}\n{ROUTING}"}
    (told,) = problems(write({"site_/asgi.py": EARLY, **routing, **files}))
    assert way in told
    assert told.startswith("site_/asgi.py, line 3 ")
    assert told.endswith("Move line 3 below line 5")


@pytest.mark.parametrize(
    "text",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from chat.models import Room\n",
        "def user():\n    return get_user_model()\n",
        "late = lambda: get_user_model()\n",
        "from shapes.models import Circle\n",
    ],
)
def test_what_does_not_run_or_is_no_model_may_come_early(write: Write, text: str) -> None:
    models = {
        "chat/models.py": "from django.db import models\n",
        "shapes/models.py": "Circle = 1\n",
    }
    routing = {"chat/routing.py": text + ROUTING}
    assert problems(write({"site_/asgi.py": EARLY, **routing, **models})) == []


def test_a_module_that_is_imported_may_set_django_up(write: Write) -> None:
    asgi = HEAD + "from .wsgi import *\nfrom chat import routing\ndjango_app = None\n" + ROUTER
    wsgi = (
        "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
    )
    routing = "import chat.models\n" + ROUTING
    models = "from django.db import models\n"
    files = {"site_/wsgi.py": wsgi, "chat/routing.py": routing, "chat/models.py": models}
    assert problems(write({"site_/asgi.py": asgi, **files})) == []
    late = asgi.replace("from .wsgi import *\nfrom chat import routing\n",
                        "from chat import routing\nfrom .wsgi import *\n")  # fmt: skip
    (told,) = problems(write({"site_/asgi.py": late, **files}))
    assert "before line 4 sets Django up" in told


def test_an_application_that_never_sets_django_up_is_refused(write: Write) -> None:
    asgi = HEAD + "from chat import routing\ndjango_app = None\n" + ROUTER
    (told,) = problems(write({"site_/asgi.py": asgi}))
    assert "site_/asgi.py never calls get_asgi_application()" in told


def test_an_application_without_http_is_refused_where_channels_4_may_be(write: Write) -> None:
    asgi = HEAD + SET_UP + "from chat import routing\n" + ROUTER.replace('"http": django_app,', "")
    (told,) = problems(write({"site_/asgi.py": asgi}))
    assert 'ProtocolTypeRouter has no "http"' in told
    third = {"requirements.txt": "Django==4.2\nchannels==3.0.5\ndaphne==3.0.2\n"}
    assert problems(write({"site_/asgi.py": asgi, **third})) == []


def test_asgi_py_goes_before_a_setting_that_names_what_sets_nothing_up(write: Write) -> None:
    routed = ROUTING + "django_app = None\n" + ROUTER.replace("routing.websocket", "websocket")
    asgi = (
        HEAD + "import django\nfrom channels.routing import get_default_application\n"
        "django.setup()\napplication = get_default_application()\n"
    )
    folder = write(
        {
            "site_/settings.py": SETTINGS + 'ASGI_APPLICATION = "site_.routing.application"\n',
            "site_/routing.py": routed,
            "site_/asgi.py": asgi,
        }
    )
    assert found(folder, "ASGI_APPLICATION") == "site_.asgi:application"
    assert found(folder, "WEBSOCKET_PATH") == "/ws/"


@pytest.mark.parametrize("other", ["production", "prod"])
def test_settings_for_production_go_before_those_for_development(write: Write, other: str) -> None:
    local = HEAD.replace("site_.settings", "conf.local")
    files = {f"conf/{name}.py": SETTINGS for name in ("__init__", "local", other)}
    folder = write(
        {"site_/asgi.py": local + SET_UP + "from chat import routing\n" + ROUTER, **files}
    )
    assert found(folder, "SETTINGS_MODULE") == f"conf.{other}"
    source = {one.name: one.source for one in inspect(folder, {}).findings.found}
    assert source["SETTINGS_MODULE"] == f"conf/{other}.py; site_/asgi.py, line 2 names conf.local"
    assert inspect(folder, {"SETTINGS_MODULE": "conf.local"}).settings_module == "conf.local"


def test_an_import_is_followed_once(write: Write) -> None:
    folder = write({"chat/a.py": "import chat.b\n", "chat/b.py": "import chat.a\n"})
    modules = inspect(folder, {}).modules
    assert startup.follow(modules, "chat.a").set_up is None
