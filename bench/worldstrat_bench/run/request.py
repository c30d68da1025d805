"""What a run is asked for, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from worldstrat_bench.protocol import DEFAULT_PROTOCOL
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.plan import InputSource, Shard
from worldstrat_bench.worker.types import Limits


@dataclass(frozen=True)
class RunOptions:
    """How a run goes about its work; nothing here changes what it finds, but for `lpips_weights` being there or not,
    and `metrics` adding columns.

    Attributes
    ----------
    device : see :func:`~worldstrat_bench.run.devices.resolve_devices`.
    isolation : ``auto``, ``full``, ``strong`` or ``process``.
    limits : of the worker.
    max_failures : consecutive failed tiles after which the run stops; 0 for never.
    keep : whether predictions stay after they are scored.
    cache : whether decoded inputs and targets are kept for the next run.
    cache_bytes : the size of both together; None: see :func:`~worldstrat_bench.cache.cache_bytes`.
    lpips_weights : the AlexNet backbone; None looks in torchvision's cache.
    download : whether that backbone may be downloaded.
    threads : of reading and scoring; None for all cores.
    metrics : names of optional metrics that are computed as well, see ``measures.OPTIONAL``.
    """

    device: str = "auto"
    isolation: str = "auto"
    limits: Limits = field(default_factory=Limits)
    max_failures: int = 5
    keep: bool = True
    cache: bool = True
    cache_bytes: int | None = None
    lpips_weights: Path | None = None
    download: bool = True
    threads: int | None = None
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunRequest:
    """What a run is asked to find out."""

    model: ModelRequest
    data: Path
    out: Path
    protocol: str = DEFAULT_PROTOCOL
    list_name: str = "auto"
    limit: int | None = None
    shard: Shard | None = None
    seed: int = 0
    inputs: InputSource = "real"

    @property
    def folder(self) -> Path:
        """The run directory; shards share `out` and have one each inside."""
        return self.shard.folder(self.out) if self.shard else self.out


@dataclass(frozen=True)
class ScoreRequest:
    """Which stored predictions are scored, under which protocol.

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

    @property
    def folder(self) -> Path:
        """The run directory that the scores go to."""
        if self.out is None:
            return self.run
        return self.shard.folder(self.out) if self.shard else self.out
