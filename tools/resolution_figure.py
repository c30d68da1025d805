"""Make the picture of docs/resolution.md: three predictions of one PSNR that differ in what they show.

``python tools/resolution_figure.py`` writes docs/figures/three-of-one-psnr.png and prints the table of the page. The
scene is synthetic, so that the picture carries no licence.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.scoring import score_pair

FIGURE = Path(__file__).resolve().parent.parent / "docs" / "figures" / "three-of-one-psnr.png"
COLUMNS = ("psnr", "resolution_m", "contrast_nyquist", "missed", "invented")
TILE = "Landcover-9500000"
CROP, ENLARGED, GAP = 100, 2, 8
Floats = NDArray[np.float64]


def low_pass(image: Floats, sigma: float) -> Floats:
    """Return a (3, H, W) image blurred by a Gaussian of `sigma` px."""
    blurred: Floats = ndimage.gaussian_filter(image, (0, sigma, sigma))
    return blurred


def scores(prediction: Floats, target: Floats) -> dict[str, float]:
    """Return the columns of the page's table."""
    found = score_pair(prediction.astype(np.float32), target.astype(np.float32), metrics=list(COLUMNS))
    return {name: float(found[name] or 0.0) for name in COLUMNS}


def of_psnr(make: Callable[[float], Floats], target: Floats, psnr: float, most: float) -> Floats:
    """Return the image of a family, ever farther from the target as its number grows to `most`, that has a PSNR."""
    low, high = 0.0, most
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if scores(make(middle), target)["psnr"] > psnr else (low, middle)
    return make(low)


def predictions(target: Floats) -> dict[str, Floats]:
    """Return three predictions of one PSNR: blurred, noisy, and with detail of another place."""
    noise = np.random.default_rng(0).normal(size=target.shape)
    blurred, base = low_pass(target, 2.0), low_pass(target, 1.2)
    psnr = scores(blurred, target)["psnr"]
    elsewhere = (target - base)[:, ::-1, ::-1]
    return {
        "blurred": blurred,
        "noisy": of_psnr(lambda level: target + level * noise, target, psnr, 0.5),
        "fabricated": of_psnr(lambda share: base + share * elsewhere, target, psnr, 2.0),
    }


def picture(images: list[Floats]) -> Image.Image:
    """Return one crop of each image beside the others, on the stretch of the first."""
    side = images[0].shape[-1]
    at = slice((side - CROP) // 2, (side + CROP) // 2)
    low, high = np.percentile(images[0][:, at, at], (1, 99))
    width = CROP * ENLARGED
    sheet = Image.new("RGB", (len(images) * (width + GAP) - GAP, width), "white")
    for number, image in enumerate(images):
        shown = ((image[:, at, at] - low) / (high - low)).clip(0, 1) ** 0.8
        panel = Image.fromarray((255 * np.moveaxis(shown, 0, 2)).round().astype(np.uint8))
        sheet.paste(panel.resize((width, width), Image.Resampling.NEAREST), (number * (width + GAP), 0))
    return sheet.quantize(128)


def main() -> None:
    """Write the figure and print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        write_mini(Path(scratch) / "mini", test_tiles=6, train_tiles=0, size=640)
        target = open_dataset(Path(scratch) / "mini").tile(TILE).target().image.astype(np.float64)
    made = predictions(target)
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    picture([target, *made.values()]).save(FIGURE, optimize=True)
    print(f"| | {' | '.join(COLUMNS)} |")
    for name, image in made.items():
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in scores(image, target).values()) + " |")


if __name__ == "__main__":
    main()
