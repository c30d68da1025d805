// Which model to use: the cheapest that is not worse than the best by more than a tolerance. No page is needed here.
import { crossedTiles } from "./crossed.js";
import { many, signed, threeDigits } from "./numbers.js";
import { paired } from "./paired.js";

const COMMERCIAL = {
  permissive: "which allows commercial use",
  copyleft: "which allows commercial use of what stays under the same terms",
  "non-commercial": "which allows no commercial use",
};

// What is said of a licence that does not allow it, and of one of which that is not known.
const UNMET_TERMS = {
  permissive: ["not permissive", "not known to be permissive"],
  commercial: ["no commercial use", "not known to allow commercial use"],
};

/** Return a model's licence, and whether it allows commercial use. */
export function licenceText({ licence, terms }) {
  if (!licence) return "licence not stated, so it is not known whether commercial use is allowed";
  return `licence ${licence}, ${COMMERCIAL[terms] ?? "of which this site does not know whether it allows commercial use"}`;
}

/** Return how many frames a model was offered where nothing states how many it needs. */
export function offeredText(frames) {
  return `frames needed not stated (${frames} offered)`;
}

function framesUnmet({ frames, declared }, most) {
  if (!most || (frames !== null && frames <= most)) return "";
  if (frames === null) return "How many frames it uses is not known.";
  if (!declared) return `F${offeredText(frames).slice(1)}, you have ${most}.`;
  return `Uses up to ${many(frames, "frame")}, you have ${most}; with fewer it was not measured.`;
}

function licenceUnmet({ licence, terms }, asked) {
  if (!asked || terms === "permissive" || (asked === "commercial" && terms === "copyleft")) return "";
  const [known, unknown] = UNMET_TERMS[asked];
  return `Licence ${licence || "not stated"}: ${terms === "unknown" ? unknown : known}.`;
}

function timeUnmet(ms, { most, device }) {
  if (!most || (ms !== null && ms <= most)) return "";
  return ms === null
    ? `No valid time on ${device || "any device class"}.`
    : `Takes ${threeDigits(ms)} ms a tile, more than ${threeDigits(most)}.`;
}

function statusUnmet(model, status) {
  if (!model.ranked) return "Self-reported: not verified, so it takes no part.";
  return status === "verified" && !model.verified ? "Self-reported, not verified." : "";
}

/** Return every reason why a model does not meet the conditions, a sentence each, "" if it does. */
export function unmet(model, want, ms) {
  const reasons = [
    statusUnmet(model, want.status),
    framesUnmet(model, want.frames),
    licenceUnmet(model, want.licence),
    timeUnmet(ms, want),
  ];
  return reasons.filter(Boolean).join(" ");
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
  if (frames === null) return "how many frames it uses is not known";
  const uses = other.model.declared ? `uses up to ${many(frames, "frame")}` : offeredText(frames);
  return `${uses} against ${pick.model.frames}`;
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
    const unscored = model.ranked && !known ? "It has no score on some of these tiles." : "";
    const reason = [unmet(model, want, ms), unscored].filter(Boolean).join(" ");
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
