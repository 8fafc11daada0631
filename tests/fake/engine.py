"""A Docker engine that is nothing but its API, over a unix socket: a state that tests change, events that they
send, and answers that go wrong as they say."""

import json
import re
import socket
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterable

Json = dict[str, Any]


@dataclass
class Endpoint:
    id: str
    addr4: str = ""  # with the length of the network's subnet
    addr6: str = ""
    mac: str = ""


@dataclass
class Network:
    id: str
    name: str
    subnets: list[str]
    bridge: str = ""
    driver: str = "bridge"
    scope: str = "local"
    endpoints: dict[str, Endpoint] = field(default_factory=dict)  # by the container's id
    extra: Json = field(default_factory=dict)  # laid over the document

    def document(self, names: dict[str, str], inspected: bool) -> Json:
        options = {"com.docker.network.bridge.name": self.bridge} if self.bridge else {}
        found = {
            "Name": self.name,
            "Id": self.id,
            "Scope": self.scope,
            "Driver": self.driver,
            "Internal": False,
            "IPAM": {"Driver": "default", "Config": [{"Subnet": s} for s in self.subnets]},
            "Containers": {},
            "Options": options,
            "Labels": {},
        }
        if inspected:
            found["Containers"] = {
                c: {
                    "Name": names.get(c, ""),
                    "EndpointID": e.id,
                    "MacAddress": e.mac,
                    "IPv4Address": e.addr4,
                    "IPv6Address": e.addr6,
                }
                for c, e in self.endpoints.items()
            }
        return found | self.extra


@dataclass
class Container:
    id: str
    name: str
    labels: Json = field(default_factory=dict)
    state: str = "running"
    mode: str = "default"
    image: str = "busybox"
    image_id: str = "sha256:01"
    ports: list[Json] = field(default_factory=list)
    extra: Json = field(default_factory=dict)

    def document(self) -> Json:
        return {
            "Id": self.id,
            "Names": [f"/{self.name}"],
            "Image": self.image,
            "ImageID": self.image_id,
            "Command": "sh",
            "Ports": self.ports,
            "Labels": self.labels,
            "State": self.state,
            "Status": "Up 2 hours",
            "HostConfig": {"NetworkMode": self.mode},
        } | self.extra


def compose(project: str, service: str) -> Json:
    return {"com.docker.compose.project": project, "com.docker.compose.service": service}


@dataclass
class Request:
    path: str  # without the version and the query
    query: dict[str, str]
    what: str  # the whole target, without the version


