// The page that chooses a model: the form, and the answer with its reasons.
import { choicesOf, noTile, sayOpen, setFields } from "./crossed.js";
import { decide, differenceText, licenceText, offeredText } from "./decide.js";
import { el, find, on } from "./dom.js";
import { link } from "./link.js";
import { many, threeDigits } from "./numbers.js";

const CONDITIONS = ["frames", "device", "most", "licence", "status"];

function wanted(form) {
  const fields = form.elements;
  const said = Object.fromEntries(CONDITIONS.map((key) => [key, fields[key]?.value ?? ""]));
  return { ...said, frames: Number(said.frames) || null, most: Number(said.most) || null, crossed: choicesOf(form) };
}

/** Return a link to a model's page. */
function modelLink({ slug, title }) {
  return el("a", title, { href: `m/${slug}.html` });
}

/** Return what a candidate costs and allows: words, and a link to what its status means. */
function costs(candidate, device) {
  const { model, ms } = candidate;
  const parts = [];
  if (ms !== null) parts.push(`${threeDigits(ms)} ms a tile on ${device}`);
  const { frames, declared } = model;
  parts.push(frames === null ? "frames not known" : declared ? many(frames, "frame") : offeredText(frames));
  parts.push(licenceText(model));
  parts.push("");
  const status = el("a", model.verified ? "verified" : "not verified", { href: find("#choice").dataset.verified });
  return [parts.join(", "), status];
}

function where(data, found) {
  const groups = found.effective === found.tiles.length ? "" : ` (${found.effective.toFixed(1)} effective groups)`;
  const all = found.tiles.length === data.tiles ? "all" : `${found.tiles.length} of`;
  const words = found.words && `: ${found.words}`;
  return `${all} ${many(data.tiles, "tile")}${groups}${words}`;
}

/** Return the paragraphs of the answer. */
function answer(data, found, want) {
  const say = el("p", null, { class: "say" });
  const mean = (c) => `${c.mean.toFixed(data.decimals)} ${data.unit}`;
  if (!found.tiles.length) {
    say.append(noTile(found.words));
    return [say];
  }
  if (!found.best) {
    say.append("No model meets these conditions.");
    return [say];
  }
  if (!found.pick) {
    say.append(
      `Too few tiles to choose: ${where(data, found)}, fewer than ${data.drawn} groups. The highest mean is `,
      el("span", mean(found.best), { class: "hatch" }),
      ", of ",
      modelLink(found.best.model),
      "; chance may have made it.",
    );
    return [say];
  }
  const { pick, best } = found;
  say.append("Use ", modelLink(pick.model), `: ${mean(pick)} on ${where(data, found)}.`);
  const why = el("p");
  if (pick === best) {
    why.append(
      `It is the best of those that meet the conditions, and no cheaper one is shown to be within ${data.tolerance} ${data.unit} of it.`,
    );
  } else {
    const text = differenceText(data, found.difference);
    why.append("The best of those that meet the conditions is ", modelLink(best.model), `, ${mean(best)}. `);
    why.append(`Against it: ${text}, so not worse by more than ${data.tolerance} ${data.unit}, and it costs less.`);
  }
  const cost = el("p", "It costs: ");
  cost.append(...costs(pick, want.device), ".");
  const notes = [];
  if (want.device && pick.ms === null) {
    notes.push(`No model near the best has a valid time on ${want.device}: the number of frames decided.`);
  } else if (!want.device && data.devices.length) {
    notes.push("No device class is chosen, so the number of frames is the cost: times of two classes do not compare.");
  }
  if (found.top) {
    const { model, difference } = found.top;
    notes.push(
      `What the conditions cost: without them ${model.title} would be the best, ${differenceText(data, difference)}.`,
    );
  }
  if (found.words) notes.push("One choice of tiles of very many: look at few, or some will differ by chance.");
  return [say, why, cost, ...notes.map((text) => el("p", text, { class: "note" }))];
}

/** Return the table of the other models with a sentence each. */
function others(data, out) {
  if (!out.length) return [];
  const label = "Why not the others";
  const box = el("div", null, { class: "scroll", role: "region", tabindex: 0, "aria-label": label });
  const table = el("table", null, { class: "plain" });
  table.createCaption().textContent = `${label}, in the order of the board`;
  const head = table.createTHead().insertRow();
  head.append(el("th", "Model", { scope: "col" }), el("th", label, { scope: "col" }));
  const body = table.createTBody();
  for (const [i, reason] of out) {
    const cell = el("th", null, { scope: "row" });
    cell.append(modelLink(data.models[i]));
    body.insertRow().append(cell, el("td", reason, { class: "wrap" }));
  }
  box.append(table);
  return [box];
}

/** Make the page work; return the function that sets it from the address. */
export function choose(form) {
  const data = JSON.parse(find("#choice-data").textContent);
  const box = find("#choice");
  const fields = () => [...form.elements].filter((field) => field.name);
  const draw = () => {
    const want = wanted(form);
    const found = decide(data, want);
    box.replaceChildren(...answer(data, found, want), ...others(data, found.out));
    sayOpen(form, data.strata, data.tiles);
    // The table is of all tiles: below "no tile" it would look like an answer.
    find("#counts").hidden = !found.tiles.length;
  };
  const save = () => {
    link(Object.fromEntries(fields().map((field) => [field.name, field.value])));
    draw();
  };
  const follow = () => {
    setFields(fields());
    draw();
  };
  on(form, "input", save);
  on(form, "reset", () => setTimeout(save)); // a reset event comes before the fields change
  on(form, "submit", (event) => event.preventDefault());
  follow();
  return follow;
}
