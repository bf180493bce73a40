"""What the checks of a first boot share: machines, each started once from the image."""

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
    """Leave these out where a host is put to the proof: it has booted long ago."""
    return None if config.getoption("--image") else True


@pytest.fixture(scope="module")
def boot(image: Path) -> Iterator[Boot]:
    """Boots a machine from the image, with the arguments of `Machine`, until its site answers.

    It runs until the module's last check.
    """
    with ExitStack() as machines:

        def boot(**made_of: Any) -> Machine:
            machine = machines.enter_context(Machine(image, **made_of))
            bring_up(machine, machine.start)
            settle(machine, settings_of(machine)["HEALTH_PATH"])
            return machine

        yield boot
