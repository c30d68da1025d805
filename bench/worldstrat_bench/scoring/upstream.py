"""The scorer of the 2022 protocols (protocol 4): chips, and 81 sub-pixel shifts of the truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from worldstrat_bench.errors import DataError
from worldstrat_bench.filtering import correlate_planes, interleave
from worldstrat_bench.metrics.detail import plain_detail
from worldstrat_bench.metrics.psnr import mae, psnr
from worldstrat_bench.metrics.ssim_loss import ssim_loss
from worldstrat_bench.protocol import Protocol, ShiftedTruth
from worldstrat_bench.registration.shifted_truth import Truth, prepare_truth, truth_kernels, truth_mismatch
from worldstrat_bench.resampling import bicubic
from worldstrat_bench.scoring.prediction import check_prediction, least_size, on_grid, share_outside, to_tensor
from worldstrat_bench.scoring.target_range import checked_target
from worldstrat_bench.scoring.types import Array, Frame, Prepared, TileScore

if TYPE_CHECKING:
    from worldstrat_bench.data.target import TargetImage

NO_FRAME = "no low-resolution frame was given"


@dataclass(frozen=True)
class UpstreamPrepared:
    """Everything about a tile that does not depend on a prediction.

    Attributes
    ----------
    side : of the target, px; `least` the smallest size that a prediction may have.
    chips : (N, 3, L, L) float32 of the target, interleaved.
    truth : statistics of the chips.
    detail, psnr_bicubic, lr_consistency_target : see ``types.Prepared``; this protocol has no last.
    """

    side: int
    least: tuple[int, int]
    chips: Tensor
    truth: Truth
    detail: float
    psnr_bicubic: float | None = None
    lr_consistency_target: float | None = None


class UpstreamScorer:
    """See ``scoring.make_scorer``."""

    def __init__(self, protocol: Protocol, device: torch.device) -> None:
        assert isinstance(protocol.registration, ShiftedTruth)
        self.protocol = protocol
        self.device = device
        self.rule = protocol.registration
        steps = round(2 * self.rule.radius / self.rule.step) + 1
        self.kernels = truth_kernels(
            [self.rule.step * i - self.rule.radius for i in range(steps)],
            taps=self.rule.taps,
            lobes=self.rule.lobes,
            cut=self.rule.cut_at_lobes,
            normalised=self.rule.normalised,
            epsilon=self.rule.phase_epsilon,
        )

    def prepare(self, target: TargetImage, frame: Frame | None) -> UpstreamPrepared:
        """See ``types.Scorer.prepare``."""
        side = self.protocol.target.side
        if target.image.shape[-2:] != (side, side):
            raise DataError(f"{self.protocol.id} needs a target of {side} x {side} px, not {target.image.shape[-2:]}")
        target = checked_target(target, self.protocol)
        image = to_tensor(target.image[:3], self.device).to(torch.float32)
        chips = self._chips(image)
        layers = interleave(chips).view(chips.shape)
        fine = float(plain_detail(image, to_tensor(target.valid, self.device)))
        prepared = UpstreamPrepared(
            image.shape[-1], least_size(frame, *image.shape[-2:]), layers, prepare_truth(chips, self.kernels), fine
        )
        if frame is None or frame.rgb is None:
            return prepared
        seen = to_tensor(frame.rgb, self.device).to(torch.float32)
        enlarged = bicubic(seen[None], prepared.side, prepared.side)[0]
        return replace(prepared, psnr_bicubic=float(self.chip_metrics(enlarged, prepared)["psnr"].mean()))

    def score(self, prediction: Array, prepared: Prepared) -> TileScore:
        """See ``types.Scorer.score``."""
        if not isinstance(prepared, UpstreamPrepared):
            raise TypeError("prepared by another scorer")
        given = on_grid(check_prediction(prediction, self.device, prepared.least), prepared.side, prepared.side)
        values = self.chip_metrics(given[:3], prepared)
        # One transfer from the device for all numbers; PSNR as a mean of dB, as published.
        means = torch.stack([*(value.mean() for value in values.values()), share_outside(given)]).tolist()
        metrics: dict[str, float | None] = dict(zip(values, means[:-1], strict=True))
        metrics["psnr_bicubic"] = prepared.psnr_bicubic
        nulls = {"psnr_bicubic": NO_FRAME} if prepared.psnr_bicubic is None else {}
        return TileScore(metrics, nulls, clipped=means[-1], detail=prepared.detail)

    def chip_metrics(self, image: Tensor, prepared: UpstreamPrepared) -> dict[str, Tensor]:
        """Return every metric of every chip, (N,) each, of a (3, side, side) image."""
        chips = self._chips(image)
        # Before the search, as the published scorer does: brightness then does not choose the shift.
        bias = prepared.truth.centre - chips.mean(dim=(-2, -1), dtype=torch.float64)
        first, last = self.rule.crop, self.rule.crop + prepared.truth.side
        seen = chips[..., first:last, first:last] + bias.to(chips.dtype)[..., None, None]
        # The 81 shifts are compared by sums of products; only the best one is then made of pixels.
        best = truth_mismatch(seen, prepared.truth).flatten(1).argmin(dim=1).tolist()
        moved = self._moved(prepared.chips, [divmod(index, len(self.kernels)) for index in best])
        seen = interleave(seen).view(seen.shape)
        mse = (seen - moved).square_().mean(dim=(-2, -1), dtype=torch.float64).mean(dim=-1)
        constants = self.protocol.metrics
        loss = ssim_loss(seen, moved, window=constants.ssim_window, sigma=constants.ssim_sigma)
        return {"psnr": psnr(mse, constants.mse_floor), "mse": mse, "mae": mae(seen, moved), "ssim_loss": loss}

    def _moved(self, chips: Tensor, best: list[tuple[int, int]]) -> Tensor:
        """Return (N, 3, L, L) chips of the truth, each by its kernels of rows and of columns, outer zeros left out."""
        rows, columns = (
            torch.tensor([self.kernels[index] for index in axis], dtype=torch.float64)
            for axis in zip(*best, strict=True)
        )
        (top, bottom), (left, right) = _support(rows), _support(columns)
        weights = (rows[:, :, None] * columns[:, None, :])[:, top:bottom, left:right]
        reach, side = rows.shape[1] - 1, chips.shape[-1]
        part = chips[..., top : side - reach + bottom - 1, left : side - reach + right - 1]
        moved = correlate_planes(interleave(part), weights.to(chips).repeat_interleave(chips.shape[1], dim=0))
        return moved.view(*chips.shape[:2], *moved.shape[-2:])

    def _chips(self, image: Tensor) -> Tensor:
        """Map (3, side, side) to (N, 3, L, L), row by row."""
        scale = image.shape[-1] / self.rule.lr_side
        side = round(self.rule.chip_side * scale)
        starts = [round(start * scale) for start in self.rule.chip_starts]
        return torch.stack([image[:, y : y + side, x : x + side] for y in starts for x in starts])


def _support(kernels: Tensor) -> tuple[int, int]:
    """Return the first tap that is not zero in every kernel, and the one after the last."""
    used = kernels.ne(0).any(dim=0).nonzero().flatten().tolist()
    return int(used[0]), int(used[-1]) + 1
