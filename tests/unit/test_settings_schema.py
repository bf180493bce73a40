"""settings.toml, and the checks of values that it names."""

import pytest
from laurel import forms
from laurel.schema import SETTINGS


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_has_one_form_and_a_valid_default(name: str) -> None:
    setting = SETTINGS[name]
    assert [bool(setting.check), bool(setting.pattern), bool(setting.choices)].count(True) == 1
    assert setting.scope in ("bake", "machine", "both")
    assert setting.text.endswith(".")
    assert not setting.default or setting.problems(setting.default) == []
    assert not setting.check or callable(getattr(forms, setting.check))


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "PROCESSES": ["auto", "1", "1024"],
        "MAX_BODY": ["0", "10m", "1G", "8589934591g"],
        "WEBSOCKET_MESSAGE": ["1k", "1024", "1m", "1G"],
        "WEBSOCKET_IDLE": ["1", "86400"],
        "CLIENT_CONNECTIONS": ["0", "1", "65535"],
        "CLIENT_REQUESTS": ["0", "200"],
        "PROCESS_MEMORY": ["auto", "64", "4000"],
        "PROCFILE_STOP_SECONDS": ["1", "9999"],
        "DRAIN_SECONDS": ["0", "86400"],
        "HEALTH_PATH": ["/", "/health?full=1", "/a;b"],
        "STATIC_URL": ["/static/", "/a/b-c/~d.e/"],
        "SITE_HOSTS": ["a.example,.b.example 10.0.0.7", "[2001:db8::7]", "a" * 63 + ".example"],
        "TRUSTED_PROXIES": ["10.0.0.0/8, 2001:db8::/32", "10.0.0.7", "10.0.0.7/8"],
        "ASGI_PATHS": ["/poll/,/sse,/a-b/c.d/~me/x+y@z"],
        "ASGI_APPLICATION": ["mysite.asgi:application", "mysite.asgi"],
        "BIND_PORT": ["1", "80", "65535"],
        "BIND_ADDRESS": ["0.0.0.0", "255.255.255.255"],
        "SITE_PYTHON": ["system", "3.12", "3.12.4"],
        "APT_PACKAGES": ["libpq5 gettext", "libc6:amd64", "nginx=1.26.3-3+deb13u1"],
        "PROCFILE": ["Procfile", "my app/Procfile.prod"],
        "LOG_LEVEL": ["debug", "WARNING"],
        "CSRF_TRUSTED_ORIGINS": ["https://a.example,https://*.b.example:8443", "http://[::1]:80"],
        "REDIS_URL": [
            "redis://10.0.0.9",
            "rediss://:p@redis.example:6380/2",
            "unix:///run/redis.sock?db=1",
            "redis://[2001:db8::9]:6379",
            "redis+sentinel://10.0.0.9/main",
            "redis+sentinel://:p%40w@a.example:26380,b-2.example,10.0.0.9:26379/my-main.1/2",
        ],
        "DATABASE_URL": [
            "postgres://u:p%40@db/site",
            "sqlite:////var/lib/site/x.sqlite3",
            "sqlite://:memory:",
        ],
    }.items(),
)
def test_usable_values_are_accepted(name: str, values: list[str]) -> None:
    assert [problem for value in values for problem in SETTINGS[name].problems(value)] == []


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "PROCESSES": ["0", "-1", "2.5", "1025", "two", "", "1 2", "٢"],
        "MAX_BODY": ["9000000000g", "8589934592g", "10t", "m", "-1", "٢m", ""],
        "WEBSOCKET_MESSAGE": ["0", "1023", "2g", "1t", ""],
        "WEBSOCKET_IDLE": ["0", "-1", "1h"],
        "CLIENT_CONNECTIONS": ["-1", "65536", "01", "00", "1k", "٢", ""],
        "CLIENT_REQUESTS": ["2.5", "10r/s"],
        "PROCESS_MEMORY": ["0", "63", "1g", "-64", ""],
        "PROCFILE_STOP_SECONDS": ["0", "60s", ""],
        "DRAIN_SECONDS": ["-1", "1m", ""],
        "HEALTH_PATH": ["nope", "/ä", "/a b", ""],
        "STATIC_URL": [
            "/",
            "static/",
            "/static",
            "https://cdn.example/static/",
            "/../",
            "/a/./b/",
            "",
        ],
        "SITE_HOSTS": ["*", "a..b", "a;b", "a b:80", "x" * 254, "[::1%eth0]"],
        "TRUSTED_PROXIES": [
            *(
                "fe80::1%eth0",
                "0.0.0.0/0",
                "128.0.0.0/1",
                "::/0",
                "::ffff:0:0/96",
                "proxy.example",
                "10.0.0.0/33",
            ),
            # Networks to Python, but not to nginx.
            *("10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "255.255.255.255", "1:2:3:4:5:6:7::"),
        ],
        "MEDIA_URL": [f"/{'m' * 999}/"],
        "ASGI_PATHS": ["/" + "p" * 1000, "poll/", '/a";return', "/a{1}", "/b$", "/a%2Fb"],
        "ASGI_APPLICATION": ["mysite/asgi.py", "mysite.asgi:application --help", "%(x)s"],
        "BIND_PORT": ["0", "-1", "08000", "65536", "http", ""],
        "BIND_ADDRESS": ["localhost", "::1", "127.0.0.256", "*", ""],
        "SITE_PYTHON": ["2.7", "python3", ""],
        "APT_PACKAGES": ["-oDebug=1", "a;b", "$(id)"],
        "PROCFILE": ["/etc/Procfile", "../Procfile", "100%/Procfile", "a;b"],
        "ASGI_SERVER": ["apache", "gunicorn", "same", "../daphne", ""],
        "HTTP_SERVER": ["uvicorn", "Same"],
        "CSRF_TRUSTED_ORIGINS": ["a.example", "https://a.example/path"],
        "REDIS_URL": [
            *("10.0.0.9:6379", "http://a", "redis://a:port", "redis:", "unix://[", "redis://["),
            *("redis+sentinel://a", "redis+sentinel://a,/main", "redis+sentinel://a/main/x"),
            *("redis+sentinel://:p/w@a/main", "redis+sentinel://site:pw@a/main"),
        ],
        "DATABASE_URL": ["db.example/site", "postgres://u:secret@:5432x/site", "postgres:"],
    }.items(),
)
def test_unusable_values_are_refused(name: str, values: list[str]) -> None:
    assert [value for value in values if not SETTINGS[name].problems(value)] == []
