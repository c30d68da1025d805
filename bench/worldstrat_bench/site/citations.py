"""BibTeX on pages: of a model, of a board, of the data."""

from __future__ import annotations

from worldstrat_bench.artefacts.bibtex import WORLDSTRAT, About, harness_entry, model_entry
from worldstrat_bench.data.split import release_names
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry


def model_reference(entry: Entry) -> str:
    """Return the reference of a model: as its submission names it, or as its record does."""
    card = entry.card
    authors = tuple(part.strip() for part in card.authors.split(", ") if part.strip())
    return model_entry(entry.slug, entry.record, About(entry.title, authors, card.paper, card.code))


def board_references(division: Division) -> str:
    """Return the references of a board: this benchmark and the data; nothing without a record."""
    if not division.shown:
        return ""
    data = [WORLDSTRAT] if {*division.release.split(", ")} & {*release_names()} else []
    return "\n".join([harness_entry(division.shown[0].record), *data])
