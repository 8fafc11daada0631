"""What quaywall costs: each figure a share or a ratio of one run, beside what it is held against.

    bench.py [--smoke] [--json FILE] [--keep FOLDER] [NAME...]

QUAYWALL_BUILD names the build folder. --smoke: small sizes, which see that the benchmarks work and that the packets
arrived; no figure is held against anything then. README.md says what each figure means.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Callable

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS / "fake"), str(TESTS / "netns")]

import dip  # noqa: E402
import elements  # noqa: E402
import endure  # noqa: E402
import load  # noqa: E402
import lossless  # noqa: E402
import packets  # noqa: E402
import plane  # noqa: E402
import reaction  # noqa: E402
import storm  # noqa: E402
import taxes  # noqa: E402
from bed import Bed, container  # noqa: E402
from engine import network_event  # noqa: E402
from figures import FULL, SMOKE, Figure, Size  # noqa: E402
from place import DIES_WITH_US, eventually  # noqa: E402
from programs import offer, refused, run_on, sent_by  # noqa: E402

DB = "172.18.0.2"
# UDP from web to db passes; TCP, and UDP the other way, do not.
POLICY = "policy: shop\nfor: {project: shop}\nallow: [{from: {service: web}, to: {service: db}, ports: [udp]}]\n"
REFUSES = "policy: shop\nfor: {project: shop}\nallow: [{from: {service: web}, to: {service: db}, ports: [5432]}]\n"


class Measured:
    """The daemon on one CPU; who offers packets on the other, where there is one."""

    def __init__(self, bed: Bed, policy: str) -> None:
        self.bed = bed
        bed.daemon.policy(policy)
        bed.attach()
        bed.start()
        assert bed.process
        self.cpus = sorted(os.sched_getaffinity(0))
        run_on(bed.process.pid, {self.cpus[0]})

    def offer(self, rate: int, seconds: float, port: int, *how: str) -> subprocess.Popen[str]:
        argv = (str(rate), str(seconds), DB, str(port), *how)
        return offer(self.bed.places[1], *argv, cpu=self.cpus[-1])

    def share(self, work: Callable[[], None]) -> float:
        """Of one CPU, in per cent, while WORK goes on."""
        cpu, begin = self.bed.cpu(), time.monotonic()
        work()
        return 100 * (self.bed.cpu() - cpu) / (time.monotonic() - begin)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.bed.daemon.ask(b'{"verb": "status"}\n'))["result"]
        return found


def assert_offered(sent: int, rate: int, size: Size) -> None:
    """The load that the figure speaks of."""
    assert sent > 0 and (size.smoke or sent >= 0.9 * rate * size.seconds), f"{sent} of {rate} a second were sent"


def come(bed: Bed, number: int) -> str:
    """A container of the engine's, and the event that says so. Its address."""
    address = f"172.18.{1 + number // 200}.{1 + number % 200}"
    c = bed.add(container("shop", "worker", number), address)
    bed.engine.emit(network_event("connect", bed.front, c.id))
    return address


def flood_of_refusals(size: Size) -> list[Figure]:
    """100,000 refused packets a second, and the same while the engine tells of containers: those must all be known, and
    what they cost is not the flood's."""
    shares: list[float] = []
    offered = arrived = number = 0
    with Bed() as bed:
        m = Measured(bed, REFUSES)
        for r in range(2 * size.rounds):
            before = refused(bed.space)
            process = m.offer(size.refused, size.seconds, 9)
            if r % 2 == 0:
                shares.append(m.share(lambda: time.sleep(size.seconds)))
            addresses = []
            for _ in range(size.events if r % 2 else 0):
                addresses.append(come(bed, number))
                number += 1
                time.sleep(size.seconds / size.events)
            sent = sent_by(process)
            assert_offered(sent, size.refused, size)
            offered += sent
            arrived += refused(bed.space) - before
            assert eventually(lambda: all(f" . {a} " in bed.daemon.table() for a in addresses), 20), addresses
        status = m.status()
    assert arrived >= offered, f"{offered} were sent and {arrived} refused"
    assert status["log"]["packets"] > 0, "none was told"
    assert status["engine"]["lost"] == status["engine"]["repaired"] == 0, status["engine"]
    counts = {
        "packets refused": arrived,
        "told": status["log"]["packets"],
        "container events": number,
        "streams of them that broke": status["engine"]["lost"],
        "found by a listing alone": status["engine"]["repaired"],
    }
    return [Figure(f"the daemon, at {size.refused:,} refused packets a second", "%", shares, 2, counts)]


def flows_that_pass(size: Size) -> list[Figure]:
    return [follow(size, "followed only", []), follow(size, "watched", ["watch", "--all", "--json"])]


