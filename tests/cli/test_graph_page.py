"""The graph's page in headless Chromium, from a file, without a network: no error, no request, the filter works, dark
and light differ, and no header lies over another."""

import shutil
from pathlib import Path
from typing import Any, Iterator

import pytest

from graph_world import add_traffic, make_world
from program import Program
from test_graph import hostile

if not shutil.which("chromedriver"):
    pytest.skip("no chromium-driver", allow_module_level=True)

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

# The boxes of the headers of one kind that lie over one another, where all are in sight.
OVERLAPS = """
const boxes = Array.from(document.querySelectorAll(arguments[0])).map((e) => e.getBoundingClientRect());
return boxes.filter((a, i) => boxes.some((b, j) => i < j && a.left < b.right - 1 && b.left < a.right - 1 &&
  a.top < b.bottom - 1 && b.top < a.bottom - 1)).length;
"""
OUTSIDE_OF_CELL = """
return Array.from(document.querySelectorAll("#matrix thead th, #matrix.few tbody td")).filter(
  (e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1).length;
"""
REQUESTS = "return performance.getEntriesByType('resource').length"
BACK = "return getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module", name="browser")
def make_browser() -> Iterator[Any]:
    options = Options()
    # Root needs the third; the rest keeps it from the network.
    for argument in ("--headless=new", "--disable-gpu", "--no-sandbox", "--disable-dev-shm-usage",
                     "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
    try:
        yield driver
    finally:
        driver.quit()


def show(browser: Any, program: Program, args: list[str], width: int = 1280, scheme: str = "light") -> None:
    page: Path = program.folder / "graph.html"
    page.write_text(program.out("graph", "--format", "html", *args), encoding="utf-8")
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())


def visible_rows(browser: Any) -> list[str]:
    rows = browser.find_elements(By.CSS_SELECTOR, "#matrix tbody tr:not([hidden]) th")
    return [row.text for row in rows]


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("identities", [5, 60])
def test_it_is_readable(browser: Any, program: Program, identities: int, width: int) -> None:
    show(browser, program, make_world(program.folder, identities), width)
    assert browser.get_log("browser") == []
    assert browser.execute_script(REQUESTS) == 0
    assert browser.execute_script(OVERLAPS, "#matrix thead th") == 0
    assert browser.execute_script(OVERLAPS, "#matrix tbody th") == 0
    assert browser.execute_script(OUTSIDE_OF_CELL) == 0
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert len(visible_rows(browser)) == identities + 3


def test_filter_order_and_choice(browser: Any, program: Program) -> None:
    show(browser, program, make_world(program.folder, 60))
    field = browser.find_element(By.ID, "filter")
    field.send_keys("project-003/db")
    assert visible_rows(browser) == [f"project-003/{s}" for s in ("api", "db", "web", "worker")] + ["host"]
    field.clear()
    field.send_keys("x")
    browser.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    assert len(visible_rows(browser)) == 63
    browser.find_element(By.CSS_SELECTOR, "#order option[value=reach]").click()
    assert visible_rows(browser)[0] == "host"
    browser.find_element(By.CSS_SELECTOR, "#matrix td.ports").click()
    detail = browser.find_element(By.ID, "detail").text
    assert "\u2192" in detail and "allow" in detail and ".yaml:" in detail
    assert browser.get_log("browser") == []


def test_dark_and_light(browser: Any, program: Program) -> None:
    args = make_world(program.folder, 5)
    backs = []
    for scheme in ("light", "dark"):
        show(browser, program, args, scheme=scheme)
        backs.append(browser.execute_script(BACK))
    assert backs == ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]


def test_names_are_no_markup(browser: Any, program: Program) -> None:
    show(browser, program, hostile(program.folder))
    assert browser.get_log("browser") == []
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 1
    assert browser.title == "Who may reach whom - quaywall"


def test_what_was_seen(browser: Any, program: Program) -> None:
    """Told apart from what is only allowed, by colour, mark and filter."""
    args = add_traffic(program.folder, make_world(program.folder, 5), "shop")
    show(browser, program, args)
    assert browser.get_log("browser") == []
    shown = {}
    for option in ("seen", "unseen", "tried"):
        browser.find_element(By.CSS_SELECTOR, f"#show option[value={option}]").click()
        shown[option] = [e.text for e in browser.find_elements(By.CSS_SELECTOR, "#matrix tbody td:not(.faded)")]
    assert sorted(shown["seen"]) == ["53, 53/udp+", "8000#+", "8080+"]
    assert shown["tried"] == ["5432!"]
    assert "5432!" in shown["unseen"] and not any("+" in text for text in shown["unseen"])
    bars = "return Array.from(document.querySelectorAll('#matrix td')).map((e) => getComputedStyle(e).boxShadow)"
    assert len(set(browser.execute_script(bars))) == 3
    browser.find_element(By.CSS_SELECTOR, "#matrix td.tried").click()
    assert "seen: refused packets 2 on 22/tcp" in browser.find_element(By.ID, "detail").text
