"""Django's settings, all of which come from the environment.

Variables, with the default in brackets:

    SECRET_KEY            signs cookies and forms; required unless DEBUG is true
    DEBUG                 [false] never true on a machine that others can reach
    ALLOWED_HOSTS         [none] names and addresses of the site, separated by commas
    CSRF_TRUSTED_ORIGINS  [none] e.g. https://chat.example.com, separated by commas
    STATE_DIR             [this folder] where the SQLite database lives
    DATABASE_URL          [sqlite in STATE_DIR/db.sqlite3] or postgres://user:pass@host/name
    REDIS_URL             [redis://127.0.0.1:6379/0; with DEBUG: no Redis, one process only]
    STATIC_ROOT           [staticfiles in this folder] where collectstatic writes
    LOG_LEVEL             [INFO] level of everything that is logged, on stdout

HTTPS-only settings, off until the machine has a certificate (see `check --deploy`):

    SECURE_SSL_REDIRECT          [false] redirect http:// to https://
    SECURE_HSTS_SECONDS          [0] seconds for which browsers refuse plain http://
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
    """Return what a variable lists, with commas between and spaces where one likes."""
    return [name.strip() for name in env.list(variable, default=[]) if name.strip()]


DEBUG = env.bool("DEBUG", default=False)

# Not by django-environ, which takes a value that starts with $ for another variable's name.
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
    # First, so that its runserver takes the place of Django's. Where nobody runs that, it would
    # only make each command of manage.py import Twisted, and take twice as long to start.
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
    # First, because the ones below look at the Host header or redirect to HTTPS.
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
            # A message that was acknowledged must survive a power cut. In DELETE mode a commit
            # is the removal of the journal, and only EXTRA also syncs the folder it was removed
            # from; without that the journal can come back and undo the commit.
            # https://www.sqlite.org/pragma.html#pragma_synchronous
            "init_command": "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA;",
            # Several processes write. A transaction that starts as a reader cannot wait for the
            # write lock later: it fails at once, whatever the timeout.
            "transaction_mode": "IMMEDIATE",
            # Seconds to wait for another process's write, below nginx's usual 60 s.
            "timeout": 20,
        }
    )

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Channel layer

REDIS_URL = env.str("REDIS_URL", default="") or ("" if DEBUG else "redis://127.0.0.1:6379/0")

if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            # Not RedisChannelLayer: it opens a connection for each socket that closes, and runs
            # out of them when a thousand close at once.
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                # redis-py gives up on a quiet connection after 5 s, and a chat can be quiet for
                # longer than that.
                "hosts": [
                    {
                        "address": REDIS_URL,
                        "socket_timeout": None,
                        # Without it the first message after a restart of Redis fails in each
                        # process, on a connection that has been dead for long. 0.1 + 0.2 + 0.4
                        # seconds of waiting also bridge the restart itself; a message that was
                        # passed on twice is told once.
                        "retry": Retry(ExponentialBackoff(base=0.1, cap=0.4), retries=3),
                    }
                ],
            },
        }
    }
else:
    # Reaches this process only, which is why it takes DEBUG to get it.
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

# Mail, which is printed where one develops

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
            # A name changes with its content, so nginx may let browsers keep it for ever.
            else "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
        )
    },
}

# Behind nginx

# nginx sets this header on every request, so a client's own value never gets here.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# nginx passes the client's Host header on unchanged.
USE_X_FORWARDED_HOST = False

# Security. `check --deploy` warns of W004, W008, W012 and W016 for as long as the HTTPS-only
# settings are off. That is deliberate: a fresh machine has an address and no certificate, and
# with them on nobody could log in to it. The other checks are clean.

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

# Logging: one stream, which supervisor keeps.

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
        # Django gives this one handlers of its own; without this line, errors appear twice
        # with DEBUG, and are mailed to nobody without it.
        "django": {"handlers": [], "propagate": True},
        # One line for each stranger who asks for another host, and for each second that Redis is
        # away, instead of twenty.
        "django.security.DisallowedHost": {"filters": ["brief"]},
        "channels_redis.pubsub": {"filters": ["brief"]},
    },
}
