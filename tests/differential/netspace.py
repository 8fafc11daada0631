"""Network namespaces that live as long as an open file: when the test's process goes, however it goes,
so do they and all that is in them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from typing import Iterator

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL("libc.so.6", use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _open_own() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Namespace:
    def __init__(self) -> None:
        before = _open_own()
        try:
            _check(_libc.unshare(CLONE_NEWNET), "unshare")
            self.fd = _open_own()
        finally:
            _check(_libc.setns(before, CLONE_NEWNET), "setns")
            os.close(before)

    def close(self) -> None:
        os.close(self.fd)

    @property
    def path(self) -> str:
        """For ip(8), which runs as a child of this process."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        before = _open_own()
        _check(_libc.setns(self.fd, CLONE_NEWNET), "setns")
        try:
            yield
        finally:
            _check(_libc.setns(before, CLONE_NEWNET), "setns")
            os.close(before)

    def run(self, arguments: list[str], text: str = "", folder: str = "/") -> None:
        with self.entered():
            done = subprocess.run(
                arguments, input=text, capture_output=True, text=True, timeout=60, cwd=folder
            )
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.stdout}{done.stderr}\n{text}")

    def ip(self, commands: list[str]) -> None:
        self.run(["ip", "-batch", "-"], "".join(command + "\n" for command in commands))

    def nft(self, text: str) -> None:
        self.run(["nft", "-f", "-"], text)

    def sysctl(self, **values: int) -> None:
        """Keys are paths under net, with `__` for the slash."""
        with self.entered():
            for key, value in values.items():
                with open("/proc/sys/net/" + key.replace("__", "/"), "w") as file:
                    file.write(str(value))

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket belongs to the namespace that it was made in."""
        with self.entered():
            return socket.socket(family, kind, protocol)
