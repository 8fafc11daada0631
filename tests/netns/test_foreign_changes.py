"""What other programs do to our tables and to what carries them, while the daemon lives and while it is dead.

Each on a kernel that lets tables be owned, where most is prevented, and on one that seems to know nothing of
that, where it is undone.
"""

import os
import re
import signal
import subprocess
import time
from typing import Callable, Iterator

import pytest

from place import Daemon, Namespace, eventually
from flood import Traffic, bench, old_kernel, shop

OWNED, PLAIN = "owned", "plain"
Run = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture(params=[OWNED, PLAIN])
def kernel(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(daemon: Daemon, kernel: str) -> Run:
    shop(daemon)

    def start() -> "subprocess.Popen[bytes]":
        process = daemon.start(env=old_kernel(daemon) if kernel == PLAIN else None)
        assert daemon.status()["kernel"]["owner"] == (kernel == OWNED), "a kernel before 6.9?"
        return process

    return start


@pytest.fixture
def traffic(daemon: Daemon) -> Iterator[Traffic]:
    made = Traffic(daemon)
    try:
        yield made
    finally:
        made.close()


def tables(daemon: Daemon) -> list[list[str]]:
    """Both, in their parts: without the flags, and without an order, as a part that is made anew is the last."""
    found = []
    for family in ("inet", "bridge"):
        text = re.sub(r"\A.*\n(\tflags .*\n\n?)?", "", daemon.table(family))
        found.append(sorted(text.removesuffix("}\n").strip("\n").split("\n\n")) if text else [])
    return found


def repairs(daemon: Daemon) -> int:
    return int(daemon.status()["kernel"]["drift"])


def forbidden_passes(traffic: Traffic) -> bool:
    """Whether a packet of worker's reaches db now: it would be there before one of web's that is sent later."""
    web, worker = traffic.arrived()

    def web_arrives() -> bool:
        traffic.one(traffic.web)
        return traffic.arrived()[0] > web

    for _ in range(2):  # the first may be lost to ARP that is asked for in the wrong moment
        traffic.one(traffic.worker)
    assert eventually(web_arrives)
    return traffic.arrived()[1] > worker


# ---- damage ----

# By name, the commands of nft; @RULE is the handle of a rule of the chain forward.
DAMAGE = {
    "the ruleset flushed": "flush ruleset",
    "the service restarted": "flush ruleset\ntable inet filter { chain input { type filter hook input priority 0; }; }",
    "the table deleted": "delete table inet quaywall",
    "the bridge table deleted": "delete table bridge quaywall",
    "both deleted": "delete table inet quaywall\ndelete table bridge quaywall",
    "all rules flushed": "flush table inet quaywall",
    "a chain flushed": "flush chain inet quaywall to_shop/db",
    "a base chain deleted": "flush chain inet quaywall forward\ndelete chain inet quaywall forward",
    "a chain renamed": "rename chain inet quaywall to_shop/db to_nowhere",
    "a chain added": "add chain inet quaywall mine",
    "a hook added": "add chain inet quaywall mine { type filter hook forward priority -300; policy accept; }",
    "a policy changed": "add chain inet quaywall forward { type filter hook forward priority -10; policy drop; }",
    "a rule deleted": "delete rule inet quaywall forward handle @RULE",
    "a rule inserted": "insert rule inet quaywall forward accept",
    "a rule of the bridge table": "flush table bridge quaywall",
    "a foreign rule inserted": "insert rule inet quaywall forward meta mark 7 ct mark set 7 accept",
    "a set flushed": "flush set inet quaywall bridges",
    "a map flushed": "flush map inet quaywall endpoints_in4",
    "an element deleted": 'delete element inet quaywall endpoints_in4 { "br-shopfront" . 172.18.0.2 }',
    "an element added": 'add element inet quaywall bridges { "mine" }',
    "a wrong owner of an address": 'delete element inet quaywall endpoints_out4 { "br-shopfront" . 172.18.0.4 }\n'
    'add element inet quaywall endpoints_out4 { "br-shopfront" . 172.18.0.4 : goto from_shop/web }',
    "a set added": "add set inet quaywall mine { type ipv4_addr; }",
    "the table asleep": "add table inet quaywall { flags dormant; }",
}


def damage(space: Namespace, commands: str, times: int = 1) -> subprocess.CompletedProcess[str]:
    listed = space.call("nft", "-a", "list", "chain", "inet", "quaywall", "forward").stdout
    rule = re.findall(r"goto.*# handle (\d+)", listed)
    text = commands.replace("@RULE", rule[0] if rule else "0")
    done = None
    for _ in range(times):
        done = subprocess.run(
            space.argv("nft", "-f", "-"), input=text, capture_output=True, text=True, check=False
        )
    assert done
    return done


@pytest.mark.parametrize("what", DAMAGE)
def test_damage(daemon: Daemon, kernel: str, run: Run, what: str) -> None:
    run()
    before = tables(daemon)
    assert before[0] and before[1]
    done = damage(daemon.space, DAMAGE[what])
    if kernel == OWNED:
        assert done.returncode == 0 if DAMAGE[what].startswith("flush ruleset") else done.returncode != 0
        assert tables(daemon) == before
        assert repairs(daemon) == 0
        return
    assert done.returncode == 0, done.stderr
    assert eventually(lambda: tables(daemon) == before)
    assert eventually(lambda: repairs(daemon) == 1)
    last = daemon.status()["kernel"]["last_drift"]
    assert last["process"] == "nft" and last["pid"] > 1 and last["restored_ms"] > 0
    assert re.search(r"restored.* process=nft pid=\d+ took_ms=", daemon.log_text())
    assert re.search(r"repaired 1 time, last by nft \(pid \d+\) at 2.*Z, within ", daemon.verb("status"))


# ---- what does not concern us ----

RESTORE = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -j ACCEPT
COMMIT
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
"""


def test_tools_with_rules_of_their_own(daemon: Daemon, run: Run, traffic: Traffic) -> None:
    """iptables, old and new, and tables of others: what they accept before us opens nothing."""
    run()
    before = tables(daemon)
    traffic.send()
    for kind in ("legacy", "nft"):
        for family in ("iptables", "ip6tables"):
            for _ in range(3):
                done = subprocess.run(
                    daemon.space.argv(f"{family}-{kind}-restore"), input=RESTORE, text=True, check=False
                )
                assert done.returncode == 0
            daemon.space.run(f"{family}-{kind}", "-F")
    damage(daemon.space, "table inet mine { chain f { type filter hook forward priority -200; accept; }; }", 3)
    sent = traffic.stop()
    assert eventually(lambda: traffic.arrived()[0] == sent[0])
    assert traffic.arrived()[1] == 0 and sent[1] > 0
    assert tables(daemon) == before
    assert repairs(daemon) == 0


# ---- how it is undone ----


def test_flows_that_began_meanwhile_are_cut(daemon: Daemon, traffic: Traffic) -> None:
    shop(daemon)
    process = daemon.start(env=old_kernel(daemon))
    process.send_signal(signal.SIGSTOP)
    daemon.space.run("nft", "flush", "ruleset")
    echo = traffic.script(traffic.db, ECHO)
    talk = traffic.script(traffic.worker, TALK)
    assert echo.alive() and talk.alive()
    process.send_signal(signal.SIGCONT)
    # By a look at conntrack, or, where it saw nothing of the flow while there were no rules, by the rules.
    assert eventually(lambda: not talk.alive(), 15)


ECHO = """
import socket
s = socket.create_server(("", 5432))
print("up", flush=True)
while True:
    c, _ = s.accept()
    while data := c.recv(10):
        c.sendall(data)
"""
TALK = """
import socket, time
s = socket.create_connection(("172.18.0.2", 5432), timeout=5)
s.settimeout(2)
print("up", flush=True)
while True:
    s.sendall(b"x")
    assert s.recv(10)
    time.sleep(0.05)
"""
# Until a line comes, one transaction after another, each by a process of its own name.
AGAIN = """
import select, subprocess, sys
p = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL, text=True)
print("up", flush=True)
while not select.select([sys.stdin], [], [], float(sys.argv[1]))[0]:
    p.stdin.write(sys.argv[2] + "\\n")
    p.stdin.flush()
