// The paired difference of two models: mean, interval and the p that decides, as the protocol's estimator makes them (sections 3.6, 3.7).
// The board's own numbers come from Python; these are for strata, which are too many to be in the page for every pair.

const CONFIDENCE = 0.95;
// The limits of stats/estimate.py: a stratum has the same numbers here as on a page made at build.
const SYMMETRIC = 1e-9;
const CONSTANT = 1e-9;

/** Return the logarithm of the gamma function for x > 0 (Lanczos). */
function logGamma(x) {
  const c = [
    76.18009172947146, -86.50532032941678, 24.01409824083091, -1.231739572450155, 1.208650973866179e-3,
    -5.395239384953e-6,
  ];
  const t = x + 5.5;
  const sum = c.reduce((total, value, i) => total + value / (x + 1 + i), 1.000000000190015);
  return (x + 0.5) * Math.log(t) - t + Math.log((2.506628274631 * sum) / x);
}

/** Return the regularised incomplete beta function by its continued fraction (Lentz). */
function incompleteBeta(x, a, b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast on this side alone; the other one follows by symmetry.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  // Lentz divides by both terms, so neither may be 0.
  const keep = (v) => (Math.abs(v) < 1e-300 ? 1e-300 : v);
  let c = 1;
  let d = 1 / keep(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m < 300; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    for (const step of [even, odd]) {
      d = 1 / keep(1 + step * d);
      c = keep(1 + step / c);
      value *= d * c;
    }
    if (Math.abs(d * c - 1) < 1e-14) break;
  }
  const front = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x);
  return (Math.exp(front) * value) / a;
}

/** Return P(|T| > |t|) for Student's T with `degrees` degrees of freedom. */
export function twoSided(t, degrees) {
  return incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5);
}

/** Return the t that |T| exceeds with the probability p. */
export function quantile(p, degrees) {
  let [low, high] = [0, 1];
  while (twoSided(high, degrees) > p) high *= 2;
  for (let i = 0; i < 80; i += 1) {
    const middle = (low + high) / 2;
    if (twoSided(middle, degrees) > p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function sum(values) {
  return values.reduce((total, v) => total + v, 0);
}

/** Return [sums, sizes] of values by group. */
function grouped(values, groups) {
  const [sums, sizes] = [new Map(), new Map()];
  values.forEach((v, i) => {
    sums.set(groups[i], (sums.get(groups[i]) || 0) + v);
    sizes.set(groups[i], (sizes.get(groups[i]) || 0) + 1);
  });
  return [[...sums.values()], [...sizes.values()]];
}

/**
 * Return {value, effective, low, high, p} of paired differences; low, high and p are null with fewer than `fewest`
 * effective groups, or where the differences never vary.
 */
export function paired(values, groups, fewest) {
  const n = values.length;
  const [sums, sizes] = grouped(values, groups);
  const value = sum(values) / n;
  const effective = n ** 2 / sum(sizes.map((size) => size ** 2));
  const residuals = sums.map((total, i) => total - value * sizes[i]);
  const spread = sum(residuals.map((r) => r ** 2));
  const varies = Math.sqrt(spread) > CONSTANT * sum(sums.map(Math.abs));
  if (effective < fewest || !varies) return { value, effective, low: null, high: null, p: null };
  // CR2: a large group pulls the mean towards itself, which makes its residual too small by this factor.
  const error = Math.sqrt(sum(residuals.map((r, i) => r ** 2 / (1 - sizes[i] / n)))) / n;
  const a = sum(residuals.map((r) => r ** 3)) / (3 * spread ** 1.5);
  const straight = Math.abs(a) < SYMMETRIC;
  const t = value / error;
  const h = straight ? t : t + a * t ** 2 + (a ** 2 * t ** 3) / 3 + a / 2;
  const back = (x) => {
    // Not (root - 1) / a, whose difference loses its digits where a is small.
    const root = Math.cbrt(1 + 3 * a * (x - a / 2));
    return straight ? x : (3 * (x - a / 2)) / (root ** 2 + root + 1);
  };
  const q = quantile(1 - CONFIDENCE, effective - 1);
  return {
    value,
    effective,
    low: value - error * back(q),
    high: value - error * back(-q),
    // A verdict needs both tests, with and without the correction: the larger p decides.
    p: Math.max(twoSided(h, effective - 1), twoSided(t, effective - 1)),
  };
}
