"""Inputs and results of a worker, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.task import Answer
from worldstrat_bench.typed import check_fields

if TYPE_CHECKING:
    from worldstrat_bench.artefacts.record import IsolationReport

Parameter = str | int | float | bool

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class ModelSpec:
    """A model to load, with its parameters.

    Attributes
    ----------
    target : ``module:attr`` of the entry point.
    parameters : passed to the entry point by name.
    weights : file or folder that the model may read; None if it needs none.
    search_paths : folders put in front of the worker's ``sys.path`` (an unpacked wheel, say).
    python : interpreter of the model's own environment; None for the harness's own.
    distribution : that announces the model; None where it is not known.
    """

    target: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    weights: Path | None = None
    search_paths: tuple[Path, ...] = ()
    python: Path | None = None
    distribution: str | None = None


@dataclass(frozen=True)
class Limits:
    """Limits on the resources of a model.

    Attributes
    ----------
    tile_seconds : for one tile.
    load_seconds : for importing the model and loading its weights.
    memory_bytes : resident set of the model's whole process tree; None is half the machine's memory.
    output_bytes : of one prediction.
    scratch_bytes : of the files that the model writes.
    processes : processes at a time. Their threads have a limit of their own, some for every core of the machine.
    log_bytes : of the head of what the model prints, and as much again of the tail.
    """

    tile_seconds: float = 60.0
    load_seconds: float = 300.0
    memory_bytes: int | None = None
    output_bytes: int = 256 * MIB
    scratch_bytes: int = 8 * GIB
    processes: int = 256
    log_bytes: int = MIB

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Reply:
    """Outcome of one tile.

    Attributes
    ----------
    outcome : one of :data:`worldstrat_bench.artefacts.tiles.OUTCOMES`.
    image : (3 or 4, H, W) float32 reflectance, finite, the host's own copy; None unless `outcome` is ``ok``.
    message : why it failed; with ``ok``, a hint if the values look odd, else empty.
    seconds : what the model took, as the worker measured it (never more than the host did).
    output_device : where the model's output was, if the call was examined and the worker says the truth.
    changed_input : whether the model wrote into its input; likewise.
    training : kinds of its modules that are in training mode and compute otherwise there; likewise.
    expected_error : (1, H, W) or one for each band of `image`, float32, finite, not negative; None if there is none.
    retry : whether a second try may go otherwise: the machine failed, or the worker was killed and not by the host.
        Set by the host from what it saw itself, never from anything that a model can say.
    """

    outcome: str
    image: NDArray[np.float32] | None
    message: str
    seconds: float
    output_device: str = ""
    changed_input: bool = False
    training: str = ""
    retry: bool = False
    expected_error: NDArray[np.float32] | None = None

    @property
    def answer(self) -> Answer | None:
        """Image and expected error together, to be stored and scored; None without an image."""
        return None if self.image is None else Answer(self.image, self.expected_error)


@dataclass(frozen=True)
class BlockTimes:
    """One block of timed calls.

    Attributes
    ----------
    marks : seconds from the start to the end of each cycle (or call) and to the end of the block, as the worker says.
    wall_seconds : of the block by the worker's wall clock.
    host_seconds : what the host waited, transport included; it bounds what a worker can claim.
    """

    marks: tuple[float, ...]
    wall_seconds: float
    host_seconds: float


@dataclass(frozen=True)
class ModelFigures:
    """Counts beside the time: of the model, and of one call on the first input."""

    parameters: int | None
    flops: int | None


@dataclass(frozen=True)
class PeakMemory:
    """Bytes at their largest: resident on the host since its process started, allocated on the device in one call."""

    host_bytes: int | None
    device_bytes: int | None


@dataclass(frozen=True)
class Hello:
    """Statement of a worker that has loaded its model about itself."""

    python: str
    torch: str
    cuda: str | None
    device_type: str
    device_name: str
    device_class: str
    packages: dict[str, str]
    isolation: IsolationReport
    start_seconds: float
    load_seconds: float
