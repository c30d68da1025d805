"""Try the usual mistakes of the preprocessing backwards, and see whether the network does better.

A network that is fed in the wrong unit and answers in the same unit gives a plausible image of less quality, which
:mod:`worldstrat_bench.worker.fit` cannot tell from a right one. So scenes with a known truth are given to it in other
units and orders, each undone in the answer. What it does better with on every scene is what it was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.api import RGB
from worldstrat_bench.data.task import Task
from worldstrat_bench.preprocessing import NAMES, Preprocessing, Value, declare
from worldstrat_bench.worker.alternatives import PHOTOGRAPHS, Alternative, alternatives, exchanged
from worldstrat_bench.worker.scenes import DARK, Scene, land, red_things
from worldstrat_bench.worker.types import Reply

BETTER_DB = 0.4
"""By how much other units have to be better before the declared ones are called wrong."""

ORDER_DB = 0.12
"""By how much another order of the bands has to be better for that; both orders cost the same but for the order."""

HINT_DB = 0.05
"""Mean gain from which a hint is given; the networks at hand, fed as they want, gain less with any mistake."""

EVERY_DB = 0.03
"""Gain below which one scene speaks against a hint."""

ALIKE_DB = 0.15
"""Within this two units do alike, and it cannot be told which of them is meant."""

SEEDS = (5, 6, 7)
"""One scene of a kind for each."""

Predict = Callable[[Task], Reply]


@dataclass(frozen=True)
class Verdict:
    """Result of a comparison: the `hint`, "" for none, its mean `gain` in dB, whether that is `sure`, and a `note`."""

    hint: str = ""
    gain: float = 0.0
    sure: bool = False
    note: str = ""


class Trials:
    """Scenes, a model's quality on them, and what else it was given."""

    def __init__(self, predict: Predict, frames: int, parameters: Mapping[str, Value]) -> None:
        """Take a model as it is declared; a declared preprocessing among `parameters` makes more trials possible."""
        whole = set(NAMES) <= set(parameters)
        self.says: Preprocessing | None = declare(**{name: parameters[name] for name in NAMES}) if whole else None
        self._predict = predict
        light = self.says.input_scale if self.says else 1.0
        # what a network of photographs takes for its brightest, and a third of it for one that multiplies inside
        bright = 1 / light if 1 < light < PHOTOGRAPHS else 1.0
        self._make: dict[str, Callable[[int], Scene]] = {
            "land": lambda seed: land(frames, seed),
            "dark": lambda seed: land(frames, seed, DARK),
            "red": lambda seed: red_things(frames, seed, bright),
            "dim red": lambda seed: red_things(frames, seed, 0.35 * bright),
        }
        self._usual: dict[tuple[str, int], tuple[Scene, float] | None] = {}
        self.lost = ""
        """Outcome of the first scene that the model gave no answer to."""
        self.below_bicubic = False
        """True once bicubic has done better on a scene than the model as declared."""

    def gain(self, other: Alternative, kind: str, seed: int) -> float:
        """Return by how many dB the model does better with an alternative, on one scene; -inf without an answer.

        The gain is over the declared preprocessing and over bicubic: what is worse than bicubic both ways is not right
        either way.
        """
        usual = self._as_declared(kind, seed)
        if usual is None:
            return -np.inf
        scene, quality = usual
        answer = self._answer(scene.task(other.change(scene.images).astype(np.float32)))
        found = None if answer is None else _quality(other.undo(answer), scene.truth)
        return -np.inf if found is None else found - quality

    def gains(self, other: Alternative, kind: str) -> list[float]:
        """Return the gain on each scene of a kind; on the first alone if that already speaks against it."""
        found: list[float] = []
        for seed in SEEDS:
            found.append(self.gain(other, kind, seed))
            if found[0] < EVERY_DB:
                break
        return found

    def _as_declared(self, kind: str, seed: int) -> tuple[Scene, float] | None:
        """Return a scene, and the quality on it of the model as declared or of bicubic, whichever is better."""
        if (kind, seed) not in self._usual:
            scene = self._make[kind](seed)
            own = _quality(self._answer(scene.task()), scene.truth)
            plain = _quality(scene.images[0, list(RGB)], scene.truth)
            assert plain is not None
            self.below_bicubic |= own is not None and own < plain
            self._usual[kind, seed] = None if own is None else (scene, max(own, plain))
        return self._usual[kind, seed]

    def _answer(self, task: Task) -> NDArray[np.float32] | None:
        """Return red, green and blue of an answer, which may have the near infrared behind them; None without one."""
        reply = self._predict(task)
        if reply.image is None:
            self.lost = self.lost or f"{reply.outcome}: {reply.message.partition(chr(10))[0]}"
            return None
        return reply.image[: len(RGB)]


