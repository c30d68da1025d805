"""Statements of a file of weights about its preprocessing, for the manifest that ``submission new`` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worldstrat_bench.api import BANDS
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.declared import found_beside, sidecar
from worldstrat_bench.plugins.onnx_data import Sides, input_sides
from worldstrat_bench.preprocessing import Value, complete

MOST_FRAMES: Final = 8
"""Revisits that a model is offered at most."""

_BANDS: Final = {
    3: "B04,B03,B02",
    4: "B04,B03,B02,B08",
    10: "B02,B03,B04,B05,B06,B07,B08,B8A,B11,B12",
    12: "B01,B02,B03,B04,B05,B06,B07,B08,B8A,B09,B11,B12",
}
"""Number of channels to the bands that they mostly are; in which order is the author's to say."""


@dataclass(frozen=True)
class FileSays:
    """Statements of a file and of its sidecar.

    Attributes
    ----------
    parameters : of the declared preprocessing; those that only follow from a number of channels are in `guessed`.
    frames : revisits that the network takes.
    guessed : names of parameters that the author has to look at.
    sources : where the parameters come from, in words.
    faults : why the network cannot be fed as it is, in sentences without a full stop.
    """

    parameters: dict[str, Value]
    frames: int
    guessed: tuple[str, ...]
    sources: tuple[str, ...]
    faults: tuple[str, ...]


def file_says(weights: Path) -> FileSays:
    """Return what a file of weights and the sidecar beside it say.

    Raises
    ------
    UsageError
        if a sidecar says nothing that can be used.
    """
    beside = found_beside(weights)
    try:
        complete({}, beside)
    except ValueError as error:
        remedy = "correct it, or move it away and set [model.parameters] by hand"
        raise UsageError(str(error), where=sidecar(weights), remedy=remedy) from None
    sides = input_sides(weights) if weights.suffix.lower() == ".onnx" else ()
    fed = _fed_with(sides)
    # The file itself decides on sizes, its sidecar on what a shape cannot say.
    sized = {name: value for name, value in fed.items() if name in ("window", "fixed", "overlap")}
    parameters = {"bands": _BANDS[3], "input_scale": 1.0, **fed, **beside, **(sized if "window" in sized else {})}
    if len(sides) == 4 and sides[1] not in (None, 1, *_BANDS) and "bands" not in beside:
        del parameters["bands"]
    whole = f"its input, {' x '.join('any' if side is None else str(side) for side in sides)}"
    return FileSays(
        parameters,
        min(int(fed.get("frames", MOST_FRAMES)), MOST_FRAMES) if fed.get("frame_rule") == "stack" else 1,
        tuple(name for name in ("bands", "input_scale") if name not in beside),
        (*([whole] if sides else []), *([sidecar(weights).name] if beside else [])),
        tuple(_faults(sides)),
    )


def _fed_with(sides: Sides) -> dict[str, Value]:
    """Return the parameters that follow from the shape of an input; {} for one that is not (1, C, h, w) or with T."""
    if len(sides) not in (4, 5):
        return {}
    found: dict[str, Value] = {}
    channels, rows, columns = sides[-3:]
    if channels in _BANDS:
        found["bands"] = _BANDS[channels]
    elif channels == 1:
        found["per_band"] = True
    if len(sides) == 5:
        found["frame_rule"] = "stack"
        if sides[1] is not None:
            found["frames"] = sides[1]
    if rows is not None and rows == columns:
        # Windows that overlap by a quarter show no seams; a network that sees further needs more.
        found |= {"window": rows, "fixed": True, "overlap": rows // 4}
    return found


def _faults(sides: Sides) -> list[str]:
    if not sides:
        return []
    if len(sides) not in (4, 5):
        return [f"its input has {len(sides)} axes: export it with (1, C, h, w), or (1, T, C, h, w) for several frames"]
    channels, rows, columns = sides[-3:]
    found = []
    if columns in (1, *_BANDS) and channels not in (1, *_BANDS):
        found.append("its channels come last: export it with the channels before rows and columns")
    elif channels == len(BANDS) + 1:
        found.append(
            "it takes 13 channels, one more than a revisit has: revisits are L2A, without B10, so that a network for "
            "all bands of L1C cannot be fed"
        )
    elif channels is not None and channels not in (1, *_BANDS):
        found.append(
            f'it takes {channels} channels: name as many bands, or those of one frame with frame_rule = "channels" and '
            "frames"
        )
    if rows is not None and columns is not None and rows != columns:
        found.append("its window is not square: export it with rows and columns free")
    # A network of one band at a time is fed with red, green and blue as a batch.
    if sides[0] not in (None, 3 if channels == 1 else 1):
        found.append(f"it takes a batch of {sides[0]}: export it with a batch that is free")
    return found
