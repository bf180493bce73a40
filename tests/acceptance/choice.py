"""Which checks fit a machine's settings.

`@pytest.mark.where(NAME=value)` marks checks for machines with that setting, `unless` checks for
all others; a tuple means any of its values. The settings are known before the machine boots, so
other checks are not collected, rather than skipped.
"""

from collections.abc import Mapping

import pytest

# Runs a check for the processes that serve websockets and, if plain HTTP has its own, for those.
each_group = pytest.mark.parametrize(
    "group", ["asgi", pytest.param("wsgi", marks=pytest.mark.where(HTTP_SERVER="gunicorn"))]
)


def fits(item: pytest.Item, settings: Mapping[str, str]) -> bool:
    """Whether `item` is a check for a machine with these settings."""
    return all(_holds(mark, settings) for mark in item.iter_markers("where")) and not any(
        _holds(mark, settings) for mark in item.iter_markers("unless")
    )


def _holds(mark: pytest.Mark, settings: Mapping[str, str]) -> bool:
    return all(
        settings[name] in ((values,) if isinstance(values, str) else values)
        for name, values in mark.kwargs.items()
    )
