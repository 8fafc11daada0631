"""The group `host` of `quaywall check`, of real engines: their releases, and what they are set to."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator


from bed import Quaywall
from bed.swarm import until
from checks import Bed

Make = Callable[..., Quaywall]
Found = set[tuple[str, str, str]]

DEFAULTS = {
    ("engine-live-restore", "info", "host"),
    ("engine-userns-remap", "info", "host"),
    ("engine-data-root", "low", "host"),  # the bed's are in a folder for temporary files
}
ICC = ("engine-icc", "info", "network bridge")
# Debian's suffix: it may have mended what its number has.
RELOAD = ("engine-advisory", "low", "host: CVE-2025-54410")


def told(text: str) -> Found:
    """What the checks say, without what is this machine's: warnings of missing features, and the kernel."""
    answer: Any = json.loads(text)
    assert answer["not_checked"] == []
    found = {(f["id"], f["severity"], f["subject"]) for f in answer["findings"]}
    assert len(found) == len(answer["findings"])
    return {f for f in found if f[0] not in ("engine-warning", "engine-cgroup-v1", "kernel-table-owner")}


def recorded(q: Quaywall) -> Found:
    file = q.folder / "recorded.json"
    file.write_text(q.verb("snapshot"), encoding="utf-8")
    return told(q.verb("check", "--snapshot", str(file), "--json", "--only", "host", "--fail-on", "never"))


def runs(name: str, netns: str) -> bool:
    """Is there a process of that name in the network namespace?"""
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text() == f"{name}\n" and os.path.samefile(comm.parent / "ns/net", netns):
                return True
        except OSError:  # it has ended
            pass
    return False


@contextmanager
def firewalld(bed: Bed, folder: Path) -> Iterator[None]:
    """A process that is called so, beside the engine."""
    program = folder / "firewalld"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen(["nsenter", f"--net={bed.engine.netns}", "--", str(program), "60"]) as process:
        try:
            until(lambda: runs("firewalld", bed.engine.netns), 10, "it runs")
            yield
        finally:
            process.kill()


def test_host(clean: Bed, quaywall: Make, generation: str, tmp_path: Path) -> None:
    q = quaywall(clean)
    assert recorded(q) == DEFAULTS
    clean.engine.run("one")
    assert recorded(q) == DEFAULTS
    clean.engine.run("two")
    with firewalld(clean, tmp_path):
        assert recorded(q) == DEFAULTS | {ICC} | ({RELOAD} if generation != "28.5" else set())
    # The daemon, as confined as it is, sees the same, but not which namespace a program uses.
    q.start()
    found = told(json.dumps(q.checked("--only", "host")))
    assert found - {RELOAD} == DEFAULTS | {ICC}


def test_settings(make_bed: Callable[..., Bed], quaywall: Make) -> None:
    bed = make_bed(live_restore=True, experimental=True, icc=False)
    bed.engine.run("one")
    bed.engine.run("two")
    wanted = {("engine-experimental", "low", "host")} | DEFAULTS - {("engine-live-restore", "info", "host")}
    assert recorded(quaywall(bed)) == wanted
