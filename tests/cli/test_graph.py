"""`quaywall graph`: every format, over the little host, over hosts of 5 and 60 identities, and over hostile names."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as xml
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from graph_world import add_traffic, make_world
from program import Program

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MATRIX = """\
from \\ to     1     2      3  host  world
1 other       .     -      -   all    all
2 shop/db     -     .      -     -      -
3 shop/web    -  5432      .     -    [1]
host        all   all    all     .      .
world       all     -      -     .      .
published     .     .  8080*     .      .
"""


def cell(answer: Any, row: str, column: str) -> Any:
    (found,) = [c for c in answer["cells"] if (c["from"], c["to"]) == (row, column)]
    return found


def hostile(folder: Path) -> list[str]:
    """The case's names, and a container that would like to be a script."""
    snapshot = json.loads((GOLDEN / "hostile-names" / "snapshot.json").read_text(encoding="utf-8"))
    snapshot["containers"][1]["name"] = "</title><script>alert(1)</script>\"'&\\"
    (folder / "snapshot.json").write_text(json.dumps(snapshot), encoding="utf-8")
    (folder / "policies").mkdir()
    shutil.copy(GOLDEN / "hostile-names" / "policy.yaml", folder / "policies")
    return ["--snapshot", str(folder / "snapshot.json"), "--policies", str(folder / "policies")]


def worlds(program: Program) -> list[list[str]]:
    folder = program.folder
    five, sixty = make_world(folder / "5", 5), make_world(folder / "60", 60)
    seen = [add_traffic(folder / "5", five, "shop"), add_traffic(folder / "60", sixty, "project-003")]
    return [five, sixty, hostile(folder), *seen]


def test_matrix(program: Program) -> None:
    text = program.offline("graph")
    assert text.startswith(MATRIX)
    assert "[1] 443*, 8000-8100*\n" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "\033" not in text


def test_what_is_too_wide_is_a_list(program: Program) -> None:
    text = program.out("graph", *make_world(program.folder, 60))
    assert "\nproject-003/web\n  8080: project-003/api\n" in text
    assert max(map(len, text.splitlines())) <= 80


def test_json(program: Program) -> None:
    answer = program.json("graph")
    assert [e["kind"] for e in answer["ends"]] == ["identity"] * 3 + ["host", "world", "published"]
    assert set(answer["ends"][0]) == {"name", "kind", "row", "column", "containers", "isolated", "audited"}
    assert answer["ends"][2]["containers"] == ["shop-web-1"]
    assert len(answer["cells"]) == 6 * 5
    found = cell(answer, "shop/web", "shop/db")
    assert found["verdict"] == "ports" and found["common_network"] is True
    assert [(p["verdict"], p["ports"]) for p in found["parts"]] == [
        ("allow", ["5432/tcp"]),
        ("deny", ["1-5431/tcp", "5433-65535/tcp", "udp", "sctp", "icmp", "other"]),
    ]
    assert found["parts"][0]["by"] == ["shop.yaml:7 allow: web -> db"]
    assert cell(answer, "shop/db", "shop/db")["verdict"] == "none"
    assert cell(answer, "other", "shop/db")["common_network"] is False
    (part,) = cell(answer, "published", "shop/web")["parts"]
    assert (part["verdict"], part["ports"]) == ("mixed", ["8080/tcp"])
    assert json.loads(program.offline("graph", "--format", "json")) == answer


def test_filters(program: Program) -> None:
    answer = program.json("graph", "--from", "shop-w*", "--to", "shop/*")
    assert [(c["from"], c["to"]) for c in answer["cells"]] == [("shop/web", "shop/db"), ("shop/web", "shop/web")]
    rows = {c["from"] for c in program.json("graph", "--from", "world")["cells"]}
    assert rows == {"world", "published"}


