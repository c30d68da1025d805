// Two models, tile by tile. The numbers are in the page, because a file cannot fetch any.
import { chart, figure } from "./chart.js";
import { choicesOf, crossedTiles, noTile, sayOpen, setFields } from "./crossed.js";
import { el, find, on } from "./dom.js";
import { link } from "./link.js";
import { MINUS, many, signed } from "./numbers.js";
import { paired } from "./paired.js";
import { pickedHash } from "./picks.js";

const BINS = 25;

/** Return the unit of a metric as it follows a number. */
function unitOf(metric) {
  return metric.unit && ` ${metric.unit}`;
}

/** Return what goes before the number of tiles on which neither model is better. */
function nearOf(metric) {
  return metric.margin ? `within ${metric.margin}${unitOf(metric)} on` : "equal on";
}

/** Return a signed number's text with the other sign. */
export function turned(text) {
  if (text.startsWith("+")) return MINUS + text.slice(1);
  return text.startsWith(MINUS) ? `+${text.slice(1)}` : text;
}

/** Return {value, tile} of every tile that both have, first minus second, in the metric's unit. */
export function differences(first, second, scale) {
  return first.flatMap((x, tile) => {
    const y = second[tile];
    return x === null || y === null ? [] : [{ value: (x - y) / scale, tile }];
  });
}

/** Return [mean, count] of differences. */
export function meanOf(found) {
  const sum = found.reduce((total, d) => total + d.value, 0);
  return [found.length ? sum / found.length : 0, found.length];
}

/** Return the test of two models as the board made it, seen from the first; null for a model and itself. */
function tested(metric, i, j) {
  const pair = i === j ? null : metric.pairs[Math.min(i, j)][Math.abs(i - j) - 1];
  if (!pair) return null;
  const [wins, ties, losses, value, low, high, p] = pair;
  return i < j
    ? { wins, ties, losses, value, low, high, p }
    : {
        wins: losses,
        ties,
        losses: wins,
        value: turned(value),
        low: high && turned(high),
        high: low && turned(low),
        p,
      };
}

/** Count without a test: tiles won and lost by more than the margin. */
function counted(metric, found) {
  const wins = found.filter((d) => metric.sign * d.value > metric.margin).length;
  const losses = found.filter((d) => metric.sign * d.value < -metric.margin).length;
  return { wins, losses, value: signed(meanOf(found)[0], metric.decimals + 1) };
}

/**
 * Return which of two models is better, or why that is not known; pairs.py says the same.
 *
 * `found` has value, low and high as texts with their signs; the ends are missing where none are drawn.
 */
export function verdict(metric, beats, found, [first, second]) {
  if (beats) return `${beats > 0 ? first : second} is better.`;
  const signs = new Set([found.low, found.high].map((text) => /^[+\u2212]/.exec(text ?? "")?.[0]));
  if (signs.size > 1 || signs.has(undefined)) return "Neither is shown to be better.";
  const value = Number(found.value.replace(MINUS, "-"));
  if (Math.abs(value) < metric.margin) {
    return `Too small to count: a verdict needs ${metric.margin}${unitOf(metric)}.`;
  }
  const better = value * metric.sign > 0 ? first : second;
  return `${better} looks better, but a verdict needs p \u2264 ${metric.level}.`;
}

function sentence(metric, i, j, found, names) {
  const unit = unitOf(metric);
  const said = tested(metric, i, j) || counted(metric, found);
  const p = said.p?.startsWith("<") ? said.p : `= ${said.p}`;
  const interval = said.low ? ` [${said.low}, ${said.high}], p ${p},` : "";
  const ties = found.length - said.wins - said.losses;
  return (
    `${verdict(metric, metric.beats[i][j] - metric.beats[j][i], said, names)} ` +
    `${metric.label}: ${names[0]} minus ${names[1]} ${said.value}${unit}${interval} on ${found.length} tiles. ` +
    `${names[0]} is better on ${said.wins}, ${nearOf(metric)} ${ties}, worse on ${said.losses}.`
  );
}

