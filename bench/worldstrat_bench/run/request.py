"""Requests to a run, as values that check themselves: the same for the command line, Python and Dask."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from worldstrat_bench.arguments import check_kind, check_text, check_whole, one_of, path_of, path_or_none
from worldstrat_bench.artefacts.draws import MAX_DRAWS
from worldstrat_bench.data.layout import list_named
from worldstrat_bench.data.task import InputSource
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import parse_added
from worldstrat_bench.protocol import DEFAULT_PROTOCOL, protocol_named
from worldstrat_bench.run.devices import split_devices
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.selection import Shard
from worldstrat_bench.typed import check_fields
from worldstrat_bench.worker.isolation import LEVELS
from worldstrat_bench.worker.types import Limits


@dataclass(frozen=True)
class RunOptions:
    """Options of a run that do not change its results.

    Two exceptions: `metrics` adds columns, and LPIPS is null without weights.

    Attributes
    ----------
    device : ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``cuda:0,cuda:2``; ``auto`` is every CUDA device, else the CPU.
    isolation : of the model's process: ``auto`` (the best that works), ``full``, ``strong`` or ``process``.
    limits : what the model may use, for instance ``Limits(tile_seconds=30, memory_bytes=8 * 2**30)``.
    max_failures : consecutive failed tiles after which the run stops; 0 for never.
    keep : whether predictions stay after they are scored.
    keep_draws : whether those of draws after the first stay as well.
    cache : whether decoded inputs and targets are kept for the next run.
    cache_bytes : the size of both together; None: see :func:`~worldstrat_bench.cache.cache_bytes`.
    lpips_weights : file with the AlexNet backbone; None looks in torchvision's cache.
    download : whether that backbone may be downloaded.
    threads : number of threads that read and score; None for all cores.
    metrics : names of optional metrics to add, such as ``("stlpips", "spectral")``; a leading "+" is allowed. Kept
        without it, each once, in the order of ``measures.OPTIONAL``.

    Raises
    ------
    UsageError
        for a value out of range or an unknown word, naming the option.
    """

    device: str = "auto"
    isolation: str = "auto"
    limits: Limits = field(default_factory=Limits)
    max_failures: int = 5
    keep: bool = True
    keep_draws: bool = False
    cache: bool = True
    cache_bytes: int | None = None
    lpips_weights: Path | None = None
    download: bool = True
    threads: int | None = None
    metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text(self.device, "--device", "auto, cpu, cuda or cuda:N")
        split_devices(self.device)
        level = one_of(self.isolation, ("auto", *LEVELS), "unknown isolation level", "--isolation")
        object.__setattr__(self, "isolation", level)
        check_kind(self.limits, Limits, "limits", "worldstrat_bench.Limits(tile_seconds=30, ...)")
        for name, value in vars(self.limits).items():
            _at_least(_LIMITS.get(name, f"limits.{name}"), value, _LEAST.get(name, 1))
        _at_least("--max-failures", self.max_failures, 0)
        _at_least("--cache-gib", self.cache_bytes, 0)
        _at_least("threads", self.threads, 1)
        object.__setattr__(self, "lpips_weights", path_or_none(self.lpips_weights, "lpips_weights"))
        # A frozen value settles the order here, so that options which mean the same compare equal.
        object.__setattr__(self, "metrics", parse_added(self.metrics, bare=True))
        check_fields(self)


_LIMITS = {"tile_seconds": "--tile-seconds", "memory_bytes": "--memory-gib"}
_LEAST = {"tile_seconds": 0.1, "load_seconds": 0.1}
"""The shortest times that make sense; of everything else a model needs at least one."""


@dataclass(frozen=True)
class RunRequest:
    """Request for a run.

    Attributes
    ----------
    data : the dataset's folder.
    out : the run directory; with `shard`, the folder that all shards share.
    list_name : ``auto`` or the name of a list.
    limit : only the first so many tiles: a smoke test, never ranked.
    seed : of the run; every tile's seed is derived from it.
    inputs : the real revisits, or synthetic ones made from the high-resolution image.

    Raises
    ------
    UsageError
        for a value out of range or an unknown word, naming the option.
    """

    model: ModelRequest
    data: Path
    out: Path
    protocol: str = DEFAULT_PROTOCOL
    list_name: str = "auto"
    limit: int | None = None
    shard: Shard | None = None
    seed: int = 0
    inputs: InputSource = "real"

    def __post_init__(self) -> None:
        check_kind(self.model, ModelRequest, "model", 'ModelRequest("bicubic", frames=1)')
        object.__setattr__(self, "data", path_of(self.data, "data"))
        object.__setattr__(self, "out", path_of(self.out, "out"))
        object.__setattr__(self, "list_name", list_named(self.list_name))
        object.__setattr__(self, "protocol", protocol_named(self.protocol))
        for option, value in (
            ("--seed", self.seed),
            ("--limit", self.limit),
            ("--frames", self.model.frames),
            ("--draws", self.model.draws),
        ):
            if value is not None:
                check_whole(value, option)
        _at_least("--limit", self.limit, 1)
        _at_least("--frames", self.model.frames, 1)
        _at_least("--draws", self.model.draws, 1)
        if self.model.draws > MAX_DRAWS:
            what = f"{self.model.draws} draws of a tile are too many"
            raise UsageError(what, where="--draws", remedy=f"give {MAX_DRAWS} or fewer")
        object.__setattr__(self, "inputs", one_of(self.inputs, get_args(InputSource), "unknown kind of inputs", "--lr"))
        check_fields(self)

    @property
    def folder(self) -> Path:
        """The run directory; shards share `out` and have one each inside."""
        return self.shard.folder(self.out) if self.shard else self.out


@dataclass(frozen=True)
class ScoreRequest:
    """Stored predictions to score, and the protocol.

    Attributes
    ----------
    run : the run directory with the predictions.
    out : where the scores go; None for `run` itself, which must be of the same protocol then.
    protocol : None for the run's own.
    shard : score a part of the tiles only; needs `out`.
    """

    run: Path
    data: Path
    out: Path | None = None
    protocol: str | None = None
    shard: Shard | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "run", path_of(self.run, "run"))
        object.__setattr__(self, "data", path_of(self.data, "data"))
        object.__setattr__(self, "out", path_or_none(self.out, "out"))
        check_fields(self)

    @property
    def folder(self) -> Path:
        """The run directory that the scores go to."""
        if self.out is None:
            return self.run
        return self.shard.folder(self.out) if self.shard else self.out


def _at_least(option: str, value: object, least: float) -> None:
    """Refuse what is not a number from `least` up; None stands for a default."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        raise UsageError(f"{value!r:.40} is out of range", where=option, remedy=f"give a number of {least} or more")
