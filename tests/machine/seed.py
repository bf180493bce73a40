"""The seed: the small disk from which cloud-init takes user-data and meta-data (NoCloud)."""

import json
from collections.abc import Mapping
from typing import Any

from machine.drive import Drive


def cloud_config(public_key: str | None, extra: Mapping[str, Any] | None = None) -> str:
    """Return user-data: one key for the image's default user, and the fields of `extra`.

    Args:
        public_key: a line of authorized_keys; None where the meta-data have it.
        extra: more fields of cloud-config; its own `ssh_authorized_keys` come after ours.
    """
    fields = dict(extra or {})
    if public_key is not None:
        keys = [public_key, *fields.pop("ssh_authorized_keys", [])]
        fields = {"ssh_authorized_keys": keys, **fields}
    # JSON is YAML, so no YAML library is needed.
    return "#cloud-config\n" + json.dumps(fields, indent=2) + "\n"


def seed(*, user_data: str, meta_data: Mapping[str, Any]) -> Drive:
    """Return the drive, labelled CIDATA, as cloud-init's NoCloud documentation asks."""
    files = {"user-data": user_data, "meta-data": json.dumps(meta_data) + "\n"}
    return Drive(label="CIDATA", files=files)
