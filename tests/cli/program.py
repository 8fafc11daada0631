"""The program as a whole, without root, engine or kernel: what it answers, and with which exit code."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


class Program:
    """quaywall with the little host of this folder. HOME of nothing: no settings, no engine, no daemon."""

    snapshot = HERE / "host.json"
    policies = HERE / "policies"

    def __init__(self, folder: Path) -> None:
        build = os.environ.get("QUAYWALL_BUILD")
        if not build:
            raise RuntimeError("QUAYWALL_BUILD is not set: the build folder that holds quaywall")
        self.binary = Path(build) / "quaywall"
        self.folder = folder

    def call(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.binary), *argv],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def out(self, *argv: str, code: int = 0) -> str:
        done = self.call(*argv)
        assert done.returncode == code, f"{argv}: exit {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def offline(self, verb: str, *argv: str, code: int = 0) -> str:
        return self.out(
            verb, "--snapshot", str(self.snapshot), "--policies", str(self.policies), *argv, code=code
        )

    def json(self, verb: str, *argv: str, code: int = 0) -> Any:
        return json.loads(self.offline(verb, "--json", *argv, code=code))
