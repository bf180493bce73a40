#!/usr/bin/env bash
# Looks at a project and changes nothing: what of it provision.sh would go by.
#
#     PROJECT=folder inspect.sh report|settings [--python VERSION]
source "$(dirname "$(readlink -f "$0")")/lib.sh"

read_given
inspect "$@"