def test_a_limit_and_members_that_differ(program: Program) -> None:
    args = make_world(program.folder, 5, replicas=3)
    extra = "policy: one\nfor: {project: shop}\nisolate: []\ndeny: [{from: 172.20.0.2, to: {service: db}, ports: [5432]}]\n"
    (program.folder / "policies" / "one.yaml").write_text(extra, encoding="utf-8")
    answer = json.loads(program.out("graph", "--json", *args))
    assert cell(answer, "published", "shop/web")["parts"][0]["limited"] is True
    assert cell(answer, "shop/web", "shop/db")["parts"][0]["verdict"] == "mixed"
    assert cell(answer, "shop/api", "shop/db")["parts"][0]["verdict"] == "allow"
    assert cell(answer, "shop/web", "shop/web")["verdict"] == "deny"


def test_too_many_are_refused_and_can_be_chosen(program: Program) -> None:
    args = make_world(program.folder, 300)
    done = program.call("graph", *args)
    assert done.returncode == 2 and "--from" in done.stderr
    assert "project-007/web" in program.out("graph", "--from", "project-007/*", *args)


def test_what_was_seen(program: Program) -> None:
    """Laid over what the policies say: who reached whom, who tried in vain, and what nobody ever used."""
    args = add_traffic(program.folder, make_world(program.folder, 5), "shop")
    answer = json.loads(program.out("graph", "--json", *args))
    assert cell(answer, "shop/web", "shop/api")["seen"] == {
        "passed": 7, "audited": 0, "refused": 0, "ports": ["8080/tcp"], "refused_ports": [],
        "last": "2026-11-30T09:12:08Z"
    }  # fmt: skip
    tried = cell(answer, "shop/web", "shop/db")["seen"]
    assert (tried["passed"], tried["refused"], tried["refused_ports"]) == (0, 2, ["22/tcp"])
    assert cell(answer, "published", "shop/web")["seen"]["ports"] == ["8000/tcp"]
    assert cell(answer, "shop/worker", "host")["seen"]["audited"] == 1
    assert cell(answer, "shop/api", "shop/cache")["seen"] is None
    text = program.out("graph", *args)
    rows = {line.split()[1]: line.split()[2:] for line in text.splitlines()[1:6]}
    assert rows["shop/web"][:3] == ["8080+", "[1]", "5432!"]
    assert "8000#+" in text and "+  was seen to pass" in text
    assert "seen" not in program.out("graph", *args[:-2])
    assert "seen: refused packets 2 on 22/tcp; last at" in program.out("graph", "--format", "html", *args)


def test_what_was_seen_is_read_with_care(program: Program) -> None:
    args = make_world(program.folder, 5)
    for text, what in (("{", "traffic.json: "), ("[]", "traffic.json: "), ('{"pairs": [1], "left_out": 0}', "traffic.json: ")):
        (program.folder / "traffic.json").write_text(text, encoding="utf-8")
        done = program.call("graph", *args, "--traffic", str(program.folder / "traffic.json"))
        assert done.returncode == 2 and what in done.stderr


def test_dot(program: Program) -> None:
    if not shutil.which("dot"):
        pytest.skip("no graphviz")
    for args in worlds(program):
        text = program.out("graph", "--format", "dot", *args)
        done = subprocess.run(["dot", "-Tcanon"], input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0 and not done.stderr, done.stderr


def test_svg(program: Program) -> None:
    for args in worlds(program):
        text = program.out("graph", "--format", "svg", *args)
        assert "<script" not in text and "&lt;script" not in text.split("</title>")[0]
        tags = {element.tag.rpartition("}")[2] for element in xml.fromstring(text).iter()}
        assert tags == {"svg", "style", "rect", "text", "g", "title"}
        assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values.get("content") or ""


def sum_of(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_html(program: Program) -> None:
    for args in worlds(program):
        text = program.out("graph", "--format", "html", *args)
        page = Page(text)
        assert page.tags.count("script") == page.tags.count("style") == 1
        for tag in ("style", "script"):
            found = re.search(f"<{tag}>(.*?)</{tag}>", text, re.S)
            assert found and f"{tag}-src '{sum_of(found[1])}'" in page.policy
        assert page.policy.startswith("default-src 'none'; ") and "unsafe" not in page.policy
        assert "http:" not in text and "https:" not in text
        if shutil.which("tidy"):
            done = subprocess.run(["tidy", "-q", "-e"], input=text, text=True, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr[:2000]
