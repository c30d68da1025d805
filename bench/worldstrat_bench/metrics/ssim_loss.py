"""The SSIM loss of the 2022 scorer, as kornia computes it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from worldstrat_bench.filtering import correlate_planes, gaussian_taps, interleave
from worldstrat_bench.metrics.ssim import K1, K2


def ssim_loss(prediction: Tensor, target: Tensor, *, window: int = 5, sigma: float = 1.5) -> Tensor:
    """Return the mean over bands and positions of clamp((1 - SSIM) / 2, 0, 1), with reflect padding and data range 1.

    (..., C, H, W) to (...) float64. Fastest if the planes are interleaved already (``filtering.interleave``).

    Only the sum of the two variances is needed, so four images are filtered, not five.
    """
    c1, c2 = K1**2, K2**2
    taps = torch.tensor(gaussian_taps(sigma, window // 2), dtype=torch.float64, device=target.device)
    weights = torch.outer(taps, taps)[None]
    truth, seen = interleave(target), interleave(prediction)
    centre = truth.mean(dim=(-2, -1), keepdim=True)  # float32 has nothing left of the variances in bright places
    pads = (window // 2,) * 4
    truth, seen = F.pad(truth - centre, pads, mode="reflect"), F.pad(seen - centre, pads, mode="reflect")
    mean_truth, mean_seen = correlate_planes(truth, weights), correlate_planes(seen, weights)
    covariance = correlate_planes(truth * seen, weights).addcmul_(mean_truth, mean_seen, value=-1)
    variances = correlate_planes(truth.square_().addcmul_(seen, seen), weights)
    variances.addcmul_(mean_truth, mean_truth, value=-1).addcmul_(mean_seen, mean_seen, value=-1)
    mean_truth.add_(centre)
    mean_seen.add_(centre)
    values = covariance.mul_(2).add_(c2).mul_((mean_truth * mean_seen).mul_(2).add_(c1))
    values.div_(variances.add_(c2).mul_(mean_truth.square_().addcmul_(mean_seen, mean_seen).add_(c1)))
    loss = values.sub_(1).mul_(-0.5).clamp_(0, 1).mean(dim=(-2, -1), dtype=torch.float64)
    return loss.view(target.shape[:-2]).mean(dim=-1)
