// Drawings of lines.
import { el, svgEl } from "./dom.js";

/** Return the path of values from 0 to 1 as a line from point to point. */
export function linePath(values, width, height) {
  const points = values.map((v, i) => {
    const x = ((i + 0.5) / values.length) * width;
    return `${x.toFixed(1)} ${((1 - v) * height).toFixed(1)}`;
  });
  return `M${points.join("L")}`;
}

/** Return the path of values from 0 to 1 as a histogram: flat over each step. */
export function stepPath(values, width, height) {
  const steps = values.map((v, i) => {
    const right = ((i + 1) / values.length) * width;
    return `V${((1 - v) * height).toFixed(1)}H${right.toFixed(1)}`;
  });
  return `M0 ${height}${steps.join("")}V${height}`;
}

/**
 * Return a drawing of lines.
 * lines: [class, values from 0 to 1, whether they are steps] each; size: [width, height] of the lines; ends: labels of
 * the left and right end, and a heading; mark: where a dashed line stands, 0 to 1.
 */
export function chart(label, lines, [width, height], ends, mark = -1) {
  const top = ends[2] ? 18 : 0; // a heading stands above the lines, not in them
  const full = top + height + 20;
  const box = { class: "fig lines", viewBox: `0 ${-top} ${width} ${full}`, width, height: full, role: "img" };
  const drawing = svgEl("svg", null, { ...box, "aria-label": label });
  const path = (css, d) => drawing.append(svgEl("path", null, { class: css, d }));
  path("ax", `M0 ${height}H${width}`);
  if (mark >= 0 && mark <= 1) path("fr", `M${mark * width} 0V${height}`);
  for (const [css, values, steps] of lines) path(css, (steps ? stepPath : linePath)(values, width, height));
  ["start", "end"].forEach((anchor, i) => {
    const place = { class: "tk", x: i * width, y: height + 15, "text-anchor": anchor };
    drawing.append(svgEl("text", ends[i], place));
  });
  drawing.append(svgEl("text", ends[2] || "", { class: "tk", x: 4, y: 12 - top }));
  return drawing;
}

/** Return drawings with a caption. */
export function figure(caption, ...drawings) {
  const made = el("figure");
  made.append(...drawings, el("figcaption", caption));
  return made;
}
