// Values in the crop that holds the crosshair: a profile along its row, and histograms by band.

import { chart, figure } from "./chart.js";
import { crop, pixelsOf } from "./crops.js";
import { el, find } from "./dom.js";
import { cropAt, histogram, profile } from "./view.js";

const STEPS = 32;
const BANDS = ["Red", "Green", "Blue"];

/** Draw profile and histograms of A, B and the target into an open `details`. */
export async function inspect(details, tile, view) {
  const out = find(".charts", details);
  const at = cropAt(tile.cells, tile.cell, view.x, view.y);
  const names = [...new Set([view.a, view.b].filter(Boolean)), "target"];
  const images = at ? await Promise.all(names.map((key) => crop(tile.folder, key, ...at))) : [null];
  if (images.includes(null)) {
    const [x, y] = tile.detail;
    out.replaceChildren(
      el("p", `There is no lossless crop at this place; this tile has one around x ${x}, y ${y}: Detail.`),
    );
    return;
  }
  const css = { target: "ln-t", [view.b]: "ln-b", [view.a]: "ln-a" };
  const pixels = images.map(pixelsOf);
  const [low, high] = tile.range;
  const wide = pixels[0].width;
  const lines = (values) => names.map((key, i) => [css[key], values(pixels[i])]);
  const row = chart(
    "Profile",
    lines((p) => profile(p.data, wide, view.y - at[1])),
    [620, 150],
    ["0 m", `${Math.round(wide * tile.pixel)} m`, `${low.toFixed(3)} to ${high.toFixed(3)} reflectance`],
    (view.x - at[0] + 0.5) / wide,
  );
  const bands = BANDS.map((band, k) => {
    const counts = pixels.map((p) => histogram(p.data, k, STEPS));
    const most = Math.max(...counts.flat());
    const scaled = counts.map((c, i) => [css[names[i]], c.map((n) => n / most)]);
    return chart(`Histogram of ${band}`, scaled, [200, 100], [low.toFixed(2), high.toFixed(2), band]);
  });
  const legend = el("p", null, { class: "key-lines" });
  for (const key of names) {
    const { title } = tile.layers.find((layer) => layer.key === key);
    legend.append(el("span", title, { class: css[key] }));
  }
  out.replaceChildren(
    legend,
    figure(
      `Mean of the bands along row ${view.y}, from the left edge of the crop; the dashed line is the crosshair.`,
      row,
    ),
    figure("Share of the crop's pixels by reflectance.", ...bands),
  );
}
