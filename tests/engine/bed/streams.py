"""Traffic that lives for a while: what is cut must end, and nothing else may notice."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .probe import Place, argv_in
from .space import DIES_WITH_US
from .state import build_tool


class _Process:
    """`streams` in a place's network namespace; it ends when its standard input does."""

    def __init__(self, place: Place, *argv: str) -> None:
        self.name = f"{place.name}: {' '.join(argv)}"
        self._process = subprocess.Popen(
            [*DIES_WITH_US, *argv_in(place, build_tool("streams"), *argv)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stdout = self._process.stdout
        assert self._stdout
        self._first = self._stdout.readline().strip()
        if not self._first:
            self.close()
            raise AssertionError(f"{self.name}: does not begin")

    def close(self) -> str:
        """Returns what it said until its end."""
        if self._process.poll() is None:
            assert self._process.stdin
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._stdout
        said = self._stdout.read() if not self._stdout.closed else ""
        self._stdout.close()
        return said


@dataclass(frozen=True)
class Carried:
    streams: int
    broken: int
    wrong: int  # gave back another byte than was to come
    numbers: int  # of eight bytes each, there and back


class Many(_Process):
    """TCP connections to an echo server, each with numbered bytes on it."""

    def __init__(self, place: Place, count: int, addr: str, port: int, source: str | None = None) -> None:
        own = ["-s", source] if source else []
        super().__init__(place, "many", *own, str(count), addr, str(port))

    def done(self) -> Carried:
        words = self.close().split()
        assert words[:1] == ["done"], f"{self.name}: {words}"
        return Carried(*map(int, words[1:]))


class Live(_Process):
    """Sends 200 times a second, whether it is answered or not, and counts what comes."""

    def __init__(
        self,
        place: Place,
        proto: str,
        port: int,
        to: str | None = None,
        source: str | None = None,
        own_port: int = 0,
    ) -> None:
        own = (["-s", source] if source else []) + (["-p", str(own_port)] if own_port else [])
        super().__init__(place, "live", *own, proto, str(port), *([to] if to else []))

    def counts(self, seconds: float) -> int:
        """How many came within the time from now on."""
        first = last = self._newest()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            last = self._line()
        return last - first

    def _line(self) -> int:
        assert self._stdout
        line = self._stdout.readline()
        assert line, f"{self.name}: ended"
        return int(line)

    def _newest(self) -> int:
        """It says a line each 50 ms: one that had to be waited for is of now."""
        while True:
            began = time.monotonic()
            number = self._line()
            if time.monotonic() - began > 0.02:
                return number
