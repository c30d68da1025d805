"""Several strata at once: the controls that choose tiles by every axis, and what the script needs for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from worldstrat_bench.measures import measure
from worldstrat_bench.site.analysis import Analysis, Floats, Stratum, shown_stratum
from worldstrat_bench.site.text import slugify
from worldstrat_bench.stats.strata import UNKNOWN, UNLABELLED, UNLOCATED, axis, stratum_name

ORDERED: Final = ("latitude", "cloud", "age")
"""Axes whose classes follow each other, so that "20 % or more" can be asked for."""
FINER = 3
"""Digits that a page's values have beyond those it prints: what ``tiles.csv`` holds of a PSNR, so that means agree."""


@dataclass(frozen=True)
class AxisChoice:
    """The control of one axis: its name in the address, its title, and (value, text, tiles) of what can be chosen."""

    name: str
    title: str
    options: tuple[tuple[str, str, int], ...]


def axis_choices(analysis: Analysis) -> list[AxisChoice]:
    """Return a control for every axis that divides the tiles of the ranking list."""
    found = []
    for name in analysis.division.strata:
        strata = [s for s in analysis.strata if s.axis == name]
        if len(strata) > 1:
            words = _words(strata)
            options = [(words[s.label], shown_stratum(name, s.label), len(s.tiles)) for s in strata]
            found.append(AxisChoice(name, axis(name).title, (*options, *_upwards(strata, words))))
    return found


def strata_data(analysis: Analysis) -> list[list[object]]:
    """Return [title of the axis, label, positions of its tiles, name of the axis, word of the address] by stratum."""
    position = {tile: i for i, tile in enumerate(analysis.division.tiles)}
    found: list[list[object]] = []
    for name in analysis.division.strata:
        strata = [s for s in analysis.strata if s.axis == name]
        words = _words(strata)
        for s in strata:
            tiles = [position[t] for t in s.tiles]
            found.append([axis(name).title, shown_stratum(name, s.label), tiles, name, words[s.label]])
    return found


def tile_data(analysis: Analysis) -> dict[str, object]:
    """Return the strata, the group of every tile, and how many effective groups a test and an interval need."""
    rules = analysis.division.protocol.aggregation
    groups = [analysis.division.facts.groups[analysis.row_of[tile]] for tile in analysis.division.tiles]
    return {
        "strata": strata_data(analysis),
        "groups": group_numbers(groups),
        "fewest": rules.groups_min,
        "drawn": rules.groups_interval,
    }


def scaled_values(analysis: Analysis, metric: str, order: Sequence[str]) -> dict[str, object]:
    """Return the values of models on the tiles of the ranking list as whole numbers, and the scale that makes them so.

    Parameters
    ----------
    order : slugs of ranked entries.
    """
    row = {entry.slug: i for i, entry in enumerate(analysis.division.entries)}
    columns = [analysis.row_of[tile] for tile in analysis.division.tiles]
    scale = 10 ** (measure(metric).decimals + FINER)
    values: Floats = analysis.matrix(metric)[np.ix_([row[slug] for slug in order], columns)] * scale
    return {"scale": scale, "values": [[None if np.isnan(v) else round(v) for v in own] for own in values.tolist()]}


def group_numbers(groups: Sequence[str]) -> list[int]:
    """Return a number for the group of every tile, in the order in which groups appear."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(group, len(numbers)) for group in groups]


def _words(strata: Sequence[Stratum]) -> dict[str, str]:
    """Return the word of the address for every label of an axis: readable, and no two alike."""
    plain = {s.label: slugify("-".join(s.label.lower().split())) for s in strata}
    taken = list(plain.values())
    return {label: word if taken.count(word) == 1 else slugify(label, salt=label) for label, word in plain.items()}


def _upwards(strata: Sequence[Stratum], words: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """Return "20 % or more" and the like: every class of an ordered axis together with those after it."""
    if strata[0].axis not in ORDERED:
        return []
    own = [s for s in strata if s.label not in (UNKNOWN, UNLABELLED, UNLOCATED)]
    found = []
    # Neither from the first, which would be all of them, nor from the last, which is a class by itself.
    for i in range(1, len(own) - 1):
        after = own[i:]
        lower = stratum_name(own[i].axis, own[i].label.partition("-")[0])
        value = ",".join(words[s.label] for s in after)
        found.append((value, f"{lower} or more", sum(len(s.tiles) for s in after)))
    return found
