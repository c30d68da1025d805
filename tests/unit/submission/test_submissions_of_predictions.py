"""Submissions that hand in predictions: their manifest, their records, and what never happens to them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factories import make_run
from submission_factory import MANIFEST, make_submission, rewrite_record
from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.manifest import load_manifest
from worldstrat_bench.submission.manifest_faults import ManifestError
from worldstrat_bench.submission.matrix import find_submissions
from worldstrat_bench.submission.predictions_manifest import load_predictions_manifest
from worldstrat_bench.submission.results import add_run

SLUG = "from-elsewhere"
TEXT = f"""\
schema_version = 1
protocols = ["wsb-1"]

[submission]
slug = "{SLUG}"
title = "From elsewhere"
authors = ["Ada Example"]
licence = "Apache-2.0"
description = "Made by a program that is not Python."

[predictions]
url = "https://example.org/predictions.zip"
sha256 = "{"a" * 64}"
bytes = 1234
licence = "CC-BY-4.0"

[training]
datasets = ["WorldStrat"]
train_split = "worldstrat-train"
selection_split = "worldstrat-val"
test_evaluations = 1
uses_test = false
"""


def submission(root: Path, text: str = TEXT, *, record: bool = True, **run: Any) -> Path:
    folder = make_submission(root, SLUG, manifest=text, record=False)
    (folder / "requirements.lock").unlink()
    if record:
        scored(root / "run", **run)
        add_run(root / "run", folder)
    return folder


def scored(folder: Path, *, handed_in: bool = True, slug: str = SLUG, **run: Any) -> None:
    names = [f"Mini-{i:04d}" for i in range(9)]
    sha256 = hashlib.sha256(("\n".join(names) + "\n").encode()).hexdigest()
    made = make_run(
        folder,
        tiles=9,
        release="mini",
        list_name="test",
        submission=slug,
        handed_in=handed_in,
        model_ref=ModelRef(name=slug, frames=8) if handed_in else None,
        **run,
    )
    assert made.dataset.list_sha256 == sha256


def rules(folder: Path) -> dict[str, str]:
    report = check([folder])
    return {fault.rule: fault.what for fault in report.errors}


def test_an_honest_one_passes(tmp_path: Path) -> None:
    report = check([submission(tmp_path)])
    assert report.errors == ()
    assert {"predictions"} <= {fault.rule for fault in report.notices}


@pytest.mark.parametrize(
    "more", [{"parameters": {"status": "good"}}, {"version": "1"}, {"draws": 2}, {"editable": {"net": "a" * 64}}]
)
def test_a_record_of_predictions_says_nothing_of_a_model(tmp_path: Path, more: dict[str, Any]) -> None:
    """Nothing is known of one, and what a record says of it stands on its page."""
    folder = submission(tmp_path)
    rewrite_record(folder, lambda d: d["model"].update(more))
    assert "record-readable" in rules(folder)


def test_bands_that_spell_what_only_pages_say_are_refused(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    rewrite_record(folder, lambda d: d["predictions"].update(bands="VERIFIED,BY,MAINTAINER,S"))
    assert "predictions.bands" in rules(folder)["name"]


def test_without_a_record_it_says_how_to_make_one(tmp_path: Path) -> None:
    report = check([submission(tmp_path, record=False)])
    assert report.errors == ()
    assert any("--submission" in fault.remedy for fault in report.notices)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("https:", "http:"), "predictions.url"),
        (lambda text: text.replace("a" * 64, "a" * 63), "predictions.sha256"),
        (lambda text: text.replace("bytes = 1234\n", ""), "predictions.bytes: the key is missing"),
        (lambda text: text.replace('licence = "CC-BY-4.0"\n', ""), "predictions.licence: the key is missing"),
        (lambda text: text + '[model]\nentry_point = "x"\n', "model: there is no such key"),
        (lambda text: text.replace("uses_test = false", "uses_test = true"), "training.uses_test"),
    ],
)
def test_a_manifest_with_one_fault(tmp_path: Path, change: Callable[[str], str], says: str) -> None:
    folder = submission(tmp_path, change(TEXT), record=False)
    found = rules(folder)
    assert list(found) == ["manifest"]
    assert says in found["manifest"]
    with pytest.raises(ManifestError, match=says.partition(":")[0]):
        load_predictions_manifest(folder)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda text: text.replace(f'slug = "{SLUG}"', 'slug = "another"'), "slug"),
        (lambda text: text.replace('["wsb-1"]', '["wsb-9"]'), "protocol"),
        (lambda text: text.replace('"worldstrat-train"', '"none"'), "contamination"),
        (lambda text: text.replace('"From elsewhere"', '"From еlsewhere"'), "name"),
    ],
)
def test_a_manifest_is_checked_as_that_of_a_model(tmp_path: Path, change: Callable[[str], str], rule: str) -> None:
    assert rule in rules(submission(tmp_path, change(TEXT), record=False))


def test_a_record_of_a_model_is_not_a_record_of_predictions(tmp_path: Path) -> None:
    folder = submission(tmp_path, record=False)
    scored(tmp_path / "run", handed_in=False)
    with pytest.raises(InvalidArtefactError, match="hands in predictions"):
        add_run(tmp_path / "run", folder)
    other = make_submission(tmp_path / "other")
    scored(tmp_path / "handed", slug="my-sr")
    with pytest.raises(InvalidArtefactError, match="is of a model"):
        add_run(tmp_path / "handed", other)


def test_a_record_that_was_copied_in_is_refused(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    (folder / "submission.toml").write_text(MANIFEST.replace('"my-sr"', f'"{SLUG}"'), encoding="utf-8")
    assert "record-manifest" in rules(folder)


def test_predictions_of_another_name_are_not_added(tmp_path: Path) -> None:
    folder = submission(tmp_path, record=False)
    scored(tmp_path / "run", slug="another-name")
    with pytest.raises(InvalidArtefactError, match="not as those of the submission"):
        add_run(tmp_path / "run", folder)


def test_another_train_list_than_the_record_says(tmp_path: Path) -> None:
    folder = submission(tmp_path, train_split="described")
    assert "model.train_split" in rules(folder)["record-manifest"]


def test_code_does_not_belong_there(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    (folder / "my_sr-1.0-py3-none-any.whl").write_bytes(b"")
    assert "files" in rules(folder)


def test_it_is_never_run(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    with pytest.raises(ManifestError, match="no model to run"):
        load_manifest(folder)
    with pytest.raises(UsageError, match="no submission"):
        find_submissions(folder.parent)
    make_submission(tmp_path, "a-model")
    assert [path.name for path in find_submissions(folder.parent)] == ["a-model"]


def test_a_model_is_not_a_submission_of_predictions(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="is of a model"):
        load_predictions_manifest(make_submission(tmp_path))


def test_the_manifest_in_the_docs_is_valid(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "predictions.md"
    (block,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    folder = tmp_path / "submissions" / "my-sr"
    folder.mkdir(parents=True)
    (folder / "submission.toml").write_text(block, encoding="utf-8")
    assert load_predictions_manifest(folder).submission.slug == "my-sr"
    assert check([folder]).errors == ()
