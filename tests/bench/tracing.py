"""What the daemon does between two moments: instructions, by valgrind, and what it sends by netlink, by strace. Both tell
its threads apart: the first is the main one, the second the engine's. The threads of a moment that run the checks are left out:
they begin later, and what they cost is bounded (checking.c)."""

from __future__ import annotations

import re
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from crowd import Crowd
from place import DIES_WITH_US, eventually

STRACE = ("strace", "-f", "-v", "-ttt", "-T", "-xx", "-X", "raw", "-s", "100000000", "-e", "trace=sendto")
# Of nf_tables: tables, chains, rules, sets, elements, objects.
NFT_READS = {1, 4, 7, 10, 13, 19}
CONNTRACK, NFTABLES = 1, 10
DUMP = 0x300
BATCH_BEGIN = 0x10
TRACES = "traces"
READY = "event=ready owner="


def callgrind(folder: Path) -> tuple[str, ...]:
    """In the daemon's own folder, which is the only one that it may write to, and below it, where it would not wake up for
    each file."""
    folder.mkdir(exist_ok=True)
    return (
        "valgrind",
        "--quiet",
        "--tool=callgrind",
        "--fair-sched=try",
        "--separate-threads=yes",
        "--instr-atstart=no",
        f"--callgrind-out-file={folder}/callgrind",
        f"--vgdb-prefix={folder}/vgdb",
    )


def start_counted(crowd: Crowd) -> None:
    """Its control socket is not asked: it would not answer for minutes where it is large."""
    before = crowd.daemon.log_text().count(READY)
    crowd.process = crowd.daemon.start(wait_for="", snapshot=False, enter=callgrind(crowd.folder / TRACES))
    assert eventually(lambda: crowd.daemon.log_text().count(READY) > before, 900), crowd.daemon.log_text()[-3000:]


