"""The show itself; contrib/demo installs and builds first."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "engine"))

from bed import (  # noqa: E402
    Ask,
    Container,
    Engine,
    HostEngine,
    Lan,
    PrivateEngine,
    Quaywall,
    eventually,
    matrix,
)
from bed.space import CommandError, Space  # noqa: E402

POLICY = """policy: {project}
for: {{project: {project}}}
groups:
  proxy: {{service: proxy}}
  app: {{service: app}}
  db: {{service: db}}
allow:
  - {{from: proxy, to: app, ports: [8000]}}
  - {{from: app, to: db, ports: [5432]}}
publish:
  - {{to: proxy, port: 8086, from: any}}
"""

# What must come of it: row -> the columns that it reaches, with the policy in force.
WANTED = {
    "world": {"port 8086"},
    "host": {"proxy:80", "app:8000", "db:5432", "port 8086"},
    "outsider": set(),
    "intruder": set(),
    "proxy": {"proxy:80", "app:8000", "port 8086"},
    "app": {"app:8000", "db:5432"},
    "db": {"db:5432"},
}


class Show:
    def __init__(self, engine: Engine, lan: Lan | None, folder: Path) -> None:
        self.engine = engine
        self.lan = lan
        self.project = engine.prefix + "demo"
        self.network = f"{self.project}_default"
        self.boxes: dict[str, Container] = {}
        self.quaywall = Quaywall(engine, folder, self.settings())
        self.wrong: list[str] = []

    def settings(self) -> dict[str, Any]:
        # On the machine's own engine nothing but the demo's own project may notice.
        return {"defaults": {"unknown": "allow"}} if isinstance(self.engine, HostEngine) else {}

    def run(self, service: str, port: int, project: str | None = None, *flags: str) -> None:
        of = f"{project or self.project}/{service}"
        name = service
        self.boxes[service] = self.engine.run(
            name, self.network.removeprefix(self.engine.prefix), [f"tcp:{port}"], service=of, flags=flags
        )

    def up(self) -> None:
        say(f"the application: project {self.project}, a proxy (published on 8086), an app and a db")
        say("beside it, on the same network: an outsider of another project")
        label = ["--label", f"com.docker.compose.project={self.project}"]
        self.engine.docker("network", "create", *label, self.network)
        self.run("proxy", 80, None, "-p", "8086:80")
        self.run("app", 8000)
        self.run("db", 5432)
        self.run("outsider", 80, self.engine.prefix + "elsewhere")

    def addr(self, service: str) -> str:
        return self.boxes[service].addr(4, self.network)

    def show(self, title: str, wanted: bool) -> None:
        """Every pair is one TCP connection that is really made, or not."""
        print(f"\n{title}\n")
        rows: list[Any] = [Named("world", self.lan.netns)] if self.lan else []
        rows += [Named(name, box.netns) for name, box in sorted(self.boxes.items(), key=order)]
        rows.append(Named("host", self.engine.netns))
        outer = self.lan.host4 if self.lan else self.addr_of_host()
        columns = [
            ("proxy:80", self.addr("proxy"), "tcp", 80),
            ("app:8000", self.addr("app"), "tcp", 8000),
            ("db:5432", self.addr("db"), "tcp", 5432),
            ("port 8086", outer, "tcp", 8086),
        ]
        answers = matrix(rows, columns, lambda line: print(f"    {line}"))
        print(flush=True)
        for (row, column), answer in answers.items():
            if wanted and (answer.word == "ok") != (column in WANTED[row]):
                self.wrong.append(f"{title}: {row} -> {column}: {answer}")

    def addr_of_host(self) -> str:
        """The gateway: an address of the host that every container can name."""
        found = self.boxes["proxy"].inspect()["NetworkSettings"]["Networks"][self.network]
        return str(found["Gateway"])

    def enforce(self) -> None:
        file = self.quaywall.policy("demo", POLICY.format(project=self.project))
        say("the policy:\n")
        print("".join(f"    {line}\n" for line in file.read_text(encoding="utf-8").splitlines()))
        say("quaywall validate, then quaywall run")
        self.quaywall.verb("validate")
        self.quaywall.start()

    def replace(self) -> None:
        old = self.addr("app")
        say(f"the app goes ({old}), an intruder starts and gets its address, a new app starts")
        self.boxes.pop("app").remove()
        self.run("intruder", 80, self.engine.prefix + "elsewhere")
        if self.addr("intruder") != old:
            say(f"(here the engine gave it {self.addr('intruder')})")
        self.run("app", 8000)
        eventually(
            Ask(self.boxes["app"].at(), self.addr("db"), "tcp", 5432), "ok"
        )  # milliseconds after the engine's event

    def explain(self, *argv: str) -> None:
        done = self.quaywall.call("explain", *argv)
        print(f"\n$ quaywall explain {' '.join(argv)}")
        print("".join(f"    {line}\n" for line in done.stdout.splitlines()), end="")

    def all(self) -> None:
        self.up()
        self.show("Who reaches whom, without a policy:", wanted=False)
        self.enforce()
        self.show("With the policy:", wanted=True)
        self.replace()
        self.show("After the app was replaced:", wanted=True)
        for who in ("app", "intruder"):
            self.explain(self.boxes[who].name, self.boxes["db"].name, "5432")

    def down(self) -> None:
        try:
            self.quaywall.stop()
            self.quaywall.call("flush")
        except (AssertionError, OSError) as error:
            print(error, file=sys.stderr)
        if isinstance(self.engine, HostEngine):
            remove_from_host(self.engine, self.network)


def order(item: tuple[str, Container]) -> int:
    return ["outsider", "intruder", "proxy", "app", "db"].index(item[0])


class Named:
    def __init__(self, name: str, netns: str) -> None:
        self.name = name
        self.netns = netns


def say(text: str) -> None:
    print(f"* {text}", flush=True)


def remove_from_host(engine: HostEngine, network: str) -> None:
    """Only what has the demo's own prefix, which holds this process's id."""
    ids = engine.docker("ps", "-aq", "--filter", f"name=^{engine.prefix}").split()
    for argv in (["rm", "-f", "-v", *ids], ["network", "rm", network], ["rmi", engine.prefix + "quaywall-probe"]):
        try:
            if len(argv) > 3 or argv[0] != "rm":
                engine.docker(*argv)
        except CommandError as error:
            print(error, file=sys.stderr)


def bridge_filter() -> dict[Path, str]:
    folder = Path("/proc/sys/net/bridge")
    return {p: p.read_text(encoding="ascii") for p in folder.glob("bridge-nf-call-ip*tables")}


def on_host(folder: Path) -> list[str]:
    argv = ["nft", "list", "table", "inet", "quaywall"]
    if subprocess.run(argv, capture_output=True, check=False).returncode == 0:
        sys.exit("quaywall is at work on this machine already (table inet quaywall): stop and flush it first")
    engine = HostEngine(f"quaywall{os.getpid()}-")
    try:
        say(f"this machine's engine: {engine.docker('version', '--format', '{{.Server.Version}}')}")
        engine.load_image()
    except CommandError as error:
        sys.exit(str(error))
    before = bridge_filter()
    show = Show(engine, None, folder)
    try:
        show.all()
    finally:
        say("removing what the demo made")
        show.down()
        for path, value in before.items():  # quaywall switches it on where policies need it
            path.write_text(value, encoding="ascii")
    return show.wrong


def private(folder: Path) -> list[str]:
    say("starting a private engine in namespaces of its own")
    engine = PrivateEngine("host")
    outside = None
    try:
        say(f"engine {engine.docker('version', '--format', '{{.Server.Version}}')}")
        assert engine.space
        outside = Space(engine.state.probe)
        show = Show(engine, Lan(engine.space, outside), folder)
        show.all()
        return show.wrong
    finally:
        say("ending the engine")
        if outside:
            outside.close()
        engine.close()


def main(ways: dict[str, Callable[[Path], list[str]]]) -> int:
    def on_signal(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    folder = Path(tempfile.mkdtemp(prefix="quaywall-demo."))
    try:
        wrong = ways[sys.argv[1]](folder)
    except KeyboardInterrupt:
        print("interrupted; everything was removed", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for line in wrong:
        print(f"NOT AS THE POLICY SAYS: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main({"private": private, "host": on_host}))
