"""Which checks a machine is put to: those that its settings choose.

`@pytest.mark.where(NAME=value)` is for machines that are set so, `@pytest.mark.unless(NAME=value)`
for all others; a tuple of values stands for any of them. Settings are known before a machine
boots, so a check that is none of this machine's is not there, rather than skipped.
"""

from collections.abc import Iterable, Mapping

import pytest

# A check of what holds for whatever serves: of websockets' server, and of plain HTTP's own.
each_group = pytest.mark.parametrize(
    "group", ["asgi", pytest.param("wsgi", marks=pytest.mark.where(HTTP_SERVER="gunicorn"))]
)


def fits(item: pytest.Item, settings: Mapping[str, str]) -> bool:
    """Whether `item` is a check of a machine with these settings."""
    return all(_is(settings, mark) for mark in item.iter_markers("where")) and not any(
        _is(settings, mark) for mark in item.iter_markers("unless")
    )


def misjudged(
    items: Iterable[pytest.Item], supposed: Mapping[str, str], true: Mapping[str, str]
) -> dict[str, str]:
    """The `true` settings that choose others of `items` than the `supposed` ones do."""
    wrong = [item for item in items if fits(item, supposed) != fits(item, true)]
    names = {
        name
        for item in wrong
        for kind in ("where", "unless")
        for mark in item.iter_markers(kind)
        for name in mark.kwargs
    }
    return {name: true[name] for name in sorted(names) if true[name] != supposed[name]}


def _is(settings: Mapping[str, str], mark: pytest.Mark) -> bool:
    """Whether the settings are all as `mark` has them."""
    return all(
        settings[name] in ((values,) if isinstance(values, str) else values)
        for name, values in mark.kwargs.items()
    )
