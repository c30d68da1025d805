"""``site build``: from paths to a folder of pages."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.errors import UsageError
from worldstrat_bench.pace import Say
from worldstrat_bench.plain_files import LARGEST_DOCUMENT, read_plain
from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.apart import apart_rows, front_rows
from worldstrat_bench.site.archive import build_archives
from worldstrat_bench.site.breaking import without_breaking
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.context import common_context, navigation
from worldstrat_bench.site.divisions import Division, UnrankedEntry
from worldstrat_bench.site.duplicates import without_duplicates
from worldstrat_bench.site.emptied import left_out
from worldstrat_bench.site.entries import Entry, RejectedEntry, read_entries
from worldstrat_bench.site.finding import MANIFEST, Judged
from worldstrat_bench.site.licences import footer
from worldstrat_bench.site.pages_board import build_boards, empty_context, heading_of
from worldstrat_bench.site.pages_choose import build_choose
from worldstrat_bench.site.pages_history import build_snapshots
from worldstrat_bench.site.pages_model import build_models
from worldstrat_bench.site.pages_more import build_compare, build_gallery
from worldstrat_bench.site.pages_protocol import build_about_protocol
from worldstrat_bench.site.pages_share import build_card, build_feed
from worldstrat_bench.site.pages_site import (
    build_badges,
    build_data,
    build_method,
    build_runs,
    build_schemas,
    read_manifest,
)
from worldstrat_bench.site.pages_strata import build_heat, build_strata
from worldstrat_bench.site.pages_tile import build_tiles
from worldstrat_bench.site.pictures import TilePictures
from worldstrat_bench.site.previews import collect, open_source
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.report import BuildReport, report_of
from worldstrat_bench.site.robustness import Partners, synthetic_partners
from worldstrat_bench.site.snapshots import Snapshot
from worldstrat_bench.site.sorting import list_divisions, unplaced
from worldstrat_bench.site.stored import Files, read_pictures
from worldstrat_bench.site.studies import Study, placed, read_studies


def build(
    paths: Sequence[Path],
    out: Path,
    *,
    data: Path | None = None,
    predictions: Sequence[Path] = (),
    pictures: Path | None = None,
    previews: bool = True,
    config: BoardConfig | None = None,
    references: References | None = None,
    judged: Judged | None = None,
    snapshots: Sequence[Snapshot] = (),
    say: Say = lambda _: None,
) -> BuildReport:
    """Build the site.

    Parameters
    ----------
    paths : submissions folders and run directories.
    out : an empty folder, one that does not exist, or a site built before, which is replaced.
    data : the data set, for pictures of inputs and truth.
    predictions : run directories with stored predictions, for pictures of them and error maps.
    pictures : made before: an archive of them, or a built site; instead of `data` and `predictions`.
    previews : False leaves all pictures out.
    config : which boards and columns; none: the defaults.
    references : what official records are held against; None for those that the package ships.
    judged : what a check found of submissions, of which those that it refused are not shown, but on the data page.
    snapshots : frozen boards, each of which gets a page.
    say : is told now and then how many tiles have their pictures.

    Raises
    ------
    UsageError
        if a path does not exist, or `out` holds anything but a site.
    DataError
        if `data` is not a data set.
    """
    _check_out(out)
    if pictures is not None and (data is not None or predictions):
        what = "pictures are made from data and predictions, or taken over, not both"
        raise UsageError(what, where="--pictures", remedy="leave --pictures or the others out")
    entries, studies, refused = _read(paths, references, judged)
    # In one value, because it may be called several times: with --checked, entries that break a build are left out.
    make = partial(
        compose,
        data=data if previews else None,
        predictions=predictions if previews else (),
        config=config,
        stored=read_pictures(pictures) if pictures is not None and previews else None,
        studies=studies,
        references=references,
        snapshots=snapshots,
        say=say,
    )
    with _without_collection():
        if judged:
            merged = (config or BoardConfig()).merged
            (output, divisions, apart), refused = without_breaking(make, entries, refused, merged)
        else:
            output, divisions, apart = make(entries, refused)
    # A site is not replaced by an empty one: that no record could be read is mostly a mistake of the call.
    kept = not divisions and not apart and (out / "index.html").exists()
    if not kept:
        output.write(out)
    return report_of(out, output, divisions, apart, [*refused, *placed(studies, divisions)[1]], kept=kept)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Switch the garbage collector off for a while.

    A build makes millions of small objects and hardly any cycles, so that looking for cycles took a fifth of its time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_without_collection()
def _read(
    paths: Sequence[Path], references: References | None, judged: Judged | None
) -> tuple[Sequence[Entry], Sequence[Study], list[RejectedEntry]]:
    """Return the runs, the studies, and what cannot be used of all that lies at or below some paths."""
    found, refused = read_entries(paths, references=references, judged=judged)
    entries, twins = without_duplicates(found)
    # A study says things of other people's records: in a submission it is read by no check.
    studies, bad = read_studies([path for path in paths if path not in (judged or {})])
    return entries, studies, [*refused, *twins, *bad]


def compose(
    entries: Sequence[Entry],
    refused: Sequence[RejectedEntry],
    data: Path | None = None,
    predictions: Sequence[Path] = (),
    *,
    config: BoardConfig | None = None,
    stored: Files | None = None,
    card_from: Path | None = None,
    studies: Sequence[Study] = (),
    references: References | None = None,
    snapshots: Sequence[Snapshot] = (),
    say: Say = lambda _: None,
) -> tuple[Output, tuple[Division, ...], tuple[UnrankedEntry, ...]]:
    """Return all files of the site in memory, its divisions, and the runs that are listed apart.

    Parameters
    ----------
    stored : pictures that are taken over instead of made.
    card_from : a built site whose card is taken over.
    studies : of sensitivity; one that fits no board is refused.
    references, snapshots, say : see :func:`build`.
    """
    # What the repository says is cut to the records that are shown, and written into the site: a rebuild from the site
    # alone has to give the same bytes.
    config = (config or BoardConfig()).about([entry.record for entry in entries])
    # Pages are made of the divisions that are published, downloads of all: nothing that was read is dropped in
    # silence.
    found = list_divisions(entries, references, config)
    divisions = tuple(d for d in found if d.paged and d.kind in config.kinds)
    loose = (*unplaced(entries), *(a for d in found if d not in divisions for a in _without_board(d)))
    apart = (*loose, *(a for d in divisions for a in (*_withdrawn(d), *d.apart)))
    analyses = [Analysis(d, config) for d in divisions]
    source = open_source(data, predictions, say)
    partners = synthetic_partners(entries, config.records)
    output = Output()
    output.put_assets()
    own, misplaced = placed(studies, divisions)
    for i, analysis in enumerate(analyses):
        pictures = collect(output, analysis, source, stored)
        # The first division is the official one where there is one; its board is the front page as well.
        home = _home(analysis, divisions, apart) if i == 0 else None
        common = common_context(analysis.division, config) | {"history": bool(snapshots)}
        more = build_about_protocol(output, analysis.division, common, found, own.get(analysis.division.prefix, []))
        _build_division(output, analysis, pictures, home, partners, common | {"more": more})
    common = _common_of_all(divisions, config, snapshots)
    if not divisions:
        _empty_front(output, apart, [*refused, *misplaced], config)
    if config.url:
        build_card(output, analyses, card_from)
    output.page("404.html", "missing.html.j2", {**common, "d": None})
    build_method(output, common)
    build_runs(output, divisions, loose)
    build_schemas(output)
    build_badges(output, divisions)
    build_snapshots(output, common, snapshots, config.url)
    build_feed(output, divisions, config.url, config.merged)
    for division in divisions:
        build_archives(output, division)
    # Last: its manifest holds the digest of every other file.
    build_data(output, common, divisions, [*refused, *misplaced], apart_rows(apart), entries, config)
    return output, divisions, apart


def _common_of_all(
    divisions: Sequence[Division], config: BoardConfig, snapshots: Sequence[Snapshot]
) -> dict[str, object]:
    """Return what templates are given of pages that belong to no division."""
    releases = [release for d in divisions for release in d.release.split(", ")]
    return {
        **common_context(None, config),
        **navigation(divisions[0] if divisions else None),
        "imagery": footer(releases),
        "history": bool(snapshots),
    }


def _withdrawn(division: Division) -> tuple[UnrankedEntry, ...]:
    """Return the runs that keep their page without a rank, with its address."""
    return tuple(replace(item, page=f"{division.prefix}m/{item.entry.slug}.html") for item in division.withdrawn)


def _without_board(division: Division) -> tuple[UnrankedEntry, ...]:
    """Return the runs of a division that gets no pages: none may be ranked, or its kind is not published."""
    reason = f"{division.kind} boards are not published on this site"
    unpublished = (*division.withdrawn, *(UnrankedEntry(entry, reason) for entry in division.shown))
    return (*division.apart, *(replace(item, entry=_with_its_record(item.entry)) for item in unpublished))


def _with_its_record(entry: Entry) -> Entry:
    """Return an entry under a name that no entry of another board has."""
    return replace(entry, slug=f"{entry.slug[:50]}-{entry.record.record_id[:8]}")


def _build_division(
    output: Output,
    analysis: Analysis,
    pictures: dict[str, TilePictures],
    home: dict[str, object] | None,
    partners: Partners,
    common: Mapping[str, object],
) -> None:
    build_boards(output, analysis, common, home=home)
    build_strata(output, analysis, common)
    build_heat(output, analysis, common)
    build_models(output, analysis, common, partners, pictures)
    build_tiles(output, analysis, common, pictures)
    build_compare(output, analysis, common)
    build_choose(output, analysis, common)
    build_gallery(output, analysis, common, pictures)


def _home(analysis: Analysis, divisions: Sequence[Division], apart: Sequence[UnrankedEntry]) -> dict[str, object]:
    others = [
        {"prefix": d.prefix, "title": heading_of(d), "entries": len(d.shown), "tiles": len(d.tiles)}
        for d in divisions
        if d is not analysis.division
    ]
    return {
        "no_official": analysis.division.kind != "official",
        "others": others,
        **front_rows(apart),
    }


def _empty_front(
    output: Output, apart: Sequence[UnrankedEntry], refused: Sequence[RejectedEntry], config: BoardConfig
) -> None:
    own = {
        "heading": "Leaderboard",
        "lead": left_out(refused),
        "no_official": True,
        "facts": [],
        "table": None,
        "table_html": "",
        "legend": "",
        **front_rows(apart),
    }
    context = common_context(None, config) | empty_context() | own
    output.page("index.html", "board.html.j2", context)


def _check_out(out: Path) -> None:
    # A clone may have brought the link, and all but the files of the site would be removed from where it leads.
    if out.is_symlink():
        raise UsageError("the folder is a link", where=out, remedy=f"give --out what it leads to, {out.resolve()}")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    with suppress(OSError, ValueError):
        read_manifest(read_plain(out / MANIFEST, LARGEST_DOCUMENT).decode("utf-8"))
        return
    raise UsageError(
        "the folder is not empty and holds no site", where=out, remedy="give --out an empty or a new folder"
    )
