"""Many containers that start side by side, and what their first packets met."""

import ctypes
import http.client
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Iterator, Sequence

from bed import PrivateEngine
from bed.state import build_tool

IMAGE = "quaywall-probe"
PATIENCE = 180.0  # seconds: a start takes one, but many on a machine that is busy with others


class Api:
    """The engine's own API, of which a start costs a thousandth of what the command line client takes.
    One connection for each thread."""

    def __init__(self, path: Path, patience: int = 60) -> None:
        self.path, self.patience = path, patience
        self._local = threading.local()

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            connection = http.client.HTTPConnection("localhost", timeout=self.patience)
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(self.patience)
            connection.sock.connect(str(self.path))
            self._local.connection = connection
        found: http.client.HTTPConnection = self._local.connection
        return found

    def call(self, method: str, path: str, body: Any = None) -> Any:
        connection = self._connection()
        text = None if body is None else json.dumps(body)
        connection.request(method, "/v1.41" + path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")
        return json.loads(said) if said else None

    def create(
        self,
        name: str,
        argv: Sequence[str],
        network: str,
        service: str,
        mount: Path,
        endpoint: dict[str, Any] | None = None,
        **host: Any,
    ) -> str:
        project, _, of = service.partition("/")
        body = {
            "Image": IMAGE,
            "Cmd": list(argv),
            "Labels": {"com.docker.compose.project": project, "com.docker.compose.service": of},
            "HostConfig": {
                "NetworkMode": network,
                "Binds": [f"{mount}:/out"],
                "SecurityOpt": ["apparmor=unconfined"],
                **host,
            },
            "NetworkingConfig": {"EndpointsConfig": {network: endpoint or {}}},
        }
        found: str = self.call("POST", f"/containers/create?name={name}", body)["Id"]
        return found

    def start(self, container: str) -> None:
        self.call("POST", f"/containers/{container}/start")

    def stop(self, container: str) -> None:
        self.call("POST", f"/containers/{container}/stop?t=2")

    def remove(self, container: str) -> None:
        self.call("DELETE", f"/containers/{container}?force=1&v=1")

    def connect(self, network: str, container: str) -> None:
        self.call("POST", f"/networks/{network}/connect", {"Container": container})

    def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/containers/{container}/json")
        return found


@dataclass
class Result:
    """What `first` told: one beginning of one container's process."""

    name: str
    kind: str
    began: int
    arrived: int
    flows: list[dict[str, Any]]

    def lost(self) -> list[dict[str, Any]]:
        """Flows whose first packet did not get through."""
        return [f for f in self.flows if f["refused"] or f["answered"] or not f["done"]]


class Counted:
    """A counter of what arrives in a network namespace and is as MATCHES say, whatever becomes of it
    there. Ahead of everything, or behind quaywall where HOOK is input."""

    def __init__(
        self, netns: str, *matches: str, hook: str = "prerouting", table: str = "counted"
    ) -> None:
        self.netns = netns
        self.table = table
        priority = "-350" if hook == "prerouting" else "300"
        rules = "".join(f" {match} counter;" for match in matches)
        text = f"table inet {table} {{ chain c {{ type filter hook {hook} priority {priority};{rules} }}; }}\n"
        self._nft("-f", "-", text=text)

    def _nft(self, *argv: str, text: str = "") -> str:
        enter = ["nsenter", f"--net={self.netns}", "--", "nft"]
        done = subprocess.run([*enter, *argv], input=text.encode(), capture_output=True, check=True)
        return done.stdout.decode()

    def packets(self) -> int:
        said = json.loads(self._nft("-j", "list", "table", "inet", self.table))
        rules = [o["rule"]["expr"] for o in said["nftables"] if "rule" in o]
        return sum(e["counter"]["packets"] for rule in rules for e in rule if "counter" in e)

    def close(self) -> None:
        self._nft("delete", "table", "inet", self.table)


class Folder:
    """What is mounted into the containers: `first`, and what it tells."""

    def __init__(self, engine: PrivateEngine) -> None:
        self.path = engine.path / "first"
        self.path.mkdir(exist_ok=True)
        self.path.chmod(0o777)
        for file in self.path.glob("*.json"):  # of the test before, on the same engine
            file.unlink()
        shutil.copy2(build_tool("first"), self.path / "first")

    def results(self, prefix: str, kind: str) -> list[Result]:
        found = []
        for file in sorted(self.path.glob(f"{prefix}.*.json")):
            told = json.loads(file.read_text(encoding="utf-8"))
            found.append(Result(prefix, kind, told["began"], told["arrived"], told["flows"]))
        return found

    def wait(self, prefix: str, n: int, within: float) -> None:
        end = time.monotonic() + within
        while len(list(self.path.glob(f"{prefix}.*.json"))) < n:
            if time.monotonic() > end:
                raise AssertionError(f"{prefix} told nothing in {within:g} s")
            time.sleep(0.02)


def flows(*targets: tuple[str, str, int]) -> list[str]:
    """As arguments of `first`."""
    return [str(part) for target in targets for part in target]


@dataclass
class Starter:
    """Ways to start a container whose process is `first ARGV`, each until it has told and is gone."""

    engine: PrivateEngine
    api: Api
    folder: Folder
    network: str = "front"
    idle: str = "idle"  # an internal network
    restarts: int = 3
    found: list[Result] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)  # of containers, to their names

    def create(self, name: str, argv: list[str], service: str, **more: Any) -> str:
        network = more.pop("network", self.network)
        verb, *rest = argv
        command = ["/out/first", verb, f"/out/{name}", *rest]
        found = self.api.create(name, command, network, service, self.folder.path, **more)
        self.ids[found] = name
        return found

    def finish(self, name: str, kind: str, n: int = 1) -> None:
        self.folder.wait(name, n, PATIENCE)
        self.api.remove(name)
        self.found += self.folder.results(name, kind)

    def run(self, name: str, argv: list[str], service: str) -> None:
        self.create(name, argv, service)
        self.api.start(name)
        self.finish(name, "run")

    def start(self, name: str, argv: list[str], service: str) -> None:
        """One that exists, and ran before."""
        self.create(name, argv, service)
        self.api.start(name)
        self.folder.wait(name, 1, PATIENCE)
        for file in self.folder.path.glob(f"{name}.*.json"):
            file.unlink()
        self.api.stop(name)
        self.api.start(name)
        self.finish(name, "start")

    def connect(self, name: str, argv: list[str], service: str) -> None:
        self.create(name, argv, service, network=self.idle)
        self.api.start(name)
        time.sleep(0.3)
        self.api.connect(self.network, name)
        self.finish(name, "connect")

    def restart(self, name: str, argv: list[str], service: str) -> None:
        self.create(name, argv, service, RestartPolicy={"Name": "always"})
        self.api.start(name)
        self.finish(name, "restart", self.restarts)

    def all(self, jobs: Iterable[tuple[str, str, list[str], str]], workers: int = 4) -> list[Result]:
        """(kind, name, argv, service) each, side by side."""
        with ThreadPoolExecutor(max_workers=workers) as pool:
            for done in [pool.submit(getattr(self, kind), *job) for kind, *job in jobs]:
                done.result()
        return self.found


