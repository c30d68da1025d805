"""Train lists: which there are, and which declarations mean that a model has seen test tiles.

One vocabulary for manifests, pull request checks and boards. Everything else is free text: it is shown as the
authors wrote it, with a flag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["clean", "contaminated", "described", "undeclared"]


@dataclass(frozen=True)
class TrainSplit:
    """One known train list.

    Attributes
    ----------
    name : as a manifest states it.
    title : as pages show it.
    contaminated : whether it holds tiles that rank the board.
    explanation : one line, with the reason.
    """

    name: str
    title: str
    contaminated: bool
    explanation: str


TRAIN_SPLITS: tuple[TrainSplit, ...] = (
    TrainSplit("none", "No training data", False, "The model has no weights"),
    TrainSplit(
        "other",
        "Other than satellite images",
        False,
        "The authors state that the weights saw no satellite image, but photographs or synthetic images",
    ),
    TrainSplit(
        "worldstrat-train",
        "WorldStrat train",
        False,
        "The train rows of the stratified split file, without the tiles that are also test rows",
    ),
    TrainSplit(
        "worldstrat-train-unleaked",
        "WorldStrat train, unleaked",
        False,
        "The train rows without duplicates, siblings and shared acquisitions of test tiles",
    ),
    TrainSplit(
        "worldstrat-train-clean",
        "WorldStrat train, clean",
        False,
        "The train rows without duplicates, siblings and shared acquisitions of test tiles",
    ),
    TrainSplit("mini-train", "Mini train", False, "The train tiles of the mini data set"),
    TrainSplit(
        "worldstrat-random-2022",
        "WorldStrat random split",
        True,
        "Upstream's script splits at random: its published seed puts 318 of the 394 test tiles into train",
    ),
    TrainSplit("worldstrat-all", "All of WorldStrat", True, "Every tile, the 394 test tiles included"),
)
"""The known train lists, in the order of documentation."""

_ALSO_CONTAMINATED = frozenset(
    {"upstream-random", "all", "worldstrat-test", "test", "full", "worldstrat-random", "worldstrat-random-seed"}
)
_IN_WORDS = {
    "listed": "The submission holds the list of its train tiles, which its check compares with the test tiles",
    "described": "The authors describe their training data in words, which no list can be held against",
}


@dataclass(frozen=True)
class Declaration:
    """Consequences of a declared train list."""

    status: Status
    title: str
    explanation: str


def assess(train_split: str | None) -> Declaration:
    """Judge a declaration. Case and surrounding space do not matter."""
    text = (train_split or "").strip()
    if not text:
        return Declaration("undeclared", "not declared", "The entry does not say what it was trained on")
    key = text.lower().replace("_", "-")
    known = next((split for split in TRAIN_SPLITS if split.name == key), None)
    if known:
        return Declaration("contaminated" if known.contaminated else "clean", known.title, known.explanation)
    if key in _IN_WORDS:
        return Declaration("described", key, _IN_WORDS[key])
    if key in _ALSO_CONTAMINATED:
        return Declaration("contaminated", text, "This train list holds test tiles")
    return Declaration("described", text, "Described by the authors in their own words, not a list that is known here")
