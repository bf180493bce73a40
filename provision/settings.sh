#!/usr/bin/env bash
# Every build setting: one line of what it does, then its default. A value comes
# from the environment first (`make image PROCESSES=2`), then from laurel.env at
# the project's root, then from here. The machine keeps them in
# /etc/laurel/build.env; what it may override when it boots is in site.env.

# What the project is made of. provision/project/ finds these; `make inspect` shows each with its place.

# The folder of manage.py, relative to the project's root.
: "${DJANGO_ROOT:=.}"
# The project's settings module.
: "${SETTINGS_MODULE:=}"
# The project's ASGI application, as module:attribute, and its WSGI application, if it has one.
: "${ASGI_APPLICATION:=}"
: "${WSGI_APPLICATION:=}"
# What to install: a requirements file, uv.lock, poetry.lock, Pipfile.lock or pyproject.toml.
: "${REQUIREMENTS:=requirements.txt}"
# A process is healthy when this path answers below 500 on its own socket.
: "${HEALTH_PATH:=/}"
# Where nginx serves static files, and what visitors have uploaded; empty for no uploads.
: "${STATIC_URL:=/static/}"
: "${MEDIA_URL:=}"
# Processes beside the site's own, as `name: command`; `web` is left out, for Laurel serves the site.
: "${PROCFILE:=}"
# What brings the database to the release's state, at each boot and release.
: "${RELEASE_COMMAND:=}"
# A page, a websocket and a static file of the site, for the proof.
: "${PAGE_PATH:=}"
: "${WEBSOCKET_PATH:=}"
: "${STATIC_FILE:=}"

# How it is built.

# Version of Python, such as 3.12; the system's own needs nothing.
: "${SITE_PYTHON:=system}"
# Packages of the system's archive that the project runs with, separated by blanks.
: "${APT_PACKAGES:=}"
# Those that are there while its Python packages are built from source, with a compiler.
: "${BUILD_PACKAGES:=}"

# How it runs.

# What serves the project's ASGI application: daphne, uvicorn, hypercorn or granian; docs/servers.md.
: "${ASGI_SERVER:=daphne}"
# What serves plain HTTP: same (the ASGI server) or gunicorn, with the project's WSGI application.
: "${HTTP_SERVER:=same}"
# With gunicorn: paths (what they begin with) and names of the site that stay with the ASGI server,
# separated by commas. Websockets do anyway.
: "${ASGI_PATHS:=}"
: "${ASGI_HOSTS:=}"
# What starts the processes and keeps them running: supervisor or systemd. No machine changes it later.
: "${PROCESS_MANAGER:=supervisor}"
# The channel layer: project (as its settings have it), or channels_redis' pubsub or core, or memory.
: "${CHANNEL_LAYER:=project}"
# The TCP socket that all processes share, as Daphne's -b and -p.
: "${BIND_ADDRESS:=127.0.0.1}"
: "${BIND_PORT:=8000}"
# Number of processes of each server; auto is one for each CPU of the machine that boots, if its memory has room.
: "${PROCESSES:=auto}"
# Names under which the site is reached, separated by commas; its own addresses always work.
: "${SITE_HOSTS:=}"
# Addresses or networks of proxies in front, separated by commas, whose X-Forwarded-* headers are believed.
: "${TRUSTED_PROXIES:=}"
# yes where a proxy in front speaks TLS. no takes redirects to HTTPS, secure cookies and HSTS back.
: "${TLS_IN_FRONT:=no}"
# Largest body of a request, as nginx writes it.
: "${MAX_BODY:=10m}"
# Seconds that `laurel reload` waits for a process's open requests before it restarts the process.
: "${DRAIN_SECONDS:=10}"
# yes for a machine to develop on: errors with their source in the browser (DEBUG), mail on the log,
# static files under their own names. No image is baked with it.
: "${DEVELOPMENT:=no}"
