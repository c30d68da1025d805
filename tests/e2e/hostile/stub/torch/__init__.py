"""The little of torch that the worker and the hostile model use, on numpy: a worker starts in a tenth of the time."""

from __future__ import annotations

import contextlib

import numpy as np


__version__ = "0.0+stub"
strided, uint8, float32 = "strided", np.uint8, np.dtype(np.float32)


class device:  # noqa: N801
    def __init__(self, name):
        self.type = str(name).partition(":")[0]


class Tensor:
    layout, is_quantized, is_cuda = strided, False, False

    def __init__(self, array):
        self.array = array

    @property
    def dtype(self):
        return self.array.dtype

    @property
    def shape(self):
        return self.array.shape

    def numpy(self):
        return self.array

    def unsqueeze(self, axis):
        return Tensor(np.expand_dims(self.array, axis))

    def to(self, _):
        return self

    is_cuda = False
    detach = cpu = contiguous = resolve_neg = lambda self: self

    def permute(self, *axes):
        return Tensor(np.ascontiguousarray(self.array.transpose(axes)))

    def half(self):
        return Tensor(self.array.astype(np.float16))

    def fill_(self, value):
        self.array.fill(value)

    def __mul__(self, other):
        return Tensor(self.array * np.float32(other))

    def __add__(self, other):
        return Tensor(self.array + np.float32(getattr(other, "array", other)))

    def __getitem__(self, key):
        return Tensor(np.array(self.array[key]))

    def __setitem__(self, key, value):
        self.array[key] = value

    def __int__(self):
        return int(self.array)


def from_numpy(array):
    return Tensor(array)


def full(shape, value):
    return Tensor(np.full(shape, value, np.float32))


def ones(size, dtype):
    return Tensor(np.ones(size, dtype))


def no_grad():
    return contextlib.nullcontext()


def manual_seed(seed):
    return None


set_num_threads = manual_seed

from torch import nn as nn  # noqa: E402
from torch.nn import functional as functional  # noqa: E402


class cuda:  # noqa: N801
    """As in a torch that was built for CPUs."""

    @staticmethod
    def init():
        raise AssertionError("Torch not compiled with CUDA enabled")
