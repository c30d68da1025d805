"""Comparison of a submission with the others beside it: copies, facts of tiles, titles, authors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import groupby, product
from operator import itemgetter
from pathlib import Path
from typing import Final

import numpy as np

from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.artefacts.state import ACTIVE, State
from worldstrat_bench.artefacts.tiles import FACT_COLUMNS, TileTable
from worldstrat_bench.printed import counted
from worldstrat_bench.stats.aggregate import metric_values
from worldstrat_bench.stats.boards import board_key
from worldstrat_bench.stats.contradiction import SCORE_AGAIN
from worldstrat_bench.stats.counting import code_digests
from worldstrat_bench.stats.eligibility import computed_in
from worldstrat_bench.stats.facts import same_facts
from worldstrat_bench.stats.names import alike, author_fault, author_key, name_fault, skeleton, word_fault
from worldstrat_bench.submission.check_files import SUBMISSIONS
from worldstrat_bench.submission.faults import CheckFinding, notice
from worldstrat_bench.submission.locate import line_of
from worldstrat_bench.submission.manifest import MANIFEST_NAME, Manifest
from worldstrat_bench.submission.predictions_manifest import PredictionsManifest
from worldstrat_bench.submission.siblings import Siblings

ALIKE: Final = 0.9999
"""Correlation of the gains on tiles above which two results are pointed out as nearly the same."""

_FEW_TILES = 5


def others_faults(folder: Path, results: Sequence[Result], siblings: Siblings) -> Iterator[CheckFinding]:
    """Find scores that were copied, and name facts of tiles that contradict another's on the same targets."""
    if not results:
        return
    slug = folder.resolve().name
    # A record that comes now has the place of its submission, which may be that of the first of all: it would stand
    # before the one that it was copied from as soon as a dispute about that is settled.
    added = [(result, siblings.adds(slug, result)) for result in results]
    codes: dict[str, set[str]] = {}
    found: list[CheckFinding] = []
    for sibling, others in groupby(siblings.results(slug), key=itemgetter(0)):
        of_pairs: list[CheckFinding] = []
        for (_, other), (result, new) in product(others, added):
            state = ACTIVE if new else siblings.state(sibling)
            of_pairs += _pair_faults(result, other, sibling.name, state)
            for code in code_digests(result.record.model) & code_digests(other.record.model):
                codes.setdefault(code, set()).add(sibling.name)
        found += (f for f in _one_of_each(of_pairs) if f.severity != "error" or siblings.stands(sibling))
    # First, and under a name of its own: a report is cut at its end.
    for code, slugs in codes.items():
        listed = _listed(sorted(slugs, key=lambda name: (siblings.place(name), name)))
        what = f"the code {code[:12]} is also that of {listed}: one entry of the same code moves ranks"
        yield notice("code", what, where=folder)
    yield from found
    yield from _board_notices(folder, results, siblings)


def _one_of_each(faults: Sequence[CheckFinding]) -> Iterator[CheckFinding]:
    """Yield every error, and one notice of each rule that says how many there are: pairs of records are many."""
    count = Counter(f.rule for f in faults if f.severity == "notice")
    told: set[str] = set()
    for fault in faults:
        if fault.severity == "error":
            yield fault
        elif fault.rule not in told:
            told.add(fault.rule)
            more = f" (and so for {counted(count[fault.rule] - 1, 'more pair')} of records)"
            yield replace(fault, what=fault.what + more) if count[fault.rule] > 1 else fault


def _board_notices(folder: Path, results: Sequence[Result], siblings: Siblings) -> Iterator[CheckFinding]:
    """Say how many boards a submission opens, if it opens several: a site has pages for every tile of each."""
    others = [other for _, other in siblings.results(folder.resolve().name)]
    opened: list[Result] = []
    for result in results:
        # One that states other facts of the same tiles has a board of its own, too.
        if not any(_one_board(result, other) for other in (*opened, *others)):
            opened.append(result)
    if len(opened) > 1:
        tiles = sum(len(result.table) for result in opened)
        what = f"it opens {len(opened)} boards, with a page for each of their {tiles} tiles"
        yield notice("boards", what, where=folder, remedy="a person decides whether the site is to have them")