/** Return {counts, low, high}: how many differences fall into each of equal steps; 0 is the edge of a step. */
export function spread(found, steps) {
  const values = found.map((d) => d.value);
  const width = (Math.max(0, ...values) - Math.min(0, ...values)) / (steps - 1) || 1;
  const low = Math.floor(Math.min(0, ...values) / width) * width;
  const counts = new Array(steps).fill(0);
  for (const v of values) counts[Math.min(steps - 1, Math.floor((v - low) / width))] += 1;
  return { counts, low, high: low + steps * width };
}

/** Return what is said of two models on chosen tiles: an estimate of these tiles alone, without a verdict. */
function crossedSentence(data, metric, found, names, words) {
  const values = found.map((d) => d.value);
  const groups = found.map((d) => data.groups[d.tile]);
  const said = paired(values, groups, data.fewest);
  const unit = unitOf(metric);
  const drawn = said.p !== null && said.effective >= data.drawn;
  const value = signed(said.value, metric.decimals) + unit;
  const ends = drawn && ` [${signed(said.low, metric.decimals)}, ${signed(said.high, metric.decimals)}]`;
  const { wins, losses } = counted(metric, found);
  const where = `on ${found.length} of ${many(data.tiles.length, "tile")}: ${words}`;
  const size = `${said.effective.toFixed(1)} effective groups`;
  const test = drawn
    ? `${ends}, p ${shortProbability(said.p).replace(/^(?!<)/, "= ")} of this pair, ${size}.`
    : ` has no interval: ${size}, fewer than ${data.drawn}, mostly chance.`;
  const say = el("p", `No verdict, exploratory: ${metric.label} ${where}. ${names[0]} minus ${names[1]} `, {
    class: "say",
  });
  say.append(el("span", value, drawn ? {} : { class: "hatch" }), test);
  const near = found.length - wins - losses;
  const rest = `Better on ${wins}, ${nearOf(metric)} ${near}, worse on ${losses}.`;
  return [say, el("p", `${rest} One choice of tiles of very many: some differ by chance.`, { class: "note" })];
}

function distribution(metric, found, names) {
  const { counts, low, high } = spread(found, BINS);
  const most = Math.max(...counts);
  const unit = unitOf(metric);
  const ends = [low, high].map((v) => signed(v, metric.decimals) + unit);
  const shares = counts.map((n) => n / most);
  const label = `How the differences in ${metric.label} are spread`;
  const caption = `${label}: ${found.length} tiles, ${names.join(" minus ")}; the dashed line marks no difference.`;
  return figure(
    caption,
    chart(label, [["ln-a", shares, true]], [360, 150], [...ends, many(most, "tile")], -low / (high - low)),
  );
}

/** Return a table in a box that scrolls; a cell is a text or an element, and `numbers` the first right-aligned column. */
function table(label, head, rows, numbers) {
  const css = (column) => (column >= numbers ? "n" : "");
  const box = el("div", null, { class: "scroll", role: "region", tabindex: 0, "aria-label": label });
  const made = el("table", null, { class: "plain" });
  made.createCaption().textContent = label;
  made
    .createTHead()
    .insertRow()
    .append(...head.map((t, c) => el("th", t, { scope: "col", class: css(c) })));
  const body = made.createTBody();
  for (const row of rows) {
    const cells = row.map((content, c) => {
      const cell = c ? el("td", null, { class: css(c) }) : el("th", null, { scope: "row" });
      cell.append(content);
      return cell;
    });
    body.insertRow().append(...cells);
  }
  box.append(made);
  return box;
}

