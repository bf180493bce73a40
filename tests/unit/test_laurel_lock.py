"""Locks against two commands that run at the same time."""

import errno
from pathlib import Path

import pytest
from laurel import lock
from laurel.errors import LaurelError


def test_second_command_is_refused_while_one_runs(tmp_path: Path) -> None:
    path = tmp_path / "run" / "reload.lock"
    assert not lock.held(path)
    with lock.exclusive(path, "laurel reload"):
        assert lock.held(path)
        with (
            pytest.raises(LaurelError, match="another `laurel reload` is running"),
            lock.exclusive(path, "laurel reload"),
        ):
            pass
    assert not lock.held(path)


def test_error_of_the_command_itself_is_passed_on(tmp_path: Path) -> None:
    """A full queue of a socket is EAGAIN, too: the same exception as that of a taken lock."""
    path = tmp_path / "reload.lock"
    with pytest.raises(BlockingIOError), lock.exclusive(path, "laurel reload"):
        raise BlockingIOError(errno.EAGAIN, "try again")
    assert not lock.held(path)
