"""The exported formats of an image."""

import pytest


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Skip this folder if the target is a host: it has no exports."""
    return None if config.getoption("--image") else True
