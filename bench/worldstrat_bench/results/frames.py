"""Runs as data frames of pandas: a row a tile, or a row a mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from worldstrat_bench.artefacts.record import Summary
from worldstrat_bench.artefacts.tiles import OUTCOMES
from worldstrat_bench.data.split import sublists
from worldstrat_bench.results.load import Named, Paths, load_runs
from worldstrat_bench.stats.aggregate import largest_list, metric_values
from worldstrat_bench.stats.strata import AXES, sort_strata, strata_of
from worldstrat_bench.typed import typed

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = ("run", "record_id", "model", "version", "protocol", "release")
"""Columns that say which run a row is of; the same in both frames, all of them categories."""

WHOLE = "all"
"""In the frame of means: the axis and the stratum of a mean over a whole list."""

MACRO = "macro"
"""In the frame of means: the axis of a mean over IPCC classes."""


@typed
def read_runs(paths: Paths) -> pd.DataFrame:
    """Return the tiles of finished runs, one row per run and tile.

    Parameters
    ----------
    paths : a run directory or the folder of a ``record.json``, or several of them.

    Returns
    -------
    `run` (a name that is unique among the runs), `record_id`, `model`, `version`, `protocol` and `release` are
    categories, as are `outcome` and the strata: `ipcc`, `smod`, `source`, `continent`, `latitude`, `age`,
    `cloud_class` and `detail_class`, each in the order of the site's pages. `tile` and `group` are strings, flags are
    nullable booleans, and so is `in_<list>`, whether the tile is in that list. All else is float64, NaN for null:
    the facts `lon`, `lat`, `cloud`, `days` and `detail`, every metric, and `gain`, PSNR over the reference bicubic.

    Raises
    ------
    UsageError
        for no path, what is not a path, or a run that is given twice.
    InvalidArtefactError
        if one is not a finished run.
    """
    import pandas as pd

    runs = load_runs(paths)
    frame = pd.concat([pd.DataFrame(_tile_columns(run)) for run in runs], ignore_index=True)
    for name in frame.columns:
        if name in ("tile", "group"):
            frame[name] = frame[name].astype("string")
        elif name.startswith("in_") or name == "shift_at_edge":
            frame[name] = frame[name].astype("boolean")
    return _categories(frame, {"outcome": OUTCOMES} | {_column(a): sort_strata(a, frame[_column(a)]) for a in AXES})


@typed
def read_scores(paths: Paths) -> pd.DataFrame:
    """Return the means of finished runs, one row per run, list, stratum and metric.

    Parameters
    ----------
    paths : as for :func:`read_runs`.

    Returns
    -------
    The identity of the run as in :func:`read_runs`; `list`, `axis`, `stratum` and `metric`, categories; `n`, int64,
    tiles with a value; `effective_groups`, `mean`, `ci_low` and `ci_high`, float64, NaN for null: the numbers of the
    record. Axis and stratum are "all" for a mean over the whole list; axis "macro" is the mean over IPCC classes.

    Raises
    ------
    UsageError, InvalidArtefactError
        as :func:`read_runs` does.
    """
    import pandas as pd

    rows = [row for run in load_runs(paths) for row in _score_rows(run)]
    frame = pd.DataFrame(rows)
    return _categories(frame, dict.fromkeys(("list", "axis", "stratum", "metric"), ()))


def _column(axis: str) -> str:
    """Return the column of an axis; ``cloud`` and ``detail`` are numbers of the table."""
    return f"{axis}_class" if axis in ("cloud", "detail") else axis


def _identity(run: Named) -> dict[str, str]:
    record = run.result.record
    own = (run.name, record.record_id, record.model.name, record.model.version or "", record.protocol.id)
    return dict(zip(IDENTITY, (*own, record.dataset.release), strict=True))


def _tile_columns(run: Named) -> dict[str, Any]:
    table, count = run.result.table, len(run.result.table)
    lists = sublists(run.result.record.dataset.list, table.tiles)
    # Cut by the largest list of the run, as its record does: the thirds of detail would else be others than on its
    # pages.
    strata = strata_of(table, largest_list(lists))
    columns: dict[str, Any] = {name: [text] * count for name, text in _identity(run).items()}
    columns |= {"tile": table.tiles, "group": table.groups}
    columns |= {_column(axis): strata[axis] for axis in AXES}
    columns |= {f"in_{name}": [tile in tiles for tile in table.tiles] for name, tiles in lists.items()}
    columns |= {"outcome": table.text("outcome")}
    columns |= {name: np.asarray(values, dtype=np.float64) for name, values in table.numbers.items()}
    return columns | {"gain": metric_values(table, "gain")} | dict(table.flags)


def _score_rows(run: Named) -> Iterator[dict[str, object]]:
    identity = _identity(run)
    for name, scores in run.result.record.scores.items():
        sets: list[tuple[str, str, Mapping[str, Summary]]] = [(WHOLE, WHOLE, scores.micro)]
        sets += [(axis, stratum, own) for axis, strata in scores.strata.items() for stratum, own in strata.items()]
        # A macro mean is descriptive: the record has no interval of it.
        macro = {k: Summary(n=scores.micro[k].n, mean=v) for k, v in scores.macro.items() if k in scores.micro}
        for axis, stratum, summaries in (*sets, (MACRO, WHOLE, macro)):
            for metric, one in summaries.items():
                place = {"list": name, "axis": axis, "stratum": stratum, "metric": metric, "n": one.n}
                yield identity | place | {k: _number(getattr(one, k)) for k in NUMBERS}


NUMBERS = ("effective_groups", "mean", "ci_low", "ci_high")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _categories(frame: pd.DataFrame, known: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the frame with columns of text as categories: of a known order, else in that of their appearance."""
    import pandas as pd

    for name in (*IDENTITY, *known):
        labels = list(known.get(name) or dict.fromkeys(frame[name]))
        frame[name] = pd.Categorical(frame[name], categories=labels)
    return frame
