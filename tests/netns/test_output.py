"""Lines for a log collector: a file that is rotated, a disk that is full, sockets of a syslog and of the journal."""

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from place import eventually
from test_watch import DB, KEYS, Bridge, bridge  # noqa: F401


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Of flows, but one that a full disk had room for in part."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    return [line for line in found if "event" not in line]


def has_port(path: Path, port: int) -> bool:
    return any(line["to"]["port"] == port for line in lines_of(path))


def output(bridge: Bridge) -> dict[str, Any]:
    found: dict[str, Any] = bridge.daemon.status()["output"]
    return found


def test_a_file_and_its_rotation(bridge: Bridge, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What `watch --json` prints; a file that was renamed or removed is made anew, in the daemon's confinement."""
    folder = tmp_path_factory.mktemp("logs")
    path = folder / "flows.json"
    bridge.settings(f"log: {{to: {folder}/flows.json}}")
    daemon = bridge.daemon.start()
    assert output(bridge)["path"] == str(path) and not path.exists()
    bridge.connect(bridge.web, DB.ip4, 22)
    assert eventually(lambda: has_port(path, 22)), bridge.daemon.log_text()
    assert sorted(lines_of(path)[0]) == KEYS and path.stat().st_mode & 0o777 == 0o640
    assert lines_of(path)[0] in bridge.records()
    path.rename(folder / "flows.json.1")
    bridge.connect(bridge.web, DB.ip4, 23)
    assert eventually(lambda: has_port(path, 23)) and not has_port(folder / "flows.json.1", 23)
    path.unlink()
    daemon.send_signal(signal.SIGHUP)
    bridge.connect(bridge.web, DB.ip4, 5432)
    assert eventually(lambda: has_port(path, 5432)) and not has_port(path, 23)
    state = output(bridge)
    assert state["lines"] >= 3 and (state["lost"], state["error"], state["to"]) == (0, None, "file")
    assert f"\noutput      file {path} (logged), " in bridge.daemon.verb("status")


def test_what_is_told(bridge: Bridge) -> None:
    bridge.settings("log: {to: ./flows.json, what: refused}")
    path = bridge.daemon.folder / "flows.json"
    bridge.daemon.start()
    bridge.connect(bridge.web, DB.ip4, 5432)
    bridge.connect(bridge.web, DB.ip4, 22)
    assert eventually(lambda: has_port(path, 22))
    assert bridge.soon("--port", "5432") and not has_port(path, 5432)
    assert not bridge.daemon.status()["flows"]["followed"]
    bridge.settings("log: {to: ./flows.json, what: all}")
    bridge.daemon.verb("reload")
    bridge.connect(bridge.web, DB.ip4, 5432)
    assert eventually(lambda: any(r["state"] == "begins" for r in lines_of(path)))
    bridge.settings("log: {to: none}")
    bridge.daemon.verb("reload")
    assert not bridge.daemon.status()["flows"]["followed"]
    assert (output(bridge)["to"], output(bridge)["path"]) == ("none", None)
    bridge.connect(bridge.web, DB.ip4, 25)
    bridge.soon("--port", "25")
    assert not has_port(path, 25)


def test_a_folder_that_is_named_later(bridge: Bridge, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The daemon may not write there any more: it says so, and everything else goes on."""
    folder = tmp_path_factory.mktemp("logs")
    bridge.settings("log: {to: none}")
    process = bridge.daemon.start()
    if not bridge.daemon.status()["sandbox"]["files"]:
        pytest.skip("no Landlock")
    bridge.settings(f"log: {{to: {folder}/flows.json}}")
    bridge.daemon.verb("reload")
    bridge.connect(bridge.web, DB.ip4, 22)
    assert eventually(lambda: output(bridge)["lost"] > 0)
    assert "takes a restart" in output(bridge)["error"] and not list(folder.iterdir())
    assert "lines for the log collector are lost" in bridge.daemon.log_text()
    assert bridge.daemon.state() == "enforcing" and bridge.records("--port", "22")
    bridge.daemon.stop(process)
    bridge.daemon.start()
    bridge.connect(bridge.web, DB.ip4, 23)
    assert eventually(lambda: has_port(folder / "flows.json", 23)), output(bridge)


def test_a_full_disk(bridge: Bridge) -> None:
    """Lines are lost, counted, and said; with room again it goes on."""
    folder = bridge.daemon.folder / "small"
    folder.mkdir()
    bridge.settings("log: {to: small/flows.json, rate: 1000/second, burst: 1000}")
    mount = f'mount -t tmpfs -o size=8k none "{folder}" && exec "$@"'
    process = bridge.daemon.start(enter=("unshare", "--mount", "sh", "-c", mount, "sh"))
    inside = Path(f"/proc/{process.pid}/root{folder}/flows.json")
    bridge.send(bridge.web, DB.ip4, 99, 50)
    assert eventually(lambda: output(bridge)["lost"] + output(bridge)["lines"] >= 50)
    assert "No space left" in output(bridge)["error"] and bridge.daemon.state() == "enforcing"
    assert "error: " in bridge.daemon.verb("status")
    told = output(bridge)["lines"]
    assert 0 < len(lines_of(inside)) and inside.stat().st_size <= 8192
    with open(inside, "r+b") as file:
        file.truncate(0)
    bridge.send(bridge.web, DB.ip4, 98)
    assert eventually(lambda: has_port(inside, 98)), output(bridge)
    assert output(bridge)["error"] is None and output(bridge)["lines"] > told
    assert bridge.daemon.log_text().count("lines for the log collector are lost") == 1


def receiver(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(path))
    made.settimeout(10)
    return made


def test_syslog_and_journal(bridge: Bridge) -> None:
    folder = bridge.daemon.folder
    bridge.settings(f"log: {{to: 'syslog:{folder}/syslog'}}")
    with receiver(folder / "syslog") as syslog, receiver(folder / "journal") as journal:
        bridge.daemon.start()
        bridge.connect(bridge.web, DB.ip4, 22)
        head, _, line = syslog.recv(65536).decode().partition(" - {")
        assert head.startswith("<29>1 20") and " quaywall " in head and head.endswith(" flow")
        assert json.loads("{" + line)["ports"] == "22/tcp"
        bridge.settings(f"log: {{to: 'journal:{folder}/journal'}}")
        bridge.daemon.verb("reload")
        bridge.connect(bridge.web, DB.ip4, 23)
        fields = dict(f.split("=", 1) for f in journal.recv(65536).decode().splitlines())
        assert (fields["QUAYWALL_VERDICT"], fields["QUAYWALL_PORTS"]) == ("refused", "23/tcp")
        assert fields["QUAYWALL_FROM"] == "shop/web (shop-web-1)" and fields["PRIORITY"] == "5"
        assert fields["MESSAGE"].startswith("refused shop/web (shop-web-1) 172.18.0.3 -> ")
        assert json.loads(fields["QUAYWALL_JSON"])["to"]["port"] == 23
        assert output(bridge)["to"] == "journal"
    (folder / "journal").unlink()
    bridge.connect(bridge.web, DB.ip4, 25)
    assert eventually(lambda: output(bridge)["lost"] > 0)
    assert "journal" in output(bridge)["error"]
