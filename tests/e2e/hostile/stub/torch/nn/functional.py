"""Enlargement by repetition."""

from __future__ import annotations

import numpy as np
import torch


def interpolate(image, size, mode):
    rows = np.arange(size[0]) * image.shape[2] // size[0]
    columns = np.arange(size[1]) * image.shape[3] // size[1]
    return torch.Tensor(np.ascontiguousarray(image.array[:, :, rows][:, :, :, columns]))
