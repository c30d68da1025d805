// Rows of a board on a narrow screen: a tap opens one. Wide screens show everything.
import { el, find, on } from "./dom.js";
import { showAll } from "./rows.js";

/** Return [heading, cell] of the cells of a row that say something, in the order of the columns. */
function facts(table, row) {
  const heads = [...table.tHead.rows[0].cells];
  const pairs = heads.map((head, k) => [(find("button", head) ?? head).textContent, row.cells[k]]).slice(1);
  return pairs.filter(([, cell]) => cell.textContent !== "\u2013" && cell.textContent !== "");
}

function toggle(table, row) {
  const button = row.querySelector(".open");
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  if (isOpen) {
    row.nextElementSibling.remove();
    return;
  }
  const list = el("dl");
  for (const [name, cell] of facts(table, row)) {
    const value = el("dd");
    value.append(...[...cell.childNodes].map((node) => node.cloneNode(true)));
    const pair = el("div");
    pair.append(el("dt", name), value);
    list.append(pair);
  }
  const part = el("tr", null, { class: "more" });
  const cell = el("td", null, { colspan: row.cells.length });
  cell.append(list);
  part.append(cell);
  row.after(part);
}

/** Let the rows of a table be opened. The style sheet shows the first few on a narrow screen, the button all of them. */
export function openable(table) {
  const rows = [...table.tBodies[0].rows];
  for (const row of rows) {
    const name = row.cells[0].textContent;
    const button = el("button", null, { class: "open", type: "button", "aria-expanded": "false" });
    button.setAttribute("aria-label", `All values of ${name}`);
    row.cells[0].prepend(button);
    on(row, "click", (event) => {
      const other = event.target.closest("a, input");
      // On a wide screen the button is not drawn, and a click on a row opens nothing.
      if (!other && button.getClientRects().length) toggle(table, row);
    });
  }
  const all = table.parentNode.nextElementSibling;
  if (all?.classList.contains("all")) on(all, "click", () => showAll(table));
}
