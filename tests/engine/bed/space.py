"""Namespaces, each held by one process that dies with us."""

import os
import subprocess
from pathlib import Path
from typing import Sequence

# Signals us dead, whatever ended us; exec keeps the setting, so the held process has it.
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]


def children(pid: int) -> list[int]:
    """By /proc/*/stat: not every kernel has /proc/PID/task/TID/children."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(stat.rpartition(")")[2].split()[1]) == pid:
            found.append(int(entry))
    return found


class Space:
    """A network namespace; with SCRIPT also a pid and a mount namespace.

    SCRIPT is a shell text that prepares the mounts and ends by `exec … probe init`.
    """

    def __init__(self, probe: Path, script: str | None = None) -> None:
        kinds = ["--net"]
        if script is not None:
            kinds += ["--mount", "--propagation", "private", "--pid"]
        self._holder = subprocess.Popen(
            [*DIES_WITH_US, "unshare", *kinds, "--fork", "--kill-child", "--", "sh", "-ec"]
            + [script or f"exec {probe} init"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._holder.stdout
        if self._holder.stdout.readline() != b"ready\n":
            self._holder.wait()
            raise RuntimeError("the namespaces could not be made")
        self.pid = children(self._holder.pid)[0]
        self.netns = f"/proc/{self.pid}/ns/net"
        self.net("ip", "link", "set", "lo", "up")

    def net_argv(self, *argv: str | Path) -> list[str]:
        """ARGV in the network namespace, seeing our files."""
        return ["nsenter", f"--net={self.netns}", "--", *map(str, argv)]

    def inside_argv(self, *argv: str | Path) -> list[str]:
        """ARGV in all namespaces and in the root folder of the first process."""
        target = ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "-r", "-w", "--"]
        return [*target, *map(str, argv)]

    def net(self, *argv: str | Path) -> str:
        return run(self.net_argv(*argv))

    def inside(self, *argv: str | Path) -> str:
        return run(self.inside_argv(*argv))

    def sysctl(self, **values: int | str) -> None:
        """net__ipv4__ip_forward=1 writes /proc/sys/net/ipv4/ip_forward of this network namespace."""
        for key, value in values.items():
            path = "/proc/sys/" + key.replace("__", "/")
            self.net("sh", "-c", f"[ ! -e {path} ] || echo {value} >{path}")

    def close(self) -> None:
        """Ends the first process, so everything inside. Returns once the kernel is done with it."""
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout:
            self._holder.stdout.close()
        # unshare is gone at once; its child, which gets SIGKILL by that, takes as long as it takes.
        wait_gone(self.pid)


def wait_gone(pid: int) -> None:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        import select

        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(20000)
    finally:
        os.close(fd)


class CommandError(RuntimeError):
    """A command failed; the text has all that it said."""


def run(argv: Sequence[str | Path], stdin: bytes | None = None, timeout: float = 120) -> str:
    done = subprocess.run(
        [str(a) for a in argv],
        input=stdin if stdin is not None else b"",
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        said = (done.stderr + done.stdout).decode(errors="replace").strip()
        raise CommandError(f"{' '.join(map(str, argv))}: exit {done.returncode}: {said}")
    return done.stdout.decode(errors="replace")
