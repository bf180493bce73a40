"""The site: settings, URLs, ASGI and WSGI applications, and health checks."""
