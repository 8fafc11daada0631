"""Metrics: scraped as Prometheus does, judged by promtool, and compared with the packets that were sent."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from place import Daemon, Namespace, attach, eventually  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PORT = 9469
WHERE = f"127.0.0.1:{PORT}"
WEB, DB = "172.18.0.3", "172.18.0.2"
SHOP = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432/udp], name: 'sql "quoted" \\ and more'}
deny:
  - {from: {service: web}, to: {service: db}, ports: [81/udp], log: true, name: never}
"""

# In the daemon's namespace: each argument is sent on a connection of its own, and the answers come as a JSON list.
CLIENT = """
import json, socket, sys
where, answers = sys.argv[1], []
for request in sys.argv[2:]:
    if where.startswith('/'):
        s = socket.socket(socket.AF_UNIX)
        s.connect(where)
    else:
        s = socket.create_connection((where.rsplit(':', 1)[0], int(where.rsplit(':', 1)[1])))
    s.settimeout(20)
    s.sendall(request.encode())
    text = b''
    while got := s.recv(65536):
        text += got
    answers.append(text.decode())
print(json.dumps(answers))
"""
SEND = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[3])):
    s.sendto(b'x', (sys.argv[1], int(sys.argv[2])))
"""
GET = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"

Samples = dict[str, float]


def settings(daemon: Daemon, text: str) -> None:
    path = daemon.folder / "settings.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    if "--config" not in daemon.options:
        daemon.options += ["--config", str(path)]


def ask(daemon: Daemon, *requests: str, where: str = WHERE) -> list[str]:
    found: list[str] = json.loads(daemon.space.run("/usr/bin/python3", "-c", CLIENT, where, *requests))
    return found


def scrape(daemon: Daemon, where: str = WHERE) -> str:
    head, _, body = ask(daemon, GET, where=where)[0].partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\n"), head
    assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
    return body


def samples(text: str) -> Samples:
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#")
    }


def rule(found: Samples, *parts: str, name: str = "quaywall_rule_packets_total") -> float:
    """Of the one sample whose labels are these."""
    keys = [k for k in found if k.startswith(name + "{") and all(part in k for part in parts)]
    assert len(keys) == 1, (parts, sorted(found))
    return found[keys[0]]


def fresh(daemon: Daemon) -> Samples:
    time.sleep(1.05)  # a text is good for a second
    return samples(scrape(daemon))


def send(place: Namespace, port: int, times: int) -> None:
    place.run("/usr/bin/python3", "-c", SEND, DB, str(port), str(times))


@pytest.fixture
def shop(daemon: Daemon) -> Iterator[tuple[Daemon, Namespace]]:
    """The daemon, and web beside db."""
    db, web = attach(daemon, f"{DB}/16", "02:42:ac:12:00:02"), attach(daemon, f"{WEB}/16", "02:42:ac:12:00:03")
    daemon.policy(SHOP)
    settings(daemon, f'metrics: {{listen: "{WHERE}"}}\nlog: {{rate: 5/second, burst: 20}}')
    try:
        yield daemon, web
    finally:
        for place in (db, web):
            place.close()


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if not found:
        pytest.skip("takes promtool (Debian's package prometheus)")
    return found


def test_promtool_and_the_names_of_others(shop: tuple[Daemon, Namespace], promtool: str) -> None:
    """What is served passes `promtool check metrics`; README, dashboard and alert rules name nothing else, and the
    README all of it."""
    daemon, web = shop
    daemon.start()
    send(web, 99, 3)
    text = scrape(daemon)
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    served = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert set(re.findall(r"^([a-z_]+?)(?:_bucket|_sum|_count)?(?:\{.*)? \S+$", text, re.MULTILINE)) <= served
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme[readme.index("### Metrics\n") : readme.index("\n### ", readme.index("### Metrics\n") + 1)]
    named = {name for name in re.findall(r"`((?:quaywall|process)_[a-z_]+)", section) if not name.endswith("_")}
    assert named == served
    for file in ("contrib/grafana/quaywall.json", "contrib/prometheus/quaywall.rules.yml"):
        used = re.findall(r"\b(?:quaywall|process)_[a-z_]+\b", (ROOT / file).read_text(encoding="utf-8"))
        used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in used}
        assert used and used <= served, file


def test_counts(shop: tuple[Daemon, Namespace]) -> None:
    """Each packet is at its verdict and at its line, also those of rules with a log of their own, and those beyond the
    log's rate. What counted before the daemon, or before a set of rules, is not counted again."""
    daemon, web = shop
    process = daemon.start()
    send(web, 99, 100)
    daemon.stop(process)
    daemon.start()
    before = fresh(daemon)
    assert before['quaywall_verdict_packets_total{verdict="refused"}'] == 0
    send(web, 99, 50)
    send(web, 81, 7)
    found = fresh(daemon)
    assert found['quaywall_verdict_packets_total{verdict="refused"}'] == 57
    ends = ('direction="egress"', 'action="refuse"', 'file="shop.yaml"', 'line="1"', "isolates egress")
    assert rule(found, *ends) == 50
    assert rule(found, *ends, name="quaywall_rule_bytes_total") == 50 * 29
    assert rule(found, 'direction="egress"', 'action="refuse"', 'line="6"', 'rule="never"') == 7
    assert found["quaywall_log_packets_total"] > 0
    assert eventually(lambda: fresh(daemon)["quaywall_log_left_out_packets_total"] > 0)
    # One flow: its first packet is judged, at both ends.
    send(web, 5432, 1)
    found = fresh(daemon)
    for direction in ("egress", "ingress"):
        assert rule(found, f'direction="{direction}"', 'action="allow"', 'line="4"') == 1
    # The set is compiled anew, with other lines.
    daemon.policy("# a line more\n" + SHOP)
    assert eventually(lambda: 'line="2"' in scrape(daemon))
    send(web, 99, 5)
    found = fresh(daemon)
    assert found['quaywall_verdict_packets_total{verdict="refused"}'] == 62
    assert rule(found, 'direction="egress"', 'action="refuse"', 'line="2"', "isolates egress") == 5


