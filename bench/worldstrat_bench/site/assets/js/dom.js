// Elements with attributes and text.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, text, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== null) node.textContent = text;
  return node;
}

/** Return a new HTML element. */
export function el(tag, text = null, attributes = {}) {
  return fill(document.createElement(tag), text, attributes);
}

/** Return a new element of a drawing. */
export function svgEl(tag, text = null, attributes = {}) {
  return fill(document.createElementNS(SVG, tag), text, attributes);
}

/** Return the first element that matches, inside `root`. */
export function find(selector, root = document) {
  return root.querySelector(selector);
}

/** Return all elements that match, inside `root`, as an array. */
export function findAll(selector, root = document) {
  return [...root.querySelectorAll(selector)];
}

/** Call `act` on an event. */
export function on(node, type, act, options) {
  node.addEventListener(type, act, options);
}
