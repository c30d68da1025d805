"""A run beside the submission that was made of it has no row of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from submission_factory import make_submission, the_result
from worldstrat_bench.artefacts.record import load_record, record_id
from worldstrat_bench.site import build


def as_run(result: Path, place: Path) -> Path:
    """The run that a result was copied from, as it would be without the name of the submission."""
    shutil.copytree(result, place)
    path = place / "record.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["model"]["submission"] = None
    document["record_id"] = record_id(document)
    path.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return place


def test_a_run_of_a_submission_is_told_and_left_out(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    make_submission(tmp_path, "other-sr", gain_db=1.0)
    run = as_run(the_result(folder), tmp_path / "run")
    assert load_record(run).record_id != load_record(the_result(folder)).record_id
    alone = build([run], tmp_path / "alone", previews=False)
    assert [len(board.ranked) for board in alone.boards] == [1]
    report = build([tmp_path / "submissions", run], tmp_path / "site", previews=False)
    assert [len(board.ranked) for board in report.boards] == [2]
    assert [(source, "the run of submissions/my-sr" in reason) for source, reason in report.refused] == [("run", True)]
