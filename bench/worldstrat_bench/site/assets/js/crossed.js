// Tiles that are in several strata at once: one choice an axis, in the address under the axis's name.
import { find } from "./dom.js";
import { linked } from "./link.js";

/** Return [axis, label, tiles, name, word] of the strata that a choice names; a choice is words joined by commas. */
function named(strata, name, choice) {
  const words = choice.split(",");
  return strata.filter((s) => s[3] === name && words.includes(s[4]));
}

/**
 * Return {tiles, words}: the tiles, ascending, that are in a chosen stratum of every axis with a choice, and the
 * choices in words; words is "" without any choice.
 */
export function crossedTiles(strata, choices, count) {
  let tiles = Array.from({ length: count }, (_, i) => i);
  const words = [];
  for (const [name, choice] of Object.entries(choices)) {
    if (!choice) continue;
    const own = named(strata, name, choice);
    const held = new Set(own.flatMap((s) => s[2]));
    tiles = tiles.filter((tile) => held.has(tile));
    words.push(`${own[0]?.[0] ?? name} ${own.map((s) => s[1]).join(" or ") || choice}`);
  }
  return { tiles, words: words.join(", ") };
}

/** Return what is said where no tile is left. */
export function noTile(words) {
  return `No tile of the list has all of these at once: ${words}. Set one of them to "any".`;
}

/** Return the selects of a form's axes. */
function axesOf(form) {
  const box = find(".crossed", form);
  return box ? [...box.elements] : [];
}

/** Return what is chosen on every axis: name to words joined by commas, "" for any. */
export function choicesOf(form) {
  return Object.fromEntries(axesOf(form).map((select) => [select.name, select.value]));
}

/** Return how many tiles a choice on one axis leaves, with what is chosen on the others. */
export function openTiles(strata, choices, name, choice, count) {
  return crossedTiles(strata, { ...choices, [name]: choice }, count).tiles.length;
}

/** Write behind every option how many tiles it leaves; one that leaves none is grey, and chosen it says why. */
export function sayOpen(form, strata, count) {
  const choices = choicesOf(form);
  for (const select of axesOf(form)) {
    for (const option of [...select.options].filter((one) => one.value)) {
      const left = openTiles(strata, choices, select.name, option.value, count);
      option.textContent = option.textContent.replace(/\(\d+\)$/, `(${left})`);
      option.classList.toggle("none", !left);
    }
  }
}

/** Set fields as the address says; what it does not name or names wrongly is at its default. */
export function setFields(fields) {
  for (const field of fields) {
    const said = linked(field.name);
    if (field.options) {
      const standard = [...field.options].find((o) => o.defaultSelected) ?? field.options[0];
      field.value = [...field.options].some((o) => o.value === said) ? said : standard.value;
    } else {
      field.value = said ?? "";
    }
  }
}
