"""web talks to db all the while: a stream that may not lose a byte, new connections that may not fail, and
packets that may never arrive."""

import json
import subprocess
import time

from place import Daemon, attach, eventually

STREAM, CONNECT, FORBIDDEN = 5432, 5433, 9999

SERVE = """
import json, selectors, socket, sys
wait = selectors.DefaultSelector()
got = {"packets": 0, "connections": 0}

def echo(s):
    data = s.recv(65536)
    if data:
        s.sendall(data)
    else:
        wait.unregister(s)
        s.close()

def accept(s):
    c, _ = s.accept()
    if s.getsockname()[1] == FORBIDDEN:
        got["connections"] += 1
    wait.register(c, selectors.EVENT_READ, echo)

def packet(s):
    s.recv(100)
    got["packets"] += 1

def tell(_):
    if not sys.stdin.buffer.readline():
        sys.exit()
    print(json.dumps(got), flush=True)

for port in (STREAM, CONNECT, FORBIDDEN):
    wait.register(socket.create_server(("", port)), selectors.EVENT_READ, accept)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", FORBIDDEN))
wait.register(udp, selectors.EVENT_READ, packet)
wait.register(sys.stdin.buffer, selectors.EVENT_READ, tell)
print("up", flush=True)
while True:
    for key, _ in wait.select():
        key.data(key.fileobj)
"""

# Each number comes back, in order, or the stream ends with an error. A connection is given 5 s: a SYN that is
# lost is sent again after one, and took more than 0.9 s then.
TALK = """
import errno, json, select, socket, struct, sys, threading, time
DB = "172.18.0.2"
said = {"numbers": 0, "stream": "", "connects": 0, "refused": 0, "late": 0, "probes": 0}
s = socket.create_connection((DB, STREAM), timeout=5)
s.settimeout(20)

def stream():
    number = 0
    try:
        while True:
            s.sendall(struct.pack("!Q", number))
            back = b""
            while len(back) < 8:
                more = s.recv(8 - len(back))
                if not more:
                    raise OSError("it ended")
                back += more
            if struct.unpack("!Q", back)[0] != number:
                raise OSError("another number came back")
            number += 1
            said["numbers"] = number
            time.sleep(0.002)
    except OSError as e:
        said["stream"] = str(e)

def connect():
    while True:
        begun = time.monotonic()
        try:
            socket.create_connection((DB, CONNECT), timeout=5).close()
            said["connects"] += 1
        except OSError:
            said["refused"] += 1
        said["late"] += time.monotonic() - begun > 0.9
        time.sleep(0.02)

def probe():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        try:
            udp.sendto(b"x", (DB, FORBIDDEN))
            tcp = socket.socket()
            tcp.setblocking(False)
            tcp.connect_ex((DB, FORBIDDEN))
            select.select([], [tcp], [], 0.002)
            tcp.close()
        except OSError:
            pass
        said["probes"] += 1
        time.sleep(0.002)

for run in (stream, connect, probe):
    threading.Thread(target=run, daemon=True).start()
print("up", flush=True)
for _ in sys.stdin:
    print(json.dumps(said), flush=True)
"""


class Traffic:
    """Begins when the rules stand."""

    def __init__(self, daemon: Daemon) -> None:
        self.db = attach(daemon, "172.18.0.2/16", "02:42:ac:12:00:02")
        self.web = attach(daemon, "172.18.0.3/16", "02:42:ac:12:00:03")
        self.processes: list[subprocess.Popen[str]] = []

    def begin(self) -> None:
        for place, script in ((self.db, SERVE), (self.web, TALK)):
            ports = f"STREAM, CONNECT, FORBIDDEN = {STREAM}, {CONNECT}, {FORBIDDEN}\n"
            process = subprocess.Popen(
                place.argv("/usr/bin/python3", "-c", ports + script),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self.processes.append(process)
            assert process.stdout and process.stdout.readline() == "up\n"

    def _ask(self) -> dict[str, int | str]:
        found: dict[str, int | str] = {}
        for process in self.processes:
            assert process.stdin and process.stdout
            process.stdin.write("\n")
            process.stdin.flush()
            found |= json.loads(process.stdout.readline())
        return found

    def check(self) -> dict[str, int | str]:
        """What was, is as it should be; returns it."""
        before = self._ask()
        assert eventually(lambda: int(self._ask()["numbers"]) > int(before["numbers"]), 10), before
        said = self._ask()
        assert said["stream"] == "", said
        assert (said["packets"], said["connections"]) == (0, 0), said
        assert (said["refused"], said["late"]) == (0, 0), said
        return said

    def leaks(self) -> bool:
        """Without rules, the probes arrive: else they would prove nothing."""
        return eventually(lambda: self._ask()["packets"] != 0 and self._ask()["connections"] != 0, 5)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        self.web.close()
        self.db.close()
