// What the viewer shows, as numbers: everything here computes and touches no page.

export const LEVELS = [1, 2, 4, 8];
const MODES = ["side", "swipe", "flip", "diff"];
const PAIRS = ["at", "bt", "ab", "it", "ia"];
const TONES = ["target", "own", "gamma", "nir"];

/** Return `value` within two limits; where they cross, the lower one. */
export function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}

/** Return the view of a page without a word in its address: the two best models, whole tile, crosshair at the detail. */
export function firstView(tile, models) {
  const [x, y] = tile.detail;
  const [a = "", b = a] = models;
  return { a, b, mode: "side", pair: a ? "at" : "it", z: 0, x, y, as: "scored", tone: "target", cut: 50 };
}

function oneOf(value, allowed, otherwise) {
  return allowed.includes(value) ? value : otherwise;
}

/** Return the view that an address describes; what it does not say, or says wrongly, is as in `first`. */
export function readView(get, first, models, side) {
  const number = (text, low, high, otherwise) => {
    const value = Number.parseFloat(text);
    return Number.isFinite(value) ? clamp(value, low, high) : otherwise;
  };
  const [x, y] = (get("c") || "").split(",");
  return {
    a: oneOf(get("a"), models, first.a),
    b: oneOf(get("b"), models, first.b),
    mode: oneOf(get("mode"), MODES, first.mode),
    pair: oneOf(get("pair"), PAIRS, first.pair),
    z: number(get("z"), 0, 8, first.z),
    x: number(x, 0, side - 1, first.x),
    y: number(y, 0, side - 1, first.y),
    as: oneOf(get("as"), ["scored", "delivered"], first.as),
    tone: oneOf(get("tone"), TONES, first.tone),
    cut: number(get("cut"), 0, 100, first.cut),
  };
}

/** Return what an address must say of a view: an empty text for what is as in `first`. */
export function viewWords(view, first) {
  const said = {};
  for (const key of ["a", "b", "mode", "pair", "z", "as", "tone", "cut"]) {
    said[key] = view[key] === first[key] ? "" : String(view[key]);
  }
  const moved = view.x !== first.x || view.y !== first.y;
  said.c = moved ? `${view.x},${view.y}` : "";
  return said;
}

/** Return the next zoom in (1) or out (-1) of `z`; 0 stands for the whole tile, which is drawn at `fit`. */
export function stepZoom(z, fit, direction) {
  const levels = [fit, ...LEVELS.filter((level) => level > fit)];
  const now = z || fit;
  const next = direction > 0 ? levels.find((l) => l > now) : levels.findLast((l) => l < now);
  if (next === undefined) return z;
  return next === fit ? 0 : next;
}

/** Return where a picture of `size` px begins in a box so that the point `at` of it is in the middle, without a gap. */
export function placed(at, size, box) {
  return Math.round(size <= box ? (box - size) / 2 : clamp(box / 2 - at, box - size, 0));
}

/** Return the crops, [x, y] of `cell` px, that a box shows of a picture that begins at `left` and `top`. */
export function cropsSeen(cells, cell, z, left, top, box) {
  const seen = (start, begin) => begin + start * z < box && begin + (start + cell) * z > 0;
  return cells.filter(([x, y]) => seen(x, left) && seen(y, top));
}

/** Return the crop that holds a point, undefined if none does. */
export function cropAt(cells, cell, x, y) {
  return cells.find(([left, top]) => x >= left && x < left + cell && y >= top && y < top + cell);
}

/** Return [metres, px] of the longest scale bar of 1, 2 or 5 times a power of ten within `most` px. */
export function scaleBar(metres, most) {
  const limit = most * metres;
  const power = 10 ** Math.floor(Math.log10(limit));
  const length = [5, 2, 1].find((step) => step * power <= limit) * power;
  return [length, length / metres];
}

/** Return counts of `bins` equal steps of the bytes 0 to 255 of one band of RGBA pixels. */
export function histogram(pixels, band, bins) {
  const counts = new Array(bins).fill(0);
  for (let i = band; i < pixels.length; i += 4) counts[(pixels[i] * bins) >> 8] += 1;
  return counts;
}

/** Return the mean of the bands along a row of RGBA pixels of `width` columns, 0 to 1. */
export function profile(pixels, width, row) {
  return Array.from({ length: width }, (_, column) => {
    const i = 4 * (row * width + column);
    // 765 is 255 in three bands.
    return (pixels[i] + pixels[i + 1] + pixels[i + 2]) / 765;
  });
}
