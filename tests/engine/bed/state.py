"""Where a bed keeps its files, and what became of beds that were killed."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO

SOURCES = Path(__file__).resolve().parent.parent


def base() -> Path:
    """Root folders of other engines are kept here from run to run, data of one run under run/."""
    path = Path(os.environ.get("QUAYWALL_TEST_CACHE", "/var/tmp/quaywall-tests"))
    (path / "run").mkdir(parents=True, exist_ok=True)
    (path / "mnt").mkdir(exist_ok=True)
    return path


def locked(path: Path, wait: bool) -> IO[bytes] | None:
    """The file PATH under an exclusive lock, which its closing or our end gives back."""
    file = open(path, "ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        file.close()
        return None
    return file


def build_tool(name: str) -> Path:
    """A static helper, built once for each version of its source."""
    target, source = base() / name, SOURCES / f"{name}.c"
    with locked(base() / f"{name}.lock", wait=True):
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            fresh = target.with_suffix(".new")
            flags = ["-std=gnu17", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-static"]
            subprocess.run(["gcc", *flags, "-o", fresh, source], check=True)
            fresh.rename(target)
    return target


def build_probe() -> Path:
    return build_tool("probe")


def remove_cgroups(name: str) -> None:
    """Empty groups that an engine left; they are folders that only rmdir removes."""
    for top in Path("/sys/fs/cgroup").glob("*/"):
        for found in (top / name, top if top.name == name else None):
            if not found or not found.is_dir():
                continue
            for folder, _, _ in os.walk(found, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass


class State:
    """A folder of its own for one engine: sockets, logs, data. Its name is the prefix of all else."""

    def __init__(self) -> None:
        sweep()
        run = base() / "run"
        self.path = Path(tempfile.mkdtemp(prefix="q", dir=run))
        self.path.chmod(0o755)
        self.name = f"quaywall-{self.path.name}"
        self._lock = locked(run / f"{self.path.name}.lock", wait=True)
        self.probe = self.path / "probe"
        shutil.copy2(build_probe(), self.probe)

    def close(self) -> None:
        """To be called once no process of the bed is left: its mounts have gone with it."""
        remove(self.path)
        remove_cgroups(self.name)
        if self._lock:
            self._lock.close()
            Path(self._lock.name).unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Never across a mount point: what is mounted below belongs to somebody who still lives."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        below = [line.split()[4] for line in mounts if f" {path}/" in line]
    if below:
        raise RuntimeError(f"{path}: still mounted there: {' '.join(below)}")
    shutil.rmtree(path, ignore_errors=True)


def sweep() -> None:
    """Removes what beds left that were killed: nobody holds their lock any more."""
    run = base() / "run"
    for file in run.glob("*.lock"):
        lock = locked(file, wait=False)
        if lock:
            remove(run / file.stem)
            remove_cgroups(f"quaywall-{file.stem}")
            file.unlink(missing_ok=True)
            lock.close()