# ---- when ----


class Kernel:
    """When addresses came into the map endpoints_out4 of the engine's network namespace."""

    def __init__(self, netns: str) -> None:
        self.at: list[tuple[int, bytes]] = []  # (microseconds, the notification)
        self._socket: socket.socket
        thread = threading.Thread(target=self._open, args=(netns,))
        thread.start()
        thread.join()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _open(self, netns: str) -> None:
        """In a thread of its own, which alone enters the namespace."""
        with open(netns, "rb") as ns:
            if ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self._socket.bind((0, 0))
        self._socket.setsockopt(270, 1, 7)  # NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES

    def _read(self) -> None:
        while True:
            try:
                data = self._socket.recv(1 << 20)
            except OSError as error:
                if error.errno == 105:  # ENOBUFS
                    continue
                return
            self.at.append((time.time_ns() // 1000, data))

    def programmed(self, address: str, after: int) -> int | None:
        wanted = socket.inet_aton(address)
        for at, data in self.at:
            if at >= after and any(wanted in m for m in added(data)):
                return at
        return None

    def close(self) -> None:
        self._socket.close()


def added(data: bytes) -> Iterator[bytes]:
    """The messages of one notification that bring elements of the map."""
    offset = 0
    while offset + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, offset)
        message = data[offset : offset + length]
        if kind & 0xFF == 12 and b"endpoints_out4" in message:  # NFT_MSG_NEWSETELEM
            yield message
        offset += max(16, (length + 3) & ~3)


class Events:
    """`network connect` events: when the engine says they were, and when they were read."""

    def __init__(self, api: Api) -> None:
        self.connects: list[tuple[str, str, int, int]] = []  # container, network, time, read at
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(api.path))
        self._socket.sendall(b"GET /v1.41/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self._socket.makefile("rb") as lines:
            for line in lines:
                if not line.startswith(b"{"):
                    continue
                event = json.loads(line)
                if event.get("Type") == "network" and event.get("Action") == "connect":
                    attributes = event["Actor"]["Attributes"]
                    at = (event["timeNano"] // 1000, time.time_ns() // 1000)
                    self.connects.append((attributes["container"], attributes["name"], *at))

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def spread(values: Sequence[float]) -> str:
    """In milliseconds, of microseconds."""
    if not values:
        return "none"
    ordered = sorted(v / 1000 for v in values)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.9, 0.99)]
    return (
        f"min {ordered[0]:.1f} p50 {at[0]:.1f} p90 {at[1]:.1f} p99 {at[2]:.1f} "
        f"max {ordered[-1]:.1f} mean {statistics.mean(ordered):.1f} ms (n={len(ordered)})"
    )


def environment_count(name: str, default: int) -> int:
    return int(os.environ.get(name, default))
