from .base import *  # noqa: F403

SECRET_KEY = "django-insecure-n4x(0c!v8t2m$hq_1w=+k7b9dz@e6u3yj5r^slg&apf0i2o#"
DEBUG = True
ALLOWED_HOSTS = []

# shell_plus, show_urls
INSTALLED_APPS += ["django_extensions"]  # noqa: F405
