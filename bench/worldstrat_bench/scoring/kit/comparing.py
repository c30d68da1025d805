"""Another implementation's numbers beside those of the kit."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from worldstrat_bench.errors import InvalidArtefactError, UsageError

TOLERANCE = 1e-6
"""How far two implementations may be apart, see ``readme.txt``."""

MOST = 10
"""The size above which a number is compared as if it had this one: decibels and degrees agree to 1e-5."""

STEPS = ("target", "valid", "mask", "offset", "mismatch", "at_edge", "shift_y", "shift_x", "bias", "result")
"""In the order in which they are computed: the first that differs is the rule to read again. All others follow."""

EXACT = frozenset({"valid", "mask", "shift_y", "shift_x", "at_edge"})


@dataclass(frozen=True)
class Difference:
    """Fault of one field: its name and a phrase that follows it."""

    field: str
    what: str


def check_results(kit: Path, results: Path) -> dict[str, list[Difference]]:
    """Compare a folder of results with a kit, file names and fields alike.

    Returns
    -------
    By the folder of every pair of the kit, what differs, in the order of computation; nothing if the pair agrees.

    Raises
    ------
    UsageError
        if either is not a folder, or the first is not a complete kit.
    InvalidArtefactError
        if a file is damaged.
    """
    for folder in (kit, results):
        if not folder.is_dir():
            raise UsageError("is not a folder", where=folder)
    index = kit / "kit.json"
    if not index.is_file():
        remedy = f"write one first: worldstrat-bench conformance {kit}"
        raise UsageError("the folder holds no conformance kit", where=kit, remedy=remedy)
    pairs = [str(pair["folder"]) for pair in _document(index)["pairs"]]
    return {pair: differences(read_numbers(kit / pair), read_numbers(results / pair)) for pair in pairs}


def read_numbers(folder: Path) -> dict[str, Any]:
    """Return what ``expected.json`` and ``expected.npz`` of a pair hold, whichever is there; the latter goes first.

    Raises
    ------
    InvalidArtefactError
        if a file is damaged.
    """
    numbers: dict[str, Any] = {}
    if (folder / "expected.json").is_file():
        numbers |= _document(folder / "expected.json")
    arrays = folder / "expected.npz"
    if arrays.is_file():
        try:
            with np.load(arrays, allow_pickle=False) as stored:
                numbers |= stored
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InvalidArtefactError(f"is not an NPZ file of arrays: {error}", where=arrays) from None
    return numbers


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InvalidArtefactError(f"is not a JSON file: {error}", where=path) from None
    if not isinstance(document, dict):
        raise InvalidArtefactError("is not a JSON object", where=path)
    return document


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[Difference]:
    """Return the fields of `expected` that differ by more than the kit allows, in the order of computation."""
    if not found:
        return [Difference("expected.npz", "and expected.json are missing")]
    order = [*(name for name in STEPS if name in expected), *sorted(set(expected) - set(STEPS))]
    checked = ((name, _difference(name, expected, found)) for name in order)
    return [Difference(name, what) for name, what in checked if what]


def _difference(name: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return what is wrong with one field; empty if it agrees."""
    if name not in found:
        return "is missing"
    if expected[name] is None or found[name] is None:
        names = ["null" if numbers[name] is None else "a number" for numbers in (found, expected)]
        return "" if names[0] == names[1] else f"is {names[0]}, not {names[1]}"
    right = np.asarray(expected[name], dtype=np.float64)
    try:
        given = np.asarray(found[name], dtype=np.float64)
    except (TypeError, ValueError):
        return "is not made of numbers"
    if right.shape != given.shape:
        return f"has shape {given.shape}, not {right.shape}"
    allowed = 0 if name in EXACT else TOLERANCE * _size(name, right, expected)
    apart = np.abs(right - given)
    wrong = ~(apart <= allowed)  # what is not a number is wrong, too
    if not wrong.any():
        return ""
    if name in EXACT and right.ndim:
        return f"differs in {np.count_nonzero(wrong)} of {wrong.size} pixels"
    if right.ndim:
        return f"differs in {np.count_nonzero(wrong)} of {wrong.size} values, by up to {apart.max():.3g}"
    return f"is {float(given):.9g}, not {float(right):.9g}"


def _size(name: str, right: Any, expected: Mapping[str, Any]) -> Any:
    """Return what the tolerance is a share of: mostly the value itself, at least 1 and at most :data:`MOST`."""
    if name == "mismatch":
        return np.abs(right).max()
    if name == "gain":  # the difference of two decibels
        return min(expected["psnr"], MOST)
    return np.clip(np.abs(right), 0 if name == "detail" else 1, MOST)
