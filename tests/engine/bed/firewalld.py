"""firewalld, with a system bus of its own, in an engine's network namespace."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable

from .space import DIES_WITH_US, Space

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
 <type>system</type>
 <listen>unix:path={socket}</listen>
 <auth>EXTERNAL</auth>
 <policy context="default">
  <allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
 </policy>
</busconfig>
"""


class Firewalld:
    """Who is to find it has `address` as DBUS_SYSTEM_BUS_ADDRESS. FOLDER is seen by all of them."""

    def __init__(self, space: Space, folder: Path) -> None:
        self.space = space
        self.folder = folder
        socket = folder / "bus"
        self.address = f"unix:path={socket}"
        self._processes: list[subprocess.Popen[bytes]] = []
        settings = folder / "firewalld"
        shutil.copytree("/etc/firewalld", settings)
        config = folder / "bus.conf"
        config.write_text(BUS.format(socket=socket), encoding="utf-8")
        try:
            self._start("dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile")
            self._wait(socket.exists)
            log = ["--log-target", "file", "--log-file", str(folder / "firewalld.log")]
            self._start("firewalld", "--nofork", "--nopid", "--system-config", str(settings), *log)
            self._wait(lambda: self.command("--state").returncode == 0)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def installed() -> bool:
        return all(shutil.which(name) for name in ("firewalld", "firewall-cmd", "dbus-daemon"))

    def _environment(self) -> dict[str, str]:
        return os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": self.address}

    def _start(self, *argv: str) -> None:
        with open(self.folder / "firewalld.out", "ab") as out:
            self._processes.append(
                subprocess.Popen(
                    [*DIES_WITH_US, *self.space.net_argv(*argv)],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=self._environment(),
                    start_new_session=True,
                )
            )

    def _wait(self, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not ready():
            if time.monotonic() > end or any(p.poll() is not None for p in self._processes):
                said = (self.folder / "firewalld.out").read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"firewalld does not start: {said[-1000:]}")
            time.sleep(0.1)

    def command(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.space.net_argv("firewall-cmd", *argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=120,
            check=False,
        )

    def reload(self, *options: str) -> None:
        done = self.command(*(options or ("--reload",)))
        assert done.returncode == 0, done.stdout + done.stderr

    def close(self) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
