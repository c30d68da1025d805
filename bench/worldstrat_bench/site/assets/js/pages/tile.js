// A tile: its pictures, and what every model scores on it.
import { sortable } from "../sort.js";
import { spotted } from "../spots.js";
import { start } from "../start.js";
import { viewer } from "../viewer.js";

start([
  [".strip", spotted],
  ["table.sortable", sortable],
  [".viewer", viewer],
]);
