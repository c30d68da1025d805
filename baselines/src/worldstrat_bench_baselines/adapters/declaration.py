"""What a model file does not say about itself, as parameters of a submission."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast

from worldstrat_bench.api import BANDS, RGB
from worldstrat_bench_baselines.tiling import Tiling

FrameRule = Literal["first", "median", "stack", "channels"]
_RULES = ("first", "median", "stack", "channels")
Value = str | int | float | bool


@dataclass(frozen=True)
class Declaration:
    """How to feed a network and read its answer.

    Attributes
    ----------
    bands : positions among :data:`worldstrat_bench.api.BANDS`, in the order of the network's channels.
    input_scale : what reflectance is multiplied by; 10,000 for networks fed with digital numbers.
    output_scale : what an answer is divided by.
    output : channels of the answer that are red, green, blue; None: by the bands if there are as many, else 0, 1, 2.
    clip : inputs are limited to 0..clip after scaling; 0: not limited.
    frame_rule : "first" and "median" make (B, C, h, w); "stack" (B, frames, C, h, w); "channels" (B, frames C, h, w).
    frames : for the last two rules, the fixed number of frames; the revisits are repeated in turn. 0: all there are.
    tiling : see :class:`Tiling`.
    """

    bands: tuple[int, ...] = RGB
    input_scale: float = 1.0
    output_scale: float = 1.0
    output: tuple[int, int, int] | None = None
    clip: float = 0.0
    frame_rule: FrameRule = "first"
    frames: int = 0
    tiling: Tiling = field(default_factory=Tiling)

    def rgb_channels(self, channels: int) -> tuple[int, int, int]:
        """Which channels of an answer with that many are red, green and blue.

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


def declare(
    *,
    bands: str = "B04,B03,B02",
    input_scale: Value = 1.0,
    output_scale: Value = 0.0,
    output: str = "",
    clip: Value = 0.0,
    frame_rule: str = "first",
    frames: Value = 0,
    window: Value = 0,
    overlap: Value = 0,
    margin: Value = 0,
    fixed: Value = False,
    multiple: Value = 1,
) -> Declaration:
    """Read the parameters of a submission. `output_scale` 0 stands for the input's.

    Raises
    ------
    ValueError
        if one makes no sense; the message names it.
    """
    if frame_rule not in _RULES:
        raise ValueError(f"frame_rule is one of {', '.join(_RULES)}, not {frame_rule!r}")
    scale = float(input_scale)
    if not 0 < scale < 1e9 or not 0 <= float(output_scale) < 1e9:
        raise ValueError("input_scale and output_scale are positive numbers")
    return Declaration(
        bands=parse_bands(bands),
        input_scale=scale,
        output_scale=float(output_scale) or scale,
        output=_parse_output(output),
        clip=float(clip),
        frame_rule=cast(FrameRule, frame_rule),
        frames=int(frames),
        tiling=Tiling(int(window), int(overlap), int(margin), bool(fixed), int(multiple)),
    )


def parse_bands(text: str) -> tuple[int, ...]:
    """Positions of "B04,B03,B02" among the twelve bands; "B4" and "b04" are understood too.

    Raises
    ------
    ValueError
        naming the band that does not exist.
    """
    found = []
    for name in text.split(","):
        plain = name.strip().upper()
        if len(plain) == 2 and plain[1:].isdigit():
            plain = f"B0{plain[1:]}"
        if plain not in BANDS:
            raise ValueError(f"no band {name.strip()[:20]!r}: they are {', '.join(BANDS)}")
        found.append(BANDS.index(plain))
    return tuple(found)


def _parse_output(text: str) -> tuple[int, int, int] | None:
    if not text:
        return None
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() for part in parts):
        raise ValueError(f'output is three channel numbers such as "0,1,2", not {text[:40]!r}')
    red, green, blue = (int(part) for part in parts)
    return red, green, blue