class Connection:
    """One client's."""

    def __init__(self, sock: socket.socket, engine: "Engine") -> None:
        self.sock = sock
        self.engine = engine
        self.rest = b""

    def read_request(self) -> Request | None:
        while b"\r\n\r\n" not in self.rest:
            got = self.sock.recv(65536)
            if not got:
                return None
            self.rest += got
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        assert method == "GET", f"quaywall only reads, but asks {method} {target}"
        what = re.sub(r"^/v1\.\d+", "", target)
        path, _, query = what.partition("?")
        return Request(path, dict(urllib.parse.parse_qsl(query)), urllib.parse.unquote(what))

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, body: bytes, status: str = "200 OK", headers: Iterable[str] = ()) -> None:
        lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        self.send("\r\n".join([*lines, *headers, "", ""]).encode() + body)

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def begin_stream(self) -> None:
        self.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )

    def close(self) -> None:
        """Also for the thread that waits in another call of the socket."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


# Does what it likes with a request that would have been answered by the body.
Fault = Callable[[Connection, Request, bytes], None]


@dataclass
class Rule:
    pattern: re.Pattern[str]
    fault: Fault
    left: int | None  # how many times still; None: always


class Engine:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._connections: list[Connection] = []
        self._listener: socket.socket | None = None
        self.reset()
        self.open()

    def reset(self) -> None:
        """As it was at first: without containers, and well."""
        self.id = "ENGINE:1"
        self.version: Json = {
            "Components": [{"Name": "Engine"}],
            "Version": "20.10.24",
            "ApiVersion": "1.41",
            "MinAPIVersion": "1.12",
        }
        self.networks: dict[str, Network] = {}
        self.containers: dict[str, Container] = {}
        self.images: dict[str, Json] = {"sha256:01": {}}  # labels
        self.rules: list[Rule] = []
        self.requests: list[tuple[float, str]] = []
        self.streams: list[Connection] = []
        self.problems: list[BaseException] = []
        self.add_network(Network("0" * 63 + "1", "host", [], driver="host"))
        self.add_network(Network("0" * 63 + "2", "none", [], driver="null"))

    # ---- there, and away ----

    def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(128)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        listener, self._listener = self._listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.path.unlink(missing_ok=True)
        self.drop()

    def drop(self) -> None:
        """Every connection breaks."""
        with self.lock:
            connections, self._connections = self._connections, []
            self.streams = []
        for c in connections:
            c.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            c = Connection(sock, self)
            with self.lock:
                self._connections.append(c)
            threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c: Connection) -> None:
        try:
            while request := c.read_request():
                self._answer(c, request)
        except OSError:
            pass
        except AssertionError as e:
            self.problems.append(e)
        finally:
            c.close()
            with self.lock:
                if c in self._connections:
                    self._connections.remove(c)
                if c in self.streams:
                    self.streams.remove(c)

    # ---- answers ----

    def _fault(self, request: Request) -> Fault | None:
        for rule in self.rules:
            if rule.left != 0 and rule.pattern.search(request.what):
                if rule.left:
                    rule.left -= 1
                return rule.fault
        return None

    def _answer(self, c: Connection, request: Request) -> None:
        with self.lock:
            self.requests.append((time.monotonic(), request.what))
            fault = self._fault(request)
            status, body = self._body(request)
            if not fault and request.path == "/events":
                c.begin_stream()
                self.streams.append(c)
                return
        if fault:
            fault(c, request, body)
        else:
            c.answer(body, status)

    def _body(self, request: Request) -> tuple[str, bytes]:
        found = self._find(request)
        if found is None:
            return "404 Not Found", json.dumps({"message": f"No such: {request.path}"}).encode()
        return "200 OK", found if isinstance(found, bytes) else json.dumps(found).encode()

    def _find(self, request: Request) -> Any:
        if request.path == "/_ping":
            return b"OK"
        if request.path == "/version":
            return self.version
        if request.path == "/info":
            return {"ID": self.id, "SecurityOptions": ["name=seccomp,profile=default"]}
        if request.path == "/events":
            return b""
        if request.path == "/containers/json":
            return self._list_containers(json.loads(request.query.get("filters", "{}")))
        names = {c.id: c.name for c in self.containers.values()}
        if request.path == "/networks":
            return [n.document(names, False) for n in self.networks.values()]
        kind, _, rest = request.path[1:].partition("/")
        name = urllib.parse.unquote(rest.removesuffix("/json"))
        if kind == "networks" and name in self.networks:
            return self.networks[name].document(names, True)
        if kind == "images" and name in self.images:
            return {"Id": name, "Config": {"Labels": self.images[name]}}
        if kind == "containers" and name in self.containers:
            return self._inspect(self.containers[name])
        return None

    def _list_containers(self, filters: Json) -> list[Json]:
        ids = tuple(filters.get("id", ("",)))
        return [c.document() for c in self.containers.values() if c.id.startswith(ids)]

    def _inspect(self, c: Container) -> Json:
        networks = {
            n.name: {
                "NetworkID": n.id,
                "EndpointID": n.endpoints[c.id].id,
                "IPAddress": n.endpoints[c.id].addr4.partition("/")[0],
                "MacAddress": n.endpoints[c.id].mac,
            }
            for n in self.networks.values()
            if c.id in n.endpoints
        }
        return {
            "Id": c.id,
            "Name": f"/{c.name}",
            "Config": {"Labels": c.labels},
            "HostConfig": {"NetworkMode": c.mode},
            "NetworkSettings": {"Networks": networks, "SandboxKey": f"/var/run/docker/netns/{c.id[:12]}"},
        }

    def misbehave(self, pattern: str, fault: Fault, times: int | None = None) -> None:
        """From now on, for requests that PATTERN matches (without the version)."""
        with self.lock:
            self.rules.append(Rule(re.compile(pattern), fault, times))

    def behave(self) -> None:
        with self.lock:
            self.rules = []

    def asked(self, pattern: str = "", since: float = 0) -> int:
        with self.lock:
            return sum(1 for t, what in self.requests if t >= since and re.search(pattern, what))

    # ---- the state ----

    def add_network(self, n: Network) -> Network:
        with self.lock:
            self.networks[n.id] = n
        return n

    def add(self, c: Container, n: Network | None = None, e: Endpoint | None = None) -> Container:
        """C runs, in N."""
        with self.lock:
            self.containers[c.id] = c
            if n and e:
                n.endpoints[c.id] = e
        return c

    def remove(self, c: Container) -> None:
        with self.lock:
            self.containers.pop(c.id, None)
            for n in self.networks.values():
                n.endpoints.pop(c.id, None)

    # ---- events ----

    def emit(self, *events: Json) -> None:
        self.emit_raw(b"".join(json.dumps(e).encode() + b"\n" for e in events))

    def emit_raw(self, data: bytes) -> None:
        """Waits where the client does not read."""
        with self.lock:
            streams = list(self.streams)
        for c in streams:
            try:
                c.chunk(data)
            except OSError:
                pass

    def end_streams(self, last: bytes = b"") -> None:
        """The streams of events break after LAST, which is sent as it is."""
        with self.lock:
            streams, self.streams = self.streams, []
        for c in streams:
            try:
                c.send(last)
            except OSError:
                pass
            c.close()


def container_event(action: str, c: Container) -> Json:
    attributes = {"image": c.image, "name": c.name} | c.labels
    return {
        "status": action,
        "id": c.id,
        "from": c.image,
        "Type": "container",
        "Action": action,
        "Actor": {"ID": c.id, "Attributes": attributes},
        "scope": "local",
        "time": int(time.time()),
        "timeNano": time.time_ns(),
    }


def network_event(action: str, n: Network, container: str | None = None) -> Json:
    attributes = {"name": n.name, "type": n.driver}
    if container is not None:
        attributes["container"] = container
    return {
        "Type": "network",
        "Action": action,
        "Actor": {"ID": n.id, "Attributes": attributes},
        "scope": n.scope,
        "time": int(time.time()),
        "timeNano": time.time_ns(),
    }
