"""``wsb-1`` a second time, from the text of docs/protocol.md alone: NumPy and the standard library.

Nothing is taken from the package. It is written to be read beside the text, so it is slow, works in float64
throughout unless it is told to round where 3.5 says so, and finds each shift by moving copies. The constants are the
fields of :class:`Rules`, so that a test can get one of them wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plain_parts import (
    Floats,
    Mask,
    antialiased_bicubic,
    clipped_share,
    decibels,
    lanczos,
    lanczos_resize,
    plain_bicubic,
    sensor,
    spectral_angle,
)

Pair = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Rules:
    """The numbers of protocol 3.2 to 3.5, and the switches that only a wrong implementation turns."""

    border: int = 20
    radius: int = 8
    sigma: float = 2.0
    cut: int = 8
    tie: float = 1e-9
    noise: float = 1e-16
    fraction: int = 16
    lobes: int = 8
    steps: int = 8
    ssim_window: int = 11
    percentile: float = 99.5
    white_min: float = 0.3
    mtf: float = 0.3
    clear_min: float = 0.25
    floor: float = 1e-10
    no_data_above: float = 1e-6
    cubic: float = -0.5
    tie_order: str = "length, dy, dx"
    stride: int = 4
    vertex_max: float = 0.5
    absurd_below: float = -1.0
    absurd_above: float = 2.0
    absurd_at_once: bool = False
    ends_count: bool = False
    clip_first: bool = False
    offset_over_clouds: bool = False
    remove_bias: bool = True
    single: bool = False


@dataclass(frozen=True)
class Scene:
    """The target side of a pair: images on the target's grid, masks on its window, and frame 0."""

    target: Floats
    valid: Mask
    inside: Mask
    mask: Mask
    white: float
    frame: Floats | None
    clear: Mask | None


@dataclass(frozen=True)
class Registered:
    """A prediction with its offset removed, and the shift that was found for it."""

    image: Floats
    offset: Floats
    table: Floats
    shift: tuple[float, float]
    at_edge: bool


Enlarge = Callable[[Floats, tuple[int, int]], Floats]


def rounded(values: Floats, rules: Rules) -> Floats:
    """Numbers as float32 holds them, if the rules are those of 3.5 for float32."""
    return values.astype(np.float32).astype(np.float64) if rules.single else values


def evaluate(pair: Pair, rules: Rules = Rules(), enlarge: Enlarge | None = None) -> dict[str, Any]:
    """Everything that the kit states of a pair, by the names of its JSON and NPZ files.

    `enlarge` brings frame 0 to a size, for the reference bicubic; None: by the formula.
    """
    scene = prepare(pair, rules)
    given = pair["prediction"].astype(np.float64)
    on_grid = rounded(resize(given, scene.valid.shape, rules), rules)
    found = register(on_grid[:3], scene, rules)
    truth = window(scene.target, rules)
    moved = np.stack([move(band, found.shift, rules) for band in found.image])
    bias = (truth[:3] - moved)[:, scene.inside].mean(axis=1) * rules.remove_bias
    result = judged(moved, bias, rules)
    raw = np.stack([move(band, found.shift, rules) for band in np.clip(on_grid[:3], 0, 1)])
    mse = mean_square(result, truth[:3], scene.inside, rules)
    values: dict[str, Any] = {
        "psnr": decibels(mse),
        "ssim": similarity(result, truth[:3], scene, rules),
        "rmse": math.sqrt(mse),
        "psnr_raw": decibels(mean_square(np.clip(raw, 0, 1), truth[:3], scene.inside, rules)),
        "psnr_unregistered": score_moved(found.image, truth[:3], (0.0, 0.0), scene, rules),
        "sam": spectral_angle(result, truth[:3], scene.inside),
        "clipped": clipped_share(window(on_grid[:3], rules) + found.offset[:, None, None], truth[:3], scene.inside),
        "lr_consistency": consistency(found.image, scene, rules, scene.clear),
        "lr_consistency_target": own_consistency(scene, rules),
        "detail": detail(scene, rules),
        "white": scene.white,
        "shift_y": found.shift[0],
        "shift_x": found.shift[1],
        "at_edge": found.at_edge,
    }
    values["psnr_bicubic"] = reference(scene, rules, enlarge)
    values["gain"] = None if values["psnr_bicubic"] is None else values["psnr"] - values["psnr_bicubic"]
    if len(given) == len(scene.target) == 4:
        extra, _ = offset_first(on_grid[3:], scene, rules, band=3)
        values["psnr_nir"] = score_moved(extra, truth[3:], found.shift, scene, rules)
    return {
        **values,
        "target": scene.target,
        "valid": scene.valid,
        "mask": scene.mask,
        "offset": found.offset,
        "mismatch": found.table,
        "bias": bias,
        "result": result,
    }


