"""The tar file for the build machine: provision/, the project, the settings."""

import io
import os
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import sources

UV = Path(sys.executable).parent / "uv"  # in the version that provision/uv.txt locks
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def write(
    target: Path,
    *,
    provision: Path,
    project: Path,
    files: Iterable[Path],
    settings: str,
    found: str,
    lock: str,
    revision: str,
    dirty: bool,
    project_revision: str,
    project_dirty: bool,
    uv: Path,
) -> None:
    """Write the compressed tar file `target`, in the layout that provision.sh expects.

    `files` are those of `project`; `settings` are KEY=VALUE lines, and so is `found`, what the
    project answered when it ran; `lock` is what its requirements were resolved to. `uv` is the
    program that installs the project. Proxies and a CA bundle come from the environment
    (http_proxy, SSL_CERT_FILE) and serve only during the build.
    """
    # Little compression: most of the file is uv, and it goes to a machine on this host.
    with tarfile.open(target, "w:gz", compresslevel=1) as tar:
        for path in sources.files(provision):
            tar.add(path, f"provision/{path.relative_to(provision)}", filter=_anonymous)
        for path in files:
            tar.add(path, f"app/{path.relative_to(project)}", filter=_anonymous)
        # uv takes seconds in emulation where pip takes a minute.
        tar.add(uv, "bin/uv", filter=_anonymous)
        _add_text(tar, "settings.env", settings)
        for name, text in (("found.env", found), ("requirements.lock", lock)):
            if text:
                _add_text(tar, name, text, 0o644)
        revisions = {"SOURCE": (revision, dirty), "PROJECT": (project_revision, project_dirty)}
        _add_text(tar, "build.env", _build_environment(revisions))
        bundle = os.environ.get("SSL_CERT_FILE")
        if bundle:
            tar.add(Path(bundle).resolve(), "ca.pem", filter=_anonymous)


def _build_environment(revisions: Mapping[str, tuple[str, bool]]) -> str:
    lines = []
    for name, (revision, dirty) in revisions.items():
        lines += [f"{name}_REVISION={revision}", f"{name}_DIRTY={'yes' if dirty else 'no'}"]
    for name in PROXIES:
        value = os.environ.get(name) or os.environ.get(name.upper())
        if value:
            lines.append(f"{name}='{value}'")
    return "\n".join(lines) + "\n"


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who built the image."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    if not member.issym():  # users without rights build and run the project
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def _add_text(tar: tarfile.TarFile, name: str, text: str, mode: int = 0o600) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(text.encode())
    member.mode = mode
    tar.addfile(member, io.BytesIO(text.encode()))
