// The page of two models.
import { compare } from "../compare.js";
import { start } from "../start.js";

start([["form.cmp", compare]]);