def sealed(text: str) -> str:
    """A document of the state folder, with its checksum."""
    value = 14695981039346656037
    for byte in text.encode():
        value = (value ^ byte) * 1099511628211 % 2**64
    return f"{text}\nsum {value:016x}\n"


def unused(daemon: Daemon) -> list[str]:
    answer = json.loads(daemon.call("check", "--json", "--only", "rule-without-hit").stdout)
    assert answer["not_checked"] == []
    return [f["subject"] for f in answer["findings"]]


def test_a_rule_without_a_hit(shop: tuple[Daemon, Namespace]) -> None:
    """What was watched for a month counts over a restart; a `deny` is none that somebody should use; one hit ends it."""
    daemon, web = shop
    kept = Path(f"{daemon.control}.state") / "hits"
    process = daemon.start()
    assert json.loads(kept.read_text(encoding="utf-8").splitlines()[0])["rules"] == []
    fresh(daemon)
    assert unused(daemon) == []
    daemon.stop(process)
    document = json.loads(kept.read_text(encoding="utf-8").splitlines()[0])
    assert [r["policy"] for r in document["rules"]] == ["shop", "shop"]
    for entry in document["rules"]:
        assert entry["last"] == entry["counted"] == 0 and abs(entry["since"] - time.time()) < 60
        entry["watched"] = 31 * 86400
    kept.write_text(sealed(json.dumps(document)), encoding="utf-8")
    process = daemon.start()
    assert unused(daemon) == [
        "policy shop: allow {from: {service: web}, to: {service: db}, ports: [5432/udp]}"
    ]
    send(web, 5432, 1)
    fresh(daemon)
    daemon.stop(process)
    entries = json.loads(kept.read_text(encoding="utf-8").splitlines()[0])["rules"]
    # One flow, which both ends' counters have.
    assert sorted((e["counted"], e["last"] > 0, e["watched"] >= 31 * 86400) for e in entries) == [
        (0, False, True),
        (2, True, False),
    ]
    kept.write_text("half a", encoding="utf-8")
    daemon.start()
    assert "when rules were hit cannot be read" in daemon.log_text()
    assert "the checksum is wrong" in daemon.verb("check", "--only", "hygiene", code=1)


def test_what_it_says_of_the_daemon(shop: tuple[Daemon, Namespace]) -> None:
    daemon, _ = shop
    process = daemon.start()
    found, status = samples(scrape(daemon)), daemon.status()
    for name, value in {
        "quaywall_endpoints": len(status["endpoints"]),
        "quaywall_identities": len(status["identities"]),
        'quaywall_networks{governed="yes"}': sum(n["managed"] for n in status["networks"]),
        "quaywall_policy_documents": 1,
        "quaywall_policy_errors": 0,
        "quaywall_engine_connected": 1,
        "quaywall_transactions_total": status["kernel"]["transactions"],
        "quaywall_transaction_duration_seconds_count": status["kernel"]["transactions"],
        'quaywall_state{state="enforcing"}': 1,
        'quaywall_state{state="flushed"}': 0,
        'quaywall_table_present{family="inet"}': 1,
        'quaywall_not_governed{kind="host-network"}': 1,
        f'quaywall_build_info{{version="{status["version"]}"}}': 1,
    }.items():
        assert found[name] == value, name
    assert abs(found["process_start_time_seconds"] - time.time()) < 60
    assert 1 << 20 < found["process_resident_memory_bytes"] < 1 << 28
    assert 0 < found["process_cpu_seconds_total"] < 60
    assert abs(found["quaywall_policy_loaded_timestamp_seconds"] - time.time()) < 60
    daemon.policy(SHOP + "alow: []\n")
    assert eventually(lambda: samples(scrape(daemon))["quaywall_policy_errors"] == 1)
    assert samples(scrape(daemon))["quaywall_policy_load_failed"] == 1
    daemon.policy(SHOP)
    daemon.verb("flush")
    assert eventually(lambda: samples(scrape(daemon))['quaywall_state{state="flushed"}'] == 1)
    assert samples(scrape(daemon))['quaywall_table_present{family="inet"}'] == 0
    assert process.poll() is None


