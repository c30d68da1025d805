"""Scores as a metric of torchmetrics, for training loops. Needs the extra ``torchmetrics``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from worldstrat_bench.errors import InfrastructureError, UsageError
from worldstrat_bench.measures import MEASURES, measure, metrics_named
from worldstrat_bench.protocol import DEFAULT_PROTOCOL
from worldstrat_bench.scoring.many import Scorer
from worldstrat_bench.typed import typed

try:
    from torchmetrics import Metric
except ImportError:
    raise InfrastructureError(
        "torchmetrics is not installed",
        where="worldstrat_bench.torchmetrics",
        remedy='pip install "worldstrat-bench[torchmetrics]"',
    ) from None


class WorldStratScore(Metric):  # type: ignore[misc,unused-ignore]  # untyped where torchmetrics is not installed
    """Means of a protocol's metrics over all predictions given to ``update``, on every process together.

    Each prediction is registered to its target and scored as ``score_pair`` does. A mean is over tiles of equal weight,
    nulls left out; a record's means on a list are the same if every tile of the list was given once.

    Parameters
    ----------
    protocol : id of a protocol.
    metrics : names, as for ``score_pair``. Metrics that a record weights (`missed`, `invented`) are not taken.
    options : of ``torchmetrics.Metric``, such as ``sync_on_compute``.

    Raises
    ------
    UsageError
        for an unknown protocol or metric, or a metric with weights.
    """

    is_differentiable = False
    full_state_update = False
    higher_is_better = None

    total: Tensor
    number: Tensor

    @typed
    def __init__(
        self,
        protocol: str = DEFAULT_PROTOCOL,
        metrics: str | Iterable[str] = ("psnr", "ssim"),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.names = metrics_named(metrics, tuple(MEASURES), "unknown metric", "metrics")
        _refuse_weighted(self.names)
        self.protocol = protocol
        self._scorers: dict[torch.device, Scorer] = {}
        self._scorer(torch.device("cpu"))  # what cannot be is said now, not after an epoch
        self.add_state("total", torch.zeros(len(self.names), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("number", torch.zeros(len(self.names), dtype=torch.float64), dist_reduce_fx="sum")

    @typed
    def update(
        self, prediction: Tensor, target: Tensor, valid: Tensor | None = None, clear: Tensor | None = None
    ) -> None:
        """Score a batch on the device of the prediction.

        Parameters
        ----------
        prediction, target : (N, 3, H, W) reflectance.
        valid : (N, H, W) bool, True where a target has data; None: everywhere.
        clear : (N, h, w) bool, True where frame 0 is clear; None: everywhere.
        """
        found = self._scorer(prediction.device).prepare(target, valid, clear).score(prediction)
        values = torch.stack([torch.from_numpy(found[name]) for name in self.names])
        known = ~values.isnan()
        self.total += values.nan_to_num().sum(dim=1).to(self.total.device)
        self.number += known.sum(dim=1).to(self.number)

    def compute(self) -> dict[str, Tensor]:
        """Return the means by name, () float64; NaN for a metric without a value."""
        return dict(zip(self.names, (self.total / self.number).unbind(), strict=True))

    def _scorer(self, device: torch.device) -> Scorer:
        if device not in self._scorers:
            self._scorers[device] = Scorer(self.protocol, device, self.names)
        return self._scorers[device]


def _refuse_weighted(names: Iterable[str]) -> None:
    for name in names:
        if measure(name).weight:
            raise UsageError(
                f"{name} is not a mean over tiles of equal weight", where="metrics", remedy="name other metrics"
            )
