"""BibTeX on pages: of a model, of a board, of the data."""

from __future__ import annotations

from worldstrat_bench.artefacts.bibtex import WORLDSTRAT, About, harness_entry, model_entry
from worldstrat_bench.data.split import release_names
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.licences import synthetic


def model_reference(division: Division, entry: Entry, config: BoardConfig) -> str:
    """Return the reference of a model: as its submission names it, or as its record does."""
    card = entry.card
    authors = tuple(part.strip() for part in card.authors.split(", ") if part.strip())
    return model_entry(
        entry.slug,
        entry.record,
        About(entry.title, authors, card.paper, card.code),
        page=_page(config, f"{division.prefix}m/{entry.slug}.html") or config.repository,
        standing=f"{_standing(division)}, {entry.standing}",
    )


def _standing(division: Division) -> str:
    """Return which board it is, and of what data."""
    data = f"{division.release} data (synthetic)" if synthetic(division.release) else f"{division.release} data"
    return f"{division.kind} board, {data}"


def _page(config: BoardConfig, path: str) -> str:
    """Return the address of a page; "" if that of the site is not known."""
    return f"{config.url}{path}" if config.url else ""


def board_references(division: Division, config: BoardConfig) -> str:
    """Return the references of a board: this benchmark and the data; nothing without a record."""
    if not division.shown:
        return ""
    data = [WORLDSTRAT] if {*division.release.split(", ")} & {*release_names()} else []
    software = harness_entry(
        division.shown[0].record,
        page=_page(config, f"{division.prefix}index.html"),
        standing=_standing(division),
        repository=config.repository,
        doi=config.doi,
    )
    return "\n".join([software, *data])


def no_address(config: BoardConfig) -> str:
    """Return what to add to a citation where no address is known; "" where there is one."""
    if config.url or config.repository or config.doi:
        return ""
    return "This site does not know its own address: add the one at which you read it, and the day."
