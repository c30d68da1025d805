// Panes of the viewer: one or two pictures over each other, all panes at the same place and zoom.
import { crop } from "./crops.js";
import { el, findAll } from "./dom.js";
import { errorFilter, toneFilter } from "./tones.js";
import { clamp, cropsSeen, placed, scaleBar } from "./view.js";

const LETTERS = { a: "A", b: "B", t: "Target", i: "Input" };

/** Return the layer that a letter stands for: a, b, t(arget) or i(nput). */
function layerOf(tile, view, letter) {
  const key = { a: view.a, b: view.b, t: "target", i: "input" }[letter];
  return tile.layers.find((layer) => layer.key === key);
}

/** Return the file of a layer in this view; null where there is none. */
function fileOf(tile, view, layer) {
  const model = layer.key !== "target" && layer.key !== "input";
  if (view.tone === "nir") return model || !tile.infrared ? null : `${tile.folder}n-${layer.key}.webp`;
  if (layer.key === "input") return `${tile.folder}input.webp`;
  return `${tile.folder}${model && view.as === "delivered" ? "d" : "p"}-${layer.key}.webp`;
}

/** Return whether a layer has lossless crops in this view: models as delivered have an overview alone. */
function hasCrops(view, layer) {
  if (layer.key === "input" || view.tone === "nir") return false;
  return view.as === "scored" || (layer.key === "target" && view.mode !== "diff");
}

/** Return a picture that can be placed: its overview, and crops as they come. */
function world(tile, view, layer) {
  const box = el("div", null, { class: layer.key === "input" ? "world input" : "world" });
  const file = fileOf(tile, view, layer);
  if (file === null) {
    box.append(el("p", "No near infrared: predictions are red, green and blue."));
    return { box, layer, shown: new Set() };
  }
  const image = el("img", null, { src: file, alt: `${layer.title} of tile ${tile.title}`, draggable: "false" });
  if (layer.key === "input" && view.as === "scored") {
    image.style.top = `${(-100 * tile.shift[0]) / tile.side}%`;
    image.style.left = `${(-100 * tile.shift[1]) / tile.side}%`;
  }
  box.append(image);
  return { box, layer, shown: new Set() };
}

function caption(tile, view, letters) {
  const text = el("figcaption");
  letters.split("").forEach((letter, k) => {
    const layer = layerOf(tile, view, letter);
    if (k) text.append(view.mode === "diff" ? " \u2212 " : " | ");
    text.append(el("b", LETTERS[letter]));
    if (layer.title !== LETTERS[letter]) text.append(" ", el("bdi", layer.title));
    if (letters.length === 1 && layer.note) text.append(" ", el("small", layer.note));
  });
  return text;
}

/** Return a pane of the layers that `letters` name; two are swiped, flipped or subtracted as the view says. */
function pane(tile, view, letters) {
  const worlds = letters.split("").map((letter) => world(tile, view, layerOf(tile, view, letter)));
  const stack = el("div", null, { class: "layers" });
  stack.append(...worlds.map((w) => w.box));
  const window = el("div", null, { class: "window" });
  window.append(stack, el("i", null, { class: "cross" }), el("span", null, { class: "scale" }));
  if (view.mode === "diff") {
    stack.style.filter = errorFilter(tile.range);
    worlds[1].box.classList.add("minus");
  } else {
    for (const w of worlds) w.box.style.filter = toneFilter(view.tone, w.layer);
  }
  const figure = el("figure", null, { class: "pane" });
  figure.append(caption(tile, view, letters), window);
  return { figure, window, worlds };
}

/** Return the panes of a view. */
export function panesOf(tile, view) {
  const models = view.a ? (view.a === view.b ? "a" : "ab") : "";
  const shown = {
    side: ["i", ...models, "t"],
    diff: { "": [], a: ["at"], ab: ["at", "bt", "ab"] }[models],
  }[view.mode] || [view.pair];
  return shown.map((letters) => pane(tile, view, letters));
}

/** Put the crops that a pane shows over its overview. */
function addCrops(tile, view, w, z, left, top, box) {
  if (view.z < 1 || !hasCrops(view, w.layer)) return;
  for (const [x, y] of cropsSeen(tile.cells, tile.cell, z, left, top, box)) {
    const name = `${x},${y}`;
    if (w.shown.has(name)) continue;
    w.shown.add(name);
    crop(tile.folder, w.layer.key, x, y).then((image) => {
      if (!image) return;
      // A copy: several panes may show this crop, and an element is in one place only.
      const part = image.cloneNode();
      const share = (px) => `${(100 * px) / tile.side}%`;
      part.alt = "";
      Object.assign(part.style, { left: share(x), top: share(y) });
      Object.assign(part.style, { width: share(image.naturalWidth), height: share(image.naturalHeight) });
      w.box.append(part);
    });
  }
}

/** Return the side of the panes' windows, px. */
export function boxOf(panes) {
  return panes[0].window.clientWidth;
}

/** Place everything in the panes; return {left, top, z} of the pictures in their windows. */
export function place(tile, view, panes, back) {
  const box = boxOf(panes);
  const z = Math.max(view.z, box / tile.side); // a small tile fills its window at every zoom
  const size = tile.side * z;
  const [left, top] = [placed(view.x * z, size, box), placed(view.y * z, size, box)];
  const px = (value) => `${value}px`;
  const [length, width] = scaleBar(tile.pixel / z, box * 0.35);
  for (const { figure, window, worlds } of panes) {
    worlds.forEach((w, k) => {
      Object.assign(w.box.style, { left: px(left), top: px(top), width: px(size), height: px(size) });
      w.box.classList.toggle("hard", z >= 1);
      if (view.mode === "swipe" && k === 0) {
        const cut = clamp((view.cut / 100) * box - left, 0, size);
        w.box.style.clipPath = `inset(0 ${px(size - cut)} 0 0)`;
      }
      if (view.mode === "flip") {
        const shown = (k === 1) === back;
        w.box.style.visibility = shown ? "visible" : "hidden";
        findAll("b", figure)[k].classList.toggle("shown", shown);
      }
      addCrops(tile, view, w, z, left, top, box);
    });
    // In a swipe the first layer lies on top, so that the left side shows it.
    if (view.mode === "swipe") worlds[0].box.style.zIndex = 1;
    const [, cross, scale] = window.children;
    cross.style.left = px(left + (view.x + 0.5) * z);
    cross.style.top = px(top + (view.y + 0.5) * z);
    scale.textContent = `${length} m`;
    scale.style.width = px(width);
  }
  return { left, top, z };
}
