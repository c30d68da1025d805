"""``evaluate --all DIR``: every submission of a folder; manifests are read here and handed down as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from worldstrat_bench.cli import clusters, console, running

if TYPE_CHECKING:
    from worldstrat_bench.artefacts.record import Record
    from worldstrat_bench.errors import WorldstratBenchError
    from worldstrat_bench.run.cluster.connect import ClusterOptions
    from worldstrat_bench.run.matrix import Candidate, Cell
    from worldstrat_bench.run.model import ModelRequest
    from worldstrat_bench.run.request import RunOptions


def evaluate_all(
    folder: Path,
    *,
    data: Path,
    out: Path,
    protocols: str,
    lists: str,
    changed_since: str | None,
    options: RunOptions,
    machines: ClusterOptions | None,
    json: bool,
) -> None:
    """Evaluate the submissions of a folder and end with a table of what ran, failed, and why.

    Raises
    ------
    UsageError
        if there is no submission.
    WorldstratBenchError
        if a cell failed, of the class of its failure; the others are done.
    """
    from worldstrat_bench.errors import UsageError
    from worldstrat_bench.run.matrix import run_matrix

    candidates = find_candidates(folder, changed_since)
    if not candidates:
        since = f" that changed since {changed_since}" if changed_since else ""
        raise UsageError(f"there is no submission{since}", where=folder, remedy="worldstrat-bench submission new SLUG")
    with running.resumable(), running.shown() as display, clusters.engine(machines, options.device, display) as engine:
        cells = run_matrix(candidates, protocols.split(","), lists.split(","), data, out, options, engine, display)
    if json:
        console.print_json([{**asdict(cell), "folder": str(cell.folder)} for cell in cells])
    else:
        _print(cells)
    failed = [cell for cell in cells if cell.state in ("failed", "failed tiles")]
    if failed:
        raise _error_of({cell.exit_code for cell in failed})(
            f"{len(failed)} of {len(cells)} evaluations failed",
            where=", ".join(dict.fromkeys(cell.name for cell in failed)),
            remedy="see the table; the same command tries them again and skips the others",
        )


def _error_of(codes: set[int]) -> type[WorldstratBenchError]:
    """The class of failures of these exit codes; of several, what can be mended without the models' authors first."""
    from worldstrat_bench import errors

    order = (errors.InfrastructureError, errors.DataError, errors.UsageError, errors.InvalidArtefactError)
    return next((kind for kind in order if kind.exit_code in codes), errors.ModelError)


def find_candidates(folder: Path, changed_since: str | None) -> tuple[Candidate, ...]:
    """The submissions of a folder, sorted by name; only those with changes since a revision if one is given."""
    from worldstrat_bench.run.matrix import Candidate
    from worldstrat_bench.submission.results import record_folders

    found = sorted(path.parent for path in folder.glob("*/submission.toml"))
    if changed_since is not None:
        changed = _changed(folder, changed_since)
        found = [path for path in found if path.name in changed]
    return tuple(Candidate(path.name, _request(path), _fits(path), record_folders(path)) for path in found)


def _request(folder: Path) -> Callable[[], ModelRequest]:
    def request() -> ModelRequest:
        from worldstrat_bench.submission.prepare import submitted_model

        return submitted_model(folder)

    return request


def _fits(folder: Path) -> Callable[[Record], bool]:
    def fits(record: Record) -> bool:
        from worldstrat_bench.errors import WorldstratBenchError
        from worldstrat_bench.preprocessing import same_parameters
        from worldstrat_bench.submission.manifest import load_manifest

        try:
            manifest = load_manifest(folder)
        except WorldstratBenchError:
            return False
        section, weights = manifest.model, manifest.weights
        stated = (section.version, section.frames, weights.sha256 if weights else None)
        model = record.model
        same = stated == (model.version, model.frames, model.weights_sha256)
        same = same and same_parameters(section.parameters, model.parameters)
        same = same and section.wheel_sha256 in (None, model.wheel_sha256)
        return same and (manifest.environment.base != "harness" or _code_of(folder) == model.code_sha256)

    return fits


def _code_of(folder: Path) -> str | None:
    """The digest of a model's code as it is installed beside the harness; None for a wheel, or if it is not there."""
    from tempfile import TemporaryDirectory

    from worldstrat_bench.errors import WorldstratBenchError
    from worldstrat_bench.run.model import choose_model

    try:
        with TemporaryDirectory(prefix="worldstrat-bench-") as scratch:
            return choose_model(_request(folder)(), Path(scratch))[0].code_sha256
    except WorldstratBenchError:
        return None


def _changed(folder: Path, revision: str) -> frozenset[str]:
    """Names of the submissions of which a file differs from the revision, results left aside."""
    from worldstrat_bench.submission.git import open_checkout

    checkout = open_checkout(folder, revision)
    depth = len(folder.resolve().relative_to(checkout.root.resolve()).parts)
    inside = folder.resolve().relative_to(checkout.root.resolve()).parts
    paths = [change.path.parts for change in checkout.changes()]
    return frozenset(
        parts[depth]
        for parts in paths
        if parts[:depth] == inside and len(parts) > depth + 1 and parts[depth + 1] != "results"
    )


def _print(cells: tuple[Cell, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("submission", "protocol", "list", "state", "why"):
        table.add_column(heading)
    for cell in cells:
        words = (cell.name, cell.protocol, cell.list_name, cell.state, cell.reason)
        table.add_row(*(Text(console.printable(word)) for word in words))
    console.stdout().print(table)
