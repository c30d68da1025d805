"""``model.returns`` of a manifest and the columns of its records say the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from submission_factory import MANIFEST, make_submission
from worldstrat_bench.measures import OPTIONAL
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.manifest import Manifest, manifest_errors

NIR = dict.fromkeys(("psnr_nir", "sam4", "ndvi_mae"), "1")
SPREAD = dict.fromkeys(OPTIONAL["uncertainty"].names, "1")


def stating(*returned: str) -> str:
    return MANIFEST.replace("frames = 8\n", f"frames = 8\nreturns = {json.dumps(list(returned))}\n")


def faults(folder: Path) -> list[tuple[str, str]]:
    return [(one.rule, one.what) for one in check([folder]).faults if one.severity == "error"]


@pytest.mark.parametrize(
    ("returned", "optional"),
    [
        ((), {}),
        (("near-infrared",), NIR),
        (("expected-error",), SPREAD),
        (("expected-error", "near-infrared"), NIR | SPREAD),
    ],
)
def test_what_agrees_passes(tmp_path: Path, returned: tuple[str, ...], optional: dict[str, str]) -> None:
    assert stating() != MANIFEST
    assert faults(make_submission(tmp_path, manifest=stating(*returned), optional=optional)) == []


@pytest.mark.parametrize(
    ("manifest", "optional", "words"),
    [
        (MANIFEST, NIR, "has its column psnr_nir, the manifest says nothing of it"),
        (
            stating("near-infrared"),
            {},
            "has no column psnr_nir, the manifest says that the model returns near-infrared",
        ),
        (stating("near-infrared", "expected-error"), NIR, "has no column crps"),
        (stating("near-infrared"), NIR | SPREAD, "has its column crps"),
    ],
)
def test_what_does_not_is_named(tmp_path: Path, manifest: str, optional: dict[str, str], words: str) -> None:
    found = faults(make_submission(tmp_path, manifest=manifest, optional=optional))
    assert [rule for rule, _ in found] == ["record-manifest"]
    assert words in found[0][1]


@pytest.mark.parametrize(
    "text", ['["red"]', '"near-infrared"', '["near-infrared", "expected-error", "near-infrared"]', "true"]
)
def test_other_words_are_refused_by_name(text: str) -> None:
    errors = manifest_errors(MANIFEST.replace("frames = 8\n", f"frames = 8\nreturns = {text}\n"))
    assert not isinstance(errors, Manifest)
    assert "model.returns" in errors[0].what
