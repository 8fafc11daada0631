"""`learn`: what is seen while packets flow, how it is kept, and how long it is looked for."""

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest

from place import DIES_WITH_US, NOBODY, Daemon, Namespace, attach, eventually

POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
"""
AUDIT = POLICY.replace("policy: shop\n", "policy: shop\nmode: audit\n")
DB, WEB = "172.18.0.2", "172.18.0.3"
CONNECT = "import socket, sys; s = socket.socket(); s.settimeout(1); s.connect_ex((sys.argv[1], int(sys.argv[2])))"
ACCEPT = """
import socket, sys, time
held = [socket.create_server(("", int(port))) for port in sys.argv[1:]]
print("up", flush=True)
time.sleep(1000)
"""


class Pair:
    """web and db of shop, on one bridge."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.places: list[Namespace] = []
        self.places.append(attach(daemon, f"{DB}/16", "02:42:ac:12:00:02"))
        self.places.append(attach(daemon, f"{WEB}/16", "02:42:ac:12:00:03"))
        self.config = daemon.folder / "settings.yaml"
        self._servers: list[subprocess.Popen[bytes]] = []

    def settings(self, text: str) -> None:
        self.config.write_text(text + "\n", encoding="utf-8")
        if "--config" not in self.daemon.options:
            self.daemon.options += ["--config", str(self.config)]

    def serve(self, *ports: int) -> None:
        """db lets whoever likes connect."""
        argv = self.places[0].argv("/usr/bin/python3", "-c", ACCEPT, *map(str, ports))
        self._servers.append(subprocess.Popen([*DIES_WITH_US, *argv], stdout=subprocess.PIPE))
        out = self._servers[-1].stdout
        assert out and out.readline() == b"up\n"

    def connect(self, port: int) -> None:
        self.places[1].run("/usr/bin/python3", "-c", CONNECT, DB, str(port))

    def pairs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.daemon.verb("learn", "--json"))["pairs"]
        return found

    def learned(self, port: int) -> dict[str, Any]:
        """The pair with that port, once it is there."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [p for p in self.pairs() if p.get("port") == port]
            return bool(found)

        assert eventually(there), self.daemon.log_text()
        return found[0]

    def close(self) -> None:
        for server in self._servers:
            server.kill()
            server.communicate()
        for place in self.places:
            place.close()


@pytest.fixture
def pair(daemon: Daemon) -> Iterator[Pair]:
    made = Pair(daemon)
    try:
        yield made
    finally:
        made.close()


SCAN = """
import socket, sys
for port in range(1000, 1200):
    s = socket.socket()
    s.settimeout(1)
    s.connect_ex((sys.argv[1], port))
    s.close()
"""


@pytest.mark.parametrize("first", [True, False])
def test_what_nobody_serves_is_no_rule(pair: Pair, first: bool) -> None:
    """A scan of closed ports in audit mode is told as such, and opens none of them, before a connection and after."""
    pair.serve(5432)
    pair.daemon.policy(AUDIT)
    pair.daemon.start()
    if first:
        pair.connect(5432)
    pair.places[1].run("/usr/bin/python3", "-c", SCAN, DB)
    if not first:
        assert eventually(lambda: sum(p["unanswered"] for p in pair.pairs()) == 200)
        pair.connect(5432)
        assert eventually(lambda: any(p["port"] == 5432 for p in pair.pairs()))
    assert eventually(lambda: pair.learned(1000)["unanswered"] == 1)
    assert eventually(lambda: "1000" in pair.daemon.verb("learn").partition("Nobody answered")[2])
    written = pair.daemon.verb("learn")
    rules, _, comments = written.partition("# Nobody answered")
    assert "  - {from: web, to: db, ports: [5432]} # 1 flow" in rules
    assert not re.search(r"1[01]\d\d\b", re.sub("#.*", "", rules)), rules
    assert "shop/web -> shop/db [1000]: 1 flow" in comments
    assert "1000" in re.sub("#.*", "", pair.daemon.verb("learn", "--refused"))


def counts(found: dict[str, Any]) -> tuple[int, int, int]:
    return found["allowed"], found["audited"], found["refused"]


@pytest.mark.parametrize("flows", ["auto", "never"])
def test_an_audited_flow_counts_once(pair: Pair, flows: str) -> None:
    """It is logged, and told of by conntrack unless nobody follows that."""
    pair.serve(23, 5432)
    pair.daemon.policy(AUDIT)
    pair.settings(f"flows: {flows}")
    pair.daemon.start()
    assert pair.daemon.status()["flows"]["followed"] is (flows == "auto")
    pair.connect(23)
    pair.connect(5432)
    assert counts(pair.learned(23)) == (0, 1, 0)
    if flows == "auto":
        assert counts(pair.learned(5432)) == (1, 0, 0)
    text = pair.daemon.verb("learn")
    ports = "23, 5432" if flows == "auto" else "23"
    assert f"  - {{from: web, to: db, ports: [{ports}]}} # " in text
    path = pair.daemon.folder / "learned.yaml"
    path.write_text(text, encoding="utf-8")
    done = pair.daemon.offline("validate", str(path))
    assert "0 fail" not in done and "hold" in done


SERVE = """
import socket, time
listening = socket.create_server(("", 5432))
print("ready", flush=True)
client = listening.accept()[0]
while client.send(b"news"):
    time.sleep(0.02)
"""
LISTEN = """
import socket, sys
server = socket.create_connection((sys.argv[1], 5432))
while server.recv(100):
    print("ready", flush=True)
