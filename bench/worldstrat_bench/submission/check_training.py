"""Contamination: what the manifest says about training, against the test lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from worldstrat_bench.data import split
from worldstrat_bench.stats.train_split import assess
from worldstrat_bench.submission.faults import CheckFinding, notice
from worldstrat_bench.submission.locate import line_of
from worldstrat_bench.submission.manifest import MANIFEST_NAME, Manifest

MAX_TRAIN_TILES_BYTES = 512 * 1024


def training_faults(manifest: Manifest, folder: Path, text: str, *, ranked: bool) -> Iterator[CheckFinding]:
    """What the train list means for the test lists.

    Parameters
    ----------
    ranked : the submission holds a record on official data; without one contamination is a notice only.
    """
    training, where = manifest.training, folder / MANIFEST_NAME
    line = line_of(text, ("training", "train_split"))
    if training.train_split == "none" and (training.datasets or manifest.weights):
        given = "datasets are named" if training.datasets else "there are weights"
        remedy = 'train_split = "described", with a description, for data sets other than WorldStrat'
        yield CheckFinding(
            "contamination", f'train_split is "none" and yet {given}', where=where, line=line, remedy=remedy
        )
    declared = assess(training.train_split)
    if declared.status == "contaminated":
        what = f"train_split = {training.train_split!r}: the model has seen the test set. {declared.explanation}"
        remedy = "train again on the `train` rows of the published split file"
        yield CheckFinding(
            "contamination", what, where=where, line=line, remedy=remedy, severity="error" if ranked else "notice"
        )
    if training.train_split == "worldstrat-train":
        leaky = len(split.list_tiles("full")) - len(split.list_tiles("clean"))
        what = f"the published train list shares tiles or orders with {leaky} test tiles, which `clean` leaves out"
        yield notice("contamination", what, where=where, line=line)
    if training.train_split == "described":
        yield notice("contamination", "the train list is described in words: a person reads it", where=where, line=line)
    if training.train_tiles:
        yield from _listed_faults(folder / training.train_tiles, ranked=ranked)


def _listed_faults(path: Path, *, ranked: bool) -> Iterator[CheckFinding]:
    where = path
    try:
        if path.is_symlink() or path.stat().st_size > MAX_TRAIN_TILES_BYTES:
            yield CheckFinding(
                "train-tiles", "is a link or too large for a list of tile names", where=where, remedy="one name a line"
            )
            return
        names = {line.strip() for line in path.read_bytes().decode("utf-8-sig").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        what = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else "the file is missing"
        yield CheckFinding("train-tiles", what, where=where, remedy="put the train tiles there, one name a line")
        return
    test = set(split.list_tiles("full")) | set(split.list_tiles("never-split"))
    both = sorted(names & test)
    if both:
        what = f"{len(both)} test tiles are on the train list, {both[0]!r} for one"
        yield CheckFinding(
            "contamination", what, where=where, remedy="train without them", severity="error" if ranked else "notice"
        )
