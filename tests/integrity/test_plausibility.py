"""Numbers that no known model has: each is pointed out, and honest ones are not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT
from submission_factory import make_submission, rewrite_tiles, the_result
from worldstrat_bench.artefacts.places import record_folders
from worldstrat_bench.artefacts.result import read_result
from worldstrat_bench.submission.plausibility import plausibility_notices

Row = dict[str, str]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_submission(tmp_path_factory.mktemp("honest"), tiles=36, spread_db=0.6)


def forged(honest: Path, folder: Path, change: Callable[[int, Row], object]) -> list[str]:
    """What is said of the submission after a change of every row, of which it gets the number."""
    copy = Path(shutil.copytree(honest, folder / "submissions" / honest.name))

    def edit(rows: list[list[str]]) -> None:
        for number, cells in enumerate(rows[1:]):
            row = dict(zip(rows[0], cells, strict=True))
            change(number, row)
            cells[:] = row.values()

    rewrite_tiles(copy, edit)
    return said(the_result(copy))


def said(folder: Path) -> list[str]:
    found = list(plausibility_notices(read_result(folder)))
    assert all(f.severity == "notice" for f in found)
    return [f.what for f in found]


def psnr(row: Row, value: float) -> None:
    row.update(
        psnr=f"{value}", rmse=f"{10 ** (-value / 20):.7g}", psnr_raw=f"{value - 0.1}", psnr_unregistered=f"{value - 1}"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda i, row: psnr(row, 99.9), "PSNR above 60 dB"),
        (lambda i, row: psnr(row, 99.9 - i / 1000), "PSNR above 60 dB"),
        (lambda i, row: psnr(row, 30.0), "PSNR is 30 on every one of 36 tiles"),
        (lambda i, row: row.update(ssim="0.71"), "SSIM is 0.71 on every one"),
        (lambda i, row: row.update(lpips="0.2"), "LPIPS is 0.2 on every one"),
        (lambda i, row: row.update(lpips="0", ssim="1"), "LPIPS says that images are the same"),
        (lambda i, row: row.update(ssim=f"{1 - i * 1e-6}") if float(row["psnr"]) < 35 else None, "SSIM says"),
        (lambda i, row: row.update(psnr_unregistered=f"{float(row['psnr']) + 20}"), "better without registration"),
        (lambda i, row: row.update(shift_y="16") if i == 3 else None, "a shift beyond the search of ±8 px: 1 of 36"),
        (lambda i, row: row.update(shift_x="-9.5"), "a shift beyond the search"),
        (lambda i, row: row.update(clipped="1"), "more than 50% of the values were clipped"),
        (lambda i, row: row.update(sam="0"), "the spectra are the same"),
        (
            lambda i, row: psnr(row, float(row["psnr_bicubic"]) + 3),
            "Gain is 3 on every one",
        ),
    ],
)
def test_an_implausible_column_is_pointed_out(
    honest: Path, tmp_path: Path, change: Callable[[int, Row], object], words: str
) -> None:
    assert any(words.lower() in text.lower() for text in forged(honest, tmp_path, change))


def test_honest_records_are_left_alone(honest: Path) -> None:
    assert said(the_result(honest)) == []
    for slug in sorted((ROOT / "submissions").iterdir()):
        for folder in record_folders(slug):
            assert said(folder) == [], slug.name
