"use strict";
(function () {
  const byId = (id) => document.getElementById(id);
  const matrix = byId("matrix"), body = matrix.tBodies[0], head = matrix.tHead.rows[0];
  const detail = byId("detail"), controls = byId("controls");
  const filter = byId("filter"), show = byId("show"), order = byId("order");
  const rows = Array.from(body.rows);
  const columns = Array.from(head.cells).slice(1).map((cell) => cell.textContent);
  const nameOf = (row) => row.cells[0].textContent;
  const passes = (cell) => /\b(allow|ports|mixed|audit)\b/.test(cell.className);
  const wanted = {
    "": () => true,
    passes: passes,
    refused: (cell) => cell.classList.contains("deny"),
    seen: (cell) => cell.classList.contains("seen"),
    unseen: (cell) => passes(cell) && !cell.classList.contains("seen"),
    tried: (cell) => cell.classList.contains("tried"),
    audit: (cell) => (cell.dataset.text || cell.textContent).includes("?"),
  };

  /* Rows and columns whose name has the text stay; so does what they exchange with others. */
  function apply() {
    const text = filter.value.trim().toLowerCase();
    const has = (name) => name.toLowerCase().includes(text);
    const kept = columns.map((name, i) => has(name) || rows.some((r) => has(nameOf(r)) && passes(r.cells[i + 1])));
    head.querySelectorAll("th").forEach((cell, i) => { cell.hidden = !kept[i]; });
    for (const row of rows) {
      row.hidden = !has(nameOf(row)) && !columns.some((name, i) => has(name) && passes(row.cells[i + 1]));
      for (let i = 0; i < columns.length; i++) {
        row.cells[i + 1].hidden = !kept[i];
        row.cells[i + 1].classList.toggle("faded", !wanted[show.value](row.cells[i + 1]));
      }
    }
  }

  function sort() {
    const reach = (row) => Array.from(row.cells).slice(1).filter(passes).length;
    const sorted = rows.slice();
    if (order.value === "name") sorted.sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
    if (order.value === "reach") sorted.sort((a, b) => reach(b) - reach(a));
    body.append(...sorted);
  }

  function mark(cell, on) {
    cell.parentNode.classList.toggle("here", on);
    head.cells[cell.cellIndex].classList.toggle("here", on);
  }

  function cellOf(event) {
    const cell = event.target.closest("#matrix tbody td");
    return cell && cell.cellIndex > 0 ? cell : null;
  }

  function tell(cell) {
    const to = columns[cell.cellIndex - 1];
    detail.textContent = nameOf(cell.parentNode) + " \u2192 " + to + "\n" + (cell.title || "nothing to be judged");
  }

  let chosen = null;
  function choose(cell) {
    if (chosen) chosen.classList.remove("chosen");
    chosen = cell;
    cell.classList.add("chosen");
    cell.tabIndex = -1;
    cell.focus({ preventScroll: false });
    tell(cell);
  }

  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  function move(event) {
    const step = steps[event.key];
    if (!step || event.target.closest("form")) return;
    const visible = Array.from(body.rows).filter((row) => !row.hidden);
    const across = columns.map((_, i) => i + 1).filter((i) => !head.cells[i].hidden);
    if (!visible.length || !across.length) return;
    const y = chosen ? visible.indexOf(chosen.parentNode) + step[0] : 0;
    const x = chosen ? across.indexOf(chosen.cellIndex) + step[1] : 0;
    const clamp = (n, most) => Math.max(0, Math.min(n, most));
    choose(visible[clamp(y, visible.length - 1)].cells[across[clamp(x, across.length - 1)]]);
    event.preventDefault();
  }

  function sortList(button, column) {
    const list = byId("list").tBodies[0];
    const lines = Array.from(list.rows);
    const down = button.parentNode.getAttribute("aria-sort") === "ascending";
    lines.sort((a, b) => a.cells[column].textContent.localeCompare(b.cells[column].textContent, "en", { numeric: true }));
    if (down) lines.reverse();
    for (const other of byId("list").tHead.rows[0].cells) other.removeAttribute("aria-sort");
    button.parentNode.setAttribute("aria-sort", down ? "descending" : "ascending");
    list.append(...lines);
  }

  controls.hidden = false;
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("reset", () => setTimeout(() => { apply(); sort(); }));
  filter.addEventListener("input", apply);
  show.addEventListener("change", apply);
  order.addEventListener("change", sort);
  body.addEventListener("mouseover", (event) => { const cell = cellOf(event); if (cell) { mark(cell, true); if (!chosen) tell(cell); } });
  body.addEventListener("mouseout", (event) => { const cell = cellOf(event); if (cell) mark(cell, false); });
  body.addEventListener("click", (event) => { const cell = cellOf(event); if (cell) choose(cell); });
  matrix.parentNode.addEventListener("keydown", move);
  Array.from(byId("list").tHead.rows[0].cells).forEach((cell, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent;
    cell.textContent = "";
    cell.append(button);
    button.addEventListener("click", () => sortList(button, i));
  });
})();
