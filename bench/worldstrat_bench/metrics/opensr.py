"""The correctness shares of opensr-test (Aybar et al. 2024), optional: ``pip install worldstrat-bench[opensr]``.

Every pixel is compared with the low-resolution image and with the target: detail that brings it nearer to the target
is improvement, missing detail omission, detail that neither has hallucination. The three shares sum to 1. The package
needs no weights and no network for them, but takes seconds to import and one to two seconds a tile.
"""

from __future__ import annotations

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
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.resampling import lanczos_resize

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("opensr_hallucination", "opensr_improvement", "opensr_omission")
"""The columns, in alphabetical order."""
SCALE = 4
_KEYS = {"opensr_hallucination": "ha_metric", "opensr_improvement": "im_metric", "opensr_omission": "om_metric"}
NO_CONTRAST = "opensr-test finds no pixel to judge"


class OpenSr:
    """The package's ``Metrics.correctness`` with its defaults: histogram matching, phase correlation, softmin shares.

    Attributes
    ----------
    version : of the package; another one may give other numbers.
    """

    def __init__(self, package: Any, package_version: str) -> None:
        self._package = package
        self._lock = Lock()
        self.version = package_version

    def __call__(
        self, frame: Tensor, prediction: Tensor, target: Tensor, height: int, width: int, border: int
    ) -> dict[str, float | None]:
        """The three shares by name; None where the package finds no pixel to judge.

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
        with self._lock, _random_state_kept():
            found = self.correctness(*images)
        return {name: _finite(found[key]) for name, key in _KEYS.items()}

    def correctness(self, coarse: Tensor, prediction: Tensor, target: Tensor) -> Mapping[str, float]:
        """The package's own answer for images whose sizes differ by a factor of 4."""
        answer: Mapping[str, float] = self._package.Metrics().correctness(
            lr=coarse, sr=prediction, hr=target, gradient_threshold="auto"
        )
        return answer


def load_opensr() -> OpenSr | Unavailable:
    """The package, ready to use, or why it cannot be had here."""
    try:
        import opensr_test

        return OpenSr(opensr_test, version("opensr-test"))
    except (ImportError, OSError, PackageNotFoundError) as error:
        return Unavailable(f"opensr-test needs pip install worldstrat-bench[opensr]: {str(error)[:200]}")


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """The package seeds every generator of the process and switches cuDNN to another mode: undone afterwards."""
    own, numpys = random.getstate(), np.random.get_state()
    cudnn = (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(own)
        np.random.set_state(numpys)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
