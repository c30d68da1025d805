"""The format itself: eight bytes of length, a JSON header, the data."""

from __future__ import annotations

import json
import struct

import numpy as np
import torch

TYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8", "BOOL": "?"}


def load(data):
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        first, last = entry["data_offsets"]
        array = np.frombuffer(data[8 + size + first : 8 + size + last], TYPES[entry["dtype"]])
        tensors[name] = torch.Tensor(array.reshape(entry["shape"]).copy())
    return tensors


def save(tensors):
    ((name, tensor),) = tensors.items()
    array = tensor.array
    kind = next(key for key, code in TYPES.items() if np.dtype(code) == array.dtype)
    data = array.tobytes()
    header = json.dumps({name: {"dtype": kind, "shape": list(array.shape), "data_offsets": [0, len(data)]}}).encode()
    return struct.pack("<Q", len(header)) + header + data
