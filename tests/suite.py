"""Builds quaywall in every way and runs every suite. Called by tests/run, which installs what it takes."""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Sequence

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
PYTHON = "/usr/bin/python3"
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


@dataclass
class Build:
    """The sanitizers' one is what the suites in Python use: they see what it finds."""

    name: str
    compiler: str
    options: Sequence[str] = ()


BUILDS = [
    Build("gcc", "gcc"),
    Build("clang", "clang"),
    Build("sanitized", "gcc", ["-Db_sanitize=address,undefined"]),
]

# Only the fuzzers of it are built.
FUZZ = Build(
    "fuzz", "clang", ["-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"]
)


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def one(self, name: str, good: bool) -> None:
        if good:
            self.passed += 1
        else:
            self.failed += 1
            self.failures.append(name)


@dataclass
class Job:
    """One run of pytest, in a process of its own."""

    name: str
    argv: Sequence[str | Path]
    env: dict[str, str] = field(default_factory=dict)


class Suite:
    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self.options = options
        self.work = work
        self.tally = Tally()
        self.lock = threading.Lock()
        self.running: set[subprocess.Popen[bytes]] = set()
        self.started = time.monotonic()

    def say(self, text: str) -> None:
        elapsed = int(time.monotonic() - self.started)
        print(f"== {elapsed // 60:02}:{elapsed % 60:02} {text}", flush=True)

    def command(
        self, name: str, argv: Sequence[str | Path], env: dict[str, str] | None = None
    ) -> bool:
        """Runs ARGV as one test."""
        good = self.call(argv, env) == 0
        self.tally.one(name, good)
        return good

    def call(self, argv: Sequence[str | Path], env: dict[str, str] | None = None) -> int:
        own = os.environ | SANITIZERS | (env or {})
        return subprocess.run(
            [str(a) for a in argv], cwd=ROOT, env=own, stdin=subprocess.DEVNULL, check=False
        ).returncode

    # ---- builds and programs in C ----

    def build(self, build: Build, *targets: str) -> bool:
        self.say(f"build: {build.name}")
        folder = self.folder(build)
        setup = ["meson", "setup", folder, "-Dwerror=true", *build.options]
        if self.call(setup, {"CC": build.compiler}) == 0 and self.ninja(folder, *targets):
            self.tally.one(f"build {build.name}", True)
            return True
        self.tally.one(f"build {build.name}", False)
        return False

    def ninja(self, folder: Path, *targets: str) -> bool:
        return self.call(["ninja", "-C", folder, *targets]) == 0

    def folder(self, build: Build) -> Path:
        return self.work / f"build-{build.name}"

    def programs(self, build: Build) -> None:
        """The unit tests and those of the kernel, in C. cmocka says how many tests each program held; one
        that says nothing counts as one. What else meson knows is run further below, once."""
        self.say(f"programs: {build.name}")
        folder = self.folder(build)
        argv = ["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs"]
        for suite in ("golden", "conventions"):
            argv += ["--no-suite", suite]
        code = self.call(argv)
        log = folder / "meson-logs" / "testlog.json"
        if not log.exists():
            self.tally.one(f"programs of {build.name} did not run", False)
            return
        failed_before = self.tally.failed
        for line in log.read_text(encoding="utf-8").splitlines():
            self.count_program(build, json.loads(line))
        if code and self.tally.failed == failed_before:
            self.tally.one(f"programs of {build.name}: meson exit {code}", False)

    def count_program(self, build: Build, result: dict[str, str]) -> None:
        name = f"{result['name']} ({build.name})"
        said = (result.get("stdout") or "") + (result.get("stderr") or "")
        held = re.search(r"\[  PASSED  \] (\d+) test", said)
        failed = re.search(r"\[  FAILED  \] (\d+) test", said)
        if result["result"] == "SKIP":
            self.tally.skipped.append(name)
        elif result["result"] == "OK":
            self.tally.passed += int(held.group(1)) if held else 1
        else:
            self.tally.passed += int(held.group(1)) if held else 0
            self.tally.failed += int(failed.group(1)) if failed else 1
            self.tally.failures.append(name)

    # ---- suites in Python ----

    def pytests(self, jobs: Sequence[Job]) -> None:
        """Runs them in order, as many at once as there are processors: most of their time they wait for an
        engine. What each printed is shown when it ends, so that no two mix."""
        waiting = list(reversed(jobs))

        def lane() -> None:
            while True:
                with self.lock:
                    if not waiting:
                        return
                    job = waiting.pop()
                self.pytest(job)

        lanes = [threading.Thread(target=lane) for _ in range(os.cpu_count() or 1)]
        try:
            for thread in lanes:
                thread.start()
            for thread in lanes:
                thread.join()
        except KeyboardInterrupt:
            with self.lock:
                waiting.clear()
                for process in self.running:
                    process.terminate()
            for thread in lanes:
                thread.join()
            raise

    def pytest(self, job: Job) -> None:
        report = self.work / f"{job.name}.xml"
        log = self.work / f"{job.name}.log"
        own = {"QUAYWALL_BUILD": str(self.folder(BUILDS[2])), "PYTHONDONTWRITEBYTECODE": "1"}
        argv = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        argv += ["-o", f"junit_suite_name={job.name}", *(str(a) for a in job.argv)]
        with self.lock:
            self.say(f"suite: {job.name}")
        with log.open("wb") as out:
            code = self.logged(argv, os.environ | SANITIZERS | own | job.env, out)
        with self.lock:
            self.say(f"suite ended: {job.name}")
            print(log.read_text(encoding="utf-8", errors="replace"), flush=True)
            self.count_report(job.name, report, code)

    def logged(self, argv: Sequence[str], env: dict[str, str], out: BinaryIO) -> int:
        with subprocess.Popen(
            argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        ) as process:
            with self.lock:
                self.running.add(process)
            code = process.wait()
            with self.lock:
                self.running.discard(process)
        return code

    def count_report(self, name: str, report: Path, code: int) -> None:
        if not report.exists():
            self.tally.one(f"{name}: pytest exit {code}", False)
            return
        failed_before = self.tally.failed
        for case in xml.parse(report).getroot().iter("testcase"):
            self.count_case(name, case)
        if code and self.tally.failed == failed_before:
            self.tally.one(f"{name}: pytest exit {code}", False)

    def count_case(self, suite: str, case: xml.Element) -> None:
        name = f"{suite}: {case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            self.tally.one(name, False)
        elif skipped is not None:
            self.tally.skipped.append(f"{name}: {skipped.get('message')}")
        else:
            self.tally.passed += 1

    # ---- all ----

    def conventions(self) -> None:
        self.say("conventions")
        self.command("conventions", [PYTHON, TESTS / "conventions.py", "--require-format"])
        self.command("conventions: self-test", [PYTHON, TESTS / "conventions.py", "--self-test"])

    def roots(self) -> dict[str, str]:
        """The other engines' folders, made if they are not there; the golden cases use their nft."""
        self.say("root folders of other engines")
        code = (
            "from bed import GENERATIONS, ensure_root\n"
            "print(*(ensure_root(g) for g in GENERATIONS.values()))\n"
        )
        done = subprocess.run(
            [PYTHON, "-B", "-c", code],
            cwd=TESTS / "engine",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        self.tally.one("root folders of other engines", done.returncode == 0)
        folders = [f for f in done.stdout.split() if f != "/"]
        return {"QUAYWALL_NFTS": ":".join(f"chroot {f} nft" for f in folders)}

    def run(self) -> None:
        quick = self.options.quick
        left_out = []
        self.conventions()
        for build in BUILDS:
            if quick and build.name == "clang":
                left_out.append("the build with clang")
            elif self.build(build):
                self.programs(build)
        nfts = {}
        plain = {"QUAYWALL_PLAIN": str(self.folder(BUILDS[0]))}
        if quick:
            left_out.append("other distributions' nft")
        else:
            nfts = self.roots()
        jobs = []
        if quick:
            left_out.append("the suite on real engines")
        else:
            jobs += self.engine_jobs()
        if quick:
            left_out.append("fuzzing")
        elif self.build(FUZZ, "fuzz"):
            env = {"QUAYWALL_FUZZ": str(self.folder(FUZZ))}
            jobs.append(Job("fuzz", [TESTS / "fuzz"], env))
        for name in ("netns", "fake", "differential", "golden", "bench", "cli", "errors"):
            if not any((TESTS / name).glob("**/test_*.py")):
                continue
            argv: list[str | Path] = [TESTS / name]
            if quick and name == "differential":
                left_out.append("verdicts against packets")
                argv += ["--ignore", TESTS / name / "test_packets.py"]
            jobs.append(Job(name, argv, nfts | plain))
        self.pytests(jobs)
        self.report(left_out)

    def engine_jobs(self) -> list[Job]:
        """The longest first, a job for each generation."""
        wanted = self.options.engines
        generations = wanted.split(",") if wanted else ["20.10", "26.1", "28.5"]
        plain = {"QUAYWALL_PLAIN": str(self.folder(BUILDS[0]))}
        return [Job(f"engine-{g}", [TESTS / "engine", "--engines", g], plain) for g in generations]

    def report(self, left_out: Sequence[str]) -> None:
        self.say("done")
        for text in self.tally.skipped:
            print(f"skipped: {text}")
        for text in self.tally.failures:
            print(f"FAILED: {text}")
        if left_out:
            print(f"left out by --quick: {', '.join(left_out)}")
        print(f"{self.tally.passed} passed, {self.tally.failed} failed", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/run", description="Runs every test.")
    parser.add_argument("--quick", action="store_true", help="leave out what is slow, and say what")
    parser.add_argument("--engines", help="generations of the engine, as 20.10,28.5 (default: all)")
    parser.add_argument("--keep", action="store_true", help="keep the build folders and reports")
    options = parser.parse_args()

    def on_signal(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    signal.signal(signal.SIGTERM, on_signal)
    work = Path(tempfile.mkdtemp(prefix="quaywall-build."))
    suite = Suite(options, work)
    try:
        suite.run()
    finally:
        if options.keep:
            print(f"kept: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    return 1 if suite.tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
