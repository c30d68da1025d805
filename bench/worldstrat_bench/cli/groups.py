"""Options that several verbs share, in groups: a verb takes a group as one argument and shows each of its options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_type_hints

import typer

from worldstrat_bench.cli import console

if TYPE_CHECKING:
    from worldstrat_bench.data.task import InputSource
    from worldstrat_bench.run.cluster.connect import ClusterOptions
    from worldstrat_bench.run.model import ModelRequest
    from worldstrat_bench.run.request import RunOptions, RunRequest
    from worldstrat_bench.run.selection import Shard

ShardOption = Annotated[
    str | None, typer.Option("--shard", metavar="I/N", help="Do one of N parts; all share one --out, then `merge`.")
]
PythonOption = Annotated[
    Path | None, typer.Option("--python", metavar="FILE", help="Interpreter of the model's own environment.")
]
IsolationOption = Annotated[
    str, typer.Option("--isolation", metavar="L", help="Isolation of the model: auto, full, strong or process.")
]


def with_groups(verb: Callable[..., None]) -> Callable[..., None]:
    """Return a command for typer in which the fields of each group stand in place of the group."""
    hints = get_type_hints(verb, include_extras=True)
    # Typer reads the signature alone, where annotations are strings until they are resolved here.
    hints.pop("return", None)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(verb).parameters.items():
        if name not in groups:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        inside = get_type_hints(groups[name], include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=inside[field.name]
            )
            for field in fields(groups[name])
        ]

    def command(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        verb(**given)

    command.__doc__ = verb.__doc__
    # Typer asks for both; neither is declared of a function.
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    setattr(command, "__signature__", inspect.Signature(parameters))  # noqa: B010  # mypy knows no such attribute
    return command


@dataclass(frozen=True)
class LoadingGroup:
    """Options for loading the model."""

    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="PATH", help="Weights for the model's load(); of a submission: a copy."),
    ] = None
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="K=V", help="Parameter for the model's load(); may be repeated."),
    ] = None
    python: PythonOption = None

    def loaded(self, model: str, frames: int | None) -> ModelRequest:
        """Return the model that was named: an entry point or a wheel with these options, or a submission with its own.

        Raises
        ------
        UsageError, InvalidArtefactError
            for options that contradict a submission, or a submission.toml that is not valid.
        """
        from worldstrat_bench.cli.running import is_submission, parse_parameters
        from worldstrat_bench.errors import UsageError
        from worldstrat_bench.run.model import ModelRequest

        parameters = parse_parameters(self.param)
        if not is_submission(model):
            return ModelRequest(model, frames or 8, self.weights, parameters, self.python)
        from worldstrat_bench.submission.prepare import submitted_model

        # A submission is evaluated as it is submitted, or its record would not be of it.
        if parameters or frames is not None:
            raise UsageError(
                "a submission states its frames and parameters itself",
                where="--frames, --param",
                remedy="change submission.toml, or give the entry point's name instead of the submission",
            )
        return submitted_model(Path(model), python=self.python, weights=self.weights)


@dataclass(frozen=True)
class ModelGroup(LoadingGroup):
    """The same, and how many frames it is given."""

    frames: Annotated[
        int | None,
        typer.Option("--frames", metavar="N", min=1, max=8, help="Revisits given to the model. [default: 8]"),
    ] = None

    def request(self, model: str) -> ModelRequest:
        """Return the model that was named; see :meth:`loaded`."""
        return self.loaded(model, self.frames)


@dataclass(frozen=True)
class TilesGroup:
    """Options for tiles, protocol and inputs."""

    protocol: console.ProtocolOption = "wsb-1"
    list_name: console.ListOption = "auto"
    limit: console.LimitOption = None
    seed: Annotated[
        int,
        typer.Option("--seed", metavar="N", help="Random seed of the run; each tile's seed is derived from it."),
    ] = 0
    shard: ShardOption = None
    draws: Annotated[
        int | None,
        typer.Option(
            "--draws", metavar="K", min=1, max=32, help="Predictions per tile of a stochastic model. [default: 1]"
        ),
    ] = None
    lr: Annotated[
        str, typer.Option("--lr", metavar="KIND", help="Inputs: real revisits, or synthetic ones made from HR.")
    ] = "real"

    def request(self, model: ModelRequest, data: Path, out: Path) -> RunRequest:
        """Return the request for a run.

        Raises
        ------
        UsageError
            if an option is invalid.
        """
        from worldstrat_bench.errors import UsageError
        from worldstrat_bench.run.request import RunRequest

        if self.draws is not None:
            if model.submission is not None:
                what, remedy = "a submission states its draws itself", "change model.draws in submission.toml"
                raise UsageError(what, where="--draws", remedy=remedy)
            model = replace(model, draws=self.draws)
        # The request checks the word itself.
        inputs = cast("InputSource", self.lr)
        shard = parse_shard(self.shard)
        return RunRequest(model, data, out, self.protocol, self.list_name, self.limit, shard, self.seed, inputs)


@dataclass(frozen=True)
class WorkerGroup:
    """Options for confining and limiting the model's process."""

    isolation: IsolationOption = "auto"
    tile_seconds: Annotated[
        float, typer.Option("--tile-seconds", metavar="S", min=0.1, help="Time limit per tile in seconds.")
    ] = 60.0
    memory_gib: Annotated[
        float | None,
        typer.Option(
            "--memory-gib", metavar="G", min=0.1, help="Memory limit of the model. [default: half of the machine's]"
        ),
    ] = None
    max_failures: Annotated[
        int, typer.Option("--max-failures", metavar="N", min=0, help="Stop after N failed tiles in a row; 0: never.")
    ] = 5

    def applied(self, options: RunOptions) -> RunOptions:
        """Return the options with these set."""
        from worldstrat_bench.worker.types import Limits

        memory = None if self.memory_gib is None else int(self.memory_gib * 2**30)
        limits = Limits(tile_seconds=self.tile_seconds, memory_bytes=memory)
        return replace(options, isolation=self.isolation, limits=limits, max_failures=self.max_failures)


