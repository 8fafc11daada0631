"""Alert rules and dashboard: that they hold by themselves. That they name what a scrape has, tests/netns/test_metrics.py."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CONTRIB = HERE.parents[1] / "contrib"
RULES = CONTRIB / "prometheus" / "quaywall.rules.yml"


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if not found:
        pytest.skip("takes promtool (Debian's package prometheus)")
    return found


def test_alert_rules(promtool: str, tmp_path: Path) -> None:
    for file in (RULES, HERE / "quaywall.rules.test.yml"):
        shutil.copy(file, tmp_path)
    for argv in (["check", "rules", "quaywall.rules.yml"], ["test", "rules", "quaywall.rules.test.yml"]):
        done = subprocess.run([promtool, *argv], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested() -> None:
    text = RULES.read_text(encoding="utf-8")
    tests = (HERE / "quaywall.rules.test.yml").read_text(encoding="utf-8")
    alerts = [line.split()[-1] for line in text.splitlines() if "- alert: " in line]
    assert len(alerts) == len(set(alerts)) > 5
    for alert in alerts:
        assert f"alertname: {alert}, exp_alerts: []" in tests and f"alertname: {alert}\n" in tests, alert


def test_dashboard(promtool: str, tmp_path: Path) -> None:
    """Valid JSON, panels with numbers of their own that lie beside one another, and queries that Prometheus can read."""
    board = json.loads((CONTRIB / "grafana" / "quaywall.json").read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    queries += [note["expr"] for note in board["annotations"]["list"]]
    rules = [
        {"record": f"q:{i}", "expr": q.replace("$__rate_interval", "5m").replace("$__range", "6h")}
        for i, q in enumerate(queries)
    ]
    assert all('instance=~"$instance"' in query for query in queries)
    (tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "q", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(
        [promtool, "check", "rules", str(tmp_path / "queries.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
