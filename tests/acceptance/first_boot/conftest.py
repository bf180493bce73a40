"""Fixtures for machines that are started once from the image."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from acceptance.settings import settings_of
from acceptance.stages import bring_up, settle
from machine import Machine

Boot = Callable[..., Machine]


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Ignore these tests for a host that has already booted."""
    return None if config.getoption("--image") else True


@pytest.fixture(scope="module")
def boot(image: Path) -> Iterator[Boot]:
    """Boots a machine from the image, with the arguments of `Machine`, until its site answers.

    The machine runs until the module's last test.
    """
    with ExitStack() as machines:

        def boot(**arguments: Any) -> Machine:
            machine = machines.enter_context(Machine(image, **arguments))
            bring_up(machine, machine.start)
            settle(machine, settings_of(machine)["HEALTH_PATH"])
            return machine

        yield boot
