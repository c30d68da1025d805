"""Compact letter display: every maximal set of mutually unbeaten models gets a letter (protocol 3.7).

Being unbeaten is not transitive, so a model may bear several letters and two models that share one are tied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

BUDGET = 20_000
"""Steps of the search before it is given up: a graph can have 3^(m/3) maximal sets (Moon and Moser 1965)."""


def maximal_sets(tied: NDArray[np.bool_]) -> list[tuple[int, ...]] | None:
    """Return the maximal cliques of a symmetric relation, each ascending, in lexicographic order.

    Parameters
    ----------
    tied : (m, m) True where neither beats the other; the diagonal is ignored.

    Returns
    -------
    None if there are too many to be of use to a reader.
    """
    count = len(tied)
    neighbours = [sum(1 << j for j in range(count) if j != i and tied[i, j]) for i in range(count)]
    found: list[tuple[int, ...]] = []
    stack = [(0, (1 << count) - 1, 0)]  # chosen, candidates, excluded (Bron and Kerbosch 1973, with pivot)
    # A stack and a budget in place of recursion: records of strangers decide how many sets there are.
    for _ in range(BUDGET):
        if not stack:
            return sorted(found)
        chosen, candidates, excluded = stack.pop()
        if not candidates:
            if not excluded and chosen:
                found.append(tuple(_bits(chosen)))
            continue
        most, rest = -1, candidates
        # The pivot with the most neighbours leaves the fewest branches (Tomita and others 2006).
        for v in _bits(candidates | excluded):
            common = candidates & neighbours[v]
            if (size := common.bit_count()) > most:
                most, rest = size, candidates & ~common
        for v in _bits(rest):
            stack.append((chosen | 1 << v, candidates & neighbours[v], excluded & neighbours[v]))
            candidates &= ~(1 << v)
            excluded |= 1 << v
    return None if stack else sorted(found)


def letter_display(tied: NDArray[np.bool_]) -> tuple[tuple[str, ...], ...] | None:
    """Return the letters of every model, given in the order of the board; "a" belongs to the set of the first row.

    Parameters
    ----------
    tied : (n, n) bool, symmetric: whether neither of two models beats the other.
    """
    sets = maximal_sets(tied)
    if sets is None:
        return None
    letters: list[list[str]] = [[] for _ in range(len(tied))]
    for number, group in enumerate(sets):
        own_letter = letter(number)
        for row in group:
            letters[row].append(own_letter)
    return tuple(tuple(own) for own in letters)


def letter(number: int) -> str:
    """Return the letter of a number: 0 is a, 25 is z, 26 is aa."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def shown(letters: Sequence[str], most: int = 6) -> str:
    """Return letters as a cell prints them: "abc"; "a, b … k" and their number where there are more than `most`."""
    if len(letters) > most:
        return f"{letters[0]}…{letters[-1]} ({len(letters)})"
    return ("" if all(len(one) == 1 for one in letters) else " ").join(letters)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