p.stdin.close()
p.wait()
print("0", flush=True)
"""


def processor_seconds(process: "subprocess.Popen[bytes]") -> float:
    with open(f"/proc/{process.pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_fight(daemon: Daemon, traffic: Traffic) -> None:
    """Undone each time, told once, and without taking the processor."""
    shop(daemon)
    process = daemon.start(env=old_kernel(daemon))
    before = tables(daemon)
    spent, began = processor_seconds(process), time.monotonic()
    foe = traffic.script(daemon.space, AGAIN, "0.002", "delete table inet quaywall")
    time.sleep(3)
    foe.ask()
    share = (processor_seconds(process) - spent) / (time.monotonic() - began)
    assert eventually(lambda: tables(daemon) == before)
    assert repairs(daemon) >= 5
    assert daemon.log_text().count("somebody changed our table") == 1
    assert share < 0.9
    assert not forbidden_passes(traffic)


def test_a_writer_that_never_rests(daemon: Daemon, traffic: Traffic) -> None:
    """It leaves no time to read a table: then ours is made anew without."""
    shop(daemon)
    daemon.start(env=old_kernel(daemon))
    before = tables(daemon)
    churn = "add table ip mine; add chain ip mine c; delete table ip mine"
    foes = [traffic.script(daemon.space, AGAIN, "0", churn) for _ in range(2)]
    daemon.space.run("nft", "delete", "table", "inet", "quaywall")
    assert eventually(lambda: not forbidden_passes(traffic) and repairs(daemon) >= 1, 20)
    for foe in foes:
        foe.ask()
    assert eventually(lambda: tables(daemon) == before)


def test_lost_notifications(daemon: Daemon, traffic: Traffic) -> None:
    """More than its socket holds, while the daemon sleeps: who it was is not known, what it was is undone."""
    shop(daemon)
    process = daemon.start(env=old_kernel(daemon))
    before = tables(daemon)
    process.send_signal(signal.SIGSTOP)
    rules = "\n".join(f"add rule ip mine c ip saddr 10.0.{i // 256}.{i % 256} accept" for i in range(2000))
    again = "add table ip mine\nadd chain ip mine c\nflush chain ip mine c\n"
    assert damage(daemon.space, again + rules, 4).returncode == 0
    daemon.space.run("nft", "delete", "table", "inet", "quaywall")
    process.send_signal(signal.SIGCONT)
    assert eventually(lambda: tables(daemon) == before)
    assert eventually(lambda: repairs(daemon) == 1)
    assert daemon.status()["kernel"]["last_drift"]["process"] is None
    assert "last by an unknown process at " in daemon.verb("status")
    assert not forbidden_passes(traffic)


def test_a_table_of_that_name_that_another_owns(daemon: Daemon) -> None:
    """The kernel lets nobody undo that. It is said, and undone when its owner ends."""
    shop(daemon)
    daemon.start(env=old_kernel(daemon))
    before = tables(daemon)
    holder = subprocess.Popen(
        daemon.space.argv("nft", "-i"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        assert holder.stdin
        holder.stdin.write("delete table inet quaywall; add table inet quaywall { flags owner; }\n")
        holder.stdin.flush()
        assert eventually(lambda: daemon.state() == "failing")
        assert "another process owns the table" in daemon.status()["kernel"]["error"]
    finally:
        holder.kill()
        holder.communicate()
    assert eventually(lambda: tables(daemon) == before, 20)
    assert daemon.state() == "enforcing"


# ---- the daemon is dead ----


def test_flushed_while_nobody_guards(daemon: Daemon, run: Run, traffic: Traffic) -> None:
    daemon.stop(run(), signal.SIGKILL)
    before = tables(daemon)
    assert before[0] and not forbidden_passes(traffic)
    daemon.space.run("nft", "flush", "ruleset")
    assert tables(daemon) == [[], []]
    assert forbidden_passes(traffic)
    run()
    assert tables(daemon) == before
    assert not forbidden_passes(traffic)
    assert repairs(daemon) == 0


def test_damaged_while_nobody_guards(daemon: Daemon, run: Run, traffic: Traffic) -> None:
    daemon.stop(run(), signal.SIGKILL)
    before = tables(daemon)
    assert damage(daemon.space, "insert rule inet quaywall forward accept").returncode == 0
    assert forbidden_passes(traffic)
    run()
    assert tables(daemon) == before
    assert not forbidden_passes(traffic)


def test_the_last_runs_table_is_guarded_without_an_engine(
    daemon: Daemon, kernel: str, run: Run, traffic: Traffic
) -> None:
    """Nobody says what is wanted, but what stood at the start is what is kept."""
    daemon.stop(run(), signal.SIGKILL)
    before = tables(daemon)
    daemon.start(wait_for="kept", snapshot=False, env=old_kernel(daemon) if kernel == PLAIN else None)
    assert tables(daemon) == before
    for what in ("insert rule inet quaywall forward accept", "flush ruleset"):
        done = damage(daemon.space, what)
        assert (done.returncode == 0) == (kernel == PLAIN or what == "flush ruleset")
        assert eventually(lambda: tables(daemon) == before)
    assert daemon.state() == "kept"
    assert eventually(lambda: repairs(daemon) == (2 if kernel == PLAIN else 0))
    assert not forbidden_passes(traffic)


# ---- around the tables ----


def test_the_bridge_filter_switched_off(daemon: Daemon, traffic: Traffic) -> None:
    shop(daemon)
    daemon.start()
    traffic.send()
    for name in ("iptables", "ip6tables") * 3:
        daemon.space.run("sh", "-c", f"echo 0 >/proc/sys/net/bridge/bridge-nf-call-{name}")
        assert eventually(lambda: daemon.space.sysctl(f"bridge/bridge-nf-call-{name}") == "1", 5)
    assert daemon.status()["bridge_filter"]["repaired"] == 6
    assert daemon.log_text().count("somebody switched off") == 1
    before = traffic.arrived()[1]
    time.sleep(0.5)
    assert traffic.arrived()[1] == before
    assert traffic.stop()[1] > before


def test_a_bridge_renamed(daemon: Daemon, traffic: Traffic) -> None:
    """The engine does not notice; the network's containers talk on, by the rules."""
    shop(daemon)
    daemon.start()
    assert not forbidden_passes(traffic)
    for was, now in (("br-shopfront", "mine"), ("mine", "mine2"), ("mine2", "br-shopfront")):
        for change in (("down",), ("name", now), ("up",)):
            daemon.space.run("ip", "link", "set", was if change != ("up",) else now, *change)
        assert eventually(lambda: f'"{now}"' in daemon.table() and f'"{was}"' not in daemon.table())
        assert not forbidden_passes(traffic)
    assert daemon.log_text().count("somebody renamed a bridge") == 3


def test_conntrack_emptied(daemon: Daemon, traffic: Traffic) -> None:
    """A flow to a port that a rule names goes on when its client sends; a refused one does not come in by it."""
    shop(daemon)
    daemon.start()
    traffic.script(traffic.db, ECHO)
    talk = traffic.script(traffic.web, TALK)
    for _ in range(5):
        time.sleep(0.2)
        daemon.space.run("conntrack", "-F")
        assert not forbidden_passes(traffic)
    time.sleep(1)
    assert talk.alive()


# ---- how long it takes ----


def test_how_long_it_takes(daemon: Daemon, traffic: Traffic) -> None:
    """QUAYWALL_REPAIRS=100 QUAYWALL_CONTAINERS=100 pytest -s prints figures; here it is shown to happen."""
    from repairs import measure

    found = measure(daemon, traffic, bench("REPAIRS", 8), bench("CONTAINERS", 100))
    print(found.text())
    assert not forbidden_passes(traffic)
