"""The correctness shares of opensr-test (Aybar et al. 2024), optional: ``pip install worldstrat-bench[opensr]``.

Every pixel is compared with the low-resolution image and with the target: detail that brings it nearer to the target
is improvement, missing detail omission, detail that neither has hallucination. The three shares sum to 1. The package
needs no weights and no network for them, but takes seconds to import and one to two seconds a tile.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from worldstrat_bench.filtering import crop_or_pad
from worldstrat_bench.metrics.optional import Found, Pairs
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.resampling import lanczos_resize

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("opensr_hallucination", "opensr_improvement", "opensr_omission")
"""The columns, in alphabetical order."""
SCALE = 4
_KEYS = {"opensr_hallucination": "ha_metric", "opensr_improvement": "im_metric", "opensr_omission": "om_metric"}


class OpenSr:
    """The package's ``Metrics.correctness`` with its defaults: histogram matching, phase correlation, softmin shares.

    Attributes
    ----------
    software : the package with its version; another one may give other numbers.
    """

    def __init__(self, package: Any, package_version: str) -> None:
        self._package = package
        self._lock = Lock()
        self.software = f"opensr-test {package_version}"

    def __call__(self, pairs: Pairs) -> Found:
        """Three columns, one pair after the other: the package takes no batch. No-data is as in the target."""
        target = pairs.target
        seen = pairs.unmoved if pairs.mask is None else torch.where(pairs.mask[:, None], pairs.unmoved, target)
        shares: list[dict[str, float]] = []
        nulls: list[dict[str, str]] = []
        for i, frame in enumerate(pairs.frames[: len(pairs) - pairs.fill]):
            if isinstance(frame, str):
                shares.append(dict.fromkeys(NAMES, math.nan))
                nulls.append(dict.fromkeys(NAMES, frame))
                continue
            found = self.shares(frame.clamp(0, 1), seen[i], target[i], pairs.height, pairs.width, pairs.border)
            shares.append(found)
            nulls.append({})
        shares += [dict.fromkeys(NAMES, math.nan)] * pairs.fill
        nulls += [{}] * pairs.fill
        values = {name: torch.tensor([one[name] for one in shares], dtype=torch.float64) for name in NAMES}
        return Found(values, nulls)

    def shares(
        self, frame: Tensor, prediction: Tensor, target: Tensor, height: int, width: int, border: int
    ) -> dict[str, float]:
        """Return the three shares by name; NaN where the package finds no pixel to judge.

        Parameters
        ----------
        frame : (3, h, w) reflectance, frame 0 on its own grid. Brought to a quarter of the target's by Lanczos-8,
            because the package needs a whole factor.
        prediction, target : (3, H, W) reflectance, the window of the target's grid that is scored; not registered, the
            package does that by itself. It cuts 16 px more off every side.
        height, width : of the whole grid that the frame covers, multiples of 4.
        border : px of that grid outside the window on every side, a multiple of 4.
        """
        coarse = crop_or_pad(lanczos_resize(frame, height // SCALE, width // SCALE), border // SCALE)
        images = [image.detach().float().cpu() for image in (coarse, prediction, target)]
        # One at a time: the package changes the generators of the whole process, for every thread.
        with self._lock, _random_state_kept():
            found = self.correctness(*images)
        return {name: float(found[key]) for name, key in _KEYS.items()}

    def correctness(self, coarse: Tensor, prediction: Tensor, target: Tensor) -> Mapping[str, float]:
        """Return the package's own answer for (C, h, w) inputs and two (C, 4h, 4w) images, reflectance."""
        answer: Mapping[str, float] = self._package.Metrics().correctness(
            lr=coarse, sr=prediction, hr=target, gradient_threshold="auto"
        )
        return answer


def load_opensr(_: torch.device | str = "cpu") -> OpenSr | Unavailable:
    """Return the package, ready to use, or why it cannot be had here."""
    try:
        import opensr_test

        return OpenSr(opensr_test, version("opensr-test"))
    except (ImportError, OSError, PackageNotFoundError) as error:
        return Unavailable(f"opensr-test needs pip install worldstrat-bench[opensr]: {str(error)[:200]}")


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Undo what the package does: it seeds every generator of the process and switches cuDNN to another mode."""
    own, numpys = random.getstate(), np.random.get_state()
    cudnn = (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(own)
        np.random.set_state(numpys)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
