"""The seed: the small disk from which cloud-init takes user-data and meta-data (NoCloud)."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machine.command import run

SIZE_KIB = 1024  # user-data of every cloud is smaller than 64 KiB


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


def write_seed(path: Path, *, user_data: str, meta_data: Mapping[str, Any]) -> None:
    """Write a vfat file system labelled CIDATA, as cloud-init's NoCloud documentation asks.

    Raises:
        MachineError: mkfs.vfat (dosfstools) or mcopy (mtools) is missing or failed.
    """
    path.unlink(missing_ok=True)
    run("mkfs.vfat", "-n", "CIDATA", "-C", path, str(SIZE_KIB))
    with TemporaryDirectory() as folder:
        files = {"user-data": user_data, "meta-data": json.dumps(meta_data) + "\n"}
        for name, text in files.items():
            source = Path(folder, name)
            source.write_text(text, encoding="utf-8")
            run("mcopy", "-i", path, source, f"::{name}")
