"""Fixtures for the tests of the clouds: each file has one instance, ordered by its ORDERED."""

from pathlib import Path

import pytest
from acceptance.first_boot.clouds.instance import Order
from machine import Machine


@pytest.fixture(scope="module")
def order(request: pytest.FixtureRequest) -> Order:
    """The order of this file."""
    ordered: Order = request.module.ORDERED
    return ordered


@pytest.fixture(scope="module")
def machine(request: pytest.FixtureRequest, boot, order: Order) -> Machine:
    """The instance."""
    instance: Machine = boot(**order.arguments(Path(request.path).stem.removeprefix("test_")))
    return instance
