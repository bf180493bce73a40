"""exec-site, with its environment in a folder of the test."""

import subprocess
from pathlib import Path


class Wrapper:
    """A copy of exec-site that reads the file `environment`."""

    def __init__(self, original: Path, folder: Path) -> None:
        self.environment = folder / "environment"
        self.environment.write_text("SECRET_KEY=x\n")
        self.path = folder / "exec-site"
        text = original.read_text()
        assert text.count("/run/laurel/environment") == 1
        self.path.write_text(text.replace("/run/laurel/environment", str(self.environment)))
        self.path.chmod(0o755)

    def run(self, *command: str, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.path, *command],
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