def test_a_unix_socket(daemon: Daemon) -> None:
    """Not for everybody; gone at the end; one that a killed daemon left is replaced."""
    path = daemon.folder / "metrics"
    settings(daemon, f"metrics: {{listen: 'unix:{path}'}}")
    process = daemon.start()
    assert path.stat().st_mode & 0o777 == 0o660
    assert "quaywall_build_info" in scrape(daemon, str(path))
    process.kill()
    process.wait()
    assert path.exists()
    process = daemon.start()
    assert "quaywall_build_info" in scrape(daemon, str(path))
    assert daemon.stop(process) == 0
    assert not path.exists()


def test_other_settings_and_a_port_that_is_taken(daemon: Daemon) -> None:
    """The rules come first: it is said, and does not keep them away."""
    settings(daemon, f'metrics: {{listen: "{WHERE}"}}')
    daemon.start()
    assert daemon.status()["metrics"] == {"listen": WHERE, "error": None, "scrapes": 0}
    settings(daemon, 'metrics: {listen: "[::1]:9470"}')
    daemon.verb("reload")
    metrics = daemon.status()["metrics"]
    assert metrics["listen"] == WHERE and "next start" in metrics["error"]
    assert "next start" in daemon.verb("status") and "no metrics" in daemon.log_text()
    assert "quaywall_build_info" in scrape(daemon)
    settings(daemon, "metrics: {listen: '0.0.0.0:9469'}")
    assert "no loopback address" in daemon.call("reload").stderr
    settings(daemon, "watch: true")
    daemon.verb("reload")
    assert daemon.status()["metrics"] == {"listen": None, "error": None, "scrapes": 1}
    daemon.stop(daemon.processes[0])
    settings(daemon, f'metrics: {{listen: "[::1]:{PORT}"}}')
    daemon.start()
    assert "quaywall_build_info" in scrape(daemon, f"::1:{PORT}")
    daemon.stop(daemon.processes[0])
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {PORT})); print('on', flush=True); time.sleep(60)"
    other = subprocess.Popen(daemon.space.argv("/usr/bin/python3", "-c", code), stdout=subprocess.PIPE)
    try:
        assert other.stdout and other.stdout.readline() == b"on\n"
        settings(daemon, f'metrics: {{listen: "{WHERE}"}}')
        daemon.start()
        metrics = daemon.status()["metrics"]
        assert metrics["listen"] is None and "Address already in use" in metrics["error"]
    finally:
        other.kill()
        other.communicate()


def test_slow_and_many_clients(daemon: Daemon) -> None:
    """Whoever holds connections open, or sends byte by byte, keeps nobody from the control socket, and keeps its place
    for a few seconds only. In the meantime the daemon does not spin."""
    settings(daemon, f'metrics: {{listen: "{WHERE}"}}')
    process = daemon.start()
    code = (
        "import socket, sys, time\n"
        "held = [socket.create_connection(('127.0.0.1', 9469)) for _ in range(20)]\n"
        "print('held', flush=True)\n"
        "for i in range(100000):\n"
        "    for s in held:\n"
        "        try:\n"
        "            s.send(b'G' if i else b'GET /metr')\n"
        "        except OSError:\n"
        "            pass\n"
        "    time.sleep(0.2)\n"
    )
    holder = subprocess.Popen(daemon.space.argv("/usr/bin/python3", "-c", code), stdout=subprocess.PIPE)
    try:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        begin, used = time.monotonic(), cpu(process.pid)
        for _ in range(20):
            assert daemon.state() == "enforcing"
        # Behind the 20 it is our turn: 16 at a time, of whom each has 5 s.
        assert "quaywall_build_info" in scrape(daemon)
        assert time.monotonic() - begin < 40
        assert cpu(process.pid) - used < 0.2 * (time.monotonic() - begin)
    finally:
        holder.kill()
        holder.communicate()
    first = ask(daemon, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", GET)
    assert [answer.split()[1] for answer in first] == ["405", "404", "200"]


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
