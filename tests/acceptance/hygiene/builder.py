"""The host that builds images: what must not be found in them."""

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
# Shorter names and paths could be common words.
MEANINGFUL = 8  # characters
_CERTIFICATE = r"-----BEGIN CERTIFICATE-----\r?\n((?:[\w+/=]+\r?\n){3})"
CERTIFICATE = _CERTIFICATE.encode()


@dataclass(frozen=True)
class Builder:
    """A host's name, the path of the sources, its proxies and the first lines of its CAs in PEM.

    Unknown ones are empty.
    """

    host: str
    path: str
    proxies: tuple[str, ...]
    certificates: frozenset[str]


def this_host() -> Builder:
    host = socket.gethostname()
    bundle = os.environ.get("SSL_CERT_FILE", "")
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    return Builder(
        host=host if len(host) >= MEANINGFUL else "",
        path=str(TOP) if len(str(TOP)) >= MEANINGFUL else "",
        proxies=tuple({os.environ[name] for name in names if os.environ.get(name)}),
        certificates=certificates(Path(bundle).read_text()) if bundle else frozenset(),
    )


# A fictitious host: its traces are planted to show that the checks find them.
STRANGER = Builder(
    host="strangers-build-host",
    path="/home/stranger/checkouts/laurel",
    proxies=("http://stranger:secret@proxy.invalid:3128",),
    certificates=frozenset({"".join(f"{letter * 64}\n" for letter in "Qx7")}),
)


def certificates(text: str) -> frozenset[str]:
    """The first three lines of each certificate in `text`."""
    return frozenset(found.replace("\r", "") for found in re.findall(_CERTIFICATE, text))
