"""One daemon, its fake engine and two containers that talk, in namespaces of their own."""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterable, TypeVar

from engine import Container, Endpoint, Engine, Network, compose
from place import DIES_WITH_US as DIES, Daemon, Namespace, attach
from place import eventually as within_seconds

POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
"""
ALLOWED, FORBIDDEN = 5432, 5433
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


def eventually(what: Callable[[], bool], seconds: float = 90) -> bool:
    """Long enough for a machine that does much else."""
    return within_seconds(what, seconds)


def within(space: Namespace, what: Callable[[], T]) -> T:
    """What a thread in that network namespace returns. Sockets stay where they were made."""
    found: list[T] = []

    def enter() -> None:
        fd = os.open(f"/proc/{space.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            assert LIBC.setns(fd, CLONE_NEWNET) == 0
        finally:
            os.close(fd)
        found.append(what())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return found[0]


def listen(port: int) -> socket.socket:
    s = socket.create_server(("", port), backlog=100)
    s.setblocking(False)
    return s


def long_id(name: str) -> str:
    return name.encode().hex().ljust(64, "0")


def shop_front() -> Network:
    return Network(long_id("front"), "shop_front", ["172.18.0.0/16"], "br-shopfront")


def container(project: str, service: str, number: int = 1, **fields: Any) -> Container:
    name = f"{project}-{service}-{number}"
    return Container(long_id(name), name, compose(project, service), **fields)


def endpoint(of: Container, addr: str, suffix: str = "") -> Endpoint:
    numbers = [int(n) for n in addr.split(".")]
    mac = "02:42:" + ":".join(f"{n:02x}" for n in numbers)
    return Endpoint(long_id(f"e{of.name}{suffix}"), f"{addr}/16", mac=mac)


class Bed:
    """Opens with an engine that runs shop's db and web, and the daemon not yet started."""

    def __init__(self, policy: str = POLICY, bridges: dict[str, str] | None = None) -> None:
        # The daemon watches the folders above its policies, of which /tmp may have had a million names: the kernel goes
        # through all that it remembers.
        self.folder = Path(tempfile.mkdtemp(prefix="quaywall-fake.", dir="/var/tmp"))
        self.space = Namespace()
        self.places: list[Namespace] = []
        self.listeners: dict[int, socket.socket] = {}
        self.engine = Engine(self.folder / "engine")
        self.daemon = Daemon(self.space, self.folder)
        self.daemon.policy(policy)
        for name, begin in (bridges or {"br-shopfront": "172.18"}).items():
            self.space.bridge(name, f"{begin}.0.1/16")
        self.reset()
        self.sanitized = b"libasan" in self.daemon.binary.read_bytes()
        self.process: subprocess.Popen[bytes] | None = None

    def reset(self) -> None:
        """The engine is what it was at first."""
        self.engine.reset()
        self.front = self.engine.add_network(shop_front())
        self.db = self.add(container("shop", "db"), "172.18.0.2")
        self.web = self.add(container("shop", "web"), "172.18.0.3")

    def add(self, c: Container, addr: str, n: Network | None = None) -> Container:
        return self.engine.add(c, n or self.front, endpoint(c, addr))

    def __enter__(self) -> "Bed":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.daemon.close()
        self.engine.close()
        for s in self.listeners.values():
            s.close()
        for place in (*self.places, self.space):
            place.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the daemon ----

    def start(self, wait_for: str = "enforcing") -> None:
        # What the sanitizer keeps of freed memory, to see that it is not used, would hide what is asked of it.
        options = os.environ.get("ASAN_OPTIONS", "exitcode=99") + ":quarantine_size_mb=8"
        self.process = self.daemon.start(
            wait_for="", snapshot=False, env={"ASAN_OPTIONS": options}
        )
        if wait_for:
            assert eventually(lambda: self.daemon.state() == wait_for), self.daemon.log_text()[-3000:]

    def stop(self) -> None:
        """Without delay, whatever the engine does, and without a leak."""
        assert self.process
        code = self.daemon.stop(self.process, signal.SIGTERM)
        assert code == 0, f"exit {code}: {self.daemon.log_text()[-3000:]}"
        assert not self.engine.problems, self.engine.problems

    def cpu(self) -> float:
        """Seconds that it computed."""
        assert self.process
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, what: str = "VmRSS") -> int:
        """MiB."""
        assert self.process
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{what}:\s+(\d+) kB", text, re.M)
        assert found, "the daemon is dead: " + self.daemon.log_text()[-3000:]
        return int(found[1]) // 1024

    def engine_status(self) -> dict[str, Any]:
        """By the control socket itself: it is asked often."""
        found: dict[str, Any] = json.loads(self.daemon.ask(b'{"verb": "status"}\n'))["result"]["engine"]
        return found

    def error(self) -> str:
        return str(self.engine_status()["error"] or "")

    def is_connected(self) -> bool:
        status = self.engine_status()
        return status["state"] == "connected" and not status["error"]

    def table(self) -> str:
        """As a set of lines, for elements stand in the order of a hash, and without whose it is."""
        lines = (line.strip(" \t,") for line in self.daemon.table().splitlines())
        owner = ("table ", "flags owner", "flags persist", "flags (null)")
        return "\n".join(sorted(x for x in lines if x != "flags" and not x.startswith(owner)))

    def is_right(self) -> bool:
        """The kernel holds what a fresh look at the engine says."""
        return self.daemon.call("plan", "--policies", str(self.daemon.policies)).returncode == 0

    def assert_right(self, seconds: float = 90) -> None:
        assert eventually(self.is_connected, seconds), self.engine_status()
        if not eventually(self.is_right, seconds):
            plan = self.daemon.call("plan", "--policies", str(self.daemon.policies))
            raise AssertionError(f"plan: {plan.stdout}{plan.stderr}\n{self.daemon.log_text()[-3000:]}")

    # ---- packets ----

    def attach(self) -> None:
        """db and web become namespaces: db listens on both ports."""
        db = attach(self.daemon, "172.18.0.2/16", "02:42:ac:12:00:02")
        web = attach(self.daemon, "172.18.0.3/16", "02:42:ac:12:00:03")
        self.places = [db, web]
        for port in (ALLOWED, FORBIDDEN):
            self.listeners[port] = within(db, lambda port=port: listen(port))

    def reaches(self, port: int) -> bool:
        s = within(self.places[1], lambda: socket.socket())
        with s:
            s.settimeout(2)
            try:
                s.connect(("172.18.0.2", port))
            except OSError:
                return False
        try:
            self.listeners[port].accept()[0].close()
        except BlockingIOError:
            pass
        return True

    def assert_enforced(self) -> None:
        assert not self.reaches(FORBIDDEN), "a forbidden flow passed"
        assert self.reaches(ALLOWED), "a permitted flow was refused"


Case = Callable[[Bed], None]


def side_by_side(cases: Iterable[tuple[str, Case]], beds: int = 4, **options: Any) -> None:
    """Cases wait more than they work. A bed serves one after the other."""
    waiting = list(cases)
    failures: list[str] = []

    def work() -> None:
        bed = None
        while waiting:
            name, case = waiting.pop(0)
            try:
                bed = bed or Bed(**options)
                bed.reset()
                case(bed)
            except Exception as e:  # pylint: disable=broad-except
                text = f"{name}: {type(e).__name__}: {e}"
                failures.append(f"{text[:4000]}\n{traceback.format_exc(limit=-3)[:1500]}")
                if bed:
                    bed.close()
                bed = None
        if bed:
            bed.close()

    with ThreadPoolExecutor(beds) as pool:
        for worker in [pool.submit(work) for _ in range(beds)]:
            worker.result()
    assert not failures, "\n".join(failures)
