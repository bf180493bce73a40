"""The settings, each time in a process with its own environment."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parent.parent

SHOW = """
import json
from django.conf import settings
print(json.dumps({name: getattr(settings, name) for name in dir(settings) if name.isupper()},
                 default=str))
"""


def run(*arguments, **environment):
    """Run Python in the site's folder, with no other variables of the site."""
    inherited = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    environment = {**inherited, "DJANGO_SETTINGS_MODULE": "mysite.settings", **environment}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=APP,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def settings_with(**environment):
    """Return the settings as a dict."""
    shown = run("-c", SHOW, **environment)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_missing_secret_key_is_explained():
    shown = run("-c", SHOW)
    assert shown.returncode != 0
    last_line = shown.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured: SECRET_KEY is not set." in last_line
    assert "secrets.token_urlsafe" in last_line


def test_debug_selects_settings_for_development():
    debug = settings_with(DEBUG="true")
    assert debug["INSTALLED_APPS"][0] == "daphne"
    assert debug["EMAIL_BACKEND"].endswith("console.EmailBackend")
    assert debug["STORAGES"]["staticfiles"]["BACKEND"].endswith(".StaticFilesStorage")
    service = settings_with(SECRET_KEY="k")
    assert "daphne" not in service["INSTALLED_APPS"]
    assert service["EMAIL_BACKEND"].endswith("smtp.EmailBackend")
    assert service["STORAGES"]["staticfiles"]["BACKEND"].endswith(".ManifestStaticFilesStorage")


def test_defaults_suit_production(tmp_path):
    found = settings_with(SECRET_KEY="k", STATE_DIR=str(tmp_path))
    assert found["DEBUG"] is False
    assert found["ALLOWED_HOSTS"] == []
    assert found["DATABASES"]["default"]["NAME"] == str(tmp_path / "db.sqlite3")
    options = found["DATABASES"]["default"]["OPTIONS"]
    assert "journal_mode=DELETE" in options["init_command"]
    assert "synchronous=EXTRA" in options["init_command"]
    assert (options["transaction_mode"], options["timeout"]) == ("IMMEDIATE", 20)
    layer = found["CHANNEL_LAYERS"]["default"]
    assert layer["BACKEND"] == "channels_redis.pubsub.RedisPubSubChannelLayer"
    [host] = layer["CONFIG"]["hosts"]
    assert (host["address"], host["socket_timeout"]) == ("redis://127.0.0.1:6379/0", None)
    assert "Retry" in host["retry"]
    assert found["STORAGES"]["staticfiles"]["BACKEND"].endswith("ManifestStaticFilesStorage")
    assert found["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
    assert found["USE_X_FORWARDED_HOST"] is False


def test_environment_variables_set_the_settings(tmp_path):
    found = settings_with(
        SECRET_KEY="$starts-with-a-dollar",
        DATABASE_URL="postgres://site:p%40ss@db.internal:5433/chat",
        REDIS_URL="rediss://cache.internal:6380/2",
        ALLOWED_HOSTS="chat.example, 192.0.2.1, ",
        CSRF_TRUSTED_ORIGINS="https://chat.example",
        STATIC_ROOT=str(tmp_path),
        LOG_LEVEL="warning",
        SECURE_SSL_REDIRECT="true",
        SECURE_HSTS_SECONDS="3600",
        SESSION_COOKIE_SECURE="true",
        CSRF_COOKIE_SECURE="true",
    )
    assert found["SECRET_KEY"] == "$starts-with-a-dollar"
    database = found["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.internal", 5433, "chat")
    assert (database["USER"], database["PASSWORD"]) == ("site", "p@ss")
    assert "init_command" not in database.get("OPTIONS", {})
    hosts = found["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"]
    assert hosts[0]["address"] == "rediss://cache.internal:6380/2"
    assert found["ALLOWED_HOSTS"] == ["chat.example", "192.0.2.1"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://chat.example"]
    assert found["STATIC_ROOT"] == str(tmp_path)
    assert found["LOGGING"]["root"]["level"] == "WARNING"
    assert found["SECURE_SSL_REDIRECT"] is True
    assert found["SECURE_HSTS_SECONDS"] == 3600
    assert found["SESSION_COOKIE_SECURE"] is True
    assert found["CSRF_COOKIE_SECURE"] is True


def test_sqlite_url_gets_the_durable_options(tmp_path):
    found = settings_with(SECRET_KEY="k", DATABASE_URL=f"sqlite:///{tmp_path}/other.sqlite3")
    assert found["DATABASES"]["default"]["NAME"] == str(tmp_path / "other.sqlite3")
    assert "synchronous=EXTRA" in found["DATABASES"]["default"]["OPTIONS"]["init_command"]


def test_debug_needs_neither_key_nor_redis():
    found = settings_with(DEBUG="true")
    backend = found["CHANNEL_LAYERS"]["default"]["BACKEND"]
    assert backend == "channels.layers.InMemoryChannelLayer"


def test_layer_has_the_address_and_no_read_timeout():
    build = """
import asyncio, django
django.setup()
from channels.layers import get_channel_layer
from channels_redis.utils import create_pool
async def main():
    [shard] = get_channel_layer()._get_layer()._shards
    print(create_pool(shard.host).connection_kwargs)
asyncio.run(main())
"""
    shown = run("-c", build, SECRET_KEY="k", REDIS_URL="redis://cache.internal:6380/2")
    assert shown.returncode == 0, shown.stderr
    assert "'socket_timeout': None" in shown.stdout
    assert "'host': 'cache.internal', 'port': 6380, 'db': 2" in shown.stdout


@pytest.mark.parametrize("https", [False, True])
def test_check_deploy_reports_https_settings_only(https):
    variables = {"SECRET_KEY": "".join(map(chr, range(48, 123))), "ALLOWED_HOSTS": "chat.example"}
    if https:
        for name in (
            "SECURE_SSL_REDIRECT",
            "SECURE_HSTS_INCLUDE_SUBDOMAINS",
            "SECURE_HSTS_PRELOAD",
            "SESSION_COOKIE_SECURE",
            "CSRF_COOKIE_SECURE",
        ):
            variables[name] = "true"
        variables["SECURE_HSTS_SECONDS"] = "31536000"
    shown = run("manage.py", "check", "--deploy", "--fail-level", "ERROR", **variables)
    assert shown.returncode == 0, shown.stderr
    warned = set(re.findall(r"\((\w+\.W\d+)\)", shown.stderr))
    expected = {f"security.W{number}" for number in ("004", "008", "012", "016")}
    assert warned == (set() if https else expected)


def test_migrations_are_complete(tmp_path):
    shown = run(
        "manage.py", "makemigrations", "--check", "--dry-run", DEBUG="true", STATE_DIR=str(tmp_path)
    )
    assert shown.returncode == 0, shown.stdout


def test_static_files_get_hashed_names(tmp_path):
    static = tmp_path / "static"
    shown = run("manage.py", "collectstatic", "--no-input", SECRET_KEY="k", STATIC_ROOT=str(static))
    assert shown.returncode == 0, shown.stderr
    manifest = json.loads((static / "staticfiles.json").read_text())["paths"]
    for name in ("chat/chat.css", "chat/chat.js", "chat/icon.svg"):
        assert manifest[name] != name
        assert (static / manifest[name]).is_file()
