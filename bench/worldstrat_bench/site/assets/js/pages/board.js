// A board, of all tiles or of a stratum.
import { copyable } from "../copy.js";
import { filters, startColumns } from "../filter.js";
import { openable } from "../open.js";
import { pickable } from "../picks.js";
import { sortable } from "../sort.js";
import { start } from "../start.js";

start([
  ["table.sortable", sortable],
  ["table.models", openable],
  ["pre", copyable],
  ["#board", pickable],
  ["form.ctl[data-for]", filters],
]);
startColumns();
