"""The declared preprocessing of a model as parameters, completed by the host before a worker starts.

A record then holds all of it, and a file that stands beside the weights speaks at every level of isolation: a confined
worker would not see it.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

from worldstrat_bench.artefacts.base import decoded
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.discovery import ModelEntry
from worldstrat_bench.preprocessing import Value, band_names, complete, parse_bands

MAX_SIDECAR_BYTES = 1 << 18
_LONGEST_YAML, _MOST_BRACKETS = 1 << 14, 100
"""Characters, and brackets that open: PyYAML's time grows with their product, and a sidecar is a few lines."""

EVOLAND_SCALE = 10_000.0
"""Networks with a sidecar are fed with reflectance x 10,000, and answer in it."""

EVOLAND_WINDOW = 128
"""Side in input px of a window of a network with a margin, without its two margins."""


def declared_parameters(
    entry: ModelEntry, given: Mapping[str, Value], weights: Path | None, *, beside: bool = True
) -> dict[str, Value]:
    """Return a model's load parameters, sorted by name: completed if it takes a declared preprocessing.

    Parameters
    ----------
    beside : whether a file that stands beside the weights is read. A submission has none: it states its parameters.

    Raises
    ------
    UsageError
        if a parameter or such a file makes no sense.
    """
    if not entry.declared:
        return dict(sorted(given.items()))
    try:
        # What is given wins over the file beside the weights: the user can see only the one of them.
        return complete(given, found_beside(weights) if beside else {})
    except ValueError as error:
        raise UsageError(str(error), where="--param", remedy="docs/adapters.md lists the parameters") from None


def found_beside(weights: Path | None) -> dict[str, Value]:
    """Return what ``net.yaml`` or ``net.yml`` says of ``net.onnx``, or ``mlm.json`` of a folder of weights.

    {} without such a file.

    Raises
    ------
    UsageError
        if such a file cannot be read or says something impossible.
    """
    if weights is None:
        return {}
    if weights.is_dir():
        return _read(weights / "mlm.json", mlm_parameters)
    return _read(sidecar(weights), sidecar_parameters) if weights.suffix == ".onnx" else {}


def sidecar(weights: Path) -> Path:
    """Return the YAML file beside a file of weights, there or not; of both spellings the longer one."""
    long, short = weights.with_suffix(".yaml"), weights.with_suffix(".yml")
    return short if short.is_file() and not long.is_file() else long


def _read(path: Path, parse: Callable[[str], dict[str, Value]]) -> dict[str, Value]:
    if not path.is_file():
        return {}
    remedy = "correct it, or move it away and say everything with --param"
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SIDECAR_BYTES + 1)
        if len(raw) > MAX_SIDECAR_BYTES:
            raise ValueError(f"it is larger than {MAX_SIDECAR_BYTES >> 10} KiB")
        return parse(decoded(raw))
    except ImportError:
        raise UsageError("reading it takes PyYAML", where=path, remedy="pip install pyyaml onnxruntime") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"it says nothing that can be used: {str(error)[:200]}", where=path, remedy=remedy) from None


def sidecar_parameters(text: str) -> dict[str, Value]:
    """Return what a sidecar of EvoLand's sentinel2_superresolution says: bands, factor, and margin in output px.

    Raises
    ------
    ValueError
        if it is not a mapping or says something impossible.
    """
    yaml = importlib.import_module("yaml")
    if len(text) > _LONGEST_YAML or text.count("[") + text.count("{") > _MOST_BRACKETS:
        raise ValueError(f"it is longer than {_LONGEST_YAML} characters, or has more than {_MOST_BRACKETS} brackets")
    try:
        # One mapping may take over the keys of another many times (`<<`): a few lines become gigabytes while they are
        # read.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise ValueError("it holds an alias (*name): write out what it stands for")
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError("it is not YAML") from None
    if not isinstance(content, Mapping) or not isinstance(content.get("bands"), list) or "factor" not in content:
        raise ValueError("a sidecar is a mapping with bands, factor and margin")
    # Nothing but texts: in YAML a list may hold itself many times over, and a few lines so be written out as gigabytes.
    if not all(isinstance(band, str) for band in content["bands"]):
        raise ValueError("bands is a list of names of bands")
    factor, margin_out = _number(content, "factor"), _number(content, "margin")
    if not 1 <= factor <= 16 or not 0 <= margin_out <= 4096:
        raise ValueError(f"a sidecar with factor {factor:g} and margin {margin_out:g} makes no sense")
    # Rounded up: a margin that is a pixel too wide costs time, one too narrow shows seams.
    margin = math.ceil(margin_out / factor)
    return {
        # Spelled as everywhere else: a manifest is read beside the documentation.
        "bands": band_names(parse_bands(",".join(content["bands"]))),
        "input_scale": EVOLAND_SCALE,
        "window": EVOLAND_WINDOW + 2 * margin if margin else 0,
        "overlap": 2 * margin,
        "margin": margin,
    }


def _number(content: Mapping[str, object], name: str) -> float:
    value = content.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large") from None


def mlm_parameters(text: str) -> dict[str, Value]:
    """Return the bands of the first input of a STAC item with the MLM extension, where they are Sentinel-2's.

    Its scaling is not read: in which unit the statistics are, an item does not say.

    Raises
    ------
    ValueError
        if it is not a JSON object.
    """
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    properties = content.get("properties")
    inputs = properties.get("mlm:input") if isinstance(properties, dict) else None
    first = inputs[0] if isinstance(inputs, list) and inputs else {}
    bands = first.get("bands") if isinstance(first, dict) else None
    names = [band.get("name") if isinstance(band, dict) else band for band in bands] if isinstance(bands, list) else []
    text = ",".join(str(name) for name in names)
    try:
        return {"bands": band_names(parse_bands(text))}
    except ValueError:
        return {}  # bands of another sensor's naming: the parameter says them
