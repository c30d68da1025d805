// How pictures are drawn: stretches and the colours of errors, as filters, because files cannot be read back.
import { svgEl } from "./dom.js";

const ERROR_MAX = 0.1;
// Anchors of matplotlib's inferno, by band, 0 to 1; imaging.py has the same.
const INFERNO = [
  "0 .157 .396 .624 .831 .961 .98 .988",
  "0 .043 .082 .165 .282 .49 .757 1",
  ".016 .329 .431 .388 .259 .082 .153 .643",
];
let drawing = null;

/** Return the CSS name of a filter, made when it is first asked for. */
function filter(id, steps) {
  if (!drawing) {
    drawing = svgEl("svg", null, { class: "filters", "aria-hidden": "true" });
    document.body.append(drawing);
  }
  if (!document.getElementById(id)) {
    const made = svgEl("filter", null, { id, "color-interpolation-filters": "sRGB", x: 0, y: 0, width: 1, height: 1 });
    made.append(...steps);
    drawing.append(made);
  }
  return `url(#${id})`;
}

/** Return a step that maps each band; `attributes` gives those of band 0 to 2. */
function transfer(attributes) {
  const step = svgEl("feComponentTransfer");
  step.append(...["R", "G", "B"].map((band, i) => svgEl(`feFunc${band}`, null, attributes(i))));
  return step;
}

/** Return the filter of a stretch for a layer: its own range, a gamma of 0.5, or none. */
export function toneFilter(tone, layer) {
  if (tone === "gamma") return filter("tone-gamma", [transfer(() => ({ type: "gamma", exponent: 0.5 }))]);
  if (tone !== "own") return "none";
  const [slope, intercept] = layer.own;
  return filter(`tone-own-${layer.key}`, [transfer(() => ({ type: "linear", slope, intercept }))]);
}

/** Return the filter that turns a difference of pictures into the colours of errors, 0 to 0.1 reflectance. */
export function errorFilter([low, high]) {
  // From the stretch of the target back to reflectance, as a share of the brightest error; a third of each band is the
  // mean.
  const k = (high - low) / ERROR_MAX / 3;
  const row = `${k} ${k} ${k} 0 0 `;
  const mean = svgEl("feColorMatrix", null, { values: `${row.repeat(3)}0 0 0 0 1` });
  return filter("tone-error", [mean, transfer((i) => ({ type: "table", tableValues: INFERNO[i] }))]);
}
