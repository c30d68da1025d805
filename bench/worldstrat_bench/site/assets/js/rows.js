// Which rows of a board a narrow screen shows: the first few until a reader asks for all.
import { findAll } from "./dom.js";

/** Take the opened parts out of a table, so that its rows are the models. */
export function closeRows(table) {
  for (const part of findAll(".more", table)) part.remove();
  for (const button of findAll(".open", table)) button.setAttribute("aria-expanded", "false");
}

/** Show every row of a table. */
export function showAll(table) {
  table.classList.add("whole");
  const button = table.parentNode.nextElementSibling;
  if (button?.classList.contains("all")) button.remove();
}
