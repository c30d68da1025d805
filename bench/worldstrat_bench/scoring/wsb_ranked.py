"""The metrics of the wsb protocols that need no network, of one aligned prediction or of a batch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from worldstrat_bench.filtering import crop_or_pad
from worldstrat_bench.metrics.lr_consistency import Sensor, lr_consistency
from worldstrat_bench.metrics.psnr import psnr, rmse, squared_error
from worldstrat_bench.metrics.sam import sam
from worldstrat_bench.metrics.ssim import SsimTarget, ssim
from worldstrat_bench.metrics.stretch import stretch
from worldstrat_bench.registration.offset import OffsetTarget
from worldstrat_bench.scoring.wsb_align import Levelled, WsbRules, unbiased
from worldstrat_bench.scoring.wsb_target import FrameImage, WsbPrepared

BIASES = ("bias_r", "bias_g", "bias_b")


@dataclass(frozen=True)
class SeenFrame:
    """A usable frame 0: `rgb` (..., 3, h', w') float32, `clear` (..., h', w') bool, and its sensor."""

    rgb: Tensor
    clear: Tensor
    sensor: Sensor

    @classmethod
    def of(cls, frame: FrameImage | None) -> SeenFrame | None:
        """Return the frame; None if there is none or it cannot be used."""
        if frame is None or frame.rgb is None or not frame.usable:
            return None
        return cls(frame.rgb, frame.clear, frame.sensor)


@dataclass(frozen=True)
class Truth:
    """Quantities of a target that metrics use, or of N targets with a leading axis; see ``wsb_target.WsbPrepared``."""

    target: Tensor
    valid: Tensor | None
    offset: OffsetTarget
    ssim: SsimTarget
    white: float | Tensor
    frame: SeenFrame | None

    @classmethod
    def of(cls, prepared: WsbPrepared) -> Truth:
        """Return the truth of one tile."""
        target = prepared.target[:3]
        frame = SeenFrame.of(prepared.frame)
        return cls(target, prepared.valid, prepared.offset, prepared.ssim, prepared.white, frame)


@dataclass(frozen=True)
class Placed:
    """A prediction at its target's level and place.

    `levelled` is S, `result` P (..., 3, h, w), `bias` b (..., 3), and `raw` the prediction as it came, moved alike and
    clipped.
    """

    levelled: Levelled
    result: Tensor
    bias: Tensor
    raw: Tensor


def ranked(placed: Placed, truth: Truth, rules: WsbRules) -> dict[str, Tensor]:
    """Return every such metric that is wanted, the share of clipped values and what was added to a band, (...) each."""
    constants, floor, valid = rules.metrics, rules.metrics.mse_floor, truth.valid
    target, levelled, fixed = truth.target, placed.levelled, placed.result
    values = {"clipped": levelled.clipped, **dict(zip(BIASES, (levelled.offset + placed.bias).unbind(-1), strict=True))}
    if rules.computes("psnr", "rmse"):
        mse = squared_error(fixed, target, valid)
        values |= {"psnr": psnr(mse, floor), "rmse": rmse(mse, floor)}
    if rules.computes("ssim"):
        # Stretched, because SSIM's constants are made for images that fill their range, and land is dark.
        values["ssim"] = ssim(stretch(fixed, truth.white), truth.ssim)
    if rules.computes("psnr_raw"):
        values["psnr_raw"] = psnr(squared_error(placed.raw, target, valid), floor)
    if rules.computes("psnr_unregistered"):
        # Levelled like P and only not moved, so that the difference to psnr is what registration gives.
        still, _ = unbiased(crop_or_pad(levelled.image, rules.border), truth.offset)
        values["psnr_unregistered"] = psnr(squared_error(still, target, valid), floor)
    if rules.computes("sam"):
        values["sam"] = sam(fixed, target, valid, norm_min=constants.sam_norm_min)
    if truth.frame is not None and rules.computes("lr_consistency"):
        # S, not P: frame 0 lies where the input lay, and P was moved to the target's place.
        seen = truth.frame
        values["lr_consistency"] = lr_consistency(levelled.image, seen.rgb, seen.clear, seen.sensor)
    return values
