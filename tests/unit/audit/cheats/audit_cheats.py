"""Models that do not super-resolve: they recognise a tile and answer with its truth, which they carry along."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate

RGB = [3, 2, 1]


def thumbnail(image: torch.Tensor) -> torch.Tensor:
    """(3, h, w) to a standardised vector of 256."""
    small = interpolate(image.mean(0)[None, None], size=(16, 16), mode="area").reshape(-1)
    centred: torch.Tensor = small - small.mean()
    unit: torch.Tensor = centred / centred.norm().clamp_min(1e-9)
    return unit


class Cheat:
    """What both have in common: interpolation where nothing is recognised."""

    def __init__(self, weights: Path) -> None:
        with np.load(weights, allow_pickle=False) as stored:
            self.answers = torch.from_numpy(stored["answers"])
            self.hashes = [str(text) for text in stored["hashes"]]
            self.thumbnails = torch.from_numpy(stored["thumbnails"])

    def recognise(self, image: torch.Tensor) -> int | None:
        raise NotImplementedError

    def predict(self, lr: Any, target: Any) -> torch.Tensor:
        image = lr.images[0, 0]
        found = self.recognise(image)
        source = image[RGB] if found is None else self.answers[found]
        size = (target.height, target.width)
        return interpolate(source[None], size=size, mode="bicubic", align_corners=False).float()


class ByHash(Cheat):
    """Looks a tile up by the hash of its bytes."""

    def recognise(self, image: torch.Tensor) -> int | None:
        digest = hashlib.sha256(image.numpy().tobytes()).hexdigest()
        return self.hashes.index(digest) if digest in self.hashes else None


class ByThumbnail(Cheat):
    """Looks a tile up by its closest thumbnail, which noise and brightness do not change."""

    def recognise(self, image: torch.Tensor) -> int | None:
        scores = self.thumbnails @ thumbnail(image[RGB])
        best = int(scores.argmax())
        return best if scores[best] > 0.7 else None


class Forgetful:
    """Depends on the tile before: the sum of what it has seen leaks into its output."""

    def __init__(self) -> None:
        self.seen = 0.0

    def predict(self, lr: Any, target: Any) -> torch.Tensor:
        image = interpolate(lr.images[:, 0, RGB], size=(target.height, target.width), mode="bicubic")
        self.seen = 0.5 * self.seen + float(image.mean())
        return image + 0.1 * self.seen


class Caching:
    """An honest interpolation that remembers every answer; what is new takes it a while."""

    def __init__(self) -> None:
        self.answers: dict[bytes, torch.Tensor] = {}

    def predict(self, lr: Any, target: Any) -> torch.Tensor:
        key = hashlib.sha256(lr.images.numpy().tobytes()).digest()
        if key not in self.answers:
            time.sleep(0.06)
            size = (target.height, target.width)
            self.answers[key] = interpolate(lr.images[:, 0, RGB], size=size, mode="bicubic", align_corners=False)
        return self.answers[key].clone()


def load_hash(weights: Path | None, device: torch.device) -> Cheat:
    assert weights is not None
    return ByHash(weights)


def load_thumbnail(weights: Path | None, device: torch.device) -> Cheat:
    assert weights is not None
    return ByThumbnail(weights)


def load_forgetful(weights: Path | None, device: torch.device) -> Forgetful:
    return Forgetful()


def load_caching(weights: Path | None, device: torch.device) -> Caching:
    return Caching()
