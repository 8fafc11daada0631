"""fault.c, from this side: what a daemon does at which of its netlink messages."""

import enum
import errno
import mmap
import os
import struct
from pathlib import Path

from place import Daemon

SENT, RECEIVED, BATCH = range(3)
ALWAYS = 1 << 30


class Action(enum.IntEnum):
    NOTHING = 0
    KILL_BEFORE = 1
    KILL_AFTER = 2
    FAIL = 3
    REFUSE = 4
    STOP = 5


class Shim:
    """Of every daemon that is started with its env. Counts go on over several of them."""

    FORM = struct.Struct("=10Iq")

    def __init__(self, daemon: Daemon) -> None:
        self.path = daemon.folder / "fault"
        self.path.write_bytes(bytes(self.FORM.size))
        library = next(Path(os.environ["QUAYWALL_BUILD"]).glob("tests/netns/libfault.so"))
        with open(self.path, "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), self.FORM.size)
        # The sanitizer wants to be the first library, but gets along with this one before it.
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.env = {
            "QUAYWALL_FAULT": str(self.path),
            "LD_PRELOAD": str(library),
            "ASAN_OPTIONS": options.lstrip(":"),
        }

    def _get(self) -> tuple[int, ...]:
        return self.FORM.unpack_from(self.memory)

    def count(self, kind: int) -> int:
        return self._get()[kind]

    @property
    def messages(self) -> int:
        """In the last batch, with its beginning and end."""
        return self._get()[3]

    @property
    def fired(self) -> int:
        return self._get()[9]

    def arm(self, kind: int, number: int, action: Action, argument: int = errno.ENOBUFS, times: int = 1) -> None:
        """At the NUMBER-th message of KIND from now on, from 1, and TIMES - 1 ones behind."""
        self.disarm()
        struct.pack_into("=3I", self.memory, 16, kind, self.count(kind) + number, times)
        struct.pack_into("=3I", self.memory, 28, action, argument, 0)

    def disarm(self) -> None:
        struct.pack_into("=3I", self.memory, 28, 0, 0, 0)

    def set_clock(self, ahead: int) -> None:
        struct.pack_into("=q", self.memory, 40, ahead)

    def close(self) -> None:
        self.memory.close()
