"""The seed: a small disk with user-data and meta-data for cloud-init (NoCloud)."""

import json
from collections.abc import Mapping
from typing import Any

from machine.drive import Drive


def cloud_config(public_key: str | None, extra: Mapping[str, Any] | None = None) -> str:
    """Return user-data with a key for the image's default user and the fields of `extra`.

    Args:
        public_key: a line of authorized_keys; None if the meta-data have it.
    """
    key = {} if public_key is None else {"ssh_authorized_keys": [public_key]}
    # JSON is YAML, so no YAML library is needed.
    return "#cloud-config\n" + json.dumps({**key, **(extra or {})}, indent=2) + "\n"


def seed(*, user_data: str, meta_data: Mapping[str, Any]) -> Drive:
    """Return the drive, labelled CIDATA as cloud-init's NoCloud documentation requires."""
    files = {"user-data": user_data, "meta-data": json.dumps(meta_data) + "\n"}
    return Drive(label="CIDATA", files=files)
