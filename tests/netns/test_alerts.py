"""Alerts: one for a scan, a flood, spoofed frames, a flow that was never seen; by every road, and past a webhook that is dead."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from frames import Node, Pen, packet_socket  # noqa: E402
from place import DIES_WITH_US, Daemon, eventually  # noqa: E402
from test_watch import DB, POLICY, WEB, Bridge, bridge  # noqa: E402,F401

Alert = dict[str, Any]

# Answers with the statuses that it is given, the last of them from then on, and prints what came.
SERVER = """
import http.server, json, sys
statuses = [int(s) for s in sys.argv[1:]]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        print(json.dumps([self.path, self.headers["Content-Type"], self.headers["Authorization"], body]), flush=True)
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:8080/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_GET = do_POST
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 8080), Handler)
print("ready", flush=True)
server.serve_forever()
"""


SCRAPE = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9469/metrics", timeout=10).read().decode())
"""


class Hook:
    """A web server on the loopback of the daemon's namespace."""

    def __init__(self, daemon: Daemon, folder: Path, *statuses: str) -> None:
        self.path = folder / "posts"
        with open(self.path, "wb") as out:
            argv = daemon.space.argv("/usr/bin/python3", "-c", SERVER, *(statuses or ("200",)))
            self.process = subprocess.Popen([*DIES_WITH_US, *argv], stdin=subprocess.DEVNULL, stdout=out)
        assert eventually(lambda: self.path.read_text().startswith("ready\n"))

    def posts(self) -> list[list[Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()[1:]]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def hooks() -> Iterator[list[Hook]]:
    made: list[Hook] = []
    yield made
    for hook in made:
        hook.close()


def scan(bridge: Bridge, first: int, n: int) -> None:
    code = (
        "import socket, sys\n"
        "for port in range(int(sys.argv[2]), int(sys.argv[3])):\n"
        "    s = socket.socket(); s.settimeout(1); s.connect_ex((sys.argv[1], port)); s.close()\n"
    )
    bridge.web.run("/usr/bin/python3", "-c", code, DB.ip4, str(first), str(first + n))


def alerts(bridge: Bridge) -> Alert:
    found: Alert = bridge.daemon.status()["alerts"]
    return found


def raised(bridge: Bridge, **kinds: int) -> bool:
    want = {"scan": 0, "flood": 0, "spoofing": 0, "new-flow": 0} | {k.replace("_", "-"): n for k, n in kinds.items()}
    return bool(alerts(bridge)["raised"] == want)


def logged(bridge: Bridge) -> list[str]:
    return [line for line in bridge.daemon.log_text().splitlines() if " event=alert " in line]


def test_a_scan_is_told_once_on_every_road(bridge: Bridge, hooks: list[Hook]) -> None:
    hooks.append(Hook(bridge.daemon, bridge.daemon.folder))
    bridge.settings(
        "log: {rate: 1000/second, burst: 1000, to: ./flows.json}\n"
        "alert: {webhook: 'http://me:secret@127.0.0.1:8080/hook?token=secret'}"
    )
    bridge.daemon.start()
    watch = subprocess.Popen(
        [*DIES_WITH_US, *bridge.daemon.argv("watch", "--json")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert watch.stdout
        assert b'"event":"watching"' in watch.stdout.readline()
        scan(bridge, 1000, 60)
        assert eventually(lambda: len(hooks[0].posts()) == 1)
        scan(bridge, 2000, 60)
        bridge.soon("--port", "2059")
        assert raised(bridge, scan=1) and len(logged(bridge)) == 1 and len(hooks[0].posts()) == 1
        lines = iter(watch.stdout.readline, b"")
        line = next(line for line in lines if b'"event":"alert"' in line).decode().rstrip("\n")
    finally:
        watch.kill()
        watch.communicate()
    alert = json.loads(line)
    assert set(alert) == set("event time kind text host from to count again first last examples".split())
    assert (alert["event"], alert["kind"], alert["count"], alert["again"]) == ("alert", "scan", 20, False)
    assert alert["from"] == {"title": "shop/web (shop-web-1)", "address": WEB.ip4}
    assert alert["to"] == {"title": "shop/db (shop-db-1)", "address": DB.ip4, "ports": "1019/tcp"}
    assert [e["ports"] for e in alert["examples"]] == [f"{port}/tcp" for port in range(1000, 1005)]
    path, kind, authorization, body = hooks[0].posts()[0]
    assert (path, kind, body) == ("/hook?token=secret", "application/json", line)
    assert authorization.startswith("Basic ")
    assert line in (bridge.daemon.folder / "flows.json").read_text().splitlines()
    state = alerts(bridge)
    assert state["last"] == [alert] and set(state) == {"raised", "suppressed", "new_flows", "webhook", "last"}
    assert state["webhook"] == {
        "to": "http://127.0.0.1:8080", "sent": 1, "waiting": 0, "dropped": 0, "error": None
    }
    assert "port scan: shop/web (shop-web-1) 172.18.0.3 was refused at 20 or more" in bridge.daemon.verb("status")
    assert "secret" not in bridge.daemon.log_text() + json.dumps(bridge.daemon.status())


def test_a_flood_and_spoofed_frames(bridge: Bridge) -> None:
    bridge.settings(
        "log: {rate: 1000/second, burst: 1000}\nalert: {flood: 200/minute}\nmetrics: {listen: '127.0.0.1:9469'}"
    )
    bridge.daemon.start()
    bridge.send(bridge.web, DB.ip4, 99, 900)
    assert eventually(lambda: raised(bridge, flood=1)), alerts(bridge)
    gateway = Node("02:42:00:00:00:01", "172.18.0.1", "fd00:18::1")
    with packet_socket(f"/proc/{bridge.web.pid}/ns/net", "eth0") as mouth:
        for _ in range(30):
            mouth.send(Pen(WEB, DB, gateway).arp(2, DB.ip4, to=gateway.mac))
    assert eventually(lambda: raised(bridge, flood=1, spoofing=1)), alerts(bridge)
    flood, spoofing = alerts(bridge)["last"]
    assert flood["count"] == 200 and flood["to"]["ports"] == "99/udp" and len(flood["examples"]) == 1
    assert spoofing["from"] == {"title": "shop/web (shop-web-1)", "address": DB.ip4}
    text = bridge.daemon.space.run("/usr/bin/python3", "-c", SCRAPE)
    assert 'quaywall_alerts_total{kind="flood"} 1\n' in text and 'quaywall_alerts_total{kind="scan"} 0\n' in text
    assert [line.partition("kind=")[2].split()[0] for line in logged(bridge)] == ["flood", "spoofing"]


def test_what_is_off(bridge: Bridge) -> None:
    bridge.settings("log: {rate: 1000/second, burst: 1000}\nalert: {scan: 0, flood: 0, spoofing: false}")
    bridge.daemon.start()
    scan(bridge, 1000, 60)
    bridge.soon("--port", "1059")
    assert raised(bridge) and alerts(bridge)["webhook"] is None
    bridge.settings("log: {rate: 1000/second, burst: 1000}\nalert: {scan: 50/hour}")
    bridge.daemon.verb("reload")
    scan(bridge, 1000, 60)
    assert eventually(lambda: raised(bridge, scan=1))


SILENT = """
import socket, time
s = socket.create_server(("127.0.0.1", 8080))
print("ready", flush=True)
time.sleep(60)
"""
TLS = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
s = socket.create_server(("127.0.0.1", 8080))
print("ready", flush=True)
while True:
    try:
        print(context.wrap_socket(s.accept()[0], server_side=True).recv(4096), flush=True)
    except OSError:
        pass
"""


def certificate(folder: Path) -> str:
    """That nobody vouches for."""
    path = str(folder / "both.pem")
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    argv += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path + ".crt"]
    subprocess.run(argv, check=True, capture_output=True)
    with open(path, "a", encoding="utf-8") as both:
        both.write(Path(path + ".crt").read_text(encoding="utf-8"))
    return path


@pytest.mark.parametrize("kind", ["closed", "silent", "untrusted"])
def test_a_dead_webhook_disturbs_nothing(bridge: Bridge, kind: str) -> None:
    """Nobody listens, never answers, or shows a wrong certificate: the daemon serves and ends as ever, and tells no secret."""
    code = [TLS, certificate(bridge.daemon.folder)] if kind == "untrusted" else [SILENT]
    silent = subprocess.Popen(
        [*DIES_WITH_US, *bridge.daemon.space.argv("/usr/bin/python3", "-c", *code)], stdout=subprocess.PIPE
    )
    try:
        assert silent.stdout and silent.stdout.readline() == b"ready\n"
        place = {"closed": "http://127.0.0.1:8081", "silent": "http://127.0.0.1:8080", "untrusted": "https://127.0.0.1:8080"}[kind]
        url = place.replace("//", "//me:secret@") + "/secret"
        bridge.settings(f"alert: {{scan: 2/minute, webhook: '{url}'}}")
        process = bridge.daemon.start()
        scan(bridge, 1000, 5)
        assert eventually(lambda: raised(bridge, scan=1) and alerts(bridge)["webhook"]["waiting"] == 1)
        if kind != "silent":
            assert eventually(lambda: alerts(bridge)["webhook"]["error"] is not None)
            assert "alerts do not reach the webhook" in bridge.daemon.log_text()
        assert bridge.daemon.state() == "enforcing" and alerts(bridge)["webhook"]["to"] == place
        if kind == "untrusted":
            assert "certificate" in alerts(bridge)["webhook"]["error"]
        assert "secret" not in bridge.daemon.log_text() + json.dumps(bridge.daemon.status())
        began = time.monotonic()
        assert bridge.daemon.stop(process) == 0
        assert time.monotonic() - began < 5
    finally:
        silent.kill()
        silent.communicate()


def test_a_webhook_that_recovers_and_one_that_refuses(bridge: Bridge, hooks: list[Hook]) -> None:
    """What may pass is tried again; a redirection is not followed, and no answer but 200 is taken for one."""
    hooks.append(Hook(bridge.daemon, bridge.daemon.folder, "503", "200", "302"))
    bridge.settings("alert: {scan: 2/minute, webhook: 'http://localhost:8080/hook'}")
    bridge.daemon.start()
    scan(bridge, 1000, 2)
    assert eventually(lambda: alerts(bridge)["webhook"]["sent"] == 1)
    assert [post[0] for post in hooks[0].posts()] == ["/hook", "/hook"] and hooks[0].posts()[0] == hooks[0].posts()[1]
    code = f"import socket; [socket.socket().connect_ex(('{WEB.ip4}', port)) for port in (1, 2)]"
    bridge.db.run("/usr/bin/python3", "-c", code)
    assert eventually(lambda: alerts(bridge)["webhook"]["dropped"] == 1)
    assert "status 302" in alerts(bridge)["webhook"]["error"]
    assert [post[0] for post in hooks[0].posts()] == ["/hook"] * 3


def test_a_flow_that_was_never_seen(bridge: Bridge) -> None:
    """Once `learn --for` has run: the first of its kind is told, and no other."""
    bridge.settings("alert: {new_flows: true}")
    bridge.daemon.policy(POLICY.replace("[5432]", "[5432, 5433]"))
    bridge.daemon.start()
    assert alerts(bridge)["new_flows"] == "until 'quaywall learn --for' has run"
    assert not bridge.daemon.status()["flows"]["followed"]
    learn = subprocess.Popen([*DIES_WITH_US, *bridge.daemon.argv("learn", "--for", "2s")], stdout=subprocess.PIPE)
    try:
        assert eventually(lambda: bridge.daemon.status()["flows"]["followed"])
        bridge.connect(bridge.web, DB.ip4, 5433)
        assert b"5433" in learn.communicate(timeout=20)[0]
    finally:
        learn.kill()
        learn.communicate()
    assert eventually(lambda: bool(alerts(bridge)["new_flows"] == "on")) and raised(bridge)
    bridge.connect(bridge.web, DB.ip4, 5433)
    for _ in range(3):
        bridge.connect(bridge.web, DB.ip4, 5432)
    assert eventually(lambda: raised(bridge, new_flow=1)), alerts(bridge)
    assert eventually(lambda: bridge.daemon.status()["flows"]["begun"] >= 5)
    assert raised(bridge, new_flow=1)
    assert alerts(bridge)["last"][0]["text"] == (
        "new flow: shop/web (shop-web-1) 172.18.0.3 begins a flow that was not seen before: "
        "shop/db (shop-db-1) 172.18.0.2 5432/tcp"
    )
