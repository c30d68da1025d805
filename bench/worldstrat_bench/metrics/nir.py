"""PSNR of the near infrared band, for predictions and targets that have one."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from worldstrat_bench.metrics.optional import Found, Pairs
from worldstrat_bench.metrics.psnr import psnr, squared_error

MSE_FLOOR = 1e-10
"""Upper limit of PSNR, as in ``wsb-1``."""


@dataclass(frozen=True)
class NirPsnr:
    """``psnr`` of the fourth band by itself, moved as the others are, its offset and bias its own."""

    software: str = ""

    def __call__(self, pairs: Pairs) -> Found:
        """One column, or none where a band is lacking."""
        if pairs.nir is None or pairs.target_nir is None:
            return Found({})
        mse = squared_error(pairs.nir, pairs.target_nir, pairs.mask)
        return Found({"psnr_nir": psnr(mse, MSE_FLOOR)})


def load_nir(_: torch.device | str = "cpu") -> NirPsnr:
    """Return the computation, which every machine has."""
    return NirPsnr()
