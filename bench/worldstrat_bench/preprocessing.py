"""The declared preprocessing of a model file: how to feed the network and how to read its answer.

One declaration for every adapter, written as parameters of a run or a submission and kept in full in the record. The
host completes the parameters, the adapter in the model's process reads them: only the standard library, Python 3.9.
Every step is the same for all tiles; nothing is taken from the tile itself, so there is no stretch of a histogram.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Union

from worldstrat_bench.api import BANDS, NIR, RGB

Value = Union[str, int, float, bool]
FRAME_RULES = ("first", "median", "stack", "channels")
COMMON_NAMES = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge1": "B05",
    "rededge2": "B06",
    "rededge3": "B07",
    "nir": "B08",
    "nir08": "B8A",
    "nir09": "B09",
    "swir16": "B11",
    "swir22": "B12",
}
"""Names of the bands that STAC items use."""


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of a network's input and output.

    The network sees ((reflectance * input_scale + input_offset) limited to `clip` - mean) / std. Its answer, times
    std plus mean if `normalised_output`, is (reflectance * output_scale + output_offset).

    Attributes
    ----------
    bands : positions among :data:`worldstrat_bench.api.BANDS`, in the order of the network's channels.
    input_scale, input_offset : 10,000 and 0 for networks fed with digital numbers.
    clip : least and largest input after scaling; None: not limited.
    mean, std : of each band after scaling, () for 0 and 1.
    frame_rule : "first" and "median" make (B, C, h, w); "stack" (B, T, C, h, w); "channels" (B, T C, h, w).
    frames : for the last two rules, the fixed number of frames; the revisits are repeated in turn. 0: all there are.
    per_band : one network for each band alone: the bands are the batch, and C is 1.
    output : channels of the answer that are red, green, blue and, if there are four, near infrared; None: red, green
        and blue by the bands if there are as many, else 0, 1, 2.
    output_scale, output_offset : of the answer.
    normalised_output : whether the answer is still divided by `std` and less `mean` of its band.
    window, overlap, margin, fixed, multiple : tiling, input px; `multiple` 0: what the file itself asks for, or 1.
    """

    bands: tuple[int, ...] = RGB
    input_scale: float = 1.0
    input_offset: float = 0.0
    clip: tuple[float, float] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    frame_rule: str = "first"
    frames: int = 0
    per_band: bool = False
    output: tuple[int, ...] | None = None
    output_scale: float = 1.0
    output_offset: float = 0.0
    normalised_output: bool = False
    window: int = 0
    overlap: int = 0
    margin: int = 0
    fixed: bool = False
    multiple: int = 0

    def shown_channels(self, channels: int) -> tuple[int, ...]:
        """Return which channels of an answer with that many are red, green and blue, and perhaps near infrared.

        Raises
        ------
        ValueError
            if they cannot be told, or are not there.
        """
        chosen = self.output
        if chosen is None and channels == len(self.bands) and set(RGB) <= set(self.bands):
            red, green, blue = (self.bands.index(band) for band in RGB)
            chosen = (red, green, blue)
        elif chosen is None and channels == 3:
            chosen = (0, 1, 2)
        if chosen is None or not all(0 <= channel < channels for channel in chosen):
            raise ValueError(f'the answer has {channels} channels: say which are R,G,B with output = "0,1,2"')
        return chosen

    def parameters(self) -> dict[str, Value]:
        """Return all of it as parameters: :func:`declare` of them gives the same declaration."""
        whole: dict[str, Value] = {field.name: getattr(self, field.name) for field in fields(self)}
        whole["bands"] = band_names(self.bands)
        for name in ("clip", "mean", "std", "output"):
            whole[name] = ",".join(repr(number) for number in getattr(self, name) or ())
        return whole


NAMES = tuple(field.name for field in fields(Preprocessing))


