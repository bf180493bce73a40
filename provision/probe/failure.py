"""What an exception of the project means, and what to do about it."""

from __future__ import annotations

import re
import traceback

from probe import watch
from probe.paths import APP, place_of

SHOWN = 300  # characters of a message
NEAR = 5  # lines between reading a variable and raising an exception for it
# Modules that newer versions of Python lack: docs.python.org/3/whatsnew, 3.12 and 3.13.
REMOVED = "cgi|imghdr|distutils|asynchat|asyncore|imp|telnetlib|pipes|crypt|audioop|smtpd"
# What the text of an exception has, and the advice; {0} is the first group.
CAUSES = (
    (
        f"No module named '({REMOVED})['.]",
        "this Python no longer has the module {0}: require a release of the package that works"
        " without it, or add SITE_PYTHON=3.11 to laurel.env",
    ),
    ("No module named 'pkg_resources", "add `setuptools<81` to {requirements}"),
    ("GDAL|libgdal", "add APT_PACKAGES=gdal-bin to laurel.env"),
    ("GEOS|libgeos", "add APT_PACKAGES=libgeos-c1v5 to laurel.env"),
    ("spatialite", "add APT_PACKAGES=libsqlite3-mod-spatialite to laurel.env"),
    (
        "no pq wrapper|libpq",
        "add APT_PACKAGES=libpq5 to laurel.env, or psycopg[binary] to {requirements}",
    ),
    ("libmagic", "add APT_PACKAGES=libmagic1 to laurel.env"),
    ("loading psycopg2 or psycopg", "add psycopg[binary] to {requirements}"),
    ("loading MySQLdb", "add mysqlclient to {requirements}"),
    (
        r"(lib[\w.+-]+\.so[\w.]*): cannot open",
        "the system library {0} is missing: add the system package that has it to laurel.env,"
        " APT_PACKAGES=name",
    ),
    (
        r"^PermissionError|^OSError: \[Errno 30\]",
        "the code is read-only on the machine: write below /var/lib/site, the path that the"
        " variable STATE_DIR has",
    ),
    (
        "^FileNotFoundError",
        "the file is not in the release: `git add` it, or name it in laurel.env, INCLUDE=file",
    ),
    (
        "AppRegistryNotReady|Apps aren't loaded",
        "Django is not set up at this line: call get_asgi_application() before it",
    ),
    (
        "Network is unreachable|name resolution|Name or service not known",
        "it asks another host while it loads, and none answers during a bake: ask later, when a"
        " request needs it",
    ),
    (
        r"No module named '([\w.]+)'",
        "add the package that brings `{0}` to {requirements}, or, if the module is the project's"
        " own, `git add` it",
    ),
)
SECRET = re.compile("SECRET|PASS|TOKEN|KEY|DSN|CREDENTIAL", re.IGNORECASE)


def report(error: BaseException, requirements: str, otherwise: str = "") -> dict[str, str]:
    """`place`, `text` and `reason` of an exception; `variable` if it means that one is missing.

    `requirements` is the file's name; `otherwise` the place if no line of the project raised it.
    """
    place = _place(error) or otherwise
    missing = _missing(error, place)
    if missing:
        name, read = missing
        text = _advice_on(name, _text(error))
        return {"place": read, "text": text, "variable": name, "reason": _text(error)}
    first = error
    while first.__cause__:
        first = first.__cause__
    for pattern, advice in CAUSES:
        for text in (_text(first), _text(error)):
            found = re.search(pattern, text)
            if found:
                advice = advice.replace("{0}", found[1] if found.groups() else "")
                advice = advice.replace("{requirements}", requirements)
                text = f"{_text(error)}: {advice}"
                return {"place": place, "text": text, "reason": _text(error)}
    return {"place": place, "text": _text(error), "reason": _text(error)}


def _advice_on(variable: str, text: str) -> str:
    value = "sqlite:////var/lib/site/db.sqlite3" if variable == "DATABASE_URL" else "value"
    advice = (
        f"needs the variable {variable} ({text}): add `export {variable}={value}` to laurel.env"
    )
    if SECRET.search(variable):
        advice += (
            "; write any text there, because laurel.env is in the image. The secret itself goes"
            " into /etc/laurel/site.env of the machine"
        )
    return advice


def _text(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}".replace(f"{APP}/", "")
    return re.sub(r"\s+", " ", text).strip()[:SHOWN]


def _place(error: BaseException) -> str:
    """The project's innermost line in the traceback."""
    if isinstance(error, SyntaxError) and error.filename:
        place = place_of(error.filename, error.lineno or 0)
        if place:
            return place
    frames = traceback.extract_tb(error.__traceback__)
    places = [place_of(frame.filename, frame.lineno or 0) for frame in frames]
    return next((place for place in reversed(places) if place), "")


def _missing(error: BaseException, place: str) -> tuple[str, str] | None:
    """The variable whose absence the exception reports, and where the project read it."""
    for one in reversed(watch.missing):
        if one.place and re.search(rf"\b{re.escape(one.name)}\b", str(error)):
            return one.name, one.place
    # `if not os.getenv("X"): raise ValueError("give a key")`
    file, _, line = place.partition(", line ")
    for one in reversed(watch.missing):
        other, _, at = one.place.partition(", line ")
        if one.direct and other == file and 0 <= int(line or 0) - int(at or 0) <= NEAR:
            return one.name, one.place
    return None
