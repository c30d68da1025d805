// Pages of text and tables.
import { copyable } from "../copy.js";
import { sortable } from "../sort.js";
import { start } from "../start.js";

start([
  ["table.sortable", sortable],
  ["pre", copyable],
]);