def declare(**given: Value) -> Preprocessing:
    """Read parameters. The output's scale and offset are the input's unless they are given.

    Raises
    ------
    ValueError
        if one is unknown or makes no sense; the message names it.
    """
    unknown = [name for name in given if name not in NAMES]
    if unknown:
        near = [known for name in unknown[:3] for known in get_close_matches(name[:40], NAMES, 1)]
        meant = f" (is it {' and '.join(near)}?)" if near else ""
        raise ValueError(f"there is no parameter {', '.join(unknown)[:80]!r}{meant}; there are {', '.join(NAMES)}")
    bands = parse_bands(str(given.get("bands", "B04,B03,B02")))
    scale, offset = _number(given, "input_scale", 1.0), _number(given, "input_offset", 0.0)
    clip = _numbers(given, "clip")
    says = Preprocessing(
        bands=bands,
        input_scale=scale,
        input_offset=offset,
        clip=None if clip in ((), (0.0,)) else (0.0, clip[0]) if len(clip) == 1 else (clip[0], clip[-1]),
        mean=_spread(_numbers(given, "mean"), len(bands)),
        std=_spread(_numbers(given, "std"), len(bands)),
        frame_rule=str(given.get("frame_rule", "first")),
        frames=_whole(given, "frames"),
        per_band=_truth(given, "per_band"),
        output=_parse_output(str(given.get("output", ""))),
        # 0 has always stood for "as the input's", and no answer is divided by it
        output_scale=_number(given, "output_scale", 0.0) or scale,
        output_offset=_number(given, "output_offset", offset),
        normalised_output=_truth(given, "normalised_output"),
        window=_whole(given, "window"),
        overlap=_whole(given, "overlap"),
        margin=_whole(given, "margin"),
        fixed=_truth(given, "fixed"),
        multiple=_whole(given, "multiple"),
    )
    _check(says, len(clip))
    return says


def complete(given: Mapping[str, Value], found: Mapping[str, Value] | None = None) -> dict[str, Value]:
    """Return every parameter of the declaration, and those of `given` that are not part of it, sorted by name.

    Parameters
    ----------
    found : what a file beside the model says; `given` goes before it.

    Raises
    ------
    ValueError
        as :func:`declare`.
    """
    _check_named(given)
    _check_named(found or {})
    known = {**(found or {}), **{name: value for name, value in given.items() if name in NAMES}}
    return dict(sorted({**given, **declare(**known).parameters()}.items()))


def same_parameters(stated: Mapping[str, Value], recorded: Mapping[str, Value]) -> bool:
    """Return whether a record's parameters are the stated ones, or the declaration that the stated ones complete to."""
    _check_named(stated)
    _check_named(recorded)
    if dict(stated) == dict(recorded):
        return True
    try:
        return complete(stated) == dict(recorded)
    except ValueError:
        return False


def shorten(recorded: Mapping[str, Value]) -> dict[str, Value]:
    """Return as few of the parameters of a whole declaration as complete to it; others as they are."""
    _check_named(recorded)
    short = dict(recorded)
    if not set(NAMES) <= set(recorded):
        return short
    for name in NAMES:
        fewer = {other: value for other, value in short.items() if other != name}
        if same_parameters(fewer, recorded):
            short = fewer
    return short


def describe(recorded: Mapping[str, Value]) -> str | None:
    """Return a whole declaration in words, for a reader; None for other parameters."""
    _check_named(recorded)
    if not set(NAMES) <= set(recorded):
        return None
    try:
        says = declare(**{name: recorded[name] for name in NAMES})
    except ValueError:
        return None
    parts = [f"bands {recorded['bands']}" + (", one at a time" if says.per_band else "")]
    parts.append(f"input = reflectance x {says.input_scale:g} {says.input_offset:+g}")
    if says.clip:
        parts.append(f"limited to {says.clip[0]:g} .. {says.clip[1]:g}")
    parts += [f"{name} {recorded[name]}" for name in ("mean", "std") if recorded[name]]
    frames = f" of {says.frames}" if says.frames else ""
    parts.append(f"frames: {says.frame_rule}{frames}")
    parts.append(
        f"output = reflectance x {says.output_scale:g} {says.output_offset:+g}"
        + (", normalised like the input" if says.normalised_output else "")
    )
    if says.output:
        parts.append(f"{'R, G, B, NIR' if len(says.output) == 4 else 'R, G, B'} are channels {recorded['output']}")
    if says.window:
        parts.append(f"windows of {says.window} px, overlap {says.overlap}, margin {says.margin}")
    return "; ".join(parts)


