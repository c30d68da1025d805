"""Report of a build of the site: which records it used, and which it left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.site.divisions import Division, UnrankedEntry
from worldstrat_bench.site.entries import RejectedEntry
from worldstrat_bench.site.pages_board import heading_of
from worldstrat_bench.site.render import Output


@dataclass(frozen=True)
class BoardUse:
    """One division in the build's report."""

    title: str
    kind: str
    page: str
    tiles: int
    ranked: tuple[str, ...]
    reported: tuple[str, ...]


@dataclass(frozen=True)
class BuildReport:
    """Runs that a build used, and reasons against the rest.

    Attributes
    ----------
    folder, files, bytes : what was written.
    kept : nothing could be shown and nothing was written: a mistyped path must not empty the board that is there.
    boards : the divisions with the sources on them.
    apart : (source, reason) of runs that are listed and not ranked.
    refused : (source, reason) of what could not be used.
    pictures : number of preview images.
    """

    folder: Path
    files: int
    bytes: int
    boards: tuple[BoardUse, ...]
    apart: tuple[tuple[str, str], ...]
    refused: tuple[tuple[str, str], ...]
    pictures: int
    kept: bool = False

    @property
    def entry_page(self) -> Path:
        """The page to open."""
        return self.folder / "index.html"


def report_of(
    out: Path,
    output: Output,
    divisions: Sequence[Division],
    apart: Sequence[UnrankedEntry],
    refused: Sequence[RejectedEntry],
    *,
    kept: bool,
) -> BuildReport:
    """Return what a build used; `kept`: nothing was written."""
    return BuildReport(
        folder=out,
        files=0 if kept else len(output.files),
        bytes=0 if kept else sum(map(len, output.files.values())),
        boards=_uses(divisions),
        apart=tuple((a.entry.source, a.reason) for a in apart),
        refused=tuple((r.source, r.reason) for r in refused),
        pictures=sum(path.endswith(".webp") for path in output.files),
        kept=kept,
    )


def _uses(divisions: Sequence[Division]) -> tuple[BoardUse, ...]:
    return tuple(
        BoardUse(
            heading_of(d),
            d.kind,
            f"{d.prefix}index.html",
            len(d.tiles),
            tuple(e.source for e in d.entries),
            tuple(e.source for e in d.reported),
        )
        for d in divisions
    )
