"""Reading several runs, and whether they may stand in one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from worldstrat_bench.arguments import one_of
from worldstrat_bench.artefacts.result import Result, load_result
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.stats.boards import board_key, ranking_list
from worldstrat_bench.stats.names import name_fault
from worldstrat_bench.toml_text import read_toml

Paths: TypeAlias = str | Path | Iterable[str | Path]

_KEY = (
    "kind (runs, or predictions that were handed in)",
    "protocol",
    "protocol",
    "inputs",
    "list",
    "targets",
    "release",
)
"""Names of the parts of ``stats.boards.board_key``, which has two of the protocol: its id and its digest."""


@dataclass(frozen=True)
class Named:
    """A run and the name that tells it from the others: its model's, with the folder's where models share one."""

    name: str
    result: Result


def load_runs(paths: Paths) -> tuple[Named, ...]:
    """Read finished runs, in their order.

    Raises
    ------
    UsageError
        for no path, what is not a path, or a run that is given twice.
    InvalidArtefactError
        if one is not a finished run.
    """
    given: list[object] = list(paths) if isinstance(paths, Iterable) and not isinstance(paths, str) else [paths]
    folders_given = [Path(path) for path in given if isinstance(path, str | Path)]
    if len(folders_given) < len(given) or not given:
        wrong = next((type(path).__name__ for path in given if not isinstance(path, str | Path)), "")
        what = f"a run is of type {wrong}, not a path" if wrong else "no run is given"
        raise UsageError(what, where="paths", remedy="give the folder of a run, or a list of them")
    # Compared by the folders found, not by the texts given: two spellings may lead to one run.
    results = [load_result(path) for path in folders_given]
    folders = [result.folder.resolve() for result in results]
    twice = next((folder for folder in folders if folders.count(folder) > 1), None)
    if twice is not None:
        raise UsageError("a run is given twice", where=twice, remedy="give each run once")
    return tuple(Named(name, result) for name, result in zip(_names(results), results, strict=True))


def check_same_board(runs: Sequence[Named]) -> None:
    """Raise UsageError unless all runs are of the same protocol, inputs, list, targets and kind.

    Then their means and ranks may stand side by side.
    """
    first = board_key(runs[0].result.record)
    for run in runs[1:]:
        own = board_key(run.result.record)
        if own == first:
            continue
        if (run.result.record.predictions is None) != (runs[0].result.record.predictions is None):
            raise UsageError(
                "some of the runs are of predictions that were handed in, others of models that ran",
                where=f"{runs[0].result.folder}, {run.result.folder}",
                remedy="hand in those of the model, too: `score RUN/predictions --data D --name NAME --out DIR`",
            )
        part, one, other = next((p, a, b) for p, a, b in zip(_KEY, first, own, strict=True) if a != b)
        raise UsageError(
            f"the runs differ in their {part}: {one[:16] or 'official'} and {other[:16] or 'official'}",
            where=f"{runs[0].result.folder}, {run.result.folder}",
            remedy="make one table for each; `worldstrat-bench score RUN --protocol ID --out DIR` scores a run again",
        )


def chosen_list(runs: Sequence[Named], name: str) -> str:
    """Return the list to show; "auto" is the one that ranks the runs.

    Raises
    ------
    UsageError
        for a list that the runs do not have.
    """
    record = runs[0].result.record
    return one_of(name, record.scores, "the runs have no list", "--list", {"auto": ranking_list(record)})


def title_of(result: Result) -> str:
    """Return the name of a result's model as pages show it: the title of its submission, else its name."""
    model = result.record.model
    # The nearest manifest decides, and only as far up as a submission reaches: a run may lie below anything.
    for folder in (result.folder, *result.folder.resolve().parents[:_DEPTH]):
        try:
            text = read_plain(folder / "submission.toml", _LARGEST)[:_LARGEST].decode("utf-8-sig")
            title = read_toml(text)["submission"]["title"]
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            break
        # A title that is more than a name is not shown, as on pages.
        if isinstance(title, str) and not name_fault(title):
            return title
        break
    return model.submission or model.name


_LARGEST = 64 * 1024
"""Bytes of a manifest: one that is larger is refused where it is submitted."""
_DEPTH = 3
"""Folders from a result up to its submission: <slug>/results/<protocol>/<data set>."""


def _names(results: Sequence[Result]) -> list[str]:
    """Return the names of the models; where some are equal, with the name of the folder, then with the record's id."""
    models = [title_of(result) for result in results]
    folders = [
        f"{model} ({result.folder.name})" if models.count(model) > 1 else model
        for model, result in zip(models, results, strict=True)
    ]
    names = [
        f"{model} ({result.record.record_id[:8]})" if folders.count(folder) > 1 else folder
        for folder, model, result in zip(folders, models, results, strict=True)
    ]
    # A stranger's model may be called anything, such as what another one is called by now; ranks are kept by name.
    while len(set(names)) < len(names):
        names = [f"{name} [{place}]" if names.count(name) > 1 else name for place, name in enumerate(names, 1)]
    return names
