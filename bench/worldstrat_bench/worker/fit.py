"""Compare a prediction with its tile, and tell which mistake of the preprocessing would make it look like that.

A super-resolved image, made coarse again, is the tile. So each channel of the answer is compared with every band of
the tile, and its gain and offset with those that the usual mistakes leave behind: pred = gain * reflectance + offset.
What a network makes of an input in the wrong unit inside is not seen, if it answers in the same unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.api import BANDS, RGB
from worldstrat_bench.preprocessing import NAMES, Preprocessing, Value, declare
from worldstrat_bench.printed import plain_number
from worldstrat_bench.worker.validate import block_means

CELLS = 36
"""Cells a side; one is about four pixels of the tile, and finer detail is the model's own."""

ALIKE = 0.8
"""Correlation from which on a channel shows a band."""

UNITS = (10_000.0, 255.0, 65_535.0, 4095.0, 10_000 / 255, 3.0, 2.5, 2.0)
"""Factors by which units differ: digital numbers, 8, 16 and 12 bits, one for the other, brightened as photographs."""

SAME_UNIT = 0.03
"""How far, as a share, a measured factor may be from one of these to be called that."""

CONTRAST = (0.67, 1.5)
"""Gain within which nothing is said: networks sharpen, and denoise."""

OFFSET = 0.03
"""Reflectance up to which nothing is said."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """How the channels of an answer relate to the tile.

    Attributes
    ----------
    shown : the band (position among :data:`BANDS`) that each channel resembles most.
    alike : its correlation with that band.
    gain, offset : least squares of each channel on that band.
    ratio : least squares of each channel on that band without an offset; steadier than the gain if there is none.
    """

    shown: tuple[int, ...]
    alike: FloatArray
    gain: FloatArray
    offset: FloatArray
    ratio: FloatArray


def fit_of(image: NDArray[np.float32], tile: NDArray[np.float32]) -> Fit:
    """Compare R, G, B of an answer (3 or 4, H, W) with the bands (12, h, w) of the first frame of its tile."""
    image = image[: len(RGB)]
    cells = min(CELLS, *tile.shape[1:])
    inner = (slice(None), slice(1, -1), slice(1, -1))  # a model may do as it likes along the edges
    answer, bands = (block_means(x, cells)[inner].reshape(len(x), -1) for x in (image, tile))
    centred, reference = (x - x.mean(axis=1, keepdims=True) for x in (answer, bands))
    norms = np.linalg.norm(centred, axis=1)[:, None] * np.linalg.norm(reference, axis=1)
    products = centred @ reference.T
    likeness = np.divide(products, norms, out=np.zeros_like(products), where=norms > 1e-12 * np.abs(products).max())
    shown = likeness.argmax(axis=1)
    # Neighbouring bands look alike: a channel that shows its own band well enough is not called another one.
    right = likeness[range(3), list(RGB)] >= np.minimum(ALIKE, likeness.max(axis=1))
    shown = np.where(right, RGB, shown)
    gain = products[range(3), shown] / np.square(reference[shown]).sum(axis=1)
    offset = answer.mean(axis=1) - gain * bands[shown].mean(axis=1)
    ratio = (answer * bands[shown]).sum(axis=1) / np.maximum(np.square(bands[shown]).sum(axis=1), 1e-12)
    return Fit(tuple(int(band) for band in shown), likeness[range(3), shown], gain, offset, ratio)


def seen(fit: Fit) -> str:
    """Return the comparison in words."""
    gains, offsets = ("/".join(plain_number(float(x)) for x in values) for values in (fit.gain, fit.offset))
    return f"R, G, B show {', '.join(BANDS[b] for b in fit.shown)} of the input, contrast x {gains}, offset {offsets}"


def mistake(fit: Fit, parameters: Mapping[str, Value]) -> str:
    """Return the mistake that the comparison points to and what to do about it; "" if the answer fits.

    Parameters
    ----------
    parameters : of the model; a declared preprocessing among them makes the diagnosis sharper.
    """
    whole = set(NAMES) <= set(parameters)
    says = declare(**{name: parameters[name] for name in NAMES}) if whole else None
    # From the most particular to the least: a wrong unit is an offset, too, and everything is a wrong contrast.
    for look in (_unlike, _order, _declared, _signed, _unit, _normalised, _offset, _exchanged, _contrast):
        if text := look(fit, says):
            return text
    return ""


def _unlike(fit: Fit, says: Preprocessing | None) -> str:
    if float(fit.alike.max()) >= 0.5:
        return ""
    how = "set input_scale" if says else "multiply the input"
    return (
        "the answer hardly shows the tile: the network may be fed in the wrong scale (reflectance is about 0.1; "
        f"does it want digital numbers, 10,000 times that, or 0..255?); {how}"
    )


def _order(fit: Fit, says: Preprocessing | None) -> str:
    if fit.shown == RGB or float(fit.alike.min()) < ALIKE:
        return ""
    if fit.shown == RGB[::-1]:
        how = 'set output = "2,1,0", or bands in the network\'s order' if says else "return image.flip(1)"
        return f"red and blue are exchanged, BGR for RGB: {how}"
    how = "set bands and output" if says else "choose the channels"
    return f"the channels are {', '.join(BANDS[b] for b in fit.shown)}, not B04, B03, B02: {how}"


def _declared(fit: Fit, says: Preprocessing | None) -> str:
    """Mistakes with the mean and the standard deviation that are declared."""
    if says is None or not (says.mean or says.std) or not set(RGB) <= set(says.bands):
        return ""
    order = [says.bands.index(band) for band in RGB]
    mean = np.array(says.mean or (0.0,) * len(says.bands))[order]
    std = np.array(says.std or (1.0,) * len(says.bands))[order]
    slope, start = says.input_scale, says.input_offset
    scale, offset = says.output_scale, says.output_offset

    def read(gain: FloatArray, constant: FloatArray) -> bool:
        """Return whether an answer gain * reflectance + constant is what was seen, once read as declared."""
        if says.normalised_output:
            gain, constant = gain * std, constant * std + mean
        return _near(fit, gain / scale, (constant - offset) / scale)

    if not says.normalised_output and read(slope / std, (start - mean) / std):
        return "the answer is still normalised: set normalised_output = true"
    if says.normalised_output and read(np.full(3, scale), np.full(3, offset)):
        return "the answer is not normalised, its mean and std are undone a second time: set normalised_output = false"
    if read(mean * slope / std, mean * (start - mean) / std + std):
        return "mean and std look exchanged: what is declared as the one is the other"
    return ""


def _signed(fit: Fit, says: Preprocessing | None) -> str:
    """Images from -1 to 1, as generative models have them, for 0 to 1."""
    scale, offset = (says.output_scale, says.output_offset) if says else (1.0, 0.0)
    slope, start = fit.gain * scale, fit.offset * scale + offset
    if float(np.ptp(slope)) > 0.2 * float(slope.min()):
        return ""
    if float(slope.min()) > CONTRAST[1] and _within(start, -1.05, -0.95):
        how = f"set output_scale={_round(slope)} and output_offset=-1" if says else "take (y + 1) / 2"
        return f"the answer is from -1 to 1, not from 0: {how}"
    if _within(fit.gain, 0.42, 0.58) and _within(fit.offset, 0.42, 0.58):
        how = "set input_scale to twice what it is and input_offset=-1" if says else "give it 2 x - 1"
        return f"the answer is (x + 1) / 2, as if the network expects inputs from -1 to 1: {how}"
    return ""


def _unit(fit: Fit, says: Preprocessing | None) -> str:
    """One factor for all bands and no offset: called by its name only if what was measured is that."""
    ratio = float(np.median(fit.ratio))
    proportional = ratio > 0 and float(np.abs(fit.offset).max()) < 0.03 * ratio
    if _within(fit.gain, *CONTRAST) or not proportional or float(np.ptp(fit.ratio)) > 0.25 * ratio:
        return ""
    measured = max(ratio, 1 / ratio)
    times, known = _factor(measured)
    large = ratio > 1
    how = (
        f"{'multiply' if large else 'divide'} output_scale by {times}"
        if says
        else f"{'divide' if large else 'multiply'} it by {times}"
    )
    note = "" if known else f" (as measured: none of the usual {', '.join(_factor(unit)[0] for unit in UNITS)})"
    return f"the answer is {times} times too {'large' if large else 'small'}{note}: {how}, or correct the input's scale"


def _factor(measured: float) -> tuple[str, bool]:
    """Return a factor as it is shown, and whether it is a usual one."""
    near = min(UNITS, key=lambda unit: abs(np.log(measured / unit)))
    known = abs(measured / near - 1) < SAME_UNIT
    value = near if known else measured
    return (f"{float(f'{value:.3g}') if not known else value:,.0f}" if value > 100 else f"{value:.3g}"), known


def _normalised(fit: Fit, says: Preprocessing | None) -> str:
    """Return advice if an answer looks normalised: large contrast, and a plausible mean becomes 0."""
    mean = -fit.offset / np.where(fit.gain == 0, 1, fit.gain)
    # a standard deviation of land is below 0.2; smaller gains are rather a mean over a standard deviation
    if float(fit.gain.min()) < 5 or not _within(mean, 0.02, 1.0) or float(fit.offset.max()) > 0:
        return ""
    how = "declare mean, std and normalised_output" if says else "multiply by the std and add the mean"
    return f"the answer looks normalised (mean about {_list(mean)}, std about {_list(1 / fit.gain)}): {how}"


def _offset(fit: Fit, says: Preprocessing | None) -> str:
    if not _within(fit.gain, 0.85, 1.18) or float(np.abs(fit.offset).min()) < OFFSET:
        return ""
    # no reflectance, or no mean either, which has one sign: constants of the network that its input does not reach
    if float(np.abs(fit.offset).max()) > 1 or float(fit.offset.min()) < 0 < float(fit.offset.max()):
        how = "set input_scale" if says else "multiply the input"
        return (
            f"brightness is off by {_list(fit.offset)}, which no offset explains: the network is fed in the wrong "
            f"scale; does it want digital numbers, 10,000 times reflectance, or 0..255? {how}"
        )
    middle = float(fit.offset.mean())
    # ESA's own number if it is near that: a network's bias is part of what was measured
    numbers = 1000 * round(middle / abs(middle)) if 0.09 < abs(middle) < 0.11 else 50 * round(middle * 200)
    if float(np.ptp(fit.offset)) > 0.2 * abs(middle):
        how = "declare mean and normalised_output" if says else "add or subtract the mean where it is missing"
        return f"brightness is off by {_list(fit.offset)}, another amount for each band: a mean is forgotten; {how}"
    how = "apply it to the input and undo it in the answer"
    if says:
        shift = numbers / 10_000
        given, taken = says.input_offset - shift * says.input_scale, says.output_offset + shift * says.output_scale
        how = f"set output_offset={taken:g} if the answer has it, or input_offset={given:g} if the input lacks it"
    return (
        f"brightness is off by {middle:+.3f}, about {numbers:+d} in digital numbers: an offset is forgotten "
        f"(ESA's files of processing baseline 04.00 and later hold 1,000 more); {how}"
    )


def _exchanged(fit: Fit, says: Preprocessing | None) -> str:
    """Normalised with (x - s) / m for (x - m) / s, or the other way round: which m and s would do that."""
    if _within(fit.gain, *CONTRAST) or float(np.abs(1 - np.square(fit.gain)).min()) < 1e-3:
        return ""
    one = fit.offset / (1 - np.square(fit.gain))
    mean, std = (one, fit.gain * one) if float(fit.gain.mean()) < 1 else (fit.gain * one, one)
    if not (_within(mean, 0.02, 1.0) and _within(std, 0.002, 0.6)):
        return ""
    how = "look at mean and std" if says else "look at the normalisation"
    numbers = f"(about {_list(mean)} and {_list(std)})"
    return f"contrast is off by {_list(fit.gain)}, as if mean and std {numbers} were exchanged: {how}"


def _contrast(fit: Fit, says: Preprocessing | None) -> str:
    if _within(fit.gain, *CONTRAST):
        return ""
    how = "look at input_scale, output_scale, std and clip" if says else "look at the scaling"
    return f"contrast is off by {_list(fit.gain)} and brightness by {_list(fit.offset)}: {how}"


def _near(fit: Fit, gain: FloatArray, offset: FloatArray) -> bool:
    """Return whether gain and offset are those within what a network may add; never for those of a right answer."""
    if _within(gain, *CONTRAST) and float(np.abs(offset).max()) < OFFSET:
        return False
    near = np.abs(fit.gain - gain) < 0.15 * np.abs(gain)
    return bool(near.all() and (np.abs(fit.offset - offset) < 0.02 + 0.15 * np.abs(offset)).all())


def _within(values: FloatArray, low: float, high: float) -> bool:
    return bool((values > low).all() and (values < high).all())


def _round(values: FloatArray) -> str:
    return f"{float(np.median(values)):.2g}"


def _list(values: FloatArray) -> str:
    return "/".join(plain_number(float(value)) for value in values)