def follow(size: Size, name: str, watch: list[str]) -> Figure:
    """New flows, and as many that end: of those of the last rounds the end is not waited for."""
    shares: list[float] = []
    offered = 0
    with Bed() as bed:
        settings = bed.folder / "settings.yaml"
        settings.write_text("flows: always\n", encoding="utf-8")
        bed.daemon.options += ["--config", str(settings)]
        m = Measured(bed, POLICY)
        bed.space.run("sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=3")
        watcher = None
        if watch:
            argv = [*DIES_WITH_US, *bed.daemon.argv(*watch)]
            watcher = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for r in range(size.rounds):
                process = m.offer(size.flows, size.seconds, 1024 + r, "flows")
                shares.append(m.share(lambda: time.sleep(size.seconds)))
                sent = sent_by(process)
                assert_offered(sent, size.flows, size)
                offered += sent
            told = lambda: m.status()["flows"]  # noqa: E731
            # What is lost and ended before it was looked for stays unseen.
            assert eventually(
                lambda: told()["begun"] + told()["not_judged"] >= offered * (0.95 if told()["losses"] else 1), 30
            ), told()
            assert size.smoke or told()["ended"] > offered / 2, told()
            assert not watcher or watcher.poll() is None and (size.smoke or told()["not_told"]), told()
        finally:
            if watcher:
                watcher.kill()
                watcher.wait()
        counts = {k: v for k, v in m.status()["flows"].items() if k not in ("followed", "error")}
    return Figure(f"the daemon, at {size.flows:,} new flows a second, {name}", "%", shares, 10, {"flows": offered} | counts)


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {
    "refused": flood_of_refusals,
    "flows": flows_that_pass,
}
for module in (plane, reaction, load, endure, elements, lossless, dip, storm, packets, taxes):
    BENCHMARKS |= module.BENCHMARKS


def processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else platform.machine()


def build_options() -> dict[str, Any]:
    """As meson notes them."""
    options = json.loads((Path(os.environ["QUAYWALL_BUILD"]) / "meson-info" / "intro-buildoptions.json").read_text())
    return {o["name"]: o["value"] for o in options if o["name"] in ("buildtype", "optimization", "b_sanitize")}


@dataclass
class Report:
    """What --json writes, anew after each benchmark: a run of all of them takes long."""

    when: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S"))
    kernel: str = field(default_factory=lambda: platform.release())
    cpus: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    processor: str = field(default_factory=processor)
    build: dict[str, Any] = field(default_factory=build_options)
    small: bool = False
    seconds: dict[str, float] = field(default_factory=dict)  # that each benchmark took
    failed: dict[str, str] = field(default_factory=dict)  # why there are no figures of it
    figures: list[dict[str, Any]] = field(default_factory=list)

    def write(self, path: str) -> None:
        fresh = Path(f"{path}.fresh")
        fresh.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        fresh.rename(path)


def run(name: str, size: Size, report: Report) -> bool:
    """Whether all figures were within their limits. One that breaks is told, and those after it are run."""
    began = time.monotonic()
    figures: list[Figure] = []
    try:
        figures = BENCHMARKS[name](size)
    except Exception as e:  # pylint: disable=broad-except
        traceback.print_exc()
        report.failed[name] = f"{type(e).__name__}: {e}"
    report.seconds[name] = round(time.monotonic() - began, 1)
    for figure in figures:
        if size.smoke:
            figure.limit = None
        print(figure.line(), flush=True)
        report.figures.append({"benchmark": name, "median": figure.median, "held": figure.held()} | asdict(figure))
    print(f"-- {name}: {report.seconds[name]:.0f} s\n", flush=True)
    return name not in report.failed and all(f.held() for f in figures)


def main() -> int:
    parser = argparse.ArgumentParser(description="What quaywall costs.")
    parser.add_argument("--smoke", action="store_true", help="small, and nothing is held against a limit")
    parser.add_argument("--json", metavar="FILE", help="the figures, with every round")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="for what valgrind counted, function by function")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    options = parser.parse_args()
    unknown = [n for n in options.names if n not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}")
    size = replace(SMOKE if options.smoke else FULL, keep=options.keep)
    report = Report(small=options.smoke)
    if report.build["b_sanitize"] not in ("none", []) and not options.smoke:
        parser.error(f"figures are of a build that users have, not of this one ({report.build})")
    held = True
    for name in options.names or BENCHMARKS:
        held &= run(name, size, report)
        if options.json:
            report.write(options.json)
    if report.failed:
        print(f"without figures: {', '.join(report.failed)}", file=sys.stderr)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