/** Return the p-value of a stratum as the pages made at build show it: no verdict hangs on it. */
export function shortProbability(p) {
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

function strataTable(data, metric, found) {
  const byTile = new Map(found.map((d) => [d.tile, d.value]));
  const decimals = metric.decimals;
  const rows = data.strata.map(([axis, stratum, tiles]) => {
    const own = tiles.filter((tile) => byTile.has(tile));
    const name = `${axis}: ${stratum}`;
    if (!own.length) return [name, "\u2013", "\u2013", "\u2013", "0"];
    const values = own.map((tile) => byTile.get(tile));
    const said = paired(
      values,
      own.map((tile) => data.groups[tile]),
      data.fewest,
    );
    const value = signed(said.value, decimals);
    if (said.p === null || said.effective < data.drawn) {
      return [name, el("span", value, { class: "hatch" }), "\u2013", "\u2013", String(own.length)];
    }
    const ends = `${signed(said.low, decimals)}, ${signed(said.high, decimals)}`;
    return [name, value, ends, shortProbability(said.p), String(own.length)];
  });
  const label = `In every stratum, each by itself: ${rows.length} were looked at. Exploratory: no verdict hangs on p. Hatched: too few groups for an interval`;
  return table(label, ["Stratum", `\u0394 ${metric.label}`, "95 % interval", "p of this pair", "Tiles"], rows, 1);
}

/** Return the table of the largest differences of one sign; nothing if there are none. */
function largest(data, metric, found, sign, who, hash) {
  const own = found.filter((d) => d.value * sign > 0).sort((p, q) => sign * (q.value - p.value) || p.tile - q.tile);
  if (!own.length) return [];
  const rows = own.slice(0, 8).map(({ value, tile }) => {
    const [title, page] = data.tiles[tile];
    return [el("a", title, { href: page + hash }), signed(value, metric.decimals)];
  });
  return [table(`Largest differences in favour of ${who}`, ["Tile", `\u0394 ${metric.label}`], rows, 1)];
}

function draw(form, data, box) {
  const metric = data.metrics[form.elements.m.value];
  const i = data.slugs.indexOf(form.elements.a.value);
  const j = data.slugs.indexOf(form.elements.b.value);
  const [first, second] = [metric.values[i], metric.values[j]];
  const all = differences(first, second, metric.scale);
  const { tiles, words } = crossedTiles(data.strata, choicesOf(form), data.tiles.length);
  sayOpen(form, data.strata, data.tiles.length);
  const chosen = new Set(tiles);
  const found = all.filter((d) => chosen.has(d.tile));
  if (!found.length) {
    const why = words && all.length ? noTile(words) : "These two share no scored tile.";
    box.replaceChildren(el("p", why, { class: "say" }));
    return;
  }
  const names = [data.titles[i], data.titles[j]];
  const [up, down] = metric.sign > 0 ? names : [...names].reverse();
  const hash = pickedHash([data.slugs[i], data.slugs[j]]);
  const said = words
    ? crossedSentence(data, metric, found, names, words)
    : [el("p", sentence(metric, i, j, found, names), { class: "say" })];
  box.replaceChildren(
    ...said,
    ...(words && found.length < data.drawn ? [] : [distribution(metric, found, names)]),
    ...largest(data, metric, found, 1, up, hash),
    ...largest(data, metric, found, -1, down, hash),
    ...(words ? [] : [strataTable(data, metric, found)]),
  );
}

/** Make the page of two models work; return the function that sets it from the address. */
export function compare(form) {
  const data = JSON.parse(find("#cmp-data").textContent);
  const box = find("#cmp");
  const fields = () => [...form.elements].filter((field) => field.name);
  const follow = () => {
    setFields(fields());
    draw(form, data, box);
  };
  const save = () => {
    link(Object.fromEntries(fields().map((field) => [field.name, field.value])));
    draw(form, data, box);
  };
  on(form, "input", save);
  on(form, "reset", () => setTimeout(save)); // a reset event comes before the fields change
  on(form, "submit", (event) => event.preventDefault());
  follow();
  return follow;
}
