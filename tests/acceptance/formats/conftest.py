"""What the checks of the exported forms share."""

import pytest


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave these out where a host is put to the proof: nothing is exported of it."""
    return None if config.getoption("--image") else True
