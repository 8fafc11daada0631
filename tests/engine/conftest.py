"""Engines for the tests: one of each generation for the session, more where a test wants options."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bed import GENERATIONS, PrivateEngine, Quaywall  # noqa: E402
from checks import Bed, World  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engines",
        default=",".join(GENERATIONS),
        help="generations of the engine, as 20.10,26.1,28.5 (default: all)",
    )
    parser.addoption(
        "--baseline",
        action="store_true",
        help="only show that the packets pass without quaywall; nothing of quaywall is tested",
    )


def selected(config: pytest.Config) -> list[str]:
    names = [n.strip() for n in str(config.getoption("--engines")).split(",") if n.strip()]
    unknown = [n for n in names if n not in GENERATIONS]
    if unknown:
        raise pytest.UsageError(f"--engines {','.join(unknown)}: known are {', '.join(GENERATIONS)}")
    return [g for g in GENERATIONS if g in names]


def pytest_configure(config: pytest.Config) -> None:
    def on_signal(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    signal.signal(signal.SIGTERM, on_signal)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "generation" in metafunc.fixturenames:
        metafunc.parametrize("generation", selected(metafunc.config), scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of one generation together, then file by file: pytest's own order would make and end the
    engines again and again."""
    order = list(GENERATIONS)

    def key(item: pytest.Item) -> tuple[int, str, int]:
        params = getattr(item, "callspec").params if hasattr(item, "callspec") else {}
        line = item.reportinfo()[1] or 0
        return order.index(params.get("generation", order[0])), str(item.path), line

    items.sort(key=key)


# ---- engines ----


def default_options(generation: str) -> dict[str, Any]:
    """As installed, but that 28 forbids what 20.10 and 26.1 let pass: a route straight to a container."""
    return {"allow-direct-routing": True} if generation == "28.5" else {}


@pytest.fixture(scope="session")
def bed(generation: str) -> Iterator[Bed]:
    """The session's engine of this generation; a test that uses it directly cleans it first."""
    with Bed(PrivateEngine(generation, default_options(generation))) as made:
        yield made


@pytest.fixture
def make_bed(generation: str) -> Iterator[Callable[..., Bed]]:
    """Engines with options of their own, ended with the test."""
    made: list[Bed] = []

    def make(start: bool = True, **options: Any) -> Bed:
        named = {key.replace("_", "-"): value for key, value in options.items()}
        engine = PrivateEngine(generation, default_options(generation) | named, start)
        made.append(Bed(engine))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def clean(bed: Bed) -> Bed:
    """The session's engine, empty, with br_netfilter off."""
    bed.clear()
    return bed


@pytest.fixture(scope="module")
def world(bed: Bed) -> Iterator[World]:
    """The containers that a module's tests share and do not change."""
    bed.clear()
    yield World(bed)
    bed.clear()


# ---- quaywall ----


class BaselineOnly(Quaywall):
    """Ends the test where quaywall would come in."""

    def start(self, *_: object, **__: object) -> Quaywall:
        pytest.skip("baseline only")

    call = verb = start  # type: ignore[assignment]


@pytest.fixture
def quaywall(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., Quaywall]]:
    """Makes a Quaywall for an engine. At the end it is stopped, its tables go, and its log must hold no
    finding of a sanitizer."""
    made: list[Quaywall] = []
    baseline = request.config.getoption("--baseline")

    def make(bed: Bed, **settings: Any) -> Quaywall:
        folder = tmp_path / f"quaywall{len(made)}"
        made.append((BaselineOnly if baseline else Quaywall)(bed.engine, folder, settings))
        return made[-1]

    request.node.quaywalls = made
    yield make
    logs = []
    for one in made:
        try:
            one.stop()
        finally:
            logs.append(one.log_text())
            for family in ("inet", "bridge"):
                argv = ["nsenter", f"--net={one.engine.netns}", "--", "nft", "delete", "table"]
                subprocess.run([*argv, family, "quaywall"], capture_output=True, check=False)
    for log in logs:
        assert "Sanitizer" not in log and "runtime error" not in log, log


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Shows what quaywall and the kernel say where a test failed."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for one in getattr(item, "quaywalls", []):
            try:
                report.sections.append(("quaywall's log", one.log_tail(40)))
                report.sections.append(("nft list table inet quaywall", one.table()[:12000]))
            except OSError as error:
                report.sections.append(("quaywall", str(error)))


