"""The disk: logs that are bounded in bytes, and a warning when it is full."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOGS = Path("/var/log/site")
ROTATION = Path("/etc/logrotate.d/site")
LARGEST_LOG = 20 << 20  # bytes; as `maxsize` in ROTATION
FULL = 0.03  # of the disk; what ext4 reserves does not count as free
RESERVE = 3  # percent of the disk that only root, Redis and the site may fill


@dataclass
class Space:
    """Tends the disk; `say` gets a message when it is full and when it has room again."""

    say: Callable[[str], None]
    full: bool = False

    def tend(self) -> None:
        """Rotate a log that is too large, and report a full disk."""
        if any(log.stat().st_size > LARGEST_LOG for log in LOGS.glob("nginx-*.log")):
            subprocess.run(["logrotate", ROTATION], capture_output=True, check=False)
        problem = full()
        if problem and not self.full:
            self.say(problem)
        elif self.full and not problem:
            self.say("the disk has room again")
        self.full = bool(problem)


def keep_reserve() -> None:
    """Make ext4's reserve RESERVE percent of the disk again: it does not grow with the disk."""
    disk = os.statvfs("/")
    if disk.f_bfree - disk.f_bavail >= disk.f_blocks * RESERVE // 100 * 0.9:
        return
    mounted = ["findmnt", "-no", "SOURCE,FSTYPE", "/"]
    shown = subprocess.run(mounted, capture_output=True, text=True, check=False).stdout.split()
    if shown[1:] == ["ext4"] and Path(shown[0]).is_block_device():
        subprocess.run(["tune2fs", f"-m{RESERVE}", shown[0]], capture_output=True, check=False)


def full(folder: str = "/") -> str:
    """What is wrong with the disk; "" if it has room."""
    disk = os.statvfs(folder)
    if disk.f_bavail >= disk.f_blocks * FULL:
        return ""
    kept = (disk.f_bfree - disk.f_bavail) * disk.f_frsize >> 20
    return (
        f"the disk is full ({disk.f_bavail * disk.f_frsize >> 20} MiB free, {kept} MiB more for"
        " Redis and the site's databases): remove files, or make the disk larger"
    )


def line(folder: str = "/") -> str:
    """One line for `laurel status`."""
    usage = shutil.disk_usage(folder)
    return f"{'disk':<12} {usage.used / (1 << 30):.1f} of {usage.total / (1 << 30):.1f} GiB used"