def other_units(trials: Trials) -> Verdict:
    """Return which other unit, offset or normalisation of the inputs the model does better with."""
    found: list[Alternative] = []
    harmless = []
    for other in alternatives(trials.says):
        every = [trials.gains(other, kind) for kind in other.scenes]
        if other.is_offset and abs(every[0][0]) < HINT_DB:
            harmless.append(other.name)
        if any(min(gains) >= EVERY_DB and float(np.mean(gains)) >= HINT_DB for gains in every):
            found.append(other)
    if not found:
        return Verdict(note=_indifferent(harmless))
    # the alternatives were tried on scenes of different kinds: what helps most is seen on both
    gains_of = [[trials.gain(other, kind, seed) for kind in ("land", "dark") for seed in SEEDS[:2]] for other in found]
    means = [float(np.mean(gains)) for gains in gains_of]
    alike = [index for index, mean in enumerate(means) if mean > max(means) - ALIKE_DB]
    # of several that help alike the first is the simpler mistake: a much larger unit hides an offset as well
    best = alike[0]
    hint = found[best].hint
    if others := [found[index].name for index in alike[1:]]:
        hint += f"; {' or '.join(others)} would do as well, to {ALIKE_DB:g} dB"
    return Verdict(hint, max(gains_of[best]), max(gains_of[best]) >= BETTER_DB)


def order_of_bands(trials: Trials) -> Verdict:
    """Return whether the model does better with red and blue in each other's place, at the input and in the answer."""
    other = exchanged(trials.says)
    gains = {kind: trials.gains(other, kind) for kind in ("land", "red", "dim red")}
    mean = {kind: float(np.mean(found)) for kind, found in gains.items() if np.isfinite(found).all()}
    if not mean:
        return Verdict(note=f"the order cannot be told: {trials.lost}")
    best = max(mean, key=lambda kind: mean[kind])
    agreed = min(mean.values()) > -HINT_DB and min(gains[best]) >= EVERY_DB
    if agreed and mean[best] >= HINT_DB:
        return Verdict(other.hint, mean[best], mean[best] >= ORDER_DB)
    if max(abs(gain) for kind in mean for gain in gains[kind]) < HINT_DB:
        note = f"red and blue exchanged give the same to {HINT_DB:g} dB: which comes first is neither seen nor matters"
        return Verdict(note=note)
    if trials.below_bicubic:
        return Verdict(note="it does no better than bicubic on the scenes: the order of red and blue cannot be told")
    return Verdict(note=f"red and blue exchanged are {-min(mean.values()):.2f} dB worse")


def _indifferent(names: list[str]) -> str:
    if not names:
        return ""
    which = " or ".join(names)
    return f"{which} makes no difference, to {HINT_DB:g} dB"


def _quality(image: NDArray[np.floating[Any]] | None, truth: NDArray[np.float32]) -> float | None:
    """Return the PSNR in dB of an answer of any size without its mean error and its edges; None without one."""
    if image is None:
        return None
    import torch

    from worldstrat_bench.resampling import bicubic

    answer = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None]
    on_grid = bicubic(answer, *truth.shape[1:])[0].numpy()
    inner = (slice(None), slice(16, -16), slice(16, -16))  # a model may do as it likes along the edges
    error = (on_grid - truth)[inner].astype(np.float64)
    error -= error.mean(axis=(1, 2), keepdims=True)
    return float(-10 * np.log10(max(np.square(error).mean(), 1e-12)))