class Instructions:
    """`with Instructions(crowd) as n: …`, then n.of(thread). The daemon is slowed down 50 times while it is counted, and else a
    few times, so that its start and its listings come to an end before their requests' time does."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.folder = crowd.folder / TRACES
        self.counts: dict[int, int] = {}

    def _ask(self, *what: str) -> None:
        assert self.crowd.process
        subprocess.run(
            ["callgrind_control", f"--vgdb-prefix={self.folder}/vgdb", *what, str(self.crowd.process.pid)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    def __enter__(self) -> Instructions:
        self.before = set(self.folder.glob("callgrind.*"))
        self._ask("--instr=on")
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        self._ask("--instr=off")
        self._ask("--dump")
        self.files = sorted(set(self.folder.glob("callgrind.*")) - self.before)
        self.counts = {thread_of(p): total(p) for p in self.files}

    def of(self, *threads: int) -> int:
        assert all(self.counts.get(t) for t in threads), f"not all threads were counted: {self.counts}"
        return sum(self.counts[t] for t in threads)

    @property
    def others(self) -> int:
        """By threads of a moment."""
        return sum(n for t, n in self.counts.items() if t not in (MAIN, ENGINE))


MAIN, ENGINE = 1, 2


def thread_of(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def total(path: Path) -> int:
    found = re.findall(r"^(?:summary|totals): (\d+)", path.read_text(errors="replace"), re.M)
    assert found, path.read_text(errors="replace")[:500]
    return int(found[-1])


# ---- netlink ----


@dataclass
class Sent:
    """In netlink messages, as the daemon wrote them."""

    messages: int = 0
    bytes: int = 0
    transactions: int = 0
    rule_dumps: int = 0  # of nf_tables, whatever is read that others than itself could make long
    flow_walks: int = 0  # of conntrack
    link_dumps: int = 0  # of interfaces, addresses, routes
    batches: list[bytes] = field(default_factory=list)

    @property
    def walks(self) -> int:
        return self.rule_dumps + self.flow_walks + self.link_dumps


class Netlink:
    """`with Netlink(crowd) as n: …`, then n.sent()."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        (crowd.folder / TRACES).mkdir(exist_ok=True)
        self.file = crowd.folder / TRACES / f"strace.{time.monotonic_ns()}"

    def __enter__(self) -> "Netlink":
        crowd = self.crowd
        assert crowd.process
        self.threads = crowd.threads()[:2]
        self.tracer = subprocess.Popen(
            [*DIES_WITH_US, *STRACE, "-o", str(self.file), "-p", str(crowd.process.pid)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert eventually(lambda: all(is_traced(crowd.process.pid, t) for t in crowd.threads()), 20)
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        self.tracer.terminate()
        self.tracer.communicate()

    def sent(self) -> Sent:
        return read_trace(self.file, self.threads)


def read_trace(file: Path, threads: list[int] | None = None) -> Sent:
    """What THREADS sent; all by default."""
    found = Sent()
    for line in file.read_text().splitlines():
        m = re.match(r"(\d+) +[\d.]+ sendto\((\d+), .*sa_family=0x10\b", line)
        if m and (not threads or int(m[1]) in threads):
            add(found, payload(line))
    return found


def took(file: Path, call: str, size: int | None = None) -> list[float]:
    """Microseconds of each call, of those that were given or got SIZE bytes where that is told."""
    found = []
    waiting: set[str] = set()
    for line in file.read_text().splitlines():
        thread = line.partition(" ")[0]
        if f" {call}(" in line and (size is None or f", {size}, " in line):
            waiting.add(thread)
        m = re.search(r" <([\d.]+)>$", line)
        if m and thread in waiting:
            waiting.remove(thread)
            found.append(1e6 * float(m[1]))
    return found


def is_traced(pid: int, thread: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/task/{thread}/status").read_text()
    except FileNotFoundError:
        return True
    return "\nTracerPid:\t0\n" not in text


MESSAGE = re.compile(
    r"\{nlmsg_len=(\d+), nlmsg_type=(\w+), nlmsg_flags=(\w+), nlmsg_seq=(\d+), nlmsg_pid=(\d+)\}"
    r'(?:, "((?:\\x[0-9a-f]{2})*)")?'
)


def payload(line: str) -> bytes:
    """Of a call: strace takes the messages' headers to pieces, whatever it is told."""
    data = bytearray()
    for m in MESSAGE.finditer(line):
        size, kind, flags, seq, pid = (int(x, 0) for x in m.groups()[:5])
        body = bytes.fromhex((m[6] or "").replace("\\x", ""))
        assert len(body) == size - 16, line[:300]
        data += struct.pack("=IHHII", size, kind, flags, seq, pid) + body + bytes(-size % 4)
    size_sent = re.search(r"[\]}], (\d+), \w+, \{sa_family=", line)
    assert size_sent and len(data) == int(size_sent[1]), (len(data), line[:300], line[-80:])
    return bytes(data)


def add(to: Sent, data: bytes) -> None:
    """Routing's kinds of messages stand below those of the netfilter's subsystems, but for the batch's two."""
    to.bytes += len(data)
    found = messages(data)
    for kind, flags in found:
        to.messages += 1
        subsystem, number = kind >> 8, kind & 0xFF
        dumps = flags & DUMP == DUMP
        to.rule_dumps += dumps and subsystem == NFTABLES and number in NFT_READS
        to.flow_walks += dumps and subsystem == CONNTRACK
        to.link_dumps += dumps and subsystem == 0 and kind & 3 == 2
    if found[0][0] == BATCH_BEGIN and len(data) > 60:
        to.transactions += 1
        to.batches.append(data)


def messages(data: bytes) -> list[tuple[int, int]]:
    found, at = [], 0
    while len(data) - at >= 16:
        size, kind, flags = struct.unpack_from("=IHH", data, at)
        if size < 16:
            break
        found.append((kind, flags))
        at += (size + 3) & ~3
    return found
