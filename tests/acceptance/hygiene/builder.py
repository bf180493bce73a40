"""What is known of whoever builds an image, and must not be found in it."""

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
# A shorter name or path may be a word that anybody writes.
MEANINGFUL = 8  # characters
_CERTIFICATE = r"-----BEGIN CERTIFICATE-----\r?\n((?:[\w+/=]+\r?\n){3})"
CERTIFICATE = _CERTIFICATE.encode()


@dataclass(frozen=True)
class Builder:
    """A host that builds images: its name, the path of the sources, its proxies and its CAs.

    `certificates` are the first three lines of each, in PEM. What is not known is empty.
    """

    host: str
    path: str
    proxies: tuple[str, ...]
    certificates: frozenset[str]


def this_host() -> Builder:
    """The host that this runs on."""
    host = socket.gethostname()
    bundle = os.environ.get("SSL_CERT_FILE", "")
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    return Builder(
        host=host if len(host) >= MEANINGFUL else "",
        path=str(TOP) if len(str(TOP)) >= MEANINGFUL else "",
        proxies=tuple({os.environ[name] for name in names if os.environ.get(name)}),
        certificates=certificates(Path(bundle).read_text()) if bundle else frozenset(),
    )


# Made up, so that a search for it can be seen to find it whatever this host is like.
STRANGER = Builder(
    host="strangers-build-host",
    path="/home/stranger/checkouts/laurel",
    proxies=("http://stranger:secret@proxy.invalid:3128",),
    certificates=frozenset({"".join(f"{letter * 64}\n" for letter in "Qx7")}),
)


def certificates(text: str) -> frozenset[str]:
    """The first three lines of each certificate in `text`."""
    return frozenset(found.replace("\r", "") for found in re.findall(_CERTIFICATE, text))
