"""ONNX files through onnxruntime (extra ``onnx``), with the YAML sidecar of EvoLand's sentinel2_superresolution."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from worldstrat_bench_baselines.adapters.declaration import Value, declare
from worldstrat_bench_baselines.adapters.filemodel import FileModel, need_file

EVOLAND_SCALE = 10_000.0
"""Files with a sidecar are fed with reflectance x 10,000, and answer in it."""

EVOLAND_WINDOW = 128
"""Side in input px of a window of a file with a margin, without its two margins."""


@dataclass(frozen=True)
class OnnxNetwork:
    """A session as a function of a tensor."""

    session: Any  # onnxruntime.InferenceSession: the package has no types
    input_name: str

    def __call__(self, x: Tensor) -> Tensor:
        """Run on the provider of the session; the answer is on the device of `x`."""
        (answer, *_) = self.session.run(None, {self.input_name: np.ascontiguousarray(x.cpu().numpy())})
        return torch.from_numpy(np.asarray(answer, dtype=np.float32)).to(x.device)


def load_onnx(weights: Path | None, device: torch.device, **parameters: Value) -> FileModel:
    """An ONNX file with one input (1, C, h, w) or (1, T, C, h, w) float32.

    Parameters
    ----------
    parameters : those of :func:`declare`. A sidecar beside the file (``model.yaml`` for ``model.onnx``) gives bands,
        scale and margin where they are not said.

    Raises
    ------
    ValueError
        without a file, or if a parameter or the sidecar makes no sense.
    ImportError
        if onnxruntime is not installed in the model's environment.
    """
    path = need_file(weights, "ONNX file")
    sidecar = path.with_suffix(".yaml")
    given = sidecar_parameters(sidecar.read_text("utf-8")) if sidecar.is_file() else {}
    says = declare(**{**given, **parameters})  # type: ignore[arg-type]
    session = open_session(path, device)
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        raise ValueError(f"{path.name} has to have one float32 input, not {[(i.name, i.type) for i in inputs]}")
    return FileModel(OnnxNetwork(session, inputs[0].name), says)


def open_session(path: Path, device: torch.device) -> Any:
    """An onnxruntime session on the device: CUDA with the CPU behind it, or the CPU alone."""
    runtime = importlib.import_module("onnxruntime")
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
    return runtime.InferenceSession(str(path), sess_options=options, providers=providers)


def sidecar_parameters(text: str) -> dict[str, Value]:
    """What a sidecar says, as parameters of :func:`declare`: bands, factor and margin (in output px).

    Raises
    ------
    ValueError
        if it is no mapping or says something impossible.
    """
    content = importlib.import_module("yaml").safe_load(text)
    if not isinstance(content, Mapping) or not isinstance(content.get("bands"), list):
        raise ValueError("the sidecar has to be a mapping with bands, factor and margin")
    factor, margin_out = float(content.get("factor", 0)), int(content.get("margin", 0))
    if not 1 <= factor <= 16 or not 0 <= margin_out <= 4096:
        raise ValueError(f"a sidecar with factor {factor:g} and margin {margin_out} makes no sense")
    margin = math.ceil(margin_out / factor)
    return {
        "bands": ",".join(str(band) for band in content["bands"]),
        "input_scale": EVOLAND_SCALE,
        "window": EVOLAND_WINDOW + 2 * margin if margin else 0,
        "overlap": 2 * margin,
        "margin": margin,
    }
