#!/usr/bin/env bash
# Not in the guide: what this machine was made of, for `laurel describe`.
source "$(dirname "$0")/../lib.sh"

laurel_tool describe --write
