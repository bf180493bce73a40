import os

from .base import *  # noqa: F403

SECRET_KEY = os.environ.get("SECRET_KEY", "change-me-when-we-are-live")
DEBUG = False
ALLOWED_HOSTS = ["board.example.com"]
CSRF_TRUSTED_ORIGINS = ["https://board.example.com"]
