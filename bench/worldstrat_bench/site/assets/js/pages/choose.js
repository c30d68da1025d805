// The page that chooses a model.
import { choose } from "../choose.js";
import { openable } from "../open.js";
import { sortable } from "../sort.js";
import { start } from "../start.js";

start([
  ["table.sortable", sortable],
  ["table.models", openable],
  ["form.choose", choose],
]);
