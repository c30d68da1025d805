"""Words of ``submission new`` where only the author knows the answer, and the check that none of it is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worldstrat_bench.submission.faults import CheckFinding
from worldstrat_bench.submission.locate import line_of
from worldstrat_bench.submission.manifest import Manifest
from worldstrat_bench.submission.predictions_manifest import PredictionsManifest


@dataclass(frozen=True)
class Placeholder:
    """A text of the templates that stands for an answer.

    Attributes
    ----------
    section, key : where it stands in the manifest.
    text : what the template says; if it ends in "/", every value that begins with it is still the template's.
    remedy : what the author writes instead.
    """

    section: str
    key: str
    text: str
    remedy: str

    def left_in(self, manifest: Manifest | PredictionsManifest) -> bool:
        """Return whether a manifest still says it."""
        value = getattr(getattr(manifest, self.section, None), self.key, None)
        given = value if isinstance(value, tuple) else (value,)
        texts = (item.strip().casefold() for item in given if isinstance(item, str))
        own = self.text.casefold()
        return any(text == own or (own.endswith("/") and text.startswith(own)) for text in texts)


PLACEHOLDERS: Final[dict[str, Placeholder]] = {
    "no_author": Placeholder("submission", "authors", "Your Name", 'authors = ["Ada Lovelace"], as pages show them'),
    "no_description": Placeholder(
        "submission",
        "description",
        "Not described yet: what is the model?",
        "say in a sentence or two what the model is",
    ),
    "no_url": Placeholder(
        "weights",
        "url",
        "https://example.org/to-be-published/",
        "publish the file and give its https address",
    ),
    "no_datasets": Placeholder(
        "training", "datasets", "not stated yet", "name every data set that the weights have seen"
    ),
    "no_training": Placeholder(
        "training",
        "description",
        "Not stated yet: on which images was it trained?",
        "say on which images it was trained",
    ),
}
"""By the name that the templates use."""

MARK: Final = "# decide:"
"""Words behind a value that the templates guess, which whoever has looked at it takes away."""

_MARKED: Final = {
    "licence": ("submission",),
    "bands": ("model", "parameters"),
    "input_scale": ("model", "parameters"),
    "train_split": ("training",),
    "selection_split": ("training",),
    "test_evaluations": ("training",),
    "uses_test": ("training",),
}
"""Keys that may bear the mark, to the table that they stand in."""


def undecided(text: str) -> dict[str, int]:
    """Return the keys of a manifest that still bear the mark, with their tables, to their lines."""
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        key, _, rest = (part.strip() for part in line.partition("="))
        # Only the values of these keys hold no "#" of their own.
        if key in _MARKED and MARK in rest:
            found[".".join((*_MARKED[key], key))] = number
    return found


def placeholder_texts() -> dict[str, str]:
    """Return what the templates write, by name."""
    return {name: placeholder.text for name, placeholder in PLACEHOLDERS.items()}


def placeholder_faults(manifest: Manifest | PredictionsManifest, text: str, where: Path) -> Iterator[CheckFinding]:
    """Find the keys that still say what ``submission new`` wrote.

    Parameters
    ----------
    text : of the manifest, for the numbers of lines.
    where : its file.
    """
    for placeholder in PLACEHOLDERS.values():
        if placeholder.left_in(manifest):
            key = (placeholder.section, placeholder.key)
            what = f"{'.'.join(key)} still says {placeholder.text!r}, which `submission new` wrote"
            yield CheckFinding("placeholder", what, where=where, line=line_of(text, key), remedy=placeholder.remedy)
    for name, line in undecided(text).items():
        what = f"{name} still bears the mark {MARK!r} of `submission new`: is its value right?"
        remedy = "set what is true of the network (docs/submissions.md), and take the mark away"
        yield CheckFinding("placeholder", what, where=where, line=line, remedy=remedy)
