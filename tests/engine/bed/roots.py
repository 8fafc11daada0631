"""Root folders with the engine of each generation."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .state import base, locked

PACKAGES = "docker.io,iptables,nftables"
HOST = "host"  # stands for the engine that the machine has, of whatever version


@dataclass(frozen=True)
class Generation:
    name: str
    suite: str  # the Debian that carries it
    versions: tuple[str, ...]  # what its /version may begin with
    more: str = ""  # packages that older suites do not have


# Debian's unstable moves on; what counts is that it is newer than what the other two show.
GENERATIONS = {
    g.name: g
    for g in (
        Generation("20.10", "bookworm", ("20.10.",)),
        Generation("26.1", "trixie", ("26.1.",), ",docker-cli"),
        Generation("28.5", "unstable", ("28.", "29."), ",docker-cli"),
    )
}


def dockerd_version(root: Path) -> str:
    """The version of ROOT's engine by its package; '' where it has none."""
    argv = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Version}", "docker.io"]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    return found.stdout.split("+")[0] if found.returncode == 0 else ""


def root_of(name: str) -> Path:
    return Path("/") if name == HOST else ensure_root(GENERATIONS[name])


def ensure_root(generation: Generation) -> Path:
    """The machine's own root where it has that engine, else a folder made once by debootstrap."""
    if dockerd_version(Path("/")).startswith(generation.versions):
        return Path("/")
    root = base() / f"root-{generation.name}"
    with locked(base() / f"root-{generation.name}.lock", wait=True):
        if not root.exists():
            make_root(generation, root)
    version = dockerd_version(root)
    if not version.startswith(generation.versions):
        raise RuntimeError(f"{root} holds docker.io {version or 'not at all'}: remove the folder")
    return root


def make_root(generation: Generation, root: Path) -> None:
    """In a folder of another name first, so that a half-made one is never taken for a whole one."""
    fresh = root.with_suffix(root.suffix + ".new")
    if fresh.exists():
        subprocess.run(["rm", "-rf", "--one-file-system", fresh], check=True)
    log = base() / f"debootstrap-{generation.name}.log"
    packages = PACKAGES + generation.more
    argv = ["debootstrap", "--variant=minbase", f"--include={packages}", generation.suite, str(fresh)]
    with open(log, "wb") as out:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False)
    if done.returncode:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}: {' / '.join(tail)}")
    fresh.rename(root)