def _one_board(a: Result, b: Result) -> bool:
    """Return whether two results stand on one board: of the same key, and agreed about the facts of its tiles."""
    return board_key(a.record) == board_key(b.record) and same_facts(a.table, b.table)


def _pair_faults(result: Result, other: Result, slug: str, state: State) -> Iterator[CheckFinding]:
    # Not the folder itself: those of a base lie in a temporary place.
    where, who = result.tiles_file, f"{SUBMISSIONS}/{slug}/{'/'.join(other.folder.parts[-3:])}"
    # A run in which every tile failed has the same table as any other such run.
    if result.tiles_sha256 == other.tiles_sha256 and result.record.outcomes.get("ok"):
        what = f"tiles.csv is that of another submission: {who}"
        # Whoever copied a table and was merged first would keep its authors off the boards for good: records never go.
        if state.word != "active":
            yield notice("copied", f"{what}, which is {state.word}", where=where, remedy="a person asks whose it is")
            return
        # What maintainers computed was not copied from what is its authors' word, in whichever order they came.
        if computed_in(result.folder, result.record) and not computed_in(other.folder, other.record):
            what = f"{what}, whose numbers maintainers have not computed"
            yield notice("copied", what, where=where, remedy="a person asks whose that one is")
            return
        yield CheckFinding("copied", what, where=where, remedy=SCORE_AGAIN)
        return
    mine, theirs = result.record.dataset, other.record.dataset
    same = (mine.targets_sha256, mine.inputs) == (theirs.targets_sha256, theirs.inputs)
    if same and result.record.protocol.sha256 == other.record.protocol.sha256:
        difference = _facts_differ(result.table, other.table)
        if difference:
            what = f"{difference} differs from the one in {who}, on the same targets"
            yield notice("facts", f"{what}: no submission decides which of the two is right", where=where)
        elif (alike := _correlation(result, other)) > ALIKE:
            what = f"the gains on tiles are those of {who}, with a correlation of {alike:.6f}"
            yield notice("copies", what, where=where, remedy="a person compares the two models")


def _facts_differ(a: TileTable, b: TileTable) -> str | None:
    """Return where two tables on the same targets contradict each other about a tile or the reference bicubic."""
    if a.tiles != b.tiles:
        return "the list of tiles"
    for name in FACT_COLUMNS:
        if name in a.texts:
            pairs = zip(a.text(name), b.text(name), strict=True)
            row = next((i for i, (x, y) in enumerate(pairs) if x != y), None)
        else:
            x, y = a.numbers[name], b.numbers[name]
            rows = np.flatnonzero(~(np.isclose(x, y, rtol=1e-4, atol=1e-7) | (np.isnan(x) & np.isnan(y))))
            row = int(rows[0]) if len(rows) else None
        if row is not None:
            return f"{name} of tile {a.tiles[row]!r}"
    x, y = a.numbers["psnr_bicubic"], b.numbers["psnr_bicubic"]
    rows = np.flatnonzero(np.abs(x - y) > 0.01)
    return f"psnr_bicubic of tile {a.tiles[int(rows[0])]!r}" if len(rows) else None


