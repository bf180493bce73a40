"""exec-process: what supervisor and systemd start for a process of the Procfile."""

import subprocess
from pathlib import Path


def test_shell_runs_the_command_of_the_process(machine_files: Path, tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    # A mark of Windows' tools; unit tests cover the other forms of the file.
    procfile.write_text('\ufeffother: false\r\nworker: echo "$0 | $((1 + 1))" && exit 7\r\n')

    def run(name: str) -> tuple[int, str, str]:
        ran = subprocess.run(
            [machine_files / "usr/lib/laurel/exec-process", name],
            env={"LAUREL_PROCFILE": str(procfile), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout, ran.stderr

    assert run("worker") == (7, "bash | 2\n", "")
    assert run("beat") == (1, "", f"laurel: {procfile} has no process beat\n")
