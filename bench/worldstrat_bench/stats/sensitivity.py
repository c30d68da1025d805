"""Findings of a study of sensitivity: places over variants, shares of pairs, and which choice moves the order most.

Variants are related: they score the same predictions of the same tiles. A share of them is not a probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.sensitivity import Sensitivity, VariantScores

Option = tuple[str, str]
"""Key of a choice, and the option taken."""


@dataclass(frozen=True)
class Places:
    """The places of one model: under the protocol itself, and the best and the worst over the variants."""

    model: str
    usual: int
    best: int
    worst: int


@dataclass(frozen=True)
class PairShare:
    """Two models, the one that is ahead under the protocol first.

    Attributes
    ----------
    ahead : share of the variants in which the first has the better mean.
    beats, beaten : shares of the variants with tests in which the first beats the second, or is beaten by it.
    """

    first: str
    second: str
    ahead: float
    beats: float
    beaten: float


@dataclass(frozen=True)
class Moved:
    """How far one option moves the order.

    Attributes
    ----------
    alone : pairs of models in another order when it alone is changed; None if that variant has no means.
    joined : mean over the variants with it of the pairs in another order than without it, all else equal.
    places : mean over models of the places that they move when it alone is changed.
    """

    option: Option
    alone: int | None
    joined: float
    places: float | None


@dataclass(frozen=True)
class Swap:
    """Two models that change places under some variant.

    Attributes
    ----------
    first, second : in the order of the protocol.
    usual : lead of the first under the protocol, dB.
    alone : options that change the order of the two when they alone are changed, with the lead of the first then.
    needed : options of which every variant that changes the order has one at least; one option alone is the cause.
    share : of the variants, in which the second is ahead.
    """

    first: str
    second: str
    usual: float
    alone: tuple[tuple[Option, float], ...]
    needed: tuple[Option, ...]
    share: float


@dataclass(frozen=True)
class Findings:
    """All of it.

    Attributes
    ----------
    variants, computed, tested : how many there are, have means, and have verdicts.
    places : in the order of the protocol.
    moved : the option that moves most first.
    swaps : in the order of the protocol.
    """

    variants: int
    computed: int
    tested: int
    places: tuple[Places, ...]
    pairs: tuple[PairShare, ...]
    moved: tuple[Moved, ...]
    swaps: tuple[Swap, ...]


def findings(study: Sensitivity) -> Findings:
    """Return what follows from the means and verdicts of a study."""
    known = [variant for variant in study.variants if variant.means]
    means = np.array([variant.means for variant in known])
    # The first variant is the protocol itself; equal means keep the order of the study.
    usual = np.lexsort((np.arange(means.shape[1]), -means[0]))
    names = [study.models[i].name for i in usual]
    means = means[:, usual]
    tested = [variant for variant in known if variant.beats]
    beats = np.array([[[int(c) for c in row] for row in v.beats] for v in tested], dtype=np.float64)
    beats = beats[:, usual][:, :, usual] if len(beats) else np.zeros((0, len(names), len(names)))
    places = (-means).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") + 1
    ahead = means[:, :, None] > means[:, None, :]
    pairs = list(combinations(range(len(names)), 2))
    shares = beats.mean(axis=0) if len(beats) else np.full((len(names),) * 2, np.nan)
    return Findings(
        variants=len(study.variants),
        computed=len(known),
        tested=len(tested),
        places=tuple(
            Places(name, int(places[0, i]), int(places[:, i].min()), int(places[:, i].max()))
            for i, name in enumerate(names)
        ),
        pairs=tuple(
            PairShare(names[i], names[j], float(ahead[:, i, j].mean()), float(shares[i, j]), float(shares[j, i]))
            for i, j in pairs
        ),
        moved=_moved(known, ahead, places),
        swaps=tuple(s for i, j in pairs if (s := _swap(known, names[i], names[j], means[:, i] - means[:, j]))),
    )


def _moved(variants: Sequence[VariantScores], ahead: NDArray[np.bool_], places: NDArray[np.intp]) -> tuple[Moved, ...]:
    row = {frozenset(variant.changed.items()): i for i, variant in enumerate(variants)}
    # A dict and not a set: the order of a set of texts changes from process to process.
    options = dict.fromkeys(item for variant in variants for item in variant.changed.items())
    found = []
    for option in options:
        # Each variant is compared with the one that differs in this option alone.
        with_it = [(i, row[key - {option}]) for key, i in row.items() if option in key and key - {option} in row]
        different = [int((ahead[i] != ahead[before]).sum()) // 2 for i, before in with_it]
        alone = row.get(frozenset([option]))
        found.append(
            Moved(
                option=option,
                alone=None if alone is None else int((ahead[alone] != ahead[0]).sum()) // 2,
                joined=float(np.mean(different)) if different else 0.0,
                places=None if alone is None else float(np.abs(places[alone] - places[0]).mean()),
            )
        )
    return tuple(sorted(found, key=lambda m: (-(m.alone or 0), -m.joined, m.option)))


def _swap(variants: Sequence[VariantScores], first: str, second: str, lead: NDArray[np.float64]) -> Swap | None:
    changed = [dict(variant.changed) for variant, own in zip(variants, lead.tolist(), strict=True) if own < 0]
    if not changed or lead[0] <= 0:
        return None
    alone = tuple(
        (next(iter(variant.changed.items())), float(own))
        for variant, own in zip(variants, lead.tolist(), strict=True)
        if len(variant.changed) == 1 and own < 0
    )
    options = [option for option, _ in alone]
    explained = all(any(item in options for item in own.items()) for own in changed)
    return Swap(first, second, float(lead[0]), alone, tuple(options) if explained else (), len(changed) / len(lead))


def swap_sentence(swap: Swap, titles: Mapping[str, str]) -> str:
    """Return which options make two models change places, in words.

    Parameters
    ----------
    titles : key of a choice to its title.
    """

    def named(option: Option) -> str:
        return f"{titles.get(option[0], option[0])} = {option[1]}"

    start = f"{swap.second} is ahead of {swap.first} in {100 * swap.share:.0f} % of the variants"
    usual = f"under the protocol it is {swap.usual:.3f} dB behind"
    if not swap.alone:
        return f"{start}; {usual}, and only two choices together change that"
    causes = " or ".join(f"{named(option)} ({-lead:.3f} dB ahead with it alone)" for option, lead in swap.alone)
    if swap.needed:
        return f"{start}, only under {causes}; {usual}"
    return f"{start}: under {causes}, and under two other choices together; {usual}"
