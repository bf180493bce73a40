"""The site: settings, URLs, the two server interfaces and the health checks."""
