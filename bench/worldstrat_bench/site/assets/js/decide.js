// Which model to use: the cheapest that is not worse than the best by more than a tolerance. No page is needed here.
import { crossedTiles } from "./crossed.js";
import { many, signed, threeDigits } from "./numbers.js";
import { paired } from "./paired.js";

const COMMERCIAL = {
  permissive: "which allows commercial use",
  copyleft: "which allows commercial use of what stays under the same terms",
  "non-commercial": "which allows no commercial use",
};

/** Return a model's licence, and whether it allows commercial use. */
export function licenceText({ licence, terms }) {
  if (!licence) return "licence not stated, so it is not known whether commercial use is allowed";
  return `licence ${licence}, ${COMMERCIAL[terms] ?? "of which this site does not know whether it allows commercial use"}`;
}

/** Return why a model does not meet the conditions, "" if it does. */
export function unmet(model, want, ms) {
  if (!model.ranked) return "Self-reported: not verified, so it takes no part.";
  if (want.status === "verified" && !model.verified) return "Self-reported, not verified.";
  const frames = model.frames;
  if (want.frames && frames === null) return "How many frames it uses is not known.";
  if (want.frames && frames > want.frames) {
    const how = model.declared ? "Uses up to" : "Was given";
    return `${how} ${many(frames, "frame")}, you have ${want.frames}; with fewer it was not measured.`;
  }
  const licence = model.licence || "not stated";
  if (want.licence === "permissive" && model.terms !== "permissive") {
    return `Licence ${licence}: ${model.terms === "unknown" ? "not known to be" : "not"} permissive.`;
  }
  if (want.licence === "commercial" && model.terms !== "permissive" && model.terms !== "copyleft") {
    return model.terms === "unknown"
      ? `Licence ${licence}: not known to allow commercial use.`
      : `Licence ${licence}: no commercial use.`;
  }
  if (want.most && ms === null) return `No valid time on ${want.device || "any device class"}.`;
  return want.most && ms > want.most ? `Takes ${threeDigits(ms)} ms a tile, more than ${threeDigits(want.most)}.` : "";
}

/** Return the time of a model for a tile, ms: on a device class, or with none chosen the least; null if not known. */
export function timeOn(model, devices, device) {
  const own = model.ms.filter((ms, i) => ms !== null && (!device || devices[i] === device));
  return own.length ? Math.min(...own) : null;
}

/** Return the difference of two models on tiles: {value, effective, low, high}; no ends where none may be drawn. */
export function differenceOn(data, i, j, tiles) {
  const values = tiles.map((tile) => (data.values[i][tile] - data.values[j][tile]) / data.scale);
  const groups = tiles.map((tile) => data.groups[tile]);
  const found = paired(values, groups, data.fewest);
  if (found.effective < data.drawn) return { ...found, low: null, high: null };
  // A difference that never varies is certain.
  return found.low === null ? { ...found, low: found.value, high: found.value } : found;
}

/** Return effective groups of tiles. */
function effectiveOf(data, tiles) {
  return tiles.length
    ? paired(
        tiles.map(() => 0),
        tiles.map((tile) => data.groups[tile]),
        data.fewest,
      ).effective
    : 0;
}

/** Return a difference with its interval and unit: "\u22121.29 dB [\u22123.16, \u22120.94]". */
export function differenceText(data, found) {
  const text = `${signed(found.value, data.decimals)} ${data.unit}`;
  return found.low === null
    ? text
    : `${text} [${signed(found.low, data.decimals)},\u00a0${signed(found.high, data.decimals)}]`;
}

/** Return why a model that meets the conditions is not within the tolerance of the best, "" if it is. */
function tooFar(data, found) {
  if (found.low === null || found.low >= -data.tolerance) return "";
  const text = differenceText(data, found);
  return found.high < -data.tolerance
    ? `Worse than the best by more than ${data.tolerance} ${data.unit}: ${text}.`
    : `Not shown to be within ${data.tolerance} ${data.unit} of the best: ${text}.`;
}

/** Compare two candidates by cost: known times first, shorter ones first, then frames, then the higher mean. */
function cheaper(a, b) {
  const time = (c) => c.ms ?? Number.POSITIVE_INFINITY;
  const frames = (c) => c.model.frames ?? Number.POSITIVE_INFINITY;
  if (time(a) !== time(b)) return time(a) < time(b) ? -1 : 1;
  if (frames(a) !== frames(b)) return frames(a) < frames(b) ? -1 : 1;
  return b.mean - a.mean;
}

/** Return in what way a model costs more than the one that is named. */
function dearer(other, pick, device) {
  if (pick.ms !== null && other.ms === null) return `no valid time on ${device}, so it may be cheaper or not`;
  if (other.ms !== pick.ms) return `slower: ${threeDigits(other.ms)} ms a tile against ${threeDigits(pick.ms)}`;
  const frames = other.model.frames;
  if (frames === pick.model.frames) return "it costs the same as far as is known, and its mean is lower";
  return frames === null
    ? "how many frames it uses is not known"
    : `uses up to ${many(frames, "frame")} against ${pick.model.frames}`;
}

/**
 * Decide. `want` has frames, device, licence, most (ms a tile), status, and crossed: axis to words.
 *
 * Returns {tiles, effective, words, best, pick, difference, top, out}: candidates {i, model, ms, mean} or null, the
 * difference of the pick to the best, a model that is better than the best and does not meet them, with its difference
 * to it, and [i, reason] of every other model. No pick with too few groups.
 */
export function decide(data, want) {
  const { tiles, words } = crossedTiles(data.strata, want.crossed, data.tiles);
  const effective = effectiveOf(data, tiles);
  const out = [];
  const fit = [];
  let first = { mean: Number.NEGATIVE_INFINITY };
  data.models.forEach((model, i) => {
    const ms = timeOn(model, data.devices, want.device);
    const known = model.ranked && tiles.every((tile) => data.values[i][tile] !== null);
    const reason = unmet(model, want, ms) || (known ? "" : "It has no score on some of these tiles.");
    const mean = known ? tiles.reduce((sum, tile) => sum + data.values[i][tile], 0) / tiles.length / data.scale : null;
    if (known && mean > first.mean) first = { i, model, mean };
    // Times of several device classes cannot be compared: without a class they cost nothing and meet a limit only.
    if (reason) out.push([i, reason]);
    else fit.push({ i, model, ms: want.device ? ms : null, mean });
  });
  const found = { tiles, effective, words, best: null, pick: null, difference: null, top: null, out };
  if (!tiles.length) return { ...found, out: [] };
  if (!fit.length) return found;
  found.best = fit.reduce((best, c) => (c.mean > best.mean ? c : best));
  if (effective < data.drawn) return found;
  if (first.mean > found.best.mean) {
    found.top = { ...first, difference: differenceOn(data, first.i, found.best.i, tiles) };
  }
  const near = [];
  for (const c of fit) {
    c.difference = differenceOn(data, c.i, found.best.i, tiles);
    const reason = c === found.best ? "" : tooFar(data, c.difference);
    if (reason) out.push([c.i, reason]);
    else near.push(c);
  }
  near.sort(cheaper);
  found.pick = near[0];
  found.difference = near[0].difference;
  for (const c of near.slice(1)) {
    const than = dearer(c, near[0], want.device);
    const who =
      c === found.best
        ? "The best"
        : `Within ${data.tolerance} ${data.unit} of the best, ${differenceText(data, c.difference)}`;
    out.push([c.i, `${who}; ${than}.`]);
  }
  out.sort((a, b) => a[0] - b[0]);
  return found;
}
