// Tables that are sorted by a click on a heading.
import { el, on } from "./dom.js";
import { link, linked } from "./link.js";
import { closeRows, showAll } from "./rows.js";

const NOTHING = "\u2013";

/** Return the number that a text begins with, null if it begins with none. */
export function numberOf(text) {
  const value = Number.parseFloat(text.replace(/\u2212/g, "-").trim());
  return Number.isNaN(value) ? null : value;
}

/** Return what a text sorts by: a number, words in lower case, or null for a missing value. */
export function keyOf(text) {
  const plain = text.trim();
  if (plain === "" || plain === NOTHING) return null;
  return numberOf(plain) ?? plain.toLowerCase();
}

/** Compare two keys for Array.sort; missing values come last in both directions (1 up, -1 down). */
export function compareKeys(x, y, direction) {
  if (x === null || y === null) return (x === null) - (y === null);
  if (typeof x === "number" && typeof y === "number") return (x - y) * direction;
  const [a, b] = [String(x), String(y)];
  return (a < b ? -1 : a > b ? 1 : 0) * direction;
}

/** Return what a cell sorts by: its data-v, or its text without what is set in small type. */
function cellKey(cell) {
  if (!cell) return null;
  const given = cell.dataset.v;
  if (given !== undefined) return given === "" ? null : Number.isNaN(+given) ? given : +given;
  const first = cell.firstChild;
  return keyOf(first && first.nodeType === Node.TEXT_NODE ? first.data : cell.textContent);
}

function sortBy(table, column, direction) {
  closeRows(table);
  const rows = [...table.tBodies[0].rows].map((row, place) => ({ row, place, key: cellKey(row.cells[column]) }));
  rows.sort((a, b) => compareKeys(a.key, b.key, direction) || a.place - b.place);
  table.tBodies[0].append(...rows.map((r) => r.row));
  [...table.tHead.rows[0].cells].forEach((head, k) => {
    if (k === column) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  });
}

/** Sort a table as the address says; without a word in it the table stays as it is. */
function sortAsLinked(table) {
  const said = linked(`${table.id}-sort`);
  if (!said) return;
  const key = said.replace(/-$/, "");
  [...table.tHead.rows[0].cells].forEach((head, k) => {
    if (head.dataset.key === key) sortBy(table, k, said.endsWith("-") ? -1 : 1);
  });
}

/**
 * Make the headings of a table buttons; the first click shows the best values first. Return the function that sorts as
 * the address says.
 */
export function sortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = el("button", null, { type: "button" });
    // The way to the method stays beside the button: one inside the other could not be followed.
    button.append(...[...head.childNodes].filter((node) => node.nodeName !== "A"));
    head.prepend(button);
    on(button, "click", () => {
      const now = head.getAttribute("aria-sort");
      const first = button.textContent.includes("\u2191") ? -1 : 1;
      const direction = now ? (now === "ascending" ? -1 : 1) : first;
      sortBy(table, column, direction);
      showAll(table);
      link({ [`${table.id}-sort`]: head.dataset.key + (direction < 0 ? "-" : "") });
    });
  });
  const follow = () => sortAsLinked(table);
  follow();
  return follow;
}
