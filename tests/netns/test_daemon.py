"""What `run` does to changes, mistakes and accidents."""

import json
import os
import signal
import socket
import subprocess
import time

from place import NOBODY, POLICY, Daemon, Namespace, attach, eventually

WEB_TO_DB = ("shop/web", "shop/db", "5432")


# ---- files ----


def test_a_changed_file_is_picked_up(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.allows(*WEB_TO_DB)
    daemon.policy(POLICY.replace("5432, 5433", "5433"))
    assert eventually(lambda: not daemon.allows(*WEB_TO_DB))
    assert "5432" not in daemon.table()


def test_a_wrong_file_leaves_the_set_in_force(daemon: Daemon) -> None:
    daemon.start()
    before = daemon.table()
    daemon.policy(POLICY + "alow: []\n")
    assert eventually(lambda: daemon.call("status").returncode == 1)
    policies = daemon.status()["policies"]
    assert policies["errors"][0].startswith("shop.yaml:5:1: error: unknown key")
    assert daemon.allows(*WEB_TO_DB)
    assert "error: unknown key" in daemon.call("reload").stderr
    daemon.verb("reload", code=2)
    assert daemon.table() == before
    daemon.policy(POLICY)
    assert eventually(lambda: daemon.call("status").returncode == 0)


def test_a_folder_that_vanishes_opens_nothing(daemon: Daemon) -> None:
    daemon.start()
    before = daemon.table()
    aside = daemon.folder / "aside"
    daemon.policies.rename(aside)
    assert eventually(lambda: daemon.status()["policies"]["error"] is not None)
    assert daemon.table() == before
    (aside / "shop.yaml").write_text(POLICY.replace("5432, 5433", "5433"), encoding="utf-8")
    aside.rename(daemon.policies)
    assert eventually(lambda: not daemon.allows(*WEB_TO_DB))


def test_a_folder_that_is_emptied_waits(daemon: Daemon) -> None:
    """It may be filled again in a moment. Who wants it so says reload."""
    daemon.start()
    before = daemon.table()
    (daemon.policies / "shop.yaml").unlink()
    assert eventually(lambda: daemon.call("status").returncode == 1)
    assert "no policy is left" in daemon.status()["policies"]["error"]
    assert daemon.table() == before
    daemon.policy(POLICY)
    assert eventually(lambda: daemon.call("status").returncode == 0)
    (daemon.policies / "shop.yaml").unlink()
    assert daemon.verb("reload") == "0 policies in force\n"
    assert daemon.status()["policies"]["documents"] == []


def test_a_link_that_points_elsewhere(daemon: Daemon) -> None:
    first, second = daemon.folder / "v1", daemon.folder / "v2"
    daemon.policies.rename(first)
    second.mkdir()
    (second / "shop.yaml").write_text(POLICY.replace("5432, 5433", "5433"), encoding="utf-8")
    daemon.policies.symlink_to("v1")
    daemon.start()
    assert daemon.allows(*WEB_TO_DB)
    swap = daemon.folder / "swap"
    swap.symlink_to("v2")
    swap.rename(daemon.policies)
    assert eventually(lambda: not daemon.allows(*WEB_TO_DB))


def test_sighup_reads_anew(daemon: Daemon) -> None:
    process = daemon.start()
    loaded = daemon.status()["policies"]["loaded"]
    time.sleep(1.1)
    process.send_signal(signal.SIGHUP)
    assert eventually(lambda: daemon.status()["policies"]["loaded"] != loaded)


def test_wrong_files_at_the_start(daemon: Daemon) -> None:
    """An empty set would open the host: without a table to keep, it does not start."""
    daemon.policy("policy: [\n")
    process = daemon.start(wait_for="")
    assert process.wait(timeout=20) == 2
    assert daemon.table() == ""
    daemon.policy(POLICY)
    daemon.stop(daemon.start())
    before = daemon.table()
    daemon.policy("policy: [\n")
    process = daemon.start(wait_for="no-policies")
    assert daemon.table().splitlines()[2:] == before.splitlines()[2:]
    daemon.policy(POLICY.replace("5432, 5433", "5433"))
    assert eventually(lambda: daemon.state() == "enforcing")
    assert not daemon.allows(*WEB_TO_DB)


# ---- begin and end ----


def test_the_rules_stay_at_the_end(daemon: Daemon) -> None:
    process = daemon.start()
    before = daemon.table()
    assert daemon.stop(process) == 0
    assert not daemon.control.exists()
    assert daemon.table().replace("(null)", "quaywall") != ""
    daemon.stop(daemon.start(), signal.SIGKILL)
    assert [line for line in daemon.table().splitlines()[2:]] == before.splitlines()[2:]


def test_a_dead_daemons_table_is_adopted(daemon: Daemon) -> None:
    daemon.stop(daemon.start(), signal.SIGKILL)
    assert daemon.control.exists()
    daemon.start()
    kernel = daemon.status()["kernel"]
    assert kernel["transactions"] == 0
    if kernel["owner"]:
        assert daemon.space.call("nft", "delete", "table", "inet", "quaywall").returncode != 0


def test_a_second_daemon_is_refused(daemon: Daemon) -> None:
    daemon.start()
    done = daemon.call("run", "--policies", str(daemon.policies))
    assert done.returncode == 2
    assert "a daemon runs already" in done.stderr
    daemon.verb("status")


def test_once(daemon: Daemon) -> None:
    daemon.offline("plan", code=1)
    daemon.offline("run", "--once")
    assert daemon.offline("plan") == "nothing to change\n"
    assert "flags owner" not in daemon.table()
    daemon.offline("run", "--once")
    daemon.verb("flush")
    assert daemon.table() == ""


def test_the_service_manager_is_told(daemon: Daemon) -> None:
    """Ready only once the rules stand."""
    path = daemon.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        s.settimeout(20)
        env = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"}
        process = daemon.start(wait_for="", env=env)
        said = s.recv(500)
        while b"READY=1" not in said:
            said = s.recv(500)
        assert daemon.table()
        while b"WATCHDOG=1" not in said:
            said = s.recv(500)
        process.send_signal(signal.SIGTERM)
        while b"STOPPING=1" not in said:
            said = s.recv(500)


# ---- the engine is away ----


def test_no_engine_and_no_table(daemon: Daemon) -> None:
    """What looks like the engine's bridges is closed, also one that comes later; others are let alone."""
    daemon.space.bridge("docker0", "172.17.0.1/16")
    daemon.space.bridge("virbr0", "192.168.122.1/24")
    daemon.start(wait_for="skeleton", snapshot=False)
    bridges = daemon.space.run("nft", "list", "set", "inet", "quaywall", "bridges")
    assert '"docker0"' in bridges
    assert "virbr0" not in bridges and "shopfront" not in bridges
    daemon.space.bridge("br-0123456789ab", "172.25.0.1/16")
    assert eventually(lambda: "br-0123456789ab" in daemon.table())
    assert daemon.call("status").returncode == 1
    done = daemon.call("explain", *WEB_TO_DB)
    assert done.returncode == 3 and "has not been listed yet" in done.stderr


def test_no_engine_and_the_last_runs_table(daemon: Daemon) -> None:
    daemon.stop(daemon.start())
    before = daemon.table()
    daemon.start(wait_for="kept", snapshot=False)
    time.sleep(1)
    assert daemon.state() == "kept"
    assert daemon.table().splitlines()[2:] == before.splitlines()[2:]


# ---- the kernel ----


def test_somebody_flushes_all_tables(daemon: Daemon) -> None:
    daemon.start()
    before = daemon.table().splitlines()[2:]
    daemon.space.run("nft", "flush", "ruleset")
    assert eventually(lambda: daemon.table().splitlines()[2:] == before)
    daemon.verb("plan", "--policies", str(daemon.policies), "--snapshot", str(daemon.snapshot))


def test_bridged_packets_pass_the_rules(daemon: Daemon) -> None:
    for family in ("iptables", "ip6tables"):
        daemon.space.run("sh", "-c", f"echo 0 >/proc/sys/net/bridge/bridge-nf-call-{family}")
    daemon.start()
    assert daemon.space.sysctl("bridge/bridge-nf-call-iptables") == "1"
    assert daemon.space.sysctl("bridge/bridge-nf-call-ip6tables") == "1"
    daemon.space.run("sh", "-c", "echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables")
    assert eventually(lambda: daemon.space.sysctl("bridge/bridge-nf-call-iptables") == "1")


def test_flush_and_reload(daemon: Daemon) -> None:
    daemon.start()
    before = daemon.table()
    assert daemon.verb("flush") == "flushed; the daemon enforces nothing until 'quaywall reload'\n"
    assert daemon.table() == ""
    assert daemon.state() == "flushed"
    daemon.verb("status", code=1)
    daemon.policy(POLICY + "# changed\n")
    time.sleep(0.6)
    assert daemon.table() == ""
    assert daemon.verb("reload") == "1 policy in force\n"
    assert daemon.table() == before


# ---- existing flows ----

ECHO = """
import socket, sys
s = socket.create_server(("", int(sys.argv[1])))
print("up", flush=True)
c, _ = s.accept()
while data := c.recv(10):
    c.sendall(data)
"""
TALK = """
import socket, sys, time
s = socket.create_connection(("172.18.0.2", int(sys.argv[1])), timeout=5)
s.settimeout(3)
while True:
    s.sendall(b"x")
    assert s.recv(10)
    print("up", flush=True)
    time.sleep(0.1)
"""


def talk(place: Namespace, script: str, port: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        place.argv("/usr/bin/python3", "-c", script, str(port)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "up\n"
    return process


class Talk:
    """db answers web on both ports."""

    def __init__(self, daemon: Daemon) -> None:
        self.places = [
            attach(daemon, "172.18.0.2/16", "02:42:ac:12:00:02"),
            attach(daemon, "172.18.0.3/16", "02:42:ac:12:00:03"),
        ]
        self.processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> "Talk":
        return self

    def begin(self, port: int) -> "subprocess.Popen[str]":
        db, web = self.places
        self.processes += [talk(db, ECHO, port), talk(web, TALK, port)]
        return self.processes[-1]

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        for place in self.places:
            place.close()


def test_what_a_new_policy_refuses_is_cut_and_nothing_else(daemon: Daemon) -> None:
    daemon.start()
    with Talk(daemon) as talkers:
        refused, allowed = talkers.begin(5432), talkers.begin(5433)
        daemon.policy(POLICY.replace("5432, 5433", "5433"))
        assert eventually(lambda: refused.poll() is not None, 15)
        time.sleep(1)
        assert allowed.poll() is None
        assert daemon.status()["kernel"]["flows_cut"] == 1


def test_the_first_start_ends_only_what_it_refuses(daemon: Daemon) -> None:
    """Until then bridged packets passed no hook, so conntrack knows none of their flows."""
    for name in ("iptables", "ip6tables"):
        daemon.space.run("sh", "-c", f"echo 0 >/proc/sys/net/bridge/bridge-nf-call-{name}")
    with Talk(daemon) as talkers:
        refused, allowed = talkers.begin(5432), talkers.begin(5433)
        daemon.policy(POLICY.replace("5432, 5433", "5433"))
        daemon.start()
        assert daemon.space.sysctl("bridge/bridge-nf-call-iptables") == "1"
        assert eventually(lambda: refused.poll() is not None, 15)
        time.sleep(1)
        assert allowed.poll() is None


# ---- answers ----

KEYS = {
    "": "version state pid started engine policies confirm kernel bridge_filter log flows learned output alerts metrics findings sandbox not_governed networks identities endpoints",
    "engine": "state url name version api_version error connects events repaired lost containers",
    "policies": "directory settings mode files documents loaded error errors warnings not_in_force",
    "confirm": "state since until seconds_left before changed error",
    "kernel": "table present bridge_table owner applied transactions failures drift last_drift flows_cut error",
    "bridge_filter": "needed ipv4 ipv6 repaired",
    "log": "group error packets lost left_out",
    "flows": "followed error begun ended found not_told not_judged losses",
    "learned": "pairs left_out since until error",
    "findings": "checked counts suppressed not_checked pending error",
    "alerts": "raised suppressed new_flows webhook last",
    "output": "to path what lines lost error",
    "metrics": "listen error scrapes",
    "sandbox": "capabilities no_new_privs files syscalls missing",
}


def test_status_keys(daemon: Daemon) -> None:
    daemon.start()
    status = daemon.status()
    for part, keys in KEYS.items():
        assert set(status[part] if part else status) == set(keys.split()), part
    assert set(status["networks"][0]) == set("name driver bridge subnets managed endpoints".split())
    assert set(status["identities"][0]) == set("name endpoints isolated audited".split())
    keys = set("title container network addr4 addr6 mac port identity".split())
    assert set(status["endpoints"][0]) == keys
    assert set(status["policies"]["documents"][0]) == set("name file line mode isolate rules".split())
    found = {(n["kind"], n["what"]) for n in status["not_governed"]}
    assert ("host-network", "agent") in found


def test_status_text(daemon: Daemon) -> None:
    daemon.start()
    text = daemon.verb("status")
    assert ": enforcing (pid " in text.splitlines()[0]
    for part in (
        "\n  shop  enforce  isolates ingress, egress  shop.yaml:1\n",
        "\n  shop/db ",
        "  agent: it uses the host's network",
        "br_netfilter IPv4 on, IPv6 on, needed",
        "table inet quaywall stands, ",
        "table bridge quaywall stands\n",
        "\nlearned     0 kinds of flows since 2",
    ):
        assert part in text


def test_the_control_socket(daemon: Daemon) -> None:
    daemon.start()
    assert os.stat(daemon.control).st_mode & 0o777 == 0o660
    question = {"verb": "explain", "from": "shop/web", "to": "shop/db", "port": "5432"}
    answer = json.loads(daemon.ask(json.dumps(question).encode() + b"\n"))
    assert answer["exit"] == 0 and answer["result"]["verdict"] == "allow"
    for wrong, code in (
        (b"nonsense\n", 2),
        (b"[]\n", 2),
        (b"{}\n", 2),
        (b'{"verb": "halt"}\n', 2),
        (b'{"verb": 7}\n', 2),
        (b'{"verb": "explain"}\n', 2),
        (b'{"verb": "explain", "from": "shop/web", "to": "nobody"}\n', 2),
    ):
        answer = json.loads(daemon.ask(wrong))
        assert answer["exit"] == code and answer["error"]
    daemon.verb("status")


CROWD = """
import socket, sys, time
held = []
for _ in range(60):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    held.append(s)
print("up", flush=True)
time.sleep(60)
"""


def test_a_crowd_does_not_lock_root_out(daemon: Daemon) -> None:
    daemon.start()
    os.chmod(daemon.control, 0o666)
    daemon.open_to_others()
    crowd = subprocess.Popen(
        [*NOBODY, "/usr/bin/python3", "-c", CROWD, str(daemon.control)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        assert crowd.stdout and crowd.stdout.readline() == b"up\n"
        daemon.verb("status")
        daemon.verb("reload")
    finally:
        crowd.kill()
        crowd.wait()
        if crowd.stdout:
            crowd.stdout.close()


def test_only_root_changes_anything(daemon: Daemon) -> None:
    daemon.start()
    before = daemon.table()
    os.chmod(daemon.control, 0o666)
    daemon.open_to_others()
    assert daemon.call("status", enter=NOBODY).returncode == 0
    for verb in ("flush", "reload", "confirm"):
        done = daemon.call(verb, enter=NOBODY)
        assert (done.returncode, done.stderr) == (3, "quaywall: only root may do that\n")
    assert daemon.table() == before
