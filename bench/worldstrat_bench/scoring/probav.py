"""The scorer of the PROBA-V rule: the best PSNR and the best SSIM over all whole-pixel offsets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from worldstrat_bench.filtering import crop_or_pad
from worldstrat_bench.metrics.detail import plain_detail
from worldstrat_bench.metrics.psnr import psnr
from worldstrat_bench.metrics.ssim import SsimTarget, ssim, ssim_target
from worldstrat_bench.protocol import ClipFirst, IntegerBest, Protocol
from worldstrat_bench.registration.integer_best import WindowedTruth, prepare_windows, window_mismatch
from worldstrat_bench.resampling import bicubic
from worldstrat_bench.scoring.prediction import check_prediction, least_size, on_grid, share_outside, to_tensor
from worldstrat_bench.scoring.target_range import checked_target
from worldstrat_bench.scoring.types import Array, Frame, Prepared, TileScore

if TYPE_CHECKING:
    from worldstrat_bench.data.target import TargetImage

NO_FRAME = "no low-resolution frame was given"
NO_WINDOW = "no SSIM window is free of no-data"


@dataclass(frozen=True)
class ProbavPrepared:
    """Everything about a tile that does not depend on a prediction.

    Attributes
    ----------
    height, width : of the target's grid; `least` the smallest that a prediction may have.
    truth : for the search.
    ssim : of the whole target.
    detail, psnr_bicubic, lr_consistency_target : see ``types.Prepared``; this protocol has no last.
    """

    height: int
    width: int
    least: tuple[int, int]
    truth: WindowedTruth
    ssim: SsimTarget
    detail: float
    psnr_bicubic: float | None = None
    lr_consistency_target: float | None = None


class ProbavScorer:
    """See ``scoring.make_scorer``."""

    def __init__(self, protocol: Protocol, device: torch.device) -> None:
        assert isinstance(protocol.registration, IntegerBest)
        assert isinstance(protocol.offset, ClipFirst)
        self.protocol = protocol
        self.device = device
        self.radius = protocol.registration.radius

    def prepare(self, target: TargetImage, frame: Frame | None) -> ProbavPrepared:
        """See ``types.Scorer.prepare``."""
        target = checked_target(target, self.protocol)
        image = to_tensor(target.image[:3], self.device).to(torch.float32)
        valid = to_tensor(target.valid, self.device).bool()
        constants = self.protocol.metrics
        prepared = ProbavPrepared(
            height=image.shape[-2],
            width=image.shape[-1],
            least=least_size(frame, image.shape[-2], image.shape[-1]),
            truth=prepare_windows(image, valid, self.radius),
            ssim=ssim_target(image, valid, window=constants.ssim_window, sigma=constants.ssim_sigma),
            detail=float(plain_detail(image, valid)),
        )
        if frame is None or frame.rgb is None:
            return prepared
        seen = to_tensor(frame.rgb, self.device).to(torch.float32)
        enlarged = bicubic(seen[None], prepared.height, prepared.width)[0].clamp(0, 1)
        errors, _ = window_mismatch(crop_or_pad(enlarged, self.radius), prepared.truth)
        return replace(prepared, psnr_bicubic=float(psnr(errors.min(), constants.mse_floor)))

    def score(self, prediction: Array, prepared: Prepared) -> TileScore:
        """See ``types.Scorer.score``. The shift is that of the best PSNR, as for wsb: where the prediction is read."""
        if not isinstance(prepared, ProbavPrepared):
            raise TypeError("prepared by another scorer")
        given = on_grid(check_prediction(prediction, self.device, prepared.least), prepared.height, prepared.width)
        # First of all, as saving the challenge's 16-bit PNG does.
        image = crop_or_pad(given[:3].clamp(0, 1), self.radius)
        errors, bias = window_mismatch(image, prepared.truth)
        # The best of each by itself, at whichever offset: so the challenge counts.
        similarity = float(self._similarities(image, bias, prepared.ssim).max())
        best = int(errors.flatten().argmin())
        row, column = divmod(best, 2 * self.radius + 1)
        found = None if similarity == -torch.inf else similarity
        metrics = {
            "psnr": float(psnr(errors.flatten()[best], self.protocol.metrics.mse_floor)),
            "ssim": found,
            "psnr_bicubic": prepared.psnr_bicubic,
        }
        reasons = {"ssim": NO_WINDOW, "psnr_bicubic": NO_FRAME}
        return TileScore(
            metrics=metrics,
            nulls={name: reasons[name] for name, value in metrics.items() if value is None},
            # A lag says how far the truth's window moved; a record says where the prediction is read, the other way.
            shift_y=float(self.radius - row),
            shift_x=float(self.radius - column),
            shift_at_edge=self.radius in (abs(row - self.radius), abs(column - self.radius)),
            clipped=float(share_outside(given)),
            detail=prepared.detail,
        )

    def _similarities(self, image: Tensor, bias: Tensor, target: SsimTarget) -> Tensor:
        """SSIM at every offset with that offset's bias, (lags, lags); minus infinity where no window is valid.

        One offset after the other: memory does not grow with their number.
        """
        lags = 2 * self.radius + 1
        values = [
            ssim(image + bias[:, row, column, None, None].to(image.dtype), _window(target, row, column, lags))
            for row in range(lags)
            for column in range(lags)
        ]
        return torch.stack(values).nan_to_num(nan=-torch.inf).view(lags, lags)


def _window(target: SsimTarget, row: int, column: int, lags: int) -> SsimTarget:
    """Return the statistics of the target's window at a lag: views, nothing is computed again."""

    def part(array: Tensor) -> Tensor:
        return array[..., row : array.shape[-2] - lags + 1 + row, column : array.shape[-1] - lags + 1 + column]

    return replace(
        target,
        twice=part(target.twice),
        twice_mean=part(target.twice_mean),
        variance=part(target.variance),
        positions=None if target.positions is None else part(target.positions),
    )
