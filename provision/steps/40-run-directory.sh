#!/usr/bin/env bash
# Guide: "sudo mkdir /run/daphne/", its owner, and the tmpfiles.d entry that makes it at each boot.
source "$(dirname "$0")/../lib.sh"

install_file usr/lib/tmpfiles.d/daphne.conf
systemd-tmpfiles --create daphne.conf
