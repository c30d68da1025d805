// What starts when: colours and columns before the first paint, the rest when the page is there.
import { compare } from "./compare.js";
import { findAll } from "./dom.js";
import { filters, startColumns } from "./filter.js";
import { followAddress } from "./link.js";
import { slider } from "./slider.js";
import { sortAsLinked, sortable } from "./sort.js";
import { startTheme, themeButton } from "./theme.js";

startTheme();
document.documentElement.classList.add("js");
startColumns();

document.addEventListener("DOMContentLoaded", () => {
  themeButton();
  const tables = findAll("table.sortable");
  tables.forEach(sortable);
  findAll(".slider").forEach(slider);
  const follow = [...findAll("form.ctl[data-for]").map(filters), ...findAll("form.cmp").map(compare)];
  followAddress(() => {
    tables.forEach(sortAsLinked);
    for (const one of follow) one();
  });
});
