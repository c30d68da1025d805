"""Shared by the verbs that run a model: the model that is named, progress, and the end of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.printed import counted

if TYPE_CHECKING:
    from worldstrat_bench.artefacts.record import Record
    from worldstrat_bench.cli.progress import Display
    from worldstrat_bench.run.cluster.connect import ClusterOptions
    from worldstrat_bench.run.engine import Engine
    from worldstrat_bench.run.events import Listener
    from worldstrat_bench.run.model import Parameter

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of an entry point, a wheel, a submission.toml or its folder.")
]


def parse_parameters(pairs: list[str] | None) -> dict[str, Parameter]:
    """Parse ``k=v`` pairs; a value that reads as an int, float, true or false is one.

    Raises
    ------
    UsageError
        for a pair without "=" or with a name that is not an identifier, or one given twice.
    """
    from worldstrat_bench.errors import UsageError

    parameters: dict[str, Parameter] = {}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"not a parameter: {pair[:60]!r}", where="--param", remedy="--param name=value")
        if name in parameters:
            raise UsageError(f"the parameter {name!r} is given twice", where="--param")
        parameters[name] = _value(text)
    return parameters


def _value(text: str) -> Parameter:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    # A float would take whole numbers as well.
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        # NaN and infinities are not JSON, and parameters go into the record: they stay words.
        if value == value and abs(value) != float("inf"):
            return value
    return text


def is_submission(model: str) -> bool:
    """Return whether MODEL names a submission rather than an entry point or a wheel."""
    path = Path(model)
    return path.name == "submission.toml" or (path.is_dir() and (path / "submission.toml").is_file())


def tell_undecided(model: str) -> None:
    """Say which values of a submission its author still has to look at: a record holds what its manifest says."""
    from worldstrat_bench.cli import console
    from worldstrat_bench.submission.manifest import MANIFEST_NAME
    from worldstrat_bench.submission.placeholders import MARK, undecided

    if not is_submission(model):
        return
    path = Path(model) if Path(model).name == MANIFEST_NAME else Path(model) / MANIFEST_NAME
    if marked := undecided(path.read_text(encoding="utf-8-sig")):
        text = (
            f"note: {path} still bears the mark {MARK!r} at {', '.join(marked)}: look at these before a long run; "
            "a record keeps what it was made with, and another value takes another run"
        )
        console.say(console.stderr(), text)


def shown() -> Display:
    """Return the display of a run's progress."""
    from worldstrat_bench.cli.progress import Display

    return Display()


@contextmanager
def engine(machines: ClusterOptions | None, device: str, tell: Listener) -> Iterator[Engine]:
    """Open what carries out a run: this machine, or those of a Dask cluster."""
    if machines is None:
        from worldstrat_bench.run.pipeline import ThisMachine

        yield ThisMachine()
        return
    from worldstrat_bench.run.cluster.engine import open_cluster

    with open_cluster(machines, device, tell) as cluster:
        yield cluster


@contextmanager
def resumable() -> Iterator[None]:
    """Say what Ctrl-C leaves behind, and exit with code 130."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted: what is done is kept, the same command continues the run", err=True)
        raise typer.Exit(130) from None


def report(record: Record, run: Path, json: bool) -> None:
    """Report the end of a run: its table or its JSON, and exit code 3 if the model failed tiles.

    Raises
    ------
    ModelError
        if tiles failed. The run is complete and has its record all the same.
    """
    from worldstrat_bench.cli.console import print_json
    from worldstrat_bench.cli.summary import print_summary
    from worldstrat_bench.errors import ModelError

    if json:
        print_json({"run": str(run), "record": record.model_dump(mode="json")})
    else:
        print_summary(record, run)
    failed = sum(count for outcome, count in record.outcomes.items() if outcome != "ok")
    # After the summary: the run is complete, and its numbers are there whatever becomes of the exit code.
    if failed:
        raise ModelError(
            f"{failed} of {counted(record.dataset.tiles, 'tile')} failed: {_spoiled(record)}",
            where=log_of(run),
            remedy="fix the model and evaluate it into a new --out; `worldstrat-bench models check` helps",
        )


def log_of(run: Path) -> Path:
    """Return what the model printed; a merged run has none of its own, its shards below it do."""
    log = run / "log.txt"
    return log if log.exists() else run


def _spoiled(record: Record) -> str:
    """Return the error for failed tiles: they spoil the lists that contain them, and no others."""
    spoiled, whole = record.spoiled_lists, sorted(set(record.scores) - set(record.spoiled_lists))
    words = f"no mean and no rank on {', '.join(spoiled)}"
    return f"{words}; {', '.join(whole)} {'is' if len(whole) == 1 else 'are'} complete" if whole else words
