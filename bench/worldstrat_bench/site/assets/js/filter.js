// The controls above a board: search, filters, groups of columns.
import { on } from "./dom.js";
import { link, linked, linkedAll } from "./link.js";
import { closeRows, showAll } from "./rows.js";

const GROUPS = ["metrics", "lists", "entry"];
const CHOICES = ["family", "frames", "status"];

/** Hide columns that start hidden before the first paint, so that nothing moves. */
export function startColumns() {
  const root = document.documentElement;
  for (const group of GROUPS) {
    const said = linked(`g-${group}`);
    root.classList.toggle(`off-${group}`, said === null ? group !== "entry" : said !== "1");
  }
  root.classList.toggle("no-ci", linked("ci") === "0");
}

/** Return whether a row passes: `query` is in its words, and every choice made is the row's own. */
export function passes(query, words, choices, own) {
  const asked = query.trim().toLowerCase();
  if (asked && !words.toLowerCase().includes(asked)) return false;
  return Object.entries(choices).every(([key, value]) => !value || own[key] === value);
}

/** Return "3 of 10 models" or "10 models". */
export function countText(seen, all) {
  const part = seen === all ? "" : `${seen} of `;
  return `${part}${all} ${all === 1 ? "model" : "models"}`;
}

function apply(form, table) {
  const fields = form.elements;
  const choices = Object.fromEntries(CHOICES.map((key) => [key, fields[key]?.value]));
  closeRows(table);
  if (fields.q.value || Object.values(choices).some(Boolean)) showAll(table);
  const rows = [...table.tBodies[0].rows];
  for (const row of rows) {
    const words = `${row.cells[0].textContent} ${row.dataset.words || ""}`;
    row.hidden = !passes(fields.q.value, words, choices, row.dataset);
  }
  for (const group of GROUPS) {
    const box = fields[`g-${group}`];
    if (box) document.documentElement.classList.toggle(`off-${group}`, !box.checked);
  }
  document.documentElement.classList.toggle("no-ci", !fields.ci.checked);
  form.querySelector("output").textContent = countText(rows.filter((r) => !r.hidden).length, rows.length);
}

function save(form) {
  const fields = form.elements;
  const said = { ci: fields.ci.checked ? "" : "0" };
  for (const key of ["q", ...CHOICES]) said[key] = fields[key]?.value || "";
  for (const group of GROUPS) {
    const box = fields[`g-${group}`];
    if (box) said[`g-${group}`] = box.checked === box.defaultChecked ? "" : box.checked ? "1" : "0";
  }
  link(said);
}

/** Set a form's fields as the address says; what the address does not name is at its default. */
function restore(form) {
  form.reset();
  for (const [key, value] of linkedAll()) {
    const field = form.elements[key];
    if (field?.type === "checkbox") field.checked = value === "1";
    else if (field) field.value = value;
  }
}

/** Make the controls of a table work; return the function that sets them from the address. */
export function filters(form) {
  const table = document.getElementById(form.dataset.for);
  if (!table) return () => {};
  // restore() resets the form, and that reset must not write the address that is being read.
  let restoring = false;
  const follow = () => {
    restoring = true;
    restore(form);
    restoring = false;
    apply(form, table);
  };
  on(form, "input", () => {
    apply(form, table);
    save(form);
  });
  on(form, "submit", (event) => event.preventDefault());
  on(form, "reset", () => {
    // a reset event comes before the fields change
    if (!restoring) {
      setTimeout(() => {
        apply(form, table);
        save(form);
      });
    }
  });
  follow();
  return follow;
}
