#!/usr/bin/env bash
# Not in the guide: records what this machine was built from, for `laurel describe`.
source "$(dirname "$0")/../lib.sh"

laurel_tool describe --write
