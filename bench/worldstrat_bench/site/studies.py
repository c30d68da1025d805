"""Studies of sensitivity beside the runs: read, checked against the records, and given to the board of their runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worldstrat_bench.artefacts.base import read_file
from worldstrat_bench.artefacts.sensitivity import ModelOfStudy, Sensitivity
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import RejectedEntry
from worldstrat_bench.site.finding import named_below, sites_below
from worldstrat_bench.site.text import clean

SAME_MEAN: Final = 1e-4
"""Decibels by which a mean of the protocol itself may differ from that of a record, which is of seven digits a tile."""


@dataclass(frozen=True)
class Study:
    """One ``sensitivity.json``.

    Attributes
    ----------
    source : how the build's report calls the place it came from.
    content : its bytes, for the download.
    """

    source: str
    report: Sensitivity
    content: bytes


def read_studies(paths: Iterable[Path], *, of_site: bool = False) -> tuple[list[Study], list[RejectedEntry]]:
    """Return the studies at or below some folders, each once, in the order of their content; and what was refused.

    Parameters
    ----------
    of_site : also read the copies that a built site offers, as the site's own check does.
    """
    found: dict[bytes, Study] = {}
    refused = []
    for root in paths:
        sites = frozenset[Path]() if of_site else sites_below(root)
        for file in sorted(named_below(root, Sensitivity.FILE)):
            if file.is_symlink() or not file.is_file() or not sites.isdisjoint(file.parents):
                continue
            source = clean(str(file.parent.relative_to(root.parent)), 200)
            try:
                content = read_file(file, Sensitivity.KIND, Sensitivity.MAX_BYTES, Sensitivity.REMEDY)
                found[content] = Study(source, Sensitivity.parse(content, where=file), content)
            except InvalidArtefactError as error:
                refused.append(RejectedEntry(source, clean(error.what, 400)))
    return [found[content] for content in sorted(found)], refused


def placed(
    studies: Sequence[Study], divisions: Sequence[Division]
) -> tuple[Mapping[str, list[Study]], list[RejectedEntry]]:
    """Return the studies of each division by its prefix, models under their titles; and those that no board shows."""
    found: dict[str, list[Study]] = {}
    refused = []
    for study in studies:
        reasons = [_why_not(study.report, division) for division in divisions]
        chosen = next((d for d, why in zip(divisions, reasons, strict=True) if not why), None)
        if chosen is not None:
            found.setdefault(chosen.prefix, []).append(_with_titles(study, chosen))
            continue
        why = next((why for why in reasons if why and why != _ELSEWHERE), _ELSEWHERE)
        refused.append(RejectedEntry(study.source, why))
    return found, refused


_ELSEWHERE: Final = "a study of runs that are not on one board of this site"


def _why_not(report: Sensitivity, division: Division) -> str:
    """Return why a division cannot show a study; "" if it can."""
    if (report.protocol.id, report.protocol.sha256) != (division.protocol.id, division.protocol.sha256):
        return _ELSEWHERE
    if report.list != division.list_name or report.targets_sha256 != division.targets_sha256:
        return _ELSEWHERE
    entries = {entry.record.record_id: entry for entry in division.entries}
    if not {model.record_id for model in report.models} <= entries.keys():
        return _ELSEWHERE
    for model, mean in zip(report.models, report.variants[0].means, strict=True):
        summary = division.scores(entries[model.record_id]).micro.get("psnr")
        if summary is None or summary.mean is None or not math.isclose(summary.mean, mean, abs_tol=SAME_MEAN):
            return f"the study gives {clean(model.name, 40)} another mean under the protocol than its record"
    return ""


def _with_titles(study: Study, division: Division) -> Study:
    titles = {entry.record.record_id: entry.title for entry in division.entries}
    models = tuple(ModelOfStudy(name=titles[m.record_id], record_id=m.record_id) for m in study.report.models)
    return Study(study.source, study.report.model_copy(update={"models": models}), study.content)
