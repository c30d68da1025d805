// What starts when: colours and columns before the first paint, the rest when the page is there.
import { choose } from "./choose.js";
import { compare } from "./compare.js";
import { copyable } from "./copy.js";
import { findAll, on } from "./dom.js";
import { filters, startColumns } from "./filter.js";
import { followAddress } from "./link.js";
import { pickable } from "./picks.js";
import { openable } from "./rows.js";
import { sortAsLinked, sortable } from "./sort.js";
import { startTheme, themeButton } from "./theme.js";
import { viewer } from "./viewer.js";

startTheme();
document.documentElement.classList.add("js");
startColumns();

on(document, "DOMContentLoaded", () => {
  themeButton();
  const tables = findAll("table.sortable");
  tables.forEach(sortable);
  findAll("table.models").forEach(openable);
  findAll("pre").forEach(copyable);
  const follow = [
    ...findAll("#board").map(pickable),
    ...findAll("form.ctl[data-for]").map(filters),
    ...findAll("form.cmp").map(compare),
    ...findAll("form.choose").map(choose),
    ...findAll(".viewer").map(viewer),
  ];
  followAddress(() => {
    tables.forEach(sortAsLinked);
    for (const one of follow) one();
  });
});
