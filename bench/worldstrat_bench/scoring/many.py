"""Many predictions against targets that are prepared once: for validation in a training loop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from worldstrat_bench.arguments import whole_numbers
from worldstrat_bench.errors import UsageError, WorldstratBenchError
from worldstrat_bench.memory import keep_freed_memory
from worldstrat_bench.metrics.lpips_metric import load_perceptual
from worldstrat_bench.metrics.optional import load_optional
from worldstrat_bench.protocol import DEFAULT_PROTOCOL, load_protocol
from worldstrat_bench.scoring.factory import make_scorer
from worldstrat_bench.scoring.pair import BESIDE, asked_for, check_array, named, prepare_target, scored
from worldstrat_bench.scoring.types import Array, Prepared, TileScore
from worldstrat_bench.scoring.wsb import WsbScorer
from worldstrat_bench.threads import one_torch_thread
from worldstrat_bench.typed import typed

Images: TypeAlias = Array | Sequence[Array]
"""(N, ...) in one array or tensor, or N of them, whose sizes may differ."""


Indices: TypeAlias = Sequence[int] | NDArray[np.intp] | torch.Tensor


class Scorer:
    """The metrics of a protocol for batches of predictions; the numbers of ``score_pair``.

    Targets are prepared once and scored against as often as wanted; nothing here takes part in a gradient.

    Parameters
    ----------
    protocol : id of a protocol.
    device : where scores are computed, such as "cuda"; "auto": on a GPU if there is one.
    metrics : names to return, as for ``score_pair``; None: all that a pair can have.

    Raises
    ------
    UsageError
        for an unknown protocol or metric, or a device that this machine does not have.
    """

    @typed
    def __init__(
        self,
        protocol: str = DEFAULT_PROTOCOL,
        device: str | torch.device = "auto",
        metrics: str | Iterable[str] | None = None,
    ) -> None:
        self.device = _device(device)
        if self.device.type == "cpu":
            keep_freed_memory(one_heap=False)  # as a run does; the threads of a training loop keep theirs
        self._rules = load_protocol(protocol)
        self.protocol = self._rules.id
        self._names, added = asked_for(metrics, self._rules)
        learned = load_perceptual(device=self.device) if self._names is not None and "lpips" in self._names else None
        self._scorer = make_scorer(
            self._rules,
            device=self.device,
            perceptual=learned,
            optional=load_optional(added, self.device),
            # What is not asked for costs as much as what usually is.
            wanted=None if self._names is None else frozenset(self._names),
        )
        self._targets: list[Prepared] = []

    def __len__(self) -> int:
        """Return the number of prepared targets."""
        return len(self._targets)

    @typed
    def prepare(self, targets: Images, valid: Images | None = None, clear: Images | None = None) -> Self:
        """Take the targets that predictions are scored against, in place of those before; return the scorer.

        Parameters
        ----------
        targets : N of (3, H, W), reflectance; see ``score_pair``.
        valid : N of (H, W) bool, True where the target has data; None: everywhere.
        clear : N of (h, w) bool, True where frame 0 is clear; None: everywhere.

        Raises
        ------
        UsageError, DataError
            as ``score_pair`` does; `where` names the target.
        """
        images = _split(targets, 4, "targets")
        masks, skies = (_masks(own, len(images), name) for own, name in ((valid, "valid"), (clear, "clear")))
        found = []
        for index, (image, mask, sky) in enumerate(zip(images, masks, skies, strict=True)):
            with _located(f"targets[{index}]"):
                found.append(self._scorer.prepare(*prepare_target(image, mask, sky, self._rules)))
        # Only now: a call that fails at its last target leaves the earlier ones in use.
        self._targets = found
        return self

    @typed
    def score(
        self, batch: Images, index: Indices | None = None, expected_error: Images | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Score one prediction for every target, or for the targets of those numbers.

        Parameters
        ----------
        batch : N of (3, H, W), reflectance; a size other than the target's is resampled to it.
        index : the number, from 0, of the target of each prediction; None: all targets in their order.
        expected_error : of each prediction, see ``score_pair``; None: it is not scored.

        Returns
        -------
        (N,) values by name; NaN where a metric cannot be computed.

        Raises
        ------
        UsageError
            without targets, or if there is not one target for each prediction.
        ModelError
            as ``score_pair`` does; `where` names the prediction.
        """
        images = _split(batch, 4, "batch")
        tiles = self._chosen(len(images), index)
        # Several threads would split a sum by the number of cores, and its last digits would follow.
        with torch.no_grad(), one_torch_thread() if self.device.type == "cpu" else nullcontext():
            scores = self._scored(images, tiles, self._errors(expected_error, len(images)))
        rows = [{**score.metrics, **{name: getattr(score, name) for name in BESIDE}} for score in scores]
        # A prediction of four bands has values that one of three in the same batch has not.
        every = dict.fromkeys(name for row in rows for name in row)
        kept = [named({**every, **row}, self._names, self.protocol) for row in rows]
        return {
            name: np.array([math.nan if (value := row[name]) is None else value for row in kept], dtype=np.float64)
            for name in (kept[0] if kept else self._names or ())
        }

    def _errors(self, expected_error: Images | None, count: int) -> list[Array | None]:
        if expected_error is None:
            return [None] * count
        if not isinstance(self._scorer, WsbScorer):
            what = f"{self.protocol} scores no expected error"
            raise UsageError(what, where="expected_error", remedy="use wsb-1")
        found: list[Array | None] = [*_split(expected_error, 4, "expected_error")]
        if len(found) != count:
            what = f"{len(found)} expected errors for {count} predictions"
            raise UsageError(what, where="expected_error", remedy="give one for each prediction")
        return found

    def _chosen(self, count: int, index: Indices | None) -> list[Prepared]:
        if not self._targets:
            raise UsageError("there are no targets", where="Scorer.score", remedy="call prepare(targets) first")
        numbers = list(range(len(self))) if index is None else whole_numbers(index, "index", len(self))
        if len(numbers) != count:
            raise UsageError(
                f"{count} predictions for {len(numbers)} targets",
                where="Scorer.score",
                remedy="give one prediction for each target, or index=[...], the numbers of their targets",
            )
        return [self._targets[i] for i in numbers]

    def _scored(
        self, images: Sequence[Array], tiles: Sequence[Prepared], errors: Sequence[Array | None]
    ) -> list[TileScore]:
        # A CPU gains nothing from a batch, and one pair after the other lets an error name its prediction.
        if isinstance(self._scorer, WsbScorer) and self._scorer.batch > 1:
            return self._scorer.score_batch(images, tiles, errors)
        scores = []
        for index, (image, tile, error) in enumerate(zip(images, tiles, errors, strict=True)):
            with _located(f"batch[{index}]"):
                scores.append(scored(self._scorer, image, tile, error))
        return scores


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Say in an error which item of a batch it is about."""
    try:
        yield
    except WorldstratBenchError as error:
        error.where = where
        raise


def _split(images: Images, dimensions: int, where: str) -> list[Array]:
    """Return the N items of one array or of a sequence of arrays.

    Raises
    ------
    UsageError
        for anything else, and for one array that lacks the axis of the batch.
    """
    if isinstance(images, torch.Tensor | np.ndarray):
        check_array(images, where)
        if images.ndim != dimensions:
            axes = "(N, 3, H, W)" if dimensions == 4 else "(N, H, W)"
            raise UsageError(
                f"{where} has shape {tuple(images.shape)}, not {axes}", where=where, remedy="add the axis of the batch"
            )
        return list(images)
    if not isinstance(images, list | tuple):
        check_array(images, where)
    for index, image in enumerate(images):
        check_array(image, f"{where}[{index}]")
    return list(images)


def _masks(masks: Images | None, count: int, where: str) -> list[Array | None]:
    """Return one mask for each target, None where there is none; (N, 1, h, w) is taken as (N, h, w)."""
    if masks is None:
        return [None] * count
    if isinstance(masks, torch.Tensor | np.ndarray) and masks.ndim == 4 and masks.shape[1] == 1:
        masks = masks[:, 0]
    found: list[Array | None] = [*_split(masks, 3, where)]
    if len(found) != count:
        raise UsageError(f"{len(found)} masks for {count} targets", where=where, remedy="give one for each target")
    return found


def _device(device: str | torch.device) -> torch.device:
    """Return the device; "auto" is a GPU if there is one.

    Raises
    ------
    UsageError
        for a device that torch does not know or this machine does not have.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        if found.type == "meta":
            raise RuntimeError("a device without numbers")
    except (RuntimeError, TypeError):
        raise UsageError(f"unknown device {str(device)[:40]!r}", where="device", remedy="auto, cpu or cuda") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device", where="device", remedy="use Scorer(device='cpu')")
    return found
