// The pictures of a tile: linked panes, their controls, and their address.
import { el, find, findAll, on } from "./dom.js";
import { inspect } from "./inspect.js";
import { link, linked } from "./link.js";
import { moves } from "./moves.js";
import { boxOf, panesOf, place } from "./panes.js";
import { spot } from "./spots.js";
import { firstView, LEVELS, readView, viewWords } from "./view.js";

const FIELDS = ["a", "b", "mode", "pair", "as", "tone", "cut"];
const SETTLED = 200; // ms without a move, after which the address and the profile follow

function layersOf(data) {
  return data.layers.map(([key, title, note, ...own]) => ({ key, title, note, own }));
}

/** Say in words what is drawn. */
function words(view, z) {
  const zoom = view.z ? `zoom ${Math.round(z * 100) / 100}` : "whole tile";
  const source = view.z < 1 ? "overview, lossy" : "native pixels, lossless where a crop is there";
  const kind = view.as === "delivered" ? "as delivered: overview, lossy" : source;
  return `x ${view.x}, y ${view.y} px; ${zoom}; ${kind}`;
}

/** Make the viewer of a tile work; return the function that sets it from the address. */
export function viewer(root) {
  const data = JSON.parse(find("#tile-data").textContent);
  const tile = { ...data, layers: layersOf(data) };
  const models = tile.layers.slice(2).map((layer) => layer.key);
  const first = firstView(tile, models);
  const [form, box, details] = [find("form", root), find(".panes", root), find("details", root)];
  const E = form.elements;
  let panes = [];
  let back = false;
  let timer = 0;
  const self = { side: tile.side, box: () => boxOf(panes), view: null, at: null };

  const settle = () => {
    link(viewWords(self.view, first));
    find("output", form).textContent = words(self.view, self.at.z);
    if (details.open) inspect(details, tile, self.view);
  };
  const arrange = () => {
    self.at = place(tile, self.view, panes, back);
  };
  const build = () => {
    panes = panesOf(tile, self.view);
    box.replaceChildren(...panes.map((pane) => pane.figure));
    root.dataset.mode = self.view.mode;
    spot([self.view.a, self.view.b]);
    for (const name of FIELDS) if (E[name]) E[name].value = self.view[name];
    const pairs = self.view.mode === "swipe" || self.view.mode === "flip";
    E.pair.parentNode.hidden = !pairs;
    E.cut.parentNode.hidden = self.view.mode !== "swipe";
    E.flip.hidden = self.view.mode !== "flip";
  };
  self.show = (view) => {
    const old = self.view;
    self.view = view;
    // A new cut moves an edge in the panes that are there.
    if (!old || FIELDS.some((key) => key !== "cut" && old[key] !== view[key])) build();
    root.classList.toggle("zoomed", view.z > 0);
    for (const b of findAll("[data-z]", form)) b.setAttribute("aria-pressed", +b.dataset.z === view.z);
    arrange();
    clearTimeout(timer);
    timer = setTimeout(settle, old ? SETTLED : 0);
  };
  self.flip = () => {
    if (self.view.mode !== "flip") return;
    back = !back;
    E.flip.setAttribute("aria-pressed", back);
    arrange();
  };
  const follow = () => self.show(readView(linked, first, models, tile.side));

  on(form, "input", () => {
    const said = FIELDS.filter((name) => E[name]).map((name) => [name, E[name].value]);
    self.show({ ...self.view, ...Object.fromEntries(said), cut: +E.cut.value });
  });
  on(form, "submit", (event) => event.preventDefault());
  on(form, "click", ({ target }) => {
    const { view } = self;
    if (target.dataset.z) self.show({ ...view, z: +target.dataset.z });
    else if (target.name === "detail") self.show({ ...view, x: first.x, y: first.y, z: 4 });
    else if (target.name === "swap") self.show({ ...view, a: view.b, b: view.a });
    else if (target.name === "flip") self.flip();
  });
  on(details, "toggle", settle);
  for (const figure of findAll("figure[data-key]", root)) {
    on(figure, "click", () => self.show({ ...self.view, a: figure.dataset.key }));
  }
  for (const z of LEVELS) {
    E.detail.before(el("button", String(z), { type: "button", "data-z": z, "aria-label": `Zoom ${z}` }));
  }
  follow();
  moves(box, self);
  new ResizeObserver(arrange).observe(box);
  return follow;
}
