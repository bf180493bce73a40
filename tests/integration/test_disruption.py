"""A host that its user reaches by SSH is disrupted only with DISRUPT=1, and is put back."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from acceptance import settings
from bench import servers
from machine import MachineError, RemoteHost, Result


def collected(top: Path, *arguments: str, disrupt: str) -> subprocess.CompletedProcess[str]:
    disruptive = "disruptive or new_workers or writes or after_restart"
    command = ("--collect-only", "-q", "--host=admin@192.0.2.1", "-m", disruptive)
    return subprocess.run(
        [sys.executable, "-m", "pytest", *command, *arguments],
        cwd=top / "tests" / "acceptance",
        env={**os.environ, "DISRUPT": disrupt},
        capture_output=True,
        text=True,
        check=False,
    )


def test_checks_disrupt_host_only_when_asked(top: Path) -> None:
    asked = collected(top, "any_site/test_recovery.py", disrupt="1")
    assert "test_a_killed_service_is_back[as-found-nginx]" in asked.stdout
    unasked = collected(top, "any_site", "chat_site", disrupt="")
    assert unasked.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, unasked.stdout
    assert "not checked: test_a_killed_service_is_back: kills, restarts" in unasked.stdout
    assert "not checked: the stage after-reboot: the host is restarted only" in unasked.stdout


def test_malformed_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="'uvicorn' is not NAME=VALUE"):
        settings.given(["uvicorn"])


def test_bench_loads_host_only_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--host=debian@bench", "--json=x", "--rows=core"]
    monkeypatch.setenv("DISRUPT", "")
    with pytest.raises(SystemExit):
        servers.parse(command)
    assert "only with DISRUPT=1" in capsys.readouterr().err
    monkeypatch.setenv("DISRUPT", "1")
    assert servers.parse(command).rows == ["daphne", "core", "daphne"]


LAUREL = """#!/bin/sh
cd "${0%/*}"
echo "$1" "$2" >>log
[ "$1" != reload ] || [ ! -e broken ] || exit 1
[ "$2" != dumpdata ] || echo history
[ "$2" != loaddata ] || cat >>log
"""


class LocalHost(RemoteHost):
    """This host."""

    def execute(self, command: str, *, stdin: str = "", **_: float) -> Result:
        shell = ["sh", "-c", command]
        ran = subprocess.run(shell, input=stdin, capture_output=True, text=True, check=False)
        return Result(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    """This host, with a `laurel` that logs its arguments and input."""
    (tmp_path / "laurel").write_text(LAUREL)
    (tmp_path / "laurel").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return LocalHost("debian@bench")


@pytest.fixture(autouse=True)
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that the benchmark writes on a host."""
    files = [tmp_path / "site.env", tmp_path / "urls.py"]
    for file in files:
        file.write_bytes(b"as found \xff")
        file.chmod(0o640)
    monkeypatch.setattr(servers, "URLS", str(files[1]))
    monkeypatch.setattr(servers, "WRITTEN", tuple(map(str, files)))
    monkeypatch.setattr(servers, "LOCK", str(tmp_path / "lock"))
    return files


@pytest.mark.parametrize("end", [None, MachineError, KeyboardInterrupt])
def test_bench_puts_host_back(
    host: LocalHost, written: list[Path], tmp_path: Path, end: type[BaseException] | None
) -> None:
    with pytest.raises(end) if end else nullcontext(), servers.as_found(host):
        for file in written:
            file.write_text("other")
        if end:
            raise end
    assert [file.read_bytes() for file in written] == [b"as found \xff"] * 2
    assert [file.stat().st_mode & 0o777 for file in written] == [0o640] * 2
    assert (tmp_path / "log").read_text().split("\n") == [
        *("manage dumpdata", "reload ", "manage shell", "manage loaddata", "history", "")
    ]
    assert list(tmp_path.glob("*.as-found")) == []


def test_bench_reports_host_that_is_not_put_back(host: LocalHost, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="debian@bench is not as it was"), servers.as_found(host):
        (tmp_path / "broken").touch()


def test_bench_does_not_begin_on_an_unsuitable_host(
    host: LocalHost, written: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "urls.py.as-found").write_text("of an earlier run")
    with pytest.raises(MachineError, match=f"mv it to {written[1]}"), servers.as_found(host):
        raise AssertionError("it began")
    written[1].unlink()
    with pytest.raises(MachineError, match="does not serve our own chat"), servers.as_found(host):
        raise AssertionError("it began")
    assert (tmp_path / "urls.py.as-found").read_text() == "of an earlier run"
