"""Try the usual mistakes of the preprocessing backwards, and see whether the network does better.

A network that is fed in the wrong unit and answers in the same unit gives a plausible image of less quality, which
:mod:`worldstrat_bench.worker.fit` cannot tell from a right one. So a scene with a known truth is given to it in other
units and orders, each undone in the answer. What it does clearly better with is what it was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from worldstrat_bench.api import BANDS, RGB
from worldstrat_bench.data.task import Task
from worldstrat_bench.preprocessing import NAMES, Preprocessing, Value, declare
from worldstrat_bench.worker.types import Reply

SIDE, FACTOR = 64, 4
"""Pixels of the trial's input, and how much finer its truth is."""

BETTER_DB = 0.4
"""By how much another preprocessing has to be better before it is named; below it lies what chance and rounding do."""

ALIKE_DB = 0.1
"""Within this two trials help alike."""

UNITS = (255.0, 1 / 255, 1e4, 1e-4, 1e4 / 255, 255 / 1e4)
OFFSET = 0.1
"""Reflectance that ESA's files since processing baseline 04.00 add: 1,000 digital numbers."""

Image = NDArray[np.float32]
Predict = Callable[[Task], Reply]
Change = Callable[[Image], NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Trial:
    """Another preprocessing: what it does to the input bands (T, 12, h, w), what undoes it in the answer (3, H, W)."""

    hint: str
    change: Change
    undo: Change


def scene(frames: int, seed: int = 5) -> tuple[Task, Image]:
    """Return a tile of overlapping fields, blurred and sampled, and its truth (3, H, W) in reflectance 0.03..0.35."""
    chance = np.random.default_rng(seed)
    side = SIDE * FACTOR
    land = np.full((side, side), 0.5)
    for _ in range(150):
        y, x, h, w = (*chance.integers(0, side, 2), *chance.integers(4, 40, 2))
        land[y : y + h, x : x + w] = chance.uniform()
    gains = (0.1 + 0.01 * np.arange(12)) * chance.uniform(0.8, 1.2, 12)
    fine = 0.03 + 0.01 * np.arange(12)[:, None, None] + gains[:, None, None] * land
    # the sensor: a Gaussian of two fine pixels and the mean over a coarse one
    taps = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
    rows = np.pad(fine, ((0, 0), (6, 6), (0, 0)), mode="reflect")
    rows = np.tensordot(sliding_window_view(rows, 13, axis=1), taps / taps.sum(), axes=1)
    columns = np.pad(rows, ((0, 0), (0, 0), (6, 6)), mode="reflect")
    columns = np.tensordot(sliding_window_view(columns, 13, axis=2), taps / taps.sum(), axes=1)
    coarse = columns.reshape(12, SIDE, FACTOR, SIDE, FACTOR).mean(axis=(2, 4))
    images = (coarse + chance.normal(0, 5e-4, (frames, *coarse.shape))).astype(np.float32)
    clear, days = np.ones((frames, 1, SIDE, SIDE), bool), np.arange(frames, dtype=np.int64)
    return Task.single(images, clear, days, side, side), fine[list(RGB)].astype(np.float32)


def better_preprocessing(predict: Predict, frames: int, parameters: Mapping[str, Value]) -> tuple[str, float]:
    """Return what to change in the preprocessing and by how many dB it helps; ("", 0) if nothing clearly does.

    Parameters
    ----------
    predict : of the model, as it is declared.
    parameters : of the model; a declared preprocessing among them makes more trials possible.
    """
    task, truth = scene(frames)
    says = declare(**{name: parameters[name] for name in NAMES}) if set(NAMES) <= set(parameters) else None
    usual = _quality(_rgb(predict(task)), truth)
    if usual is None:
        return "", 0.0
    plain = _quality(task.images[0, 0, list(RGB)], truth)
    assert plain is not None
    best, found = max(usual, plain) + BETTER_DB, ""
    for trial in _trials(says):
        changed = trial.change(task.images[0]).astype(np.float32)
        answer = _rgb(predict(Task.single(changed, task.clear[0], task.days[0], task.height, task.width)))
        quality = None if answer is None else _quality(trial.undo(answer), truth)
        # A much larger unit hides an offset as well: of two that help alike the first is the simpler mistake.
        if quality is not None and quality > best + (ALIKE_DB if found else 0.0):
            best, found = quality, trial.hint
    return found, best - usual if found else 0.0


def _trials(says: Preprocessing | None) -> Iterator[Trial]:
    how = "name the bands in the network's order, and output" if says else "flip the channels on both ways"
    yield Trial(f"it does better with blue for red and red for blue, BGR for RGB: {how}", _exchanged, lambda y: y[::-1])
    for offset in (OFFSET, -OFFSET):
        word = "more" if offset > 0 else "less"
        how = "set input_offset" if says else "apply it to the input and undo it in the answer"
        numbers = f"{abs(offset):g} reflectance {word}, {1e4 * offset:+,.0f} in digital numbers"
        hint = f"it does better with {numbers}: an offset is forgotten; {how}"
        yield Trial(hint, partial(np.add, offset), partial(np.add, -offset))
    if says is not None and says.mean and says.std and min(says.mean) > 0:
        yield _swapped(says)
    for unit in UNITS:
        yield Trial(_unit_hint(unit, says), partial(np.multiply, unit), partial(np.multiply, 1 / unit))


def _unit_hint(unit: float, says: Preprocessing | None) -> str:
    times = unit if unit > 1 else 1 / unit
    shown = f"{times:,.0f}" if times > 100 else f"{times:.1f}"
    word = "larger" if unit > 1 else "smaller"
    how = "multiply" if unit > 1 else "divide"
    remedy = f"{how} input_scale and output_scale by {shown}" if says else f"{how} the input, and undo it in the answer"
    return f"it does better with inputs {shown} times {word}, so that the scale is wrong by {shown}: {remedy}"


def _exchanged(images: Image) -> Image:
    """Return the bands with B02 and B04 in each other's place."""
    order = [RGB[2 - RGB.index(band)] if band in RGB else band for band in range(len(BANDS))]
    return images[:, order]


def _swapped(says: Preprocessing) -> Trial:
    """Return the trial in which a network with a declared mean and std sees (x - std) / mean."""
    order, slope, start = says.bands, says.input_scale, says.input_offset
    mean, std = (np.array(x, np.float64)[:, None, None] for x in (says.mean, says.std))

    def change(images: Image) -> Image:
        changed = images.astype(np.float64)
        seen = changed[:, order] * slope + start
        changed[:, order] = (mean + std * (seen - std) / mean - start) / slope
        return changed.astype(np.float32)

    def undo(answer: Image) -> NDArray[np.floating[Any]]:
        if not says.normalised_output:
            return answer
        rgb = [order.index(band) for band in RGB]
        normal = (answer * says.output_scale + says.output_offset - mean[rgb]) / std[rgb]
        return (normal * mean[rgb] + std[rgb] - says.output_offset) / says.output_scale

    return Trial("it does better with mean and std exchanged: what is declared as the one is the other", change, undo)


def _rgb(reply: Reply) -> Image | None:
    """Return red, green and blue of an answer, which may have the near infrared behind them; None without one."""
    return None if reply.image is None else reply.image[: len(RGB)]


def _quality(image: NDArray[np.floating[Any]] | None, truth: Image) -> float | None:
    """Return the PSNR in dB of an answer of any size without its mean error and its edges; None without one."""
    if image is None:
        return None
    import torch

    from worldstrat_bench.resampling import bicubic

    on_grid = bicubic(torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None], *truth.shape[1:])[
        0
    ].numpy()
    inner = (slice(None), slice(16, -16), slice(16, -16))  # a model may do as it likes along the edges
    error = (on_grid - truth)[inner].astype(np.float64)
    error -= error.mean(axis=(1, 2), keepdims=True)
    return float(-10 * np.log10(max(np.square(error).mean(), 1e-12)))
