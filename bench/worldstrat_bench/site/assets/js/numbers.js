// Numbers as pages print them.

export const MINUS = "\u2212";

/** Return a number with its sign, "\u2212" for minus, and none for 0. */
export function signed(value, decimals) {
  const text = Math.abs(value).toFixed(decimals);
  const sign = Number(text) === 0 ? "" : value < 0 ? MINUS : "+";
  return sign + text;
}

/** Return "1 tile", "2 tiles". */
export function many(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Return a number of three digits without an exponent: "0.81", "12.3", "1310". */
export function threeDigits(value) {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
