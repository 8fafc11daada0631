"""The other verbs, without an engine, a daemon or a kernel to talk to."""

import json
import subprocess

from program import Program

SNAPSHOT_KEYS = {"valid", "world", "world_note", "policies", "expectations", "problems", "warnings"}


def test_validate(program: Program) -> None:
    assert program.offline("validate") == (
        f"world: the snapshot {program.snapshot}\n1 policy, 2 expectations hold\n"
    )
    found = program.json("validate")
    assert set(found) == SNAPSHOT_KEYS
    assert found["valid"] and found["world"] == "snapshot"
    assert found["expectations"] == {"held": 2, "failed": 0}


def test_validate_of_one_file(program: Program) -> None:
    text = (program.policies / "shop.yaml").read_text(encoding="utf-8")
    file = program.folder / "mine.yaml"
    file.write_text(text.replace("verdict: deny", "verdict: allow"), encoding="utf-8")
    argv = ["--snapshot", str(program.snapshot), "--policies", str(program.policies)]
    out = program.out("validate", *argv, str(file), code=1)
    assert "mine.yaml:13" in out
    assert out.endswith("1 policy, 1 expectation holds, 1 fails\n")


def test_validate_without_a_world_invents_one(program: Program) -> None:
    argv = ["--docker", "unix:///nonexistent.sock", "--policies", str(program.policies)]
    out = program.out("validate", *argv)
    assert "world: invented from the expectations (" in out
    assert out.endswith("1 policy, 2 expectations hold\n")


def test_validate_prints_what_it_understood(program: Program) -> None:
    canonical = program.json("validate", "-v")["canonical"]
    assert canonical.startswith("policy: shop\n")
    file = program.folder / "again.yaml"
    file.write_text(canonical, encoding="utf-8")
    program.out("validate", "--snapshot", str(program.snapshot), str(file))


def test_validate_names_every_error_of_every_file(program: Program) -> None:
    folder = program.folder / "wrong"
    folder.mkdir()
    (folder / "a.yaml").write_text("policy: a\nfor: all\nalow: []\n", encoding="utf-8")
    (folder / "b.yaml").write_text("policy: B\nfor: all\n", encoding="utf-8")
    done = program.call("validate", "--policies", str(folder))
    assert done.returncode == 2
    assert "a.yaml:3:" in done.stdout and "b.yaml:1:" in done.stdout
    assert done.stdout.endswith("2 errors\n")
    assert done.stderr == ""
    found = json.loads(program.out("validate", "--json", "--policies", str(folder), code=2))
    assert not found["valid"]
    assert [(p["file"], p["line"]) for p in found["problems"]] == [("a.yaml", 3), ("b.yaml", 1)]


def test_version(program: Program) -> None:
    assert program.out("version").startswith("quaywall ")
    found = json.loads(program.out("version", "--json"))
    assert set(found) == {"version", "docker_api_min", "docker_api_max", "libnftnl"}


def test_help(program: Program) -> None:
    text = program.out("--help")
    for verb in ("run", "validate", "plan", "status", "explain", "graph", "check", "reload", "confirm", "flush", "snapshot"):
        assert f"\n  {verb} " in text
        assert program.out(verb, "--help").startswith(f"usage: quaywall {verb} ")
    assert "--once" in program.out("run", "-h")


def test_no_colour_in_a_pipe(program: Program) -> None:
    assert "\033" not in program.offline("explain", "shop/web", "shop/db", "5432")


def test_a_full_disk_is_no_success(program: Program) -> None:
    """What could not be written must not end in 0."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(program.binary), "version"], stdout=full, check=False)
    assert done.returncode != 0
