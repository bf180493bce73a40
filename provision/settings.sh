#!/usr/bin/env bash
# Every build setting: one line of what it does, then its default. A value comes
# from the environment first (`make image PROCESSES=2`), then from laurel.env at
# the project's root, then from here. The machine keeps them in
# /etc/laurel/build.env; what it may override when it boots is in site.env.

# The project's ASGI application, as module:attribute.
: "${ASGI_APPLICATION:=}"
# The project's settings module.
: "${SETTINGS_MODULE:=}"
# What to install, with hashes, relative to the project's root.
: "${REQUIREMENTS:=requirements.txt}"
# A process is healthy when this path answers below 500 on its own socket.
: "${HEALTH_PATH:=/}"
# Number of Daphne processes; auto is one for each CPU of the machine that boots.
: "${PROCESSES:=auto}"
# Names under which the site is reached, separated by commas; its own addresses always work.
: "${SITE_HOSTS:=}"
# Addresses or networks of proxies in front, separated by commas, whose X-Forwarded-* headers are believed.
: "${TRUSTED_PROXIES:=}"
# Largest body of a request, as nginx writes it.
: "${MAX_BODY:=10m}"
# Seconds that `laurel reload` waits for a process's open requests before it restarts the process.
: "${DRAIN_SECONDS:=10}"
# yes for a machine to develop on: errors with their source in the browser (DEBUG), mail on the log,
# static files under their own names. No image is baked with it.
: "${DEVELOPMENT:=no}"
