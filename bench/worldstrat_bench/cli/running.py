"""The options that `evaluate`, `predict` and `score` share, and how they become values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from worldstrat_bench.artefacts.record import Record
    from worldstrat_bench.cli.progress import Display
    from worldstrat_bench.run.model import ModelRequest, Parameter
    from worldstrat_bench.run.notes import InputSource
    from worldstrat_bench.run.request import RunOptions, RunRequest
    from worldstrat_bench.run.selection import Shard

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of an entry point, a wheel, a submission.toml or its folder.")
]
FramesOption = Annotated[
    int | None, typer.Option("--frames", metavar="N", min=1, max=8, help="Revisits the model is given. [default: 8]")
]
WeightsOption = Annotated[Path | None, typer.Option("--weights", metavar="PATH", help="For the model's load().")]
ParamOption = Annotated[
    list[str] | None, typer.Option("--param", metavar="K=V", help="For the model's load(); may be repeated.")
]
PythonOption = Annotated[
    Path | None, typer.Option("--python", metavar="FILE", help="Interpreter of the model's own environment.")
]
IsolationOption = Annotated[str, typer.Option("--isolation", metavar="L", help="auto, full, strong or process.")]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Of the run; every tile has its own from it.")]
ShardOption = Annotated[
    str | None, typer.Option("--shard", metavar="I/N", help="Do one of N parts; all share one --out, then `merge`.")
]
LrOption = Annotated[str, typer.Option("--lr", metavar="KIND", help="real revisits, or synthetic ones made from HR.")]
LpipsOption = Annotated[
    Path | None, typer.Option("--lpips-weights", metavar="FILE", help="AlexNet's weights; else torchvision's cache.")
]
DownloadOption = Annotated[bool, typer.Option("--download/--no-download", help="May LPIPS weights be downloaded?")]
CacheOption = Annotated[
    bool, typer.Option("--cache/--no-cache", help="Keep decoded inputs and targets for the next run.")
]
CacheGibOption = Annotated[
    float | None,
    typer.Option("--cache-gib", metavar="G", min=0, help="Size of that cache, both kinds together. [default: 6]"),
]
KeepOption = Annotated[bool, typer.Option("--keep/--no-keep", help="Keep predictions after scoring.")]
SecondsOption = Annotated[float, typer.Option("--tile-seconds", metavar="S", min=0.1, help="Time limit of a tile.")]
MemoryOption = Annotated[
    float | None,
    typer.Option("--memory-gib", metavar="G", min=0.1, help="The model's limit. [default: half of it all]"),
]
FailuresOption = Annotated[
    int, typer.Option("--max-failures", metavar="N", min=0, help="Stop after N failed tiles in a row; 0: never.")
]


MetricsOption = Annotated[
    str, typer.Option("--metrics", metavar="+NAME,..", help="Optional metrics to add: +stlpips, +opensr, +spectral.")
]


def parse_parameters(pairs: list[str] | None) -> dict[str, Parameter]:
    """``k=v`` pairs; a value that reads as an int, float, true or false is one.

    Raises
    ------
    UsageError
        for a pair without "=" or with a name that is no identifier, or one given twice.
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
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if value == value and abs(value) != float("inf"):
            return value
    return text


def parse_shard(text: str | None) -> Shard | None:
    """``i/n`` or nothing."""
    from worldstrat_bench.run.selection import Shard

    return None if text is None else Shard.parse(text)


def model_request(
    model: str, frames: int | None, weights: Path | None, pairs: list[str] | None, python: Path | None
) -> ModelRequest:
    """Return the model that was named: an entry point or a wheel with its options, or a submission with its own.

    Raises
    ------
    UsageError, InvalidArtefactError
        for options that contradict a submission, or a submission.toml that is not valid.
    """
    from worldstrat_bench.run.model import ModelRequest

    parameters = parse_parameters(pairs)
    if is_submission(model):
        from worldstrat_bench.errors import UsageError
        from worldstrat_bench.submission.prepare import submitted_model

        if parameters or frames is not None or weights is not None:
            raise UsageError(
                "a submission states its frames, parameters and weights itself",
                where="--frames, --param, --weights",
                remedy="change submission.toml, or give the entry point's name instead of the submission",
            )
        return submitted_model(Path(model), python=python)
    return ModelRequest(model, frames or 8, weights, parameters, python)


def is_submission(model: str) -> bool:
    """Whether MODEL names a submission rather than an entry point or a wheel."""
    path = Path(model)
    return path.name == "submission.toml" or (path.is_dir() and (path / "submission.toml").is_file())


def run_request(
    model: ModelRequest,
    *,
    data: Path,
    out: Path,
    protocol: str,
    list_name: str,
    limit: int | None,
    shard: str | None,
    seed: int,
    lr: str,
) -> RunRequest:
    """Return the options of a run as values.

    Raises
    ------
    UsageError
        if one is invalid.
    """
    from worldstrat_bench.run.request import RunRequest

    # The request checks the word itself.
    return RunRequest(model, data, out, protocol, list_name, limit, parse_shard(shard), seed, cast("InputSource", lr))


def run_options(
    *,
    device: str,
    isolation: str = "auto",
    tile_seconds: float = 60.0,
    memory_gib: float | None = None,
    max_failures: int = 5,
    keep: bool = True,
    cache: bool = True,
    cache_gib: float | None = None,
    lpips_weights: Path | None = None,
    download: bool = True,
    metrics: str = "",
) -> RunOptions:
    """Return how a run goes about its work, as values; sizes in GiB become bytes.

    Raises
    ------
    UsageError
        if one is invalid.
    """
    from worldstrat_bench.cache import gib_bytes
    from worldstrat_bench.measures import parse_added
    from worldstrat_bench.run.request import RunOptions
    from worldstrat_bench.worker.types import Limits

    memory = None if memory_gib is None else int(memory_gib * 2**30)
    return RunOptions(
        device=device,
        isolation=isolation,
        limits=Limits(tile_seconds=tile_seconds, memory_bytes=memory),
        max_failures=max_failures,
        keep=keep,
        cache=cache,
        cache_bytes=None if cache_gib is None else gib_bytes(cache_gib, "--cache-gib"),
        lpips_weights=lpips_weights,
        download=download,
        metrics=parse_added(metrics.split(",")) if metrics.strip() else (),
    )


def shown() -> Display:
    """The display of a run's progress."""
    from worldstrat_bench.cli.progress import Display

    return Display()


@contextmanager
def resumable() -> Iterator[None]:
    """Say what Ctrl-C leaves behind; the exit code 130 is given by the caller."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted: what is done is kept, the same command continues the run", err=True)
        raise typer.Exit(130) from None


def report(record: Record, run: Path, json: bool) -> None:
    """The end of a run: its table or its JSON, and exit code 3 if the model failed tiles.

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
    if failed:
        raise ModelError(
            f"{failed} of {record.dataset.tiles} tiles failed: {_spoiled(record)}",
            where=log_of(run),
            remedy="mend the model and evaluate it into a new --out; `worldstrat-bench models check` helps",
        )


def log_of(run: Path) -> Path:
    """What the model printed; a merged run has none of its own, its shards below it do."""
    log = run / "log.txt"
    return log if log.exists() else run


def _spoiled(record: Record) -> str:
    """What failed tiles do to a run: they spoil the lists that contain them, and no others."""
    spoiled, whole = record.spoiled_lists, sorted(set(record.scores) - set(record.spoiled_lists))
    words = f"no mean and no rank on {', '.join(spoiled)}"
    return f"{words}; {', '.join(whole)} {'is' if len(whole) == 1 else 'are'} complete" if whole else words
