// The view of a page in its address: "#anchor&key=value&...". The part without "=" names a row or a section.
import { findAll, on } from "./dom.js";

/** Return {anchor, params} of a location's hash. */
export function parseHash(hash) {
  const parts = hash.replace(/^#/, "").split("&").filter(Boolean);
  const anchor = parts.length && !parts[0].includes("=") ? parts.shift() : "";
  return { anchor, params: new URLSearchParams(parts.join("&")) };
}

/** Return the hash of a view, "" if there is nothing to say. */
export function formatHash(anchor, params) {
  // Commas and colons may stand in a fragment as they are, and addresses stay readable.
  const text = params.toString().replace(/%2C/g, ",").replace(/%3A/g, ":");
  const body = [anchor, text].filter(Boolean).join("&");
  return body && `#${body}`;
}

let view = parseHash(location.hash);

/** Return the value of a key, null if the address does not have it. */
export function linked(key) {
  return view.params.get(key);
}

/** Return all [key, value] of the address. */
export function linkedAll() {
  return [...view.params];
}

/** Put keys into the address; an empty value takes its key out. The history gets no entry. */
export function link(values) {
  for (const [key, value] of Object.entries(values)) {
    if (value === null || value === "") view.params.delete(key);
    else view.params.set(key, value);
  }
  const hash = formatHash(view.anchor, view.params);
  // An empty address would leave the old hash, so the name of the page stands in its place.
  history.replaceState(null, "", hash || location.pathname.split("/").pop() + location.search);
  carry(hash);
}

/** Let the links between lists, orders and tiles keep the view. */
function carry(hash) {
  for (const a of findAll(".bars a, .cards a, .pager a")) a.hash = hash;
}

/** Mark and show the row that the address names: the browser does not find it beside other keys. */
function showAnchor() {
  for (const old of findAll(".here")) old.classList.remove("here");
  const place = view.anchor && document.getElementById(decodeURIComponent(view.anchor));
  if (!place) return;
  place.classList.add("here");
  if (view.params.size) place.scrollIntoView({ block: "center" });
}

/** Call `apply` with every address that is pasted into the open page or gone back to, and show its row. */
export function followAddress(apply) {
  on(window, "hashchange", () => {
    view = parseHash(location.hash);
    apply();
    carry(location.hash);
    showAnchor();
  });
  carry(location.hash);
  showAnchor();
}
