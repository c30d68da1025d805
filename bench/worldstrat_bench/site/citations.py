"""BibTeX on pages: of a model, of a board, of the data."""

from __future__ import annotations

from worldstrat_bench.artefacts.bibtex import WORLDSTRAT, About, harness_entry, model_entry
from worldstrat_bench.data.split import release_names
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.licences import synthetic


def model_reference(division: Division, entry: Entry, url: str) -> str:
    """Return the reference of a model: as its submission names it, or as its record does.

    Parameters
    ----------
    url : address of the site, "" if it is not known.
    """
    card = entry.card
    authors = tuple(part.strip() for part in card.authors.split(", ") if part.strip())
    return model_entry(
        entry.slug,
        entry.record,
        About(entry.title, authors, card.paper, card.code),
        page=f"{url}{division.prefix}m/{entry.slug}.html" if url else "",
        standing=f"{_standing(division)}, {entry.status}",
    )


def _standing(division: Division) -> str:
    """Return which board it is, and of what data."""
    data = f"{division.release} data (synthetic)" if synthetic(division.release) else f"{division.release} data"
    return f"{division.kind} board, {data}"


def board_references(division: Division, url: str) -> str:
    """Return the references of a board: this benchmark and the data; nothing without a record.

    Parameters
    ----------
    url : address of the site, "" if it is not known.
    """
    if not division.shown:
        return ""
    data = [WORLDSTRAT] if {*division.release.split(", ")} & {*release_names()} else []
    page = f"{url}{division.prefix}index.html" if url else ""
    software = harness_entry(division.shown[0].record, page=page, standing=_standing(division))
    return "\n".join([software, *data])
