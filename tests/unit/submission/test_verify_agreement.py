"""The line in which ``verify`` says that numbers agree, and how nearly."""

from __future__ import annotations

import pytest

from worldstrat_bench.artefacts.verification import ColumnCheck
from worldstrat_bench.submission.verify_columns import agreement


def column(largest: float | None, tolerance: float) -> ColumnCheck:
    return ColumnCheck(largest=largest, tile="a", tolerance=tolerance, contradicted=0)


@pytest.mark.parametrize(
    ("columns", "compared", "line"),
    [
        ({}, 1, "agrees: 1 tile"),
        (
            {"psnr": column(0.0, 0.01), "target_sha256": column(0.0, 0.0)},
            36,
            "agrees: 36 tiles, no difference in any column",
        ),
        (
            # The one nearest to its limit, not the one that is largest in its own unit.
            {"psnr": column(0.00123, 0.01), "ssim": column(0.0005, 1e-3), "sam": column(0.01, 0.05)},
            36,
            "agrees: 36 tiles, largest difference 0.0005 in SSIM (allowed: 0.001)",
        ),
        (
            {"psnr": column(0.00123, 0.01), "lpips": column(None, 1e-3)},
            2,
            "agrees: 2 tiles, largest difference 0.0012 dB in PSNR (allowed: 0.01 dB)",
        ),
        ({"of_a_plugin": column(0.1, 1.0)}, 2, "agrees: 2 tiles, largest difference 0.1 in of_a_plugin (allowed: 1)"),
    ],
)
def test_the_line_names_the_difference_nearest_to_its_limit(
    columns: dict[str, ColumnCheck], compared: int, line: str
) -> None:
    assert agreement(columns, compared) == line