def prepare(pair: Pair, rules: Rules) -> Scene:
    """Protocol 3.2, the mask of 3.4 and the white level of 3.5."""
    if "hr" in pair:
        target, valid = make_target(pair["hr"], rules)
    else:
        target, valid = pair["target"].astype(np.float64), pair["valid"].astype(bool)
    inside = window(valid, rules)
    clear = pair["clear"].astype(bool) if "clear" in pair else None
    mask = inside
    if clear is not None:
        rows, columns = ((2 * np.arange(n) + 1) * m // (2 * n) for n, m in zip(valid.shape, clear.shape, strict=True))
        both = window(clear[rows][:, columns], rules) & inside
        mask = both if both.sum() >= rules.clear_min * inside.sum() else inside
    level = float(np.percentile(window(target, rules)[:3, inside], rules.percentile))
    frame = pair["frame"].astype(np.float64) if "frame" in pair else None
    return Scene(target, valid, inside, mask, max(rules.white_min, level), frame, clear)


def window(image: NDArray[Any], rules: Rules) -> NDArray[Any]:
    """An image of the grid without the border."""
    return image[..., rules.border : image.shape[-2] - rules.border, rules.border : image.shape[-1] - rules.border]


# --- protocol 3.2 and 3.3: sizes ------------------------------------------------------------------------------------


def make_target(hr: NDArray[Any], rules: Rules) -> tuple[Floats, Mask]:
    """The target of (4, S, S) numbers as they are in the file, and where it is valid."""
    side = 4 * ((3 * hr.shape[-1] + 10) // 20)
    weights = antialiased_bicubic(hr.shape[-1], side, rules.cubic)
    image = np.clip(hr[:3].astype(np.float64) / 10_000, 0, 1)
    target = np.clip(weights @ image @ weights.T, 0, 1).astype(np.float32).astype(np.float64)
    share = weights @ (hr == 0).all(axis=0).astype(np.float64) @ weights.T
    valid: Mask = share <= rules.no_data_above
    return target, valid


def resize(image: Floats, shape: tuple[int, ...], rules: Rules) -> Floats:
    """Protocol 3.3 for bands; an axis of the right size is copied."""
    height, width = shape
    if image.shape[1] != height:
        image = lanczos_resize(image.shape[1], height, rules.lobes) @ image
    if image.shape[2] != width:
        image = image @ lanczos_resize(image.shape[2], width, rules.lobes).T
    return image


# --- protocol 3.4: registration -------------------------------------------------------------------------------------


def offset_first(image: Floats, scene: Scene, rules: Rules, band: int = 0) -> tuple[Floats, Floats]:
    """S and b0 of bands on the grid against the target's bands from `band` on."""
    if rules.clip_first:
        image = np.clip(image, 0, 1)
    truth = window(scene.target, rules)[band : band + len(image)]
    counts = scene.inside if rules.offset_over_clouds else scene.mask
    some = np.zeros_like(counts)
    some[:: rules.stride, :: rules.stride] = counts[:: rules.stride, :: rules.stride]
    found = [one_offset(s, h, counts, some, rules) for s, h in zip(image, truth, strict=True)]
    return np.stack([shown for shown, _ in found]), np.array([offset for _, offset in found])


def one_offset(whole: Floats, truth: Floats, counts: Mask, some: Mask, rules: Rules) -> tuple[Floats, float]:
    """S and b0 of one band: b0 over the pixels that count, from the median of some of them."""
    offset = float(np.median((truth - window(whole, rules))[some if some.any() else counts]))
    level = 0 if rules.absurd_at_once else offset
    absurd = (whole + level < rules.absurd_below) | (whole + level > rules.absurd_above)
    whole = np.where(absurd, np.clip(whole, 0, 1), whole)
    image = window(whole, rules)
    for _ in range(rules.steps):
        seen = image + offset
        free = counts & ((seen >= 0) & (seen <= 1) if rules.ends_count else (seen > 0) & (seen < 1))
        if not free.any():
            break
        before, offset = offset, float((truth - image)[free].mean())
        if abs(offset - before) < 1e-7:
            break
    return np.clip(rounded(whole + rounded(np.array(offset), rules), rules), 0, 1), offset


def register(on_grid: Floats, scene: Scene, rules: Rules) -> Registered:
    """The shift of three bands on the grid."""
    image, offset = offset_first(on_grid, scene, rules)
    table = mismatch_table(image, scene, rules)
    shift, at_edge = best_shift(table, rules)
    return Registered(image, offset, table, shift, at_edge)


def smooth(image: Floats, rules: Rules) -> Floats:
    """G of bands, reflected at their edges."""
    taps = np.exp(-0.5 * (np.arange(-rules.cut, rules.cut + 1) / rules.sigma) ** 2)
    taps /= taps.sum()
    height, width = image.shape[-2:]
    padded = np.pad(image, ((0, 0), (rules.cut, rules.cut), (rules.cut, rules.cut)), mode="reflect")
    rows = sum(tap * padded[:, k : k + height] for k, tap in enumerate(taps))
    return np.asarray(sum(tap * np.asarray(rows)[:, :, k : k + width] for k, tap in enumerate(taps)))


def mismatch_table(image: Floats, scene: Scene, rules: Rules) -> Floats:
    """J at every integer shift, one moved copy after the other."""
    moving, still = smooth(image, rules), window(smooth(scene.target[:3], rules), rules)
    height, width = still.shape[-2:]
    lags = range(-rules.radius, rules.radius + 1)
    table = np.empty((len(lags), len(lags)))
    for i, dy in enumerate(lags):
        for j, dx in enumerate(lags):
            top, left = rules.border + dy, rules.border + dx
            difference = (moving[:, top : top + height, left : left + width] - still)[:, scene.mask]
            table[i, j] = np.mean((difference - difference.mean(axis=1, keepdims=True)) ** 2)
    return table


def best_shift(table: Floats, rules: Rules) -> tuple[tuple[float, float], bool]:
    """The shift of least J, and whether its whole pixel lies on the edge of the search."""
    least = table.min()
    tied = np.argwhere(table <= least + rules.tie * abs(least) + rules.noise) - rules.radius
    dy, dx = min(((int(y), int(x)) for y, x in tied), key=lambda d: tie_key(d[0], d[1], rules.tie_order))
    i, j = dy + rules.radius, dx + rules.radius
    shift = (dy + vertex(table[:, j], i, rules), dx + vertex(table[i], j, rules))
    return shift, rules.radius in (abs(dy), abs(dx))


def tie_key(dy: int, dx: int, order: str) -> list[int]:
    """By what tied shifts are sorted."""
    return [{"length": dy * dy + dx * dx, "dy": dy, "dx": dx}[name] for name in order.split(", ")]


def vertex(line: Floats, index: int, rules: Rules) -> float:
    """How far the vertex of the parabola is from the best whole pixel, along one axis."""
    if index in (0, len(line) - 1):
        return 0.0
    before, here, after = (float(value) for value in line[index - 1 : index + 2])
    curvature = before - 2 * here + after
    if curvature <= 4 * rules.noise:
        return 0.0
    place = min(max((before - after) / (2 * curvature), -rules.vertex_max), rules.vertex_max)
    return round(place * rules.fraction) / rules.fraction  # Python rounds halves to even


def move(image: Floats, shift: tuple[float, float], rules: Rules) -> Floats:
    """T_d of one band over the window."""
    for axis, d in enumerate(shift):
        image = np.moveaxis(move_rows(np.moveaxis(image, axis, 0), d, rules), 0, axis)
    return image


def move_rows(image: Floats, d: float, rules: Rules) -> Floats:
    """The window's rows of an image, read d px further down."""
    whole = round(d)
    part = d - whole
    rows = np.arange(rules.border, len(image) - rules.border) + whole
    if part == 0:
        return image[np.clip(rows, 0, len(image) - 1)]
    taps = range(-rules.lobes, rules.lobes + 1)
    weights = np.array([lanczos(k - part, rules.lobes) for k in taps])
    found = np.zeros_like(image[: len(rows)])
    for k, weight in zip(taps, rounded(weights / weights.sum(), rules), strict=True):
        found = rounded(found + weight * image[np.clip(rows + k, 0, len(image) - 1)], rules)
    return found


# --- protocol 3.5: metrics ------------------------------------------------------------------------------------------


def judged(moved: Floats, bias: Floats, rules: Rules) -> Floats:
    """P of moved bands and their bias."""
    return np.clip(rounded(moved + rounded(bias, rules)[:, None, None], rules), 0, 1)


def score_moved(image: Floats, truth: Floats, shift: tuple[float, float], scene: Scene, rules: Rules) -> float:
    """`psnr` of S at a shift, its bias solved there."""
    moved = np.stack([move(band, shift, rules) for band in image])
    bias = (truth - moved)[:, scene.inside].mean(axis=1) * rules.remove_bias
    return decibels(mean_square(judged(moved, bias, rules), truth, scene.inside, rules))


def mean_square(image: Floats, truth: Floats, inside: Mask, rules: Rules) -> float:
    """The mean squared error over bands and valid pixels."""
    return max(float(np.mean((image - truth)[:, inside] ** 2)), rules.floor)


def similarity(image: Floats, truth: Floats, scene: Scene, rules: Rules) -> float | None:
    """`ssim` on the stretch; None if no 11 x 11 is valid."""
    size = rules.ssim_window
    taps = np.exp(-0.5 * ((np.arange(size) - size // 2) / 1.5) ** 2)
    weights = np.outer(taps, taps) / taps.sum() ** 2
    height, width = (n - size + 1 for n in truth.shape[-2:])
    places = [(y, x) for y in range(size) for x in range(size)]
    whole = np.logical_and.reduce([scene.inside[y : y + height, x : x + width] for y, x in places])
    if not whole.any():
        return None

    def local(values: Floats) -> Floats:
        return np.asarray(sum(weights[y, x] * values[:, y : y + height, x : x + width] for y, x in places))

    p, t = np.clip(image / scene.white, 0, 1), np.clip(truth / scene.white, 0, 1)
    mean_p, mean_t = local(p), local(t)
    var_p, var_t, both = local(p * p) - mean_p**2, local(t * t) - mean_t**2, local(p * t) - mean_p * mean_t
    c1, c2 = 0.01**2, 0.03**2
    values = (2 * mean_p * mean_t + c1) * (2 * both + c2) / ((mean_p**2 + mean_t**2 + c1) * (var_p + var_t + c2))
    return float(values[:, whole].mean())


def consistency(image: Floats, scene: Scene, rules: Rules, counts: Mask | None) -> float | None:
    """`lr_consistency` over the pixels of frame 0 that count; None if too little of it is clear."""
    if scene.frame is None or scene.clear is None or counts is None or scene.clear.mean() < rules.clear_min:
        return None
    rows, columns = (sensor(n, m, rules.mtf) for n, m in zip(image.shape[-2:], scene.clear.shape, strict=True))
    difference = (rows @ image @ columns.T - scene.frame)[:, counts]
    if difference.size == 0:
        return None
    return float(np.abs(difference - difference.mean(axis=1, keepdims=True)).mean())


def own_consistency(scene: Scene, rules: Rules) -> float | None:
    """`lr_consistency_target`: the same of HR, where no no-data is seen."""
    if scene.clear is None:
        return None
    rows, columns = (sensor(n, m, rules.mtf) for n, m in zip(scene.valid.shape, scene.clear.shape, strict=True))
    holes = rows @ (~scene.valid).astype(np.float64) @ columns.T
    return consistency(scene.target[:3], scene, rules, scene.clear & (holes <= rules.no_data_above))


def detail(scene: Scene, rules: Rules) -> float:
    """The fine detail of the target (protocol 2.3)."""
    fine = window(scene.target[:3] - smooth(scene.target[:3], rules), rules)
    return float(fine[:, scene.inside].var(axis=1).mean())


def reference(scene: Scene, rules: Rules, enlarge: Enlarge | None) -> float | None:
    """`psnr` of the reference bicubic."""
    if scene.frame is None:
        return None
    height, width = scene.valid.shape
    if enlarge is None:
        rows, columns = (plain_bicubic(m, n) for m, n in zip(scene.frame.shape[-2:], (height, width), strict=True))
        image = rows @ scene.frame @ columns.T
    else:
        image = enlarge(scene.frame, (height, width))
    found = register(image, scene, rules)
    return score_moved(found.image, window(scene.target, rules)[:3], found.shift, scene, rules)
