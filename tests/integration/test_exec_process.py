"""exec-process: what supervisor and systemd start for a process of the Procfile."""

import subprocess
from pathlib import Path

import pytest


def run(program: Path, procfile: Path, name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, name],
        env={"LAUREL_PROCFILE": str(procfile), "PATH": "/usr/bin:/bin", "PYTHONPATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("content", "code", "output"),
    [
        (b'other: false\nworker: echo "$0 | $((1 + 1))" && exit 7\n', 7, "bash | 2\n"),
        (b"\xef\xbb\xbfworker: printf %s info\r\n", 0, "info"),
        (b"\xef\xbb\xbfother: false\r\n  worker: printf %s info\r\n", 0, "info"),
    ],
    ids=["shell", "windows", "indented"],
)
def test_shell_runs_the_command_of_the_process(
    machine_files: Path, tmp_path: Path, content: bytes, code: int, output: str
) -> None:
    file = tmp_path / "Procfile"
    file.write_bytes(content)
    ran = run(machine_files / "usr/lib/laurel/exec-process", file, "worker")
    assert (ran.returncode, ran.stdout) == (code, output), ran.stderr


def test_missing_process_is_reported(machine_files: Path, tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text("worker: true\n")
    ran = run(machine_files / "usr/lib/laurel/exec-process", file, "beat")
    assert (ran.returncode, ran.stderr) == (1, f"laurel: {file} has no process beat\n")