def _correlation(result: Result, other: Result) -> float:
    """Return the correlation of the gains of two results over the tiles that both have; 0 where it is not defined."""
    if result.table.tiles != other.table.tiles:
        return 0.0
    # Gains, since the PSNR of all models rises and falls with the tile: any two would correlate.
    x, y = metric_values(result.table, "gain"), metric_values(other.table, "gain")
    both = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[both], y[both]
    if len(x) < _FEW_TILES or np.ptp(x) <= 1e-9 or np.ptp(y) <= 1e-9:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def name_faults(
    manifest: Manifest | PredictionsManifest, text: str, folder: Path, siblings: Siblings
) -> Iterator[CheckFinding]:
    """Check the title and the authors of a submission by themselves and against the others beside it.

    Parameters
    ----------
    text : of the manifest, for the numbers of lines.
    """
    about, where = manifest.submission, folder / MANIFEST_NAME
    title_line, authors_line, slug_line = (line_of(text, ("submission", key)) for key in ("title", "authors", "slug"))
    if fault := name_fault(about.title):
        remedy = "write the title in the letters of one script"
        yield CheckFinding("name", f"the title cannot be used: {fault}", where=where, line=title_line, remedy=remedy)
    if about.status_date and date.fromisoformat(about.status_date) > date.today() + timedelta(days=1):
        what, line = f"status_date {about.status_date} is in the future", line_of(text, ("submission", "status_date"))
        yield CheckFinding("status", what, where=where, line=line, remedy="give the day of the change")
    worded = [("submission", "slug", about.slug), ("submission", "licence", about.licence)]
    if isinstance(manifest, PredictionsManifest):
        worded.append(("predictions", "licence", manifest.predictions.licence))
    else:  # pages show them as a record has them
        worded += [("model", "parameters", f"{name}: {value}") for name, value in manifest.model.parameters.items()]
    for section, key, value in worded:
        if fault := word_fault(value):
            line = line_of(text, (section, key))
            what = f"the {key} cannot be used: {fault}"
            yield CheckFinding("name", what, where=where, line=line, remedy="choose other words")
    ours = isinstance(manifest, Manifest) and manifest.model.repository_folder is not None
    for author in about.authors:
        # The baselines of this repository are by its maintainers; all others name people.
        if not ours and (fault := author_fault(author)):
            what = f"the author {author[:60]!r} cannot be named: {fault}"
            yield CheckFinding(
                "name", what, where=where, line=authors_line, remedy="name the people who made the model"
            )
    slug = folder.resolve().name
    others = tuple(siblings.names(slug))
    yield from _look_alikes(about.title, slug, siblings, where=where, lines=(title_line, slug_line))
    for compared, said in (
        (author_key, "its authors have {}: one entry of the same authors moves ranks"),
        (skeleton, "the names of its authors look like those of {}: if they are other people, both count"),
    ):
        own = {compared(author) for author in about.authors}
        named = (other.slug for _, other in others if own & {compared(author) for author in other.authors})
        if shared := sorted(named, key=lambda other: (siblings.place(other), other)):
            count = f"{len(shared)} other submission{'s' if len(shared) > 1 else ''}"
            yield notice("authors", said.format(f"{count} ({_listed(shared)})"), where=where, line=authors_line)
            break


def _look_alikes(
    title: str, slug: str, siblings: Siblings, *, where: Path, lines: tuple[int | None, int | None]
) -> Iterator[CheckFinding]:
    """Find the siblings whose title, or whose slug, readers would take for this one.

    Parameters
    ----------
    lines : of title and slug.
    """
    own_place = siblings.place(slug)
    for folder, other in siblings.names(slug):
        if alike(title, other.title) and siblings.stands(folder):
            what = f"the title can be taken for that of {other.slug}: {other.title[:60]!r}"
            yield CheckFinding("name", what, where=where, line=lines[0], remedy="choose a title that differs")
        # A slug is never changed: it is not held against one that was there when the other came.
        earlier = siblings.place(folder.name) <= own_place
        if earlier and skeleton(folder.name) == skeleton(slug) and siblings.stands(folder):
            what = f"the slug can be taken for {other.slug!r}, which is another submission's"
            yield CheckFinding("name", what, where=where, line=lines[1], remedy="choose a slug that differs")


def _listed(slugs: Sequence[str]) -> str:
    """Return the first three names and how many more there are."""
    more = f" and {len(slugs) - 3} more" if len(slugs) > 3 else ""
    return ", ".join(slugs[:3]) + more
