"""What projects answer when they run: one small project for each kind of fault."""

import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from project import ask, release_files
from project.examination import Examination, examine
from run import as_root

SETTINGS = """\
import os
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "x"
ALLOWED_HOSTS = []
INSTALLED_APPS = ["django.contrib." + name for name in ("contenttypes", "auth", "staticfiles")]
ROOT_URLCONF = "site_x.urls"
STATIC_URL = "static/"
ASGI_APPLICATION = "site_x.asgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
REDIS = {"hosts": [("localhost", 6379)]}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": REDIS}}
"""
ASGI = """\
import os
from django.core.asgi import get_asgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_x.settings")
http = get_asgi_application()
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path
from site_x.consumers import Echo
application = ProtocolTypeRouter({
    "http": http,
    "websocket": AllowedHostsOriginValidator(URLRouter([path("ws/<int:room>/", Echo.as_asgi())])),
})
"""
URLS = """\
from django.http import HttpResponse
from django.urls import path
def home(request):
    return HttpResponse("home")
urlpatterns = [path("admin/", home), path("", home)]
"""
CONSUMERS = """\
from channels.generic.websocket import WebsocketConsumer
class Echo(WebsocketConsumer):
    pass
"""
MANAGE = """\
import os, sys
if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_x.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""
FILES = {
    "manage.py": MANAGE,
    "requirements.txt": "django\nchannels\nchannels-redis\ndaphne\n",
    "site_x/__init__.py": "",
    "site_x/settings.py": SETTINGS,
    "site_x/asgi.py": ASGI,
    "site_x/urls.py": URLS,
    "site_x/consumers.py": CONSUMERS,
}
LAST = SETTINGS.count("\n")  # the line of SETTINGS after which a case adds its own

Ask = Callable[..., Examination]
Case = dict[str, Any]


@pytest.fixture
def asked(tmp_path: Path) -> Ask:
    """Makes a project from FILES, lines of settings and other files, and asks it."""

    def run(settings: str = "", files: dict[str, str] | None = None, **given: str) -> Examination:
        folder = tmp_path / "project"
        for name, text in {**FILES, **(files or {})}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with (folder / "site_x/settings.py").open("a") as file:
            file.write(settings)
        return ask_folder(folder, **given)

    return run


def ask_folder(folder: Path, **given: str) -> Examination:
    """Ask a project that needs only what the tools' own virtual environment has."""
    examined = examine(folder, given, f"3.{sys.version_info.minor}")
    if not examined.errors:
        files = release_files.choose(folder).paths
        ask.ask(examined, files, Path("/"), environment=Path(sys.prefix), as_root=as_root())
    return examined


def test_working_project_has_no_problem_and_its_paths_are_found(asked: Ask) -> None:
    examined = asked('MEDIA_URL = "/up/"\n')
    assert (examined.errors, examined.unchecked) == ([], [])
    found = {name: value for name, (value, _) in examined.found.settings.items()}
    expected = {
        "ASGI_APPLICATION": "site_x.asgi:application",
        "STATIC_URL": "/static/",
        "MEDIA_URL": "/up/",
        "HEALTH_PATH": "/",
        "PAGE_PATH": "/",
        "WEBSOCKET_PATH": "/ws/1/",
    }
    assert expected.items() <= found.items()
    assert examined.found.settings["MEDIA_URL"][1] == f"site_x/settings.py, line {LAST + 1}"
    overridden = {name: place for name, _, place in examined.overrides}
    assert overridden["SECRET_KEY"] == "site_x/settings.py, line 4"


CASES = tomllib.loads(Path(__file__).with_name("questions.toml").read_text())


def cases(kind: str) -> Any:
    return pytest.mark.parametrize("case", CASES[kind], ids=[one["name"] for one in CASES[kind]])


def says(lines: list[str], case: Case) -> bool:
    """Whether one of `lines` is what the case wants."""
    wanted = re.sub(r"\{(\d)\}", lambda found: str(LAST + int(found[1])), case["says"])
    return any(re.fullmatch(wanted, line) for line in lines)


