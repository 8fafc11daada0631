"""The daemon in a network namespace of its own, with a recorded host in the engine's place."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

import pytest

HERE = Path(__file__).resolve().parent
HOST = HERE.parent / "cli"
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--")

POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432, 5433]}
"""


def eventually(what: Callable[[], bool], within: float = 10) -> bool:
    end = time.monotonic() + within
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


class Namespace:
    """Held by one process, which dies with us."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            [*DIES_WITH_US, "unshare", "--net", "sh", "-c", "echo ready; exec sleep 1000000"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._holder.stdout
        if self._holder.stdout.readline() != b"ready\n":
            pytest.skip("takes root: no network namespace could be made")
        self.pid = self._holder.pid
        self.run("ip", "link", "set", "lo", "up")

    def argv(self, *argv: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *argv]

    def call(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*argv), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    def run(self, *argv: str) -> str:
        done = self.call(*argv)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def bridge(self, name: str, addr: str) -> None:
        self.run("ip", "link", "add", name, "type", "bridge")
        self.run("ip", "addr", "add", addr, "dev", name)
        self.run("ip", "link", "set", name, "up")

    def sysctl(self, name: str) -> str:
        return self.run("cat", f"/proc/sys/net/{name}").strip()

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout:
            self._holder.stdout.close()


class Daemon:
    """Its namespace, its files, its verbs."""

    def __init__(self, space: Namespace, folder: Path) -> None:
        build = os.environ.get("QUAYWALL_BUILD")
        if not build:
            raise RuntimeError("QUAYWALL_BUILD is not set: the build folder that holds quaywall")
        self.binary = Path(build) / "quaywall"
        self.space = space
        self.folder = folder
        self.policies = folder / "policies"
        self.policies.mkdir()
        self.control = folder / "control"
        self.snapshot = folder / "host.json"
        shutil.copy(HOST / "host.json", self.snapshot)
        self.log = folder / "log"
        self.options: list[str] = []  # of every verb
        self.processes: list[subprocess.Popen[bytes]] = []
        self.policy(POLICY)

    def policy(self, text: str, name: str = "shop") -> None:
        fresh = self.folder / "fresh"
        fresh.write_text(text, encoding="utf-8")
        fresh.rename(self.policies / f"{name}.yaml")

    def argv(self, *argv: str, enter: tuple[str, ...] = ()) -> list[str]:
        own = ["--control", str(self.control), "--docker", f"unix://{self.folder}/engine"]
        own += self.options
        return self.space.argv(*enter, str(self.binary), *own, *argv)

    def open_to_others(self) -> None:
        """The way to the control socket, and a copy of the program: the build folder may be root's alone."""
        for folder in (self.folder, *self.folder.parents):
            if folder.stat().st_uid == os.getuid() and folder != folder.parent:
                folder.chmod(folder.stat().st_mode | 0o111)
        self.binary = Path(shutil.copy(self.binary, self.folder))

    def call(self, *argv: str, enter: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*argv, enter=enter),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def verb(self, *argv: str, code: int = 0) -> str:
        done = self.call(*argv)
        assert done.returncode == code, f"{argv}: exit {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        done = self.call("status", "--json")
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def state(self) -> str:
        done = self.call("status", "--json")
        return str(json.loads(done.stdout)["state"]) if done.stdout else ""

    def allows(self, *argv: str) -> bool:
        return self.call("explain", *argv).returncode == 0

    def offline(self, *argv: str, code: int = 0) -> str:
        files = ["--policies", str(self.policies), "--snapshot", str(self.snapshot)]
        return self.verb(argv[0], *files, *argv[1:], code=code)

    def start(
        self,
        *options: str,
        wait_for: str = "enforcing",
        snapshot: bool = True,
        env: dict[str, str] | None = None,
        enter: tuple[str, ...] = (),
    ) -> subprocess.Popen[bytes]:
        argv = ["run", "--debug", "--policies", str(self.policies), *options]
        if snapshot:
            argv += ["--snapshot", str(self.snapshot)]
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                [*DIES_WITH_US, *self.argv(*argv, enter=enter)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | (env or {}),
            )
        self.processes.append(process)
        if wait_for:
            assert eventually(lambda: self.state() == wait_for, 20), self.log_text()
        return process

    def stop(self, process: subprocess.Popen[bytes], how: int = signal.SIGTERM) -> int:
        process.send_signal(how)
        code = process.wait(timeout=20)
        self.processes.remove(process)
        return code

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def table(self, family: str = "inet") -> str:
        """What the kernel has, without the counters; '' where there is no table."""
        text = self.space.call("nft", "list", "table", family, "quaywall").stdout
        return re.sub(r"counter packets \d+ bytes \d+", "counter", text)

    def rules(self) -> list[tuple[str, str]]:
        """Of both tables, each rule and element with what it is in, in an order that does not depend on the kernel's
        hashes; without the owner. Not by `nft -j`: 1.0.6 prints freed memory for the flags of a table whose owner died."""
        found = []
        for family in ("inet", "bridge"):
            part = ""
            for line in self.table(family).splitlines()[1:]:
                part = f"{family} {line.strip()}" if line.endswith("{") else part
                if not line.startswith("\tflags"):
                    pieces = re.split(r",\s*|elements = \{ ?| \}$", line.strip())
                    found += [(part, piece) for piece in pieces if piece]
        return sorted(found)

    def ask(self, line: bytes) -> bytes:
        """A request as it is on the control socket."""
        answer = b""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(str(self.control))
            s.sendall(line)
            while got := s.recv(65536):
                answer += got
        return answer

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def attach(daemon: Daemon, addr: str, mac: str) -> Namespace:
    """A container, as far as packets tell."""
    inside = Namespace()
    host = daemon.space
    name = f"veth{inside.pid}"
    host.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(inside.pid))
    host.run("ip", "link", "set", name, "master", "br-shopfront", "up")
    inside.run("ip", "link", "set", "eth0", "address", mac)
    inside.run("ip", "addr", "add", addr, "dev", "eth0")
    inside.run("ip", "link", "set", "eth0", "up")
    return inside
