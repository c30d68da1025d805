"""ONNX files through onnxruntime (extra ``onnx``). A YAML sidecar is read by the host, as parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from worldstrat_bench.api import BANDS
from worldstrat_bench.preprocessing import Preprocessing, Value, declare
from worldstrat_bench_baselines.adapters.filemodel import FileModel, need_file, need_package

TYPES: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}
"""Input types that a network can be fed with."""


@dataclass(frozen=True)
class OnnxNetwork:
    """A session as a function of a tensor."""

    session: Any  # onnxruntime.InferenceSession: the package has no types
    input_name: str
    input_type: type[np.floating[Any]] = np.float32

    def __call__(self, x: Tensor) -> Tensor:
        """Run on the provider of the session; the answer is on the device of `x`."""
        fed = np.ascontiguousarray(x.cpu().numpy().astype(self.input_type, copy=False))
        (answer, *_) = self.session.run(None, {self.input_name: fed})
        return torch.from_numpy(np.asarray(answer, dtype=np.float32)).to(x.device)


def load_onnx(weights: Path | None, device: torch.device, **parameters: Value) -> FileModel:
    """Return an ONNX file with one input (1, C, h, w) or (1, T, C, h, w) of floating-point numbers.

    Parameters
    ----------
    parameters : those of :func:`declare`.

    Raises
    ------
    ValueError
        without a file or onnxruntime, if its input is another one than is declared, or if a parameter makes no sense.
    """
    says = declare(**parameters)
    path = need_file(weights, "ONNX file")
    session = open_session(path, device)
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in TYPES:
        raise ValueError(f"{path.name} has to have one float input, not {[(i.name, i.type) for i in inputs]}")
    if flaw := input_flaw(inputs[0].shape, says):
        raise ValueError(f"{path.name} takes {_shown(inputs[0].shape)}: {flaw}")
    return FileModel(OnnxNetwork(session, inputs[0].name, TYPES[inputs[0].type]), says)


def input_flaw(shape: Sequence[int | str | None], says: Preprocessing) -> str:
    """Return why an input of that shape cannot be fed as declared, and what to say instead; "" if it can.

    Sizes that the file leaves open are text or None.
    """
    stacked = says.frame_rule == "stack"
    if len(shape) != (5 if stacked else 4):
        rule = "stack" if len(shape) == 5 else "first"
        return f'{len(shape)} axes where frame_rule = "{says.frame_rule}" makes {5 if stacked else 4}; is it "{rule}"?'
    bands = 1 if says.per_band else len(says.bands)
    channels = bands * (says.frames if says.frame_rule == "channels" else 1)
    if isinstance(shape[-1], int) and shape[-1] == channels != shape[-3]:
        return "its channels come last; export it with the channels before rows and columns"
    if isinstance(shape[-3], int) and channels and shape[-3] != channels:
        if shape[-3] == len(BANDS) + 1:
            return "13 channels, one more than a revisit has: revisits are L2A, without B10"
        where = "with --param, or in [model.parameters] of submission.toml"
        return f"{shape[-3]} channels where {channels} are declared; set bands, in the order of its channels, {where}"
    batch = len(says.bands) if says.per_band else 1
    if isinstance(shape[0], int) and shape[0] != batch:
        return f"a batch of {shape[0]} where {batch} is fed; export it with a batch that is free, or of {batch}"
    if stacked and isinstance(shape[1], int) and says.frames != shape[1]:
        return f"{shape[1]} frames: say frames = {shape[1]}"
    sides = [side for side in shape[-2:] if isinstance(side, int)]
    if any(side != says.window for side in sides) or (sides and not says.fixed):
        if len(set(sides)) > 1:
            return "a window that is not square; export it with rows and columns free"
        return f"only {sides[0]} px: say window = {sides[0]}, fixed = true, and an overlap such as {sides[0] // 4}"
    return ""


def _shown(shape: Sequence[int | str | None]) -> str:
    """Return a shape in words; the names that a file gives to open sizes say nothing to its reader."""
    return " x ".join(str(side) if isinstance(side, int) else "any" for side in shape)


def open_session(path: Path, device: torch.device) -> Any:
    """Return an onnxruntime session on the device: CUDA with the CPU behind it, or the CPU alone."""
    runtime = need_package("onnxruntime")
    options = runtime.SessionOptions()
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda":
        if "CUDAExecutionProvider" not in runtime.get_available_providers():
            raise ValueError("onnxruntime has no CUDA provider here: install onnxruntime-gpu, or use --device cpu")
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0}))
    session = runtime.InferenceSession(str(path), sess_options=options, providers=providers)
    # without its libraries the provider falls back to the CPU with no more than a line in the log
    if device.type == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise ValueError("onnxruntime could not start on the GPU; its log says why. Does its CUDA version fit?")
    return session
