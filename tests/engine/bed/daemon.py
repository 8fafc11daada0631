"""quaywall itself, in an engine's network namespace."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Mapping

import yaml

from .engine import Engine, PrivateEngine
from .space import DIES_WITH_US


def binary() -> Path:
    """Of the build folder that the tests are run for."""
    build = os.environ.get("QUAYWALL_BUILD")
    if not build:
        raise RuntimeError("QUAYWALL_BUILD is not set: the build folder that holds quaywall")
    path = Path(build) / "quaywall"
    if not path.exists():
        raise RuntimeError(f"{path} is not there: build first")
    return path


class Quaywall:
    """Its files, its verbs and its daemon. Several can stand beside one engine, one after another."""

    def __init__(
        self, engine: Engine, folder: Path, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.engine = engine
        self.folder = folder
        self.policies = folder / "policies"
        self.policies.mkdir(parents=True, exist_ok=True)
        self.config = folder / "quaywall.yaml"
        self.log = folder / "quaywall.log"
        self.control = folder / "control"
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(settings or {})

    # ---- files ----

    def configure(self, settings: Mapping[str, Any]) -> None:
        own = {
            "docker": self.engine.url,
            "policies": str(self.policies),
            "control": str(self.control),
        }
        self.config.write_text(yaml.safe_dump(own | dict(settings)), encoding="utf-8")

    def policy(self, name: str, text: str) -> Path:
        """Written beside and renamed, as an editor does; the daemon notices by itself."""
        path = self.policies / f"{name}.yaml"
        fresh = self.policies / f".{name}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.rename(path)
        return path

    # ---- verbs ----

    def argv(self, *argv: str) -> list[str]:
        """In the engine's network namespace, and in its mount namespace (where the containers' network
        namespaces can be seen) with the machine's root."""
        enter = ["nsenter", f"--net={self.engine.netns}"]
        if isinstance(self.engine, PrivateEngine):
            enter += [f"--mount={self.engine.netns.removesuffix('net')}mnt"]
        return [*enter, "--", str(binary()), "--config", str(self.config), *argv]

    def call(self, *argv: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
        )

    def verb(self, *argv: str, code: int = 0) -> str:
        done = self.call(*argv)
        assert done.returncode == code, f"{argv}: exit {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def checked(self, *options: str) -> dict[str, Any]:
        """What the daemon's checks found, of what there is now: on a busy machine they rest for longer than the verb waits."""
        end = time.monotonic() + 120
        while True:
            found: dict[str, Any] = json.loads(self.verb("check", "--json", "--fail-on", "never", *options))
            if not found["pending"]:
                return found
            assert time.monotonic() < end, "always behind"

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.verb("--json", "status"))
        return found

    # ---- the daemon ----

    def start(self, *options: str, wait: bool = True) -> "Quaywall":
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [*DIES_WITH_US, *self.argv("run", *options)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait_in_force()
        return self

    def wait_in_force(self, within: float = 15) -> None:
        """Until `status` says that what the files say is in the kernel."""
        end = time.monotonic() + within
        last = ""
        while time.monotonic() < end:
            self.check_alive()
            done = self.call("status")
            if done.returncode == 0:
                return
            last = done.stdout + done.stderr
            time.sleep(0.03)
        raise AssertionError(f"not in force within {within:g} s: {last}\n{self.log_tail()}")

    def check_alive(self) -> None:
        if self._process and self._process.poll() is not None:
            raise AssertionError(f"quaywall ended by itself: {self._process.returncode}: {self.log_tail()}")

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid  # setpriv and nsenter have become quaywall by exec

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ends the daemon and returns what it ended with; the rules stay in the kernel."""
        if not self._process:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            os.kill(process.pid, how)
        try:
            return process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"quaywall did not end by {how.name}: {self.log_tail()}") from None

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log_text().splitlines()[-lines:])

    def table(self) -> str:
        """What the kernel has; '' where there is no table. nft lists this table alone: beside the tables
        of engine 29 the nft of Debian 12 crashes when it lists all."""
        done = subprocess.run(
            ["nsenter", f"--net={self.engine.netns}", "--", "nft", "list", "table", "inet", "quaywall"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout
