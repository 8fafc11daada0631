"""Packets: who reaches whom, asked of the kernel and never of a program's opinion."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Protocol, Sequence

from .space import DIES_WITH_US
from .state import build_probe

TIMEOUT = 0.8  # seconds until 'no answer': a thousand times what an answer takes here


class Place(Protocol):
    """Something that packets come from: a container, the engine's host, a machine of the LAN."""

    name: str

    @property
    def netns(self) -> str: ...


@dataclass(frozen=True)
class Answer:
    """word: ok | refused (by a reset or an ICMP error) | timeout | noroute (nothing was sent)."""

    word: str
    detail: str = ""  # ok: "WHO PEER"; else the reason

    @property
    def who(self) -> str:
        return self.detail.partition(" ")[0] if self.word == "ok" else ""

    @property
    def peer(self) -> str:
        """The source address that the server saw."""
        return self.detail.partition(" ")[2] if self.word == "ok" else ""

    def __str__(self) -> str:
        return f"{self.word} ({self.detail})" if self.detail else self.word


@dataclass(frozen=True)
class Ask:
    """One first packet."""

    place: Place
    addr: str
    proto: str = "tcp"
    port: int = 0
    source: str | None = None
    timeout: float = TIMEOUT

    def __str__(self) -> str:
        by = f" as {self.source}" if self.source else ""
        port = f" port {self.port}" if self.port else ""
        return f"{self.place.name}{by} -> {self.addr} {self.proto}{port}"


def argv_in(place: Place, *argv: str | Path) -> list[str]:
    return ["nsenter", f"--net={place.netns}", "--", *map(str, argv)]


def ask(question: Ask) -> Answer:
    argv: list[str | Path] = [build_probe(), "reach", "-t", str(int(question.timeout * 1000))]
    if question.source:
        argv += ["-s", question.source]
    argv += [question.proto, question.addr, str(question.port)]
    done = subprocess.run(
        argv_in(question.place, *argv),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=question.timeout + 20,
    )
    word, _, detail = done.stdout.strip().partition(" ")
    if word not in ("ok", "refused", "timeout", "noroute"):
        raise RuntimeError(f"{question}: {done.stderr.strip() or done.stdout.strip()}")
    return Answer(word, detail)


def reach(
    place: Place,
    addr: str,
    proto: str = "tcp",
    port: int = 0,
    source: str | None = None,
    timeout: float = TIMEOUT,
) -> Answer:
    return ask(Ask(place, addr, proto, port, source, timeout))


def reach_all(questions: Sequence[Ask]) -> list[Answer]:
    """Side by side: what is dropped costs its whole timeout."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        return list(pool.map(ask, questions))


def eventually(question: Ask, want: str, within: float = 6.0) -> Answer:
    """Asks until the answer is WANT ('ok', or 'no' for any other), at most for WITHIN seconds."""
    end = time.monotonic() + within
    while True:
        answer = ask(question)
        if (answer.word == "ok") == (want == "ok"):
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{question}: {answer}, wanted {want} within {within:g} s")
        time.sleep(0.05)


def stays(question: Ask, want: str, during: float = 1.0) -> None:
    """Asks again and again; every answer must be WANT."""
    end = time.monotonic() + during
    asked = 0
    while time.monotonic() < end:
        answer = ask(question)
        asked += 1
        if (answer.word == "ok") != (want == "ok"):
            raise AssertionError(f"{question}: {answer} at the {asked}th time, wanted {want}")


def serve(place: Place, name: str, *ports: str) -> subprocess.Popen[bytes]:
    """A server in PLACE's network namespace; dies with us. The caller ends it: terminate, wait."""
    process = subprocess.Popen(
        [*DIES_WITH_US, *argv_in(place, build_probe(), "serve", name, *ports)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    if process.stdout.readline() != b"serving\n":
        process.wait()
        raise RuntimeError(f"no server in {place.name}: {' '.join(ports)}")
    return process


def matrix(
    rows: Iterable[Place],
    columns: Iterable[tuple[str, str, str, int]],
    put: Callable[[str], object] = print,
) -> dict[tuple[str, str], Answer]:
    """Prints who reaches what. A column: (title, address, protocol, port)."""
    row_list, column_list = list(rows), list(columns)
    questions = [Ask(r, a, proto, port) for r in row_list for _, a, proto, port in column_list]
    answers = iter(reach_all(questions))
    shown = {"ok": "yes", "refused": "refused", "timeout": "no answer", "noroute": "no route"}
    result: dict[tuple[str, str], Answer] = {}
    width = max(len(r.name) for r in row_list)
    widths = [max(len(title), 9) for title, *_ in column_list]
    put(" " * width + "  " + "  ".join(t.ljust(w) for (t, *_), w in zip(column_list, widths)))
    for row in row_list:
        cells = []
        for (title, *_), w in zip(column_list, widths):
            answer = next(answers)
            result[row.name, title] = answer
            cells.append(shown[answer.word].ljust(w))
        put((row.name.ljust(width) + "  " + "  ".join(cells)).rstrip())
    return result


class Held:
    """A TCP connection that is used ten times a second until it breaks or is closed."""

    def __init__(self, place: Place, addr: str, port: int, source: str | None = None) -> None:
        argv: list[str | Path] = [build_probe(), "hold", "-t", "1500"]
        if source:
            argv += ["-s", source]
        self._process = subprocess.Popen(
            [*DIES_WITH_US, *argv_in(place, *argv, addr, str(port))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self.first = self._process.stdout.readline().strip()

    @property
    def up(self) -> bool:
        return self.first.startswith("ok") and self._process.poll() is None

    def breaks(self, within: float) -> bool:
        try:
            self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
