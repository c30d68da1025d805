// Models that a reader looks at, named in the plot of all models on a tile.
import { find, findAll, svgEl } from "./dom.js";
import { linked } from "./link.js";

/** Name the models with these slugs below the plot, each in a row of its own. */
export function spot(slugs) {
  for (const old of findAll(".on")) old.remove();
  slugs.forEach((slug, i) => {
    const who = findAll("#models a").find((a) => a.href.endsWith(`/${slug}.html`))?.textContent;
    const x = findAll(".dt").find((c) => c.textContent === who)?.cx.baseVal.value;
    if (!x) return;
    const y = 72 + 20 * i;
    find(".strip").append(
      // Not through the figures of the axis.
      svgEl("path", null, { class: "fr on", d: `M${x} 38v9m0 19V${y}` }),
      // In the right half of the drawing, which is 720 wide, a name goes to the left.
      svgEl("text", who, { class: "on", x, y, dy: 10, "text-anchor": x < 360 ? "" : "end" }),
    );
  });
}

/** Name the models of the address, unless a viewer names those that it shows; return this function. */
export function spotted() {
  find(".viewer") || spot([linked("a"), linked("b")]);
  return spotted;
}
