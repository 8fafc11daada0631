"""Sentences of the language page, by hand: sentences.yaml against both evaluators."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import asking
import naive
from generate import Case, Json

HERE = Path(__file__).parent
SNAPSHOT: Json = json.loads((HERE / "sentences.json").read_text())
SENTENCES: list[Json] = yaml.safe_load((HERE / "sentences.yaml").read_text())
NAMED = {
    "host": {"addr": "172.18.0.1"},
    "out": {"addr": "203.0.113.9", "interface": "eth0"},
    "vpn": {"addr": "10.66.0.9", "interface": "wg0"},
    "unknown": {"addr": "172.18.0.200"},
}


def end(text: str) -> Json:
    if text in NAMED:
        return NAMED[text]
    name, _, family = text.partition("/")
    name, _, network = name.partition("@")
    ids = {n["id"] for n in SNAPSHOT["networks"] if network in ("", n["name"])}
    for e in SNAPSHOT["endpoints"]:
        if e["name"] == name and e["network"] in ids:
            return {"endpoint": e["id"], "addr": e["addr6" if family == "6" else "addr4"]}
    return {"addr": text}


def flow(text: str) -> Json:
    """FROM > TO PORT [as PUBLISHED]"""
    source, _, rest = text.partition(" > ")
    destination, port, *published = rest.split()
    found: Json = {"from": end(source), "to": end(destination)}
    number, _, protocol = port.partition("/")
    if number in naive.PROTOCOLS:
        found.update(protocol=number, port=0)
    elif number == "47":
        found.update(protocol=47, port=0)
    else:
        found.update(protocol=protocol or "tcp", port=int(number))
    if published:
        found["published_port"] = int(published[1])
    return found


@pytest.mark.parametrize("evaluator", [asking.ask_naive, asking.ask_program], ids=["naive", "program"])
@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda s: s["says"])
def test_sentence(sentence: Json, evaluator) -> None:
    wanted = [(text, v) for v in ("allow", "audit", "deny") for text in sentence.get(v) or []]
    case = Case(0, SNAPSHOT, {"p.yaml": sentence["policies"]}, sentence.get("settings", "{}") + "\n")
    answers = evaluator(case, [flow(text) for text, _ in wanted])
    wrong = [(text, v, a) for (text, v), a in zip(wanted, answers) if a["verdict"] != v]
    assert not wrong, "\n".join(f"{text}: {v} expected, got {a}" for text, v, a in wrong)