@cases("refused")
def test_faulty_project_is_refused_with_its_line(asked: Ask, case: Case) -> None:
    examined = asked(case.get("settings", ""), case.get("files"))
    assert says(examined.errors, case), examined.errors


@cases("warned")
def test_doubtful_project_is_warned_of(asked: Ask, case: Case) -> None:
    examined = asked(case.get("settings", ""), case.get("files"))
    assert examined.errors == []
    assert says(examined.warnings, case), examined.warnings


@cases("works")
def test_unusual_project_works(asked: Ask, case: Case) -> None:
    assert asked(case.get("settings", ""), case.get("files")).errors == []


def test_file_with_a_mark_and_carriage_returns_is_read(asked: Ask) -> None:
    text = "\ufeff" + SETTINGS.replace("\n", "\r\n")
    assert asked(files={"site_x/settings.py": text}).errors == []


def test_all_variables_are_named_in_one_round(asked: Ask) -> None:
    lines = ('X = os.environ["ONE"]', 'Y = int(os.environ["MAX_COUNT"])', 'Z = os.environ["A_URL"]')
    examined = asked("\n".join(lines))
    named = [found[1] for one in examined.errors if (found := re.search(r"variable (\w+)", one))]
    assert named == ["ONE", "MAX_COUNT", "A_URL"]
    assert examined.unchecked


def test_paths_come_from_the_environment_of_the_machine(asked: Ask) -> None:
    examined = asked('STATIC_URL = os.environ.get("ASSETS_URL", "/site/assets/")\n')
    assert examined.settings["STATIC_URL"] == "/site/assets/"
    (examined.found.tree.root / "laurel.env").write_text("export ASSETS_URL=/other/\n")
    assert ask_folder(examined.found.tree.root).settings["STATIC_URL"] == "/other/"


def test_link_to_manage_py_and_another_import_root_are_followed(asked: Ask) -> None:
    folder = asked().found.tree.root
    (folder / "src").mkdir()
    shutil.move(folder / "site_x", folder / "src")
    (folder / "manage.py").write_text(f"import sys\nsys.path.insert(0, 'src')\n{MANAGE}")
    examined = ask_folder(folder)
    assert (examined.errors, examined.settings["IMPORT_ROOT"]) == ([], "src")
    shutil.move(folder / "manage.py", folder / "src")
    (folder / "src/manage.py").write_text(MANAGE)
    (folder / "manage.py").symlink_to("src/manage.py")
    examined = ask_folder(folder)
    assert (examined.errors, examined.settings["DJANGO_ROOT"]) == ([], "src")


VERDICTS = {
    "hard_settings": r"ferry/asgi\.py, line \d+: assigns DJANGO_SETTINGS_MODULE .*setdefault.*",
    "memory_layer": r"garden/settings\.py, line \d+: CHANNEL_LAYERS.*PROCESSES=1.*",
    "models_before_setup": r"chat/\w+\.py, line \d+: \w*AppRegistryNotReady.*",
    "no_asgi": r"no asgi\.py, and the settings have no ASGI_APPLICATION.*",
    "no_migrations": r"recipes: has models and .*makemigrations recipes.*",
    "placeholder_database": r"library/settings\.py, line \d+: .*your-db-host\.example\.com .*",
    "placeholder_redis": r"chess/settings\.py, line \d+: .*the Redis host redis\.example\.com .*",
    "settings_fail": r"theatre/settings\.py, line \d+: needs the variable PAYMENT_API_KEY .*",
}


@pytest.mark.parametrize("name", VERDICTS)
def test_test_project_is_refused_for_its_one_fault(top: Path, name: str) -> None:
    (error,) = ask_folder(top / "tests/projects/refused" / name).errors
    assert re.fullmatch(VERDICTS[name], error), error


def test_layer_in_memory_serves_one_process(top: Path) -> None:
    assert ask_folder(top / "tests/projects/refused/memory_layer", PROCESSES="1").errors == []
