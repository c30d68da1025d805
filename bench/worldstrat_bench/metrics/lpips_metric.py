"""LPIPS (Zhang, Isola, Efros, Shechtman and Wang 2018) by the ``lpips`` package, AlexNet, version 0.1.

The package's own loader would fetch the backbone silently or start from random weights. Here the backbone
comes from a file the user names, from torchvision's cache, or from a download that was asked for; its sha256
is checked whichever way, it is loaded with ``weights_only=True``, and without it there is no metric.
"""

from __future__ import annotations

import pickle
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from worldstrat_bench.digests import file_sha256
from worldstrat_bench.downloads import download as download_file
from worldstrat_bench.errors import DataError
from worldstrat_bench.metrics.perceptual import Perceptual, Unavailable
from worldstrat_bench.sums import pixel_mean

BACKBONE_FILE = "alexnet-owt-7be5be79.pth"
BACKBONE_SHA256 = "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"
"""Digest of torchvision's AlexNet_Weights.IMAGENET1K_V1; the file's name holds its first eight digits."""

HEAD_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
"""Digest of the five linear layers, weights/v0.1/alex.pth of the lpips package."""

URL = f"https://download.pytorch.org/models/{BACKBONE_FILE}"
MOST_BYTES = 1 << 29
"""The file has 233 MB."""


_ON_DEVICE = threading.Lock()


def over_pixels(features: Tensor, keepdim: bool = True) -> Tensor:
    """Return the mean over the pixels of (N, C, H, W), in place of a network's own; see :func:`sums.pixel_sum`."""
    mean = pixel_mean(features)
    return mean[..., None, None] if keepdim else mean


@dataclass(frozen=True)
class LearnedDistance:
    """A network of the lpips family as a :class:`Perceptual`."""

    name: str
    sha256: str
    network: nn.Module

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return (B,) distances of two (B, 3, H, W) float32 images in [0, 1]. TF32 is off: CPU and GPU agree.

        The network goes to the images' device when it is first called: before, a model may still be at work there.
        """
        if prediction.device.type != "cpu":
            with _ON_DEVICE:  # the settings of cuDNN hold for all threads
                return self._distances(prediction, target)
        return self._distances(prediction, target)

    def _distances(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.device.type != "cpu":
            self.network.to(prediction.device)
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            # The network takes images in -1..1.
            distances: Tensor = self.network(2 * prediction - 1, 2 * target - 1)
        return distances.flatten()


def load_perceptual(
    weights: Path | None = None,
    download: bool = False,
    device: torch.device | str = "cpu",
    *,
    sha256: str = BACKBONE_SHA256,
) -> Perceptual | Unavailable:
    """Load LPIPS, or return why it cannot be had here.

    Parameters
    ----------
    weights : a file with torchvision's AlexNet weights; None: torchvision's cache.
    download : fetch the weights (233 MB) into torchvision's cache if they are not there.
    sha256 : what the file's digest has to be.

    Raises
    ------
    DataError
        if `weights` is given and cannot be read or has another digest: what the user named must not be ignored.
    """
    path = torchvision_cache() / BACKBONE_FILE if weights is None else weights
    try:
        if weights is None and not path.is_file():
            if not download:
                return Unavailable(f"no LPIPS weights on this machine: --lpips-weights FILE with {BACKBONE_FILE}")
            download_file(URL, path, sha256=sha256, most_bytes=MOST_BYTES)
        found = file_sha256(path)
    except OSError as error:
        return _refuse(f"LPIPS weights cannot be had: {_why(error)}", weights)
    # Whichever way the file came: other weights would be another metric of the same name.
    if found != sha256:
        return _refuse(f"LPIPS weights {path.name} have sha256 {found[:16]}..., not {sha256[:16]}...", weights)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return LearnedDistance("lpips", found, build_network(state).to(device))
    except (RuntimeError, ValueError, KeyError, ImportError, OSError, EOFError, pickle.UnpicklingError) as error:
        return _refuse(f"LPIPS cannot be set up: {(str(error).splitlines() or [repr(error)])[0][:200]}", weights)


def build_network(backbone: Mapping[str, Tensor]) -> nn.Module:
    """Return the lpips package's network with that AlexNet, "features.0.weight" and so on, and the package's own head.

    Raises
    ------
    ValueError
        if the package's head is not the published one.
    KeyError, RuntimeError
        if the backbone lacks a layer or has it in another shape.
    """
    import lpips

    # The package hides its module of that name behind itself; its networks look their mean up there.
    vars(import_module("lpips.lpips"))["spatial_average"] = over_pixels
    # Its layers draw random weights first, all of which are replaced below: the run's own generators must not notice.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package calls torchvision in a way that is deprecated
        network: nn.Module = lpips.LPIPS(
            net="alex", version="0.1", pretrained=False, pnet_rand=True, use_dropout=True, verbose=False
        )
    head = Path(lpips.__file__).parent / "weights" / "v0.1" / "alex.pth"
    if file_sha256(head) != HEAD_SHA256:
        raise ValueError(f"the lpips package's {head.name} is not the published one")
    own = network.state_dict()
    state = dict(torch.load(head, map_location="cpu", weights_only=True))
    # Layer by layer, so that a weight that neither file has is an error and never stays random.
    for name in own:
        if name.startswith("net."):
            _, _, layer, kind = name.split(".")
            state[name] = backbone[f"features.{layer}.{kind}"]
        elif name.startswith("lins."):
            state[name] = state[name.replace("lins.", "lin", 1)]
        elif name.startswith("scaling_layer."):
            state[name] = own[name]
    network.load_state_dict(state, strict=True)
    return network.eval().requires_grad_(False)


def torchvision_cache() -> Path:
    """Return where torchvision keeps downloaded weights."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def _why(error: OSError) -> str:
    """Return a machine-independent reason for the record; errno values are omitted."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    host = urllib.parse.urlsplit(URL).hostname or URL
    if isinstance(error, urllib.error.HTTPError):
        words = f"{host} answers {error.code}"
    elif isinstance(reason, socket.gaierror):
        words = f"the name {host} does not resolve here"
    elif isinstance(reason, TimeoutError):
        words = f"{host} does not answer"
    elif isinstance(reason, ConnectionError):
        words = f"no connection to {host}"
    elif isinstance(reason, OSError) and reason.strerror:
        words = reason.strerror
    else:
        words = str(reason)
    return f"{words}; --lpips-weights FILE takes a copy of {BACKBONE_FILE}"


def _refuse(reason: str, weights: Path | None) -> Unavailable:
    if weights is not None:
        raise DataError(reason, where=weights, remedy=f"give the file {BACKBONE_FILE} that torchvision publishes")
    return Unavailable(reason)
