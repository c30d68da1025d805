// Drag, wheel, pinch and keys on the panes.
import { on } from "./dom.js";
import { clamp, stepZoom } from "./view.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const CLICK = 4; // px that a finger may move in a tap

/** Return the view after a zoom to `z` that keeps the point at (px, py) of a window where it is. */
export function zoomedAt(view, at, z, px, py, box, side) {
  const now = z || box / side;
  const keep = (p, start) => clamp(Math.round((p - start) / at.z + (box / 2 - p) / now), 0, side - 1);
  return { ...view, z, x: keep(px, at.left), y: keep(py, at.top) };
}

/** Let a reader move all panes; `viewer` has view, at, box, side and show(view). */
export function moves(panes, viewer) {
  const fit = () => viewer.box() / viewer.side;
  const held = new Map();
  let moved = false;
  let start = null;

  const inside = (event) => {
    const frame = event.target.closest(".window").getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  const pointed = (px, py) => {
    const { at, view, side } = viewer;
    const along = (p, begin) => clamp(Math.floor((p - begin) / at.z), 0, side - 1);
    viewer.show({ ...view, x: along(px, at.left), y: along(py, at.top) });
  };
  const spread = () => {
    const [[x1, y1], [x2, y2]] = [...held.values()];
    return Math.hypot(x1 - x2, y1 - y2);
  };
  const zoomTo = (z, [px, py]) => {
    const next = z <= fit() ? 0 : clamp(z, 0, 8);
    viewer.show(zoomedAt(viewer.view, viewer.at, next, px, py, viewer.box(), viewer.side));
  };

  on(panes, "pointerdown", (event) => {
    if (!event.target.closest(".window") || event.button) return;
    // A drag goes on where the pointer leaves the window.
    event.target.closest(".window").setPointerCapture(event.pointerId);
    panes.focus({ preventScroll: true });
    held.set(event.pointerId, inside(event));
    // Two fingers are never a tap.
    moved = held.size > 1;
    start = { point: inside(event), view: viewer.view, at: viewer.at, spread: held.size > 1 ? spread() : 0 };
  });
  on(panes, "pointermove", (event) => {
    if (!held.has(event.pointerId)) return;
    const [px, py] = inside(event);
    held.set(event.pointerId, [px, py]);
    const [dx, dy] = [px - start.point[0], py - start.point[1]];
    moved ||= Math.hypot(dx, dy) > CLICK;
    if (!moved) return;
    if (held.size === 2) zoomTo(Math.round(((start.at.z * spread()) / start.spread) * 20) / 20, [px, py]);
    else if (viewer.view.z) {
      const to = (from, by) => clamp(Math.round(from - by / start.at.z), 0, viewer.side - 1);
      viewer.show({ ...viewer.view, x: to(start.view.x, dx), y: to(start.view.y, dy) });
    } else pointed(px, py);
  });
  const up = (event) => {
    if (!held.delete(event.pointerId)) return;
    if (!moved && event.type === "pointerup") pointed(...inside(event));
  };
  on(panes, "pointerup", up);
  on(panes, "pointercancel", up);
  on(
    panes,
    "wheel",
    (event) => {
      // The page scrolls until the pictures have the focus, so that scrolling past does not catch on them.
      if (!event.target.closest(".window") || !(event.ctrlKey || panes === document.activeElement)) return;
      event.preventDefault();
      zoomTo(stepZoom(viewer.view.z, fit(), -event.deltaY) || fit(), inside(event));
    },
    { passive: false },
  );
  on(panes, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { view, side } = viewer;
    const step = Math.max(1, Math.round(16 / (view.z || 1)));
    if (ARROWS[event.key]) {
      const [dx, dy] = ARROWS[event.key];
      const to = (from, by) => clamp(from + by * step, 0, side - 1);
      viewer.show({ ...view, x: to(view.x, dx), y: to(view.y, dy) });
    } else if (event.key === "+" || event.key === "=") viewer.show({ ...view, z: stepZoom(view.z, fit(), 1) });
    else if (event.key === "-") viewer.show({ ...view, z: stepZoom(view.z, fit(), -1) });
    else if (event.key === "0") viewer.show({ ...view, z: 0 });
    else if (event.key === "f" || event.key === " ") viewer.flip();
    else return;
    event.preventDefault();
  });
}
