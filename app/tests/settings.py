"""The site's settings, without services outside the tests' process."""

import os

# The shell that runs the tests may have a site's variables.
os.environ.update(DEBUG="true", REDIS_URL="", DATABASE_URL="", STATE_DIR="", SECRET_KEY="")

from mysite.settings import *  # noqa: F403

DEBUG = False
ALLOWED_HOSTS = ["chat.example"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