@dataclass(frozen=True)
class ScoringGroup:
    """Options for metrics."""

    lpips_weights: Annotated[
        Path | None,
        typer.Option(
            "--lpips-weights", metavar="FILE", help="AlexNet weights for LPIPS. [default: torchvision's cache]"
        ),
    ] = None
    download: Annotated[
        bool, typer.Option("--download/--no-download", help="Download the LPIPS weights if they are missing.")
    ] = True
    metrics: Annotated[
        str,
        typer.Option("--metrics", metavar="+NAME,..", help="Optional metrics to add: +stlpips, +opensr, +spectral."),
    ] = ""

    def applied(self, options: RunOptions) -> RunOptions:
        """Return the options with these set."""
        from worldstrat_bench.measures import parse_added

        added = parse_added(self.metrics.split(",")) if self.metrics.strip() else ()
        return replace(options, lpips_weights=self.lpips_weights, download=self.download, metrics=added)


@dataclass(frozen=True)
class OfflineScoringGroup(ScoringGroup):
    """The same where nothing is downloaded unless it is allowed."""

    download: Annotated[
        bool, typer.Option("--download/--no-download", help="Download the LPIPS weights if they are missing.")
    ] = False


@dataclass(frozen=True)
class CacheGroup:
    """Options for the cache and stored predictions."""

    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep decoded inputs and targets for the next run.")
    ] = True
    cache_gib: Annotated[
        float | None,
        typer.Option("--cache-gib", metavar="G", min=0, help="Size limit of the cache in GiB. [default: 6]"),
    ] = None

    def applied(self, options: RunOptions) -> RunOptions:
        """Return the options with these set."""
        from worldstrat_bench.cache import gib_bytes

        size = None if self.cache_gib is None else gib_bytes(self.cache_gib, "--cache-gib")
        return replace(options, cache=self.cache, cache_bytes=size)


def run_options(
    device: str, *groups: WorkerGroup | ScoringGroup | CacheGroup, keep: bool = True, keep_draws: bool = False
) -> RunOptions:
    """Return how a run goes about its work.

    Raises
    ------
    UsageError
        if an option is invalid.
    """
    from worldstrat_bench.run.request import RunOptions

    options = RunOptions(device=device, keep=keep, keep_draws=keep_draws)
    for group in groups:
        options = group.applied(options)
    return options


def parse_shard(text: str | None) -> Shard | None:
    """Read ``i/n``; None stands for all. Raises UsageError for any other text."""
    from worldstrat_bench.run.selection import Shard

    return None if text is None else Shard.parse(text)


_PANEL = "Many machines (Dask)"


@dataclass(frozen=True)
class MachinesGroup:
    """Options for a Dask cluster."""

    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS|FILE", rich_help_panel=_PANEL, help="A running Dask scheduler."),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            max=256,
            rich_help_panel=_PANEL,
            help="Number of Dask workers to start here.",
        ),
    ] = None
    task_tiles: Annotated[
        int | None,
        typer.Option("--task-tiles", metavar="N", min=1, rich_help_panel=_PANEL, help="Tiles per task. [default: 24]"),
    ] = None
    dashboard: Annotated[
        bool,
        typer.Option("--dashboard", rich_help_panel=_PANEL, help="With --workers: serve Dask's page on 127.0.0.1."),
    ] = False
    tls_ca: Annotated[
        Path | None,
        typer.Option("--tls-ca", metavar="FILE", rich_help_panel=_PANEL, help="Certificate authority of --scheduler."),
    ] = None
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", metavar="FILE", rich_help_panel=_PANEL, help="Certificate for --scheduler."),
    ] = None
    tls_key: Annotated[
        Path | None,
        typer.Option("--tls-key", metavar="FILE", rich_help_panel=_PANEL, help="Private key for --tls-cert."),
    ] = None

    def chosen(self) -> ClusterOptions | None:
        """Return the machines that are asked for; None for this one alone.

        Raises
        ------
        UsageError
            for options that contradict each other.
        """
        from worldstrat_bench.errors import UsageError

        tls = self.tls_ca or self.tls_cert or self.tls_key
        if self.scheduler is None and self.workers is None:
            if self.task_tiles or self.dashboard or tls:
                raise UsageError(
                    "--task-tiles, --dashboard and --tls-... go with Dask", remedy="add --scheduler or --workers"
                )
            return None
        if self.scheduler is not None and (self.workers is not None or self.dashboard):
            raise UsageError(
                "--workers and --dashboard are for workers that are started here",
                where="--scheduler",
                remedy="give one of the two; the dashboard of a scheduler is where that was started",
            )
        if self.workers is not None and tls:
            raise UsageError("workers that are started here make their own keys", where="--tls-...")
        from worldstrat_bench.run.cluster.connect import ClusterOptions

        return ClusterOptions(
            self.scheduler,
            self.workers,
            self.task_tiles or 24,
            self.dashboard,
            self.tls_ca,
            self.tls_cert,
            self.tls_key,
        )
