"""The submissions in this repository: they pass their own check and name models that there are."""

from __future__ import annotations

import tomllib

from conftest import ROOT
from worldstrat_bench.artefacts.places import record_folders
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.manifest import load_manifest

SUBMISSIONS = ROOT / "submissions"


def test_every_submission_passes_and_has_a_record() -> None:
    report = check([SUBMISSIONS])
    assert report.errors == ()
    assert len(report.checked) >= 8
    assert "records" not in {fault.rule for fault in report.notices}


def test_the_baselines_are_those_of_the_package_and_clearly_unofficial() -> None:
    project = tomllib.loads((ROOT / "baselines" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    models = project["entry-points"]["worldstrat_bench.models"]
    own = 0
    for path in sorted(SUBMISSIONS.glob("*/submission.toml")):
        model = load_manifest(path).model
        if model.repository_folder != "baselines":
            continue
        own += 1
        assert model.entry_point in models
        assert (model.distribution, model.version) == (project["name"], project["version"])
        for folder in record_folders(path.parent):
            assert not load_record(folder).dataset.official
    assert own >= 8