def parse_bands(text: str) -> tuple[int, ...]:
    """Return the positions of "B04,B03,B02" among the twelve bands; "B4", "b04" and "red" are understood too.

    Raises
    ------
    ValueError
        naming the band that does not exist or is there twice.
    """
    if not isinstance(text, str):
        raise ValueError(f"bands are given as text with commas, not as {type(text).__name__}")
    found = []
    for name in text.split(","):
        plain = COMMON_NAMES.get(name.strip().lower(), name.strip().upper())
        if len(plain) == 2 and plain[1:].isdigit():
            plain = f"B0{plain[1:]}"
        if plain not in BANDS:
            raise ValueError(f"bands: there is no {name.strip()[:20]!r}; they are {', '.join(BANDS)}")
        if BANDS.index(plain) in found:
            raise ValueError(f"bands: {plain} is there twice")
        found.append(BANDS.index(plain))
    return tuple(found)


def band_names(bands: Iterable[int]) -> str:
    """Return positions among the twelve bands as text: the way back of :func:`parse_bands`.

    Raises
    ------
    ValueError
        for what is not a position.
    """
    try:
        return ",".join(BANDS[band] for band in bands)
    except (IndexError, TypeError):
        raise ValueError(f"bands are positions from 0 to {len(BANDS) - 1}, not {str(bands)[:40]}") from None


def _check(says: Preprocessing, clip_numbers: int) -> None:
    """Raise ValueError for what each value alone does not show."""
    if says.frame_rule not in FRAME_RULES:
        raise ValueError(f"frame_rule is one of {', '.join(FRAME_RULES)}, not {says.frame_rule[:40]!r}")
    if not 0 < says.input_scale < 1e9 or not 0 < says.output_scale < 1e9:
        raise ValueError("input_scale and output_scale are positive numbers")
    if clip_numbers > 2 or (says.clip is not None and says.clip[0] >= says.clip[1]):
        raise ValueError('clip is one number, for 0 to that, or the least and the largest input such as "0,1"')
    if any(one <= 0 for one in says.std):
        raise ValueError("std: every standard deviation is positive")
    if says.normalised_output and not set(RGB) <= set(says.bands):
        raise ValueError("normalised_output wants B04, B03 and B02 among the bands: their mean and std undo it")
    if says.normalised_output and len(says.output or ()) == 4 and NIR not in says.bands:
        raise ValueError("normalised_output wants B08 among the bands if the answer has the near infrared")
    if min(says.frames, says.window, says.overlap, says.margin, says.multiple) < 0:
        raise ValueError("frames, window, overlap, margin and multiple cannot be negative")
    if says.frames > 64:
        raise ValueError("frames: at most 64 are repeated")


def _check_named(given: object) -> None:
    """Raise ValueError unless it maps names to values."""
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ValueError(f"parameters are a mapping of names to values, not {type(given).__name__} {given!r:.40}")


def _number(given: Mapping[str, Value], name: str, default: float) -> float:
    try:
        value = float(given.get(name, default))
    except (ValueError, TypeError, OverflowError):
        value = float("nan")
    if not abs(value) < 1e12:
        raise ValueError(f"{name} is a number, not {str(given[name])[:40]!r}")
    return value + 0.0  # -0.0 becomes 0.0: they do the same and have to be written alike


def _numbers(given: Mapping[str, Value], name: str) -> tuple[float, ...]:
    """One number or several with commas between them; none for nothing."""
    text = str(given.get(name, "")).strip()
    return tuple(_number({name: part}, name, 0.0) for part in text.split(",")) if text else ()


def _whole(given: Mapping[str, Value], name: str) -> int:
    value = _number(given, name, 0)
    if value != int(value):
        raise ValueError(f"{name} is a whole number, not {value:g}")
    return int(value)


def _truth(given: Mapping[str, Value], name: str) -> bool:
    value: Any = given.get(name, False)
    text = str(value).lower()
    if text not in ("true", "false", "1", "0"):
        raise ValueError(f"{name} is true or false, not {str(value)[:40]!r}")
    return text in ("true", "1")


def _spread(numbers: tuple[float, ...], bands: int) -> tuple[float, ...]:
    """As many numbers as there are bands; one stands for all."""
    if len(numbers) == 1:
        return numbers * bands
    if len(numbers) not in (0, bands):
        raise ValueError(f"mean and std have one number for each of the {bands} bands, not {len(numbers)}")
    return numbers


def _parse_output(text: str) -> tuple[int, ...] | None:
    if not text:
        return None
    parts = text.split(",")
    if len(parts) not in (3, 4) or not all(part.strip().isdigit() for part in parts):
        raise ValueError(
            f'output is three channel numbers such as "0,1,2", or four with the infrared, not {text[:40]!r}'
        )
    return tuple(int(part) for part in parts)
