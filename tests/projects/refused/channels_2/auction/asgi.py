"""What Daphne serves; see the deploying chapter of Channels 2."""

import os

import django
from channels.routing import get_default_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auction.settings")
django.setup()
application = get_default_application()
