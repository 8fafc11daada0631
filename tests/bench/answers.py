"""The scripted engine's answers: when it was busy with them, and how they are all given at one time."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from typing import Iterator

from crowd import Crowd
from engine import Connection, Request

LISTING = re.compile(r"^/containers/json\?all=1$|^/networks$")
GATHER = 0.6  # s
HELD_MAX = 24  # s; of 30 that the daemon has patience
Waiting = list[tuple[Connection, Request]]


class Answers:
    def __init__(self, crowd: Crowd) -> None:
        self.spans: list[tuple[float, float]] = []
        self.running = 0
        self.listed = 0.0  # when the engine was asked for a listing last
        self.disturbed = False  # by a listing that could not wait so long, or a connection that broke
        self.engine = crowd.engine
        self._lock = threading.Lock()
        self._gathering = False
        self._waiting: Waiting = []
        self._listings: Waiting = []
        self._answer = crowd.engine._answer  # pylint: disable=protected-access
        setattr(crowd.engine, "_answer", self._timed)

    @contextlib.contextmanager
    def gathered(self) -> Iterator[None]:
        """Of one event the answers come at once meanwhile, as they would to a daemon that is not slowed down so much, by a
        tracer or by others, that it has done its work for the first before the second is there; and the minute's listing
        waits, for a while."""
        self._gathering, self.disturbed = True, False
        try:
            yield
        finally:
            self._gathering = False
            self._release()

    @property
    def spoil(self) -> bool:
        """Whether what goes on now is to be taken again."""
        return self._gathering and self.disturbed

    def _release(self) -> None:
        with self._lock:
            held, self._listings = self._listings, []
        self._give(held)

    def _hold(self) -> None:
        end = time.monotonic() + HELD_MAX
        while self._gathering and time.monotonic() < end:
            time.sleep(0.1)
        if self._gathering:
            self.disturbed = True
            self._release()

    def _timed(self, c: Connection, request: Request) -> None:
        is_listing = bool(LISTING.match(request.what))
        with self._lock:
            gathering = self._gathering and request.path != "/events"
            self.disturbed |= gathering and request.path == "/version"
            to = self._listings if is_listing else self._waiting
            if gathering:
                to.append((c, request))
            is_first = gathering and len(to) == 1
            self.running += not gathering or (is_first and not is_listing)
            self.listed = time.monotonic() if is_listing else self.listed
        if not gathering:
            began = time.monotonic()
            try:
                self._answer(c, request)
            finally:
                self._done(began)
        elif is_first and is_listing:
            self._hold()
        elif is_first:
            began = time.monotonic()
            time.sleep(GATHER)
            with self._lock:
                waiting, self._waiting = self._waiting, []
            self._give(waiting)
            self._done(began)

    def _done(self, began: float) -> None:
        with self._lock:
            self.running -= 1
            self.spans.append((began, time.monotonic()))

    def _give(self, waiting: Waiting) -> None:
        with self.engine.lock:
            bodies = [self.engine._body(request) for _, request in waiting]  # pylint: disable=protected-access
        for (c, _), (status, body) in zip(waiting, bodies):
            with contextlib.suppress(OSError):
                c.answer(body, status)

    def within(self, begin: float, end: float) -> float:
        """How much of the time between the engine was busy; two at once count once."""
        busy, reached = 0.0, begin
        for a, b in sorted(self.spans):
            a, b = max(a, reached), min(b, end)
            busy += max(0.0, b - a)
            reached = max(reached, b)
        return busy
