"""Draw the figures of docs/scoring.md: plots of numbers, as SVG.

    python tools/scoring_figures.py DATA [--tile NAME] [--out docs/figures]

DATA is a dataset in WorldStrat's layout. The numbers are measured on one tile and written beside the figures, so that
they can be drawn again without the imagery.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.target import TargetImage, read_target
from worldstrat_bench.metrics.psnr import psnr, squared_error
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.registration import move
from worldstrat_bench.scoring import make_scorer

SIGMAS = [0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0]
HALF = (0.5, 0.5)
"""The offset between the two sensors in this experiment, px: half a pixel, where interpolation blurs most."""

NOISE = 0.005
"""Standard deviation, reflectance: 46 dB."""

Points = list[tuple[float, float]]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--tile", default="Landcover-9000004")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    options = parser.parse_args(arguments)
    protocol = load_protocol("wsb-1")
    dataset = open_dataset(options.data)
    tile = next(t for name in ("test", "val", "train") for t in dataset.tiles(name) if t.name == options.tile)
    target = read_target(tile, protocol)
    curves = blur_curves(target)
    options.out.mkdir(parents=True, exist_ok=True)
    numbers = {"tile": options.tile, "offset_px": HALF, "noise": NOISE, "psnr_db_against_blur_sigma_px": curves}
    (options.out / "scoring-blur.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    svg = draw(curves, "blur of the prediction, sigma in px", "PSNR, dB")
    (options.out / "scoring-blur.svg").write_text(svg, encoding="utf-8")
    return 0


def blur_curves(target: TargetImage) -> dict[str, Points]:
    """PSNR of ever softer predictions, half a pixel off, by who is moved to meet the other.

    The prediction is the target blurred by sigma, moved by half a pixel in the Fourier domain (which loses nothing),
    plus a little noise. Where the truth is moved it is interpolated to where the prediction is.
    """
    truth = np.asarray(target.image, dtype=np.float64)
    names = ("no offset", "prediction moved (wsb-1)", "truth moved, Lanczos-3", "truth moved, bilinear")
    curves: dict[str, Points] = {name: [] for name in names}
    scorer = make_scorer(load_protocol("wsb-1"))
    prepared = scorer.prepare(target, None)
    rng = np.random.default_rng(0)
    lanczos = move(torch.from_numpy(truth), *HALF, border=20, lobes=3)
    for sigma in SIGMAS:
        soft = ndimage.gaussian_filter(truth, (0, sigma, sigma)) if sigma else truth
        noise = rng.normal(0, NOISE, truth.shape)
        off = np.real(np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(soft), (0, -HALF[0], -HALF[1])))) + noise
        ours = scorer.score(off.astype(np.float32), prepared).metrics["psnr"]
        assert ours is not None
        seen = off[:, 20:-20, 20:-20]
        values = (
            _psnr((soft + noise)[:, 20:-20, 20:-20], truth[:, 20:-20, 20:-20]),
            ours,
            _psnr(seen, lanczos.numpy()),
            _psnr(seen, _bilinear(truth)),
        )
        for name, value in zip(names, values, strict=True):
            curves[name].append((sigma, round(value, 4)))
    return curves


def _bilinear(truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the truth half a pixel on, by the mean of four neighbours."""
    corners = [truth[:, 20 + y : y - 20, 20 + x : x - 20] for y in (0, 1) for x in (0, 1)]
    return np.asarray(sum(corners) / 4)


def _psnr(prediction: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    return float(psnr(squared_error(torch.from_numpy(prediction), torch.from_numpy(target)), 1e-10))


COLOURS = ("#7a7a7a", "#0b6e99", "#c4501b", "#8a3ffc")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 380, 56, 12, 16, 46


def draw(curves: dict[str, Points], x_label: str, y_label: str) -> str:
    """Return a line chart as SVG, readable on a light and on a dark page."""
    xs = [x for points in curves.values() for x, _ in points]
    ys = [y for points in curves.values() for _, y in points]
    low, high = 5 * np.floor(min(ys) / 5), 5 * np.ceil(max(ys) / 5)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - min(xs)) / (max(xs) - min(xs))
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '  # noqa: ISC004
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for value in np.arange(low, high + 1, 5):
        _, y = place(min(xs), float(value))
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" fill="#333333">{value:.0f}</text>')
    for value in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0):
        x, _ = place(value, low)
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#333333">{value:g}</text>')
    for index, (name, points) in enumerate(curves.items()):
        path = "M" + "L".join(f"{x} {y}" for x, y in (place(*point) for point in points))
        dash = ' stroke-dasharray="5 4"' if index == 0 else ""
        parts.append(f'<path d="{path}" fill="none" stroke="{COLOURS[index]}" stroke-width="2.2"{dash}/>')
        row = TOP + 14 + 20 * index
        parts.append(f'<path d="M{WIDTH - 270} {row}h26" stroke="{COLOURS[index]}" stroke-width="2.2"{dash}/>')
        parts.append(f'<text x="{WIDTH - 236}" y="{row + 4}" fill="#333333">{name}</text>')
    parts.append(
        f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 8}" text-anchor="middle" fill="#333333">{x_label}</text>'
    )
    middle = (HEIGHT - BOTTOM + TOP) / 2
    parts.append(
        f'<text x="14" y="{middle}" text-anchor="middle" fill="#333333" '
        f'transform="rotate(-90 14 {middle})">{y_label}</text>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
