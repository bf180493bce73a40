"""Django's settings, from environment variables.

Defaults are in brackets:

    SECRET_KEY            signs cookies and forms; required unless DEBUG is true
    DEBUG                 [false] for development only
    ALLOWED_HOSTS         [none] the site's names and addresses, separated by commas
    CSRF_TRUSTED_ORIGINS  [none] e.g. https://chat.example.com, separated by commas
    STATE_DIR             [this folder] the folder of the SQLite database
    DATABASE_URL          [STATE_DIR/db.sqlite3] e.g. postgres://user:password@host/name
    REDIS_URL             [redis://127.0.0.1:6379/0; with DEBUG: none, for one process only]
    STATIC_ROOT           [staticfiles in this folder] the target of collectstatic
    LOG_LEVEL             [INFO] the lowest level that is logged, on stdout

Settings that need HTTPS, off by default (see `check --deploy`):

    SECURE_SSL_REDIRECT          [false] redirect http:// to https://
    SECURE_HSTS_SECONDS          [0] time for which browsers refuse http://
    SECURE_HSTS_INCLUDE_SUBDOMAINS, SECURE_HSTS_PRELOAD   [false]
    SESSION_COOKIE_SECURE, CSRF_COOKIE_SECURE             [false] cookies over HTTPS only
"""

import os
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from mysite.log import brief

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()


def names(variable: str) -> list[str]:
    """Return the items of a variable, which commas separate; spaces are ignored."""
    return [name.strip() for name in env.list(variable, default=[]) if name.strip()]


DEBUG = env.bool("DEBUG", default=False)

# Not read by django-environ, for which a value that starts with $ names another variable.
SECRET_KEY = os.environ.get("SECRET_KEY", "")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Put a long random value in the environment, for example from: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(50))' "
            "(DEBUG=true needs none, and is for development only)."
        )
    SECRET_KEY = "development-only-and-known-to-everyone"  # noqa: S105

ALLOWED_HOSTS = names("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = names("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    # First, so that its runserver replaces Django's. Without DEBUG it is of no use, and every
    # command of manage.py would take twice as long to start, because it imports Twisted.
    *(["daphne"] if DEBUG else []),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "chat",
]

MIDDLEWARE = [
    # First, because those below check the Host header or redirect to HTTPS.
    "mysite.health.health_middleware",
    "django.middleware.security.SecurityMiddleware",
    "mysite.csp.content_security_policy_middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "mysite.urls"
ASGI_APPLICATION = "mysite.asgi.application"
WSGI_APPLICATION = "mysite.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database

STATE_DIR = Path(env.str("STATE_DIR", default="") or BASE_DIR)
if env.str("DATABASE_URL", default=""):
    DATABASES = {"default": env.db_url("DATABASE_URL")}
else:
    DATABASES = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": STATE_DIR / "db.sqlite3"}
    }

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        {
            # An acknowledged message must survive a power cut. In DELETE mode, removing the
            # journal is the commit. Only EXTRA syncs the journal's folder, too: without that, the
            # journal may come back and undo the commit.
            # https://www.sqlite.org/pragma.html#pragma_synchronous
            "init_command": "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA;",
            # Several processes write. A transaction that starts with a read can't wait for the
            # write lock later: it fails at once, whatever the timeout is.
            "transaction_mode": "IMMEDIATE",
            # Seconds to wait for another process's write; less than nginx's usual 60 s.
            "timeout": 20,
        }
    )

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Channel layer

REDIS_URL = env.str("REDIS_URL", default="") or ("" if DEBUG else "redis://127.0.0.1:6379/0")

if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            # Not RedisChannelLayer: it takes a connection for each websocket that closes, and runs
            # out of them if a thousand close at once.
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                # redis-py closes a connection that is quiet for 5 s, and a chat may be quiet for
                # longer.
                "hosts": [
                    {
                        "address": REDIS_URL,
                        "socket_timeout": None,
                        # After a restart of Redis, each process still has a dead connection, on
                        # which its next message would fail. Waiting for 0.1 + 0.2 + 0.4 s also
                        # covers the restart itself. Consumers skip repeated messages.
                        "retry": Retry(ExponentialBackoff(base=0.1, cap=0.4), retries=3),
                    }
                ],
            },
        }
    }
else:
    # For development only, because it reaches no other process.
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# Accounts

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "chat"

# Mail

if DEBUG:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

# Static files

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default="") or BASE_DIR / "staticfiles")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            # A file's name changes with its content, so browsers may cache it for ever.
            else "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
        )
    },
}

# Behind nginx

# nginx sets this header on every request, so a client cannot forge it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# nginx passes on the client's Host header unchanged.
USE_X_FORWARDED_HOST = False

# Security. `check --deploy` reports W004, W008, W012 and W016 while the settings that need HTTPS
# are off. They are off because a new machine has no certificate, and with them on, no one could
# log in to it.

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=False)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)
SESSION_COOKIE_SECURE = env.bool("SESSION_COOKIE_SECURE", default=False)
CSRF_COOKIE_SECURE = env.bool("CSRF_COOKIE_SECURE", default=False)
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

# Language and time

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# Logging, to the stream that supervisor writes to files

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "brief": {"()": "django.utils.log.CallbackFilter", "callback": brief},
    },
    "formatters": {
        "plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
    },
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "plain",
        },
    },
    "root": {"handlers": ["stdout"], "level": env.str("LOG_LEVEL", default="INFO").upper()},
    "loggers": {
        # Without this line, Django's own handlers print each error again with DEBUG, and mail it
        # to no one without.
        "django": {"handlers": [], "propagate": True},
        # One line instead of twenty for each request with an unknown host, and for each second
        # without Redis.
        "django.security.DisallowedHost": {"filters": ["brief"]},
        "channels_redis.pubsub": {"filters": ["brief"]},
    },
}