"""


def test_a_connection_from_before_the_daemon(pair: Pair) -> None:
    """Conntrack first sees it when br_netfilter is switched on, and takes the server, which sends, for the client."""
    argv = [[*DIES_WITH_US, *place.argv("/usr/bin/python3", "-c")] for place in pair.places]
    processes = []
    try:
        for command in ([*argv[0], SERVE], [*argv[1], LISTEN, DB]):
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))
            assert processes[-1].stdout and processes[-1].stdout.readline() == b"ready\n"
        pair.daemon.policy(AUDIT.replace("5432", "5433"))
        pair.daemon.start()
        assert counts(pair.learned(5432)) == (0, 1, 0)
        pairs = json.loads(pair.daemon.verb("learn", "--json"))["pairs"]
        assert [(p["from"]["service"], p["to"]["service"]) for p in pairs] == [("web", "db")]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_what_is_refused_is_no_rule(pair: Pair) -> None:
    pair.daemon.start()
    pair.connect(23)
    assert counts(pair.learned(23)) == (0, 0, 1)
    text = pair.daemon.verb("learn")
    assert "policy:" not in text and "#   shop/web -> shop/db [23]: refused 1 time, last " in text
    text = pair.daemon.verb("learn", "--refused", "--project", "shop")
    # Its own document has the name.
    assert text.count("policy: ") == 1 and "policy: shop-learned\n" in text
    assert re.search(r"\n  - {from: web, to: db, ports: \[23\]} # refused 1 time, last ", text)
    assert "policy:" not in pair.daemon.verb("learn", "--refused", "--project", "blog")


def test_for_a_time(pair: Pair) -> None:
    """While nothing is in audit mode, and over a restart; then the policy comes, and nobody follows flows any more."""
    pair.serve(5432)
    daemon, written = pair.daemon, pair.daemon.folder / "learned.yaml"
    process = daemon.start()
    assert daemon.status()["flows"]["followed"] is False
    argv = daemon.argv("learn", "--for", "4s", "-o", str(written))
    client = subprocess.Popen([*DIES_WITH_US, *argv], stderr=subprocess.PIPE, text=True)
    try:
        assert eventually(lambda: bool(daemon.status()["flows"]["followed"]))
        assert daemon.status()["learned"]["until"]
        daemon.stop(process, signal.SIGKILL)
        daemon.start()
        assert daemon.status()["flows"]["followed"] is True
        pair.connect(5432)
        _, said = client.communicate(timeout=20)
    finally:
        client.kill()
        client.communicate()
    assert client.returncode == 0 and said.startswith("learning until 2")
    assert "  - {from: web, to: db, ports: [5432]} # 1 flow, last " in written.read_text(encoding="utf-8")
    assert written.stat().st_mode & 0o777 == 0o600
    assert eventually(lambda: daemon.status()["flows"]["followed"] is False)
    assert daemon.status()["learned"]["until"] is None


def state_file(daemon: Daemon) -> Path:
    return Path(f"{daemon.control}.state") / "learned"


def test_kept_over_a_restart_and_forgotten(pair: Pair) -> None:
    pair.daemon.policy(AUDIT)
    process = pair.daemon.start()
    pair.connect(23)
    before = pair.learned(23)
    assert pair.daemon.stop(process) == 0
    assert state_file(pair.daemon).stat().st_mode & 0o777 == 0o600
    process = pair.daemon.start()
    assert pair.learned(23) == before
    assert pair.daemon.verb("learn", "--reset") == "forgotten\n"
    assert "Nothing was seen" in pair.daemon.verb("learn")
    pair.daemon.stop(process)
    pair.daemon.start()
    assert pair.daemon.status()["learned"]["pairs"] == 0


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_file_that_cannot_be_read(pair: Pair, damage: str) -> None:
    """Said, begun anew, and no reason not to start."""
    daemon, path = pair.daemon, state_file(pair.daemon)
    pair.daemon.policy(AUDIT)
    process = daemon.start()
    pair.connect(23)
    pair.learned(23)
    daemon.stop(process)
    text = path.read_bytes()
    path.write_bytes({"cut": text[:-9], "changed": text.replace(b'"web"', b'"wob"'), "empty": b""}[damage])
    process = daemon.start()
    learned = daemon.status()["learned"]
    assert learned["pairs"] == 0 and "the checksum is wrong" in learned["error"]
    assert "what was learned cannot be read, and is begun anew" in daemon.log_text()
    pair.connect(24)
    pair.learned(24)
    daemon.stop(process)
    daemon.start()
    learned = daemon.status()["learned"]
    assert (learned["pairs"], learned["error"]) == (1, None)


def test_who_may(pair: Pair) -> None:
    """Whoever may ask the daemon; but only root may have it follow flows, or forget."""
    daemon = pair.daemon
    daemon.start()
    pair.connect(23)
    pair.learned(23)
    daemon.open_to_others()
    daemon.control.chmod(0o666)
    assert daemon.call("learn", enter=NOBODY).returncode == 0
    for wrong in (["--reset"], ["--for", "1s"]):
        done = daemon.call("learn", *wrong, enter=NOBODY)
        assert done.returncode == 3 and "only root may do that" in done.stderr
    assert pair.learned(23)


def test_flows_that_nobody_may_follow(pair: Pair) -> None:
    pair.settings("flows: never")
    pair.daemon.start()
    done = pair.daemon.call("learn", "--for", "1s")
    assert done.returncode == 2 and "`flows: never`" in done.stderr
