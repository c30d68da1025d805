// Models that are ticked on a board, and the way with them to the page of two models and to the tiles.
import { el, on } from "./dom.js";
import { link, linked } from "./link.js";

const MOST = 2;

/** Return the ticked slugs after a click on one: at most two, the oldest goes first. */
export function picked(before, slug, isOn) {
  const others = before.filter((one) => one !== slug);
  return isOn ? [...others, slug].slice(-MOST) : others;
}

/** Return what an address on another page says of the ticked models. */
export function pickedHash(slugs) {
  const words = slugs.map((slug, i) => `${"ab"[i]}=${slug}`);
  return `#${words.join("&")}`;
}

/** Let rows be ticked; return the function that ticks those of the address. */
export function pickable(table) {
  const boxes = new Map();
  const titles = new Map();
  for (const row of table.tBodies[0].rows) {
    const box = el("input", null, { type: "checkbox", class: "tick" });
    const name = row.querySelector("a");
    box.setAttribute("aria-label", `Tick ${name.textContent}`);
    row.cells[0].prepend(box);
    // The id of a row is r- and the slug.
    boxes.set(row.id.slice(2), box);
    titles.set(row.id.slice(2), name.textContent);
  }
  const base = table
    .querySelector("tbody a")
    .getAttribute("href")
    .replace(/m\/[^/]*$/, "");
  const bar = el("p", null, { class: "picked", "aria-live": "polite" });
  table.parentNode.after(bar);
  let slugs = [];
  const show = () => {
    for (const [slug, box] of boxes) box.checked = slugs.includes(slug);
    bar.hidden = !slugs.length;
    const names = slugs.map((slug) => titles.get(slug));
    const hash = pickedHash(slugs);
    const clear = el("button", "Clear", { type: "button" });
    on(clear, "click", () => choose([]));
    bar.replaceChildren(
      el("span", `Ticked: ${names.join(", ")}`),
      el("a", "Compare", { href: `${base}compare.html${hash}` }),
      el("a", "On tiles", { href: `${base}gallery.html${hash}` }),
      clear,
    );
  };
  const choose = (next) => {
    slugs = next;
    link({ pick: slugs.join(",") });
    show();
  };
  for (const [slug, box] of boxes) on(box, "change", () => choose(picked(slugs, slug, box.checked)));
  const follow = () => {
    slugs = (linked("pick") || "")
      .split(",")
      .filter((slug) => boxes.has(slug))
      .slice(0, MOST);
    show();
  };
  follow();
  return follow;
}
