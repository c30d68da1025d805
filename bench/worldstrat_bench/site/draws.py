"""The draws of a stochastic model: checked before use, and what the page of the model says of them."""

from __future__ import annotations

from worldstrat_bench.artefacts.draws import DRAWS, parse_draws
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.result import Result, changed_file
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.measures import measure
from worldstrat_bench.site.provenance import Pairs
from worldstrat_bench.site.text import number
from worldstrat_bench.stats.draws import draws_contradiction


def check_draws(result: Result, content: bytes | None) -> None:
    """Refuse draws that are not those that a record hashes, or that contradict it or its tiles.

    Parameters
    ----------
    content : of ``draws.csv``; None if there is none.
    """
    record, path = result.record, result.folder / DRAWS
    fault = None if content is None and DRAWS not in record.files else changed_file(record, content, path)
    if fault is not None:
        raise fault
    draws = None if content is None else parse_draws(content, where=path)
    if what := draws_contradiction(record, result.table, draws):
        raise InvalidArtefactError(what, where=path, remedy=Record.REMEDY)


def draw_rows(record: Record, list_name: str, metrics: tuple[str, ...]) -> Pairs:
    """Return how many draws there were, how far they lie apart and how good their mean image is; [] without draws.

    Parameters
    ----------
    list_name : the list of the page.
    metrics : those that rank.
    """
    own = (record.draws or {}).get(list_name)
    if own is None:
        return []
    rows = [
        ("Draws", f"{record.model.draws} predictions a tile; every score is the mean over them, none is of the best")
    ]
    for name in metrics:
        m, spread = measure(name), own.spread.get(name)
        summary = own.mean_image.get(name)
        mean = None if summary is None else summary.mean
        if spread is None or mean is None:
            continue
        text = (
            f"standard deviation {number(spread, m.decimals + 1)} {m.unit} between the draws of a tile; the mean image "
            f"has {number(mean, m.decimals)} {m.unit}, which ranks nothing"
        )
        rows.append((f"{m.label} of the draws", " ".join(text.split())))
    return rows
