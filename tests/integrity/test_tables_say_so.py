"""Tables and comparisons of runs say which have no rank that may be cited; a verified speed is the maintainers'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from factories import COMMIT, make_run
from git_scene import git
from site_scenes import write_manifest, write_speed, write_verification
from submission_factory import MANIFEST, make_submission, record_of, rewrite_record, the_result
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.artefacts.verification import SpeedCheck, Verification
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.results.table import make_table
from worldstrat_bench.run.compare import compare_runs
from worldstrat_bench.site import build
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.submission.made_here import remember
from worldstrat_bench.submission.verify_write import add_verified

OFFICIAL: dict[str, Any] = {"tiles": None, "release": "v1.1", "list_name": "never-split", "official": True}


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """A verified record and a self-reported one of an official list, in a repository that knows their harness."""
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "first")
    folders = []
    for slug, gain in (("one-sr", 1.0), ("two-sr", 2.0)):
        text = MANIFEST.replace('"my-sr"', f'"{slug}"')
        folder = make_submission(tmp_path, slug, manifest=text, gain_db=gain, **OFFICIAL)
        rewrite_record(folder, lambda d: d["harness"].update(commit=git(tmp_path, "rev-parse", "HEAD")))
        folders.append(the_result(folder))
    write_verification(folders[0], load_record(folders[0]))
    return folders[0], folders[1]


def test_what_has_no_rank_is_named_and_what_has_one_is_not(runs: tuple[Path, Path]) -> None:
    for notes in (make_table(runs).notes, compare_runs(*runs).remarks):
        said = [note for note in notes if "no rank that may be cited" in note]
        assert len(said) == 1
        assert "self-reported" in said[0]
        assert said[0].startswith(("two-sr", "b "))


def test_a_verified_one_of_an_unknown_harness_and_a_withdrawn_one_are_named(runs: tuple[Path, Path]) -> None:
    folder = runs[0].parents[2]
    rewrite_record(folder, lambda d: d["harness"].update(commit="1" * 40))
    write_verification(runs[0], record_of(folder))
    assert any("one-sr" in note and "never that of the main branch" in note for note in make_table(runs).notes)
    about = 'status = "withdrawn"\nstatus_date = "2026-11-26"\nstatus_reason = "It was of another model."\n'
    path = folder / "submission.toml"
    path.write_text(path.read_text().replace("[submission]\n", f"[submission]\n{about}"))
    assert any("one-sr" in note and "withdrawn on 2026-11-26" in note for note in make_table(runs).notes)


def test_runs_of_ones_own_on_practice_data_are_left_alone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_run(tmp_path / name, model=name, tiles=36, release="mini", list_name="test")
    for notes in (
        make_table([tmp_path / "a", tmp_path / "b"]).notes,
        compare_runs(tmp_path / "a", tmp_path / "b").remarks,
    ):
        assert not any("no rank" in note for note in notes)


def test_a_run_keeps_its_letters_whatever_others_are_called(tmp_path: Path) -> None:
    """Ranks are kept by name, and a stranger's run may have the name by which two others are told apart."""
    for folder, gain in (("mine", 3.0), ("others", 1.0)):
        make_run(tmp_path / folder / "run", model="my-net", gain_db=gain, tiles=36, release="mini", list_name="test")
    named = f"my-net ({load_record(tmp_path / 'mine' / 'run').record_id[:8]})"
    runs = [tmp_path / "mine" / "run", tmp_path / "others" / "run"]
    for number, name in enumerate((named, named, f"{named} [1]", f"{named} [3]")):
        make_run(
            tmp_path / f"sly{number}", model=name, gain_db=-3.0 - number, tiles=36, release="mini", list_name="test"
        )
        runs.append(tmp_path / f"sly{number}")
    table = make_table(runs)
    assert len({run.name for run in table.runs}) == len(runs)
    assert table.runs[0].result.folder == runs[0]
    assert (table.cells[0][0].best, table.cells[0][0].letters) == (True, ("a",))


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_speed_that_was_timed_again_is_the_maintainers_from_verify_to_page(tmp_path: Path, confirmed: bool) -> None:
    """The files of a full verification with a timing, added to a submission, and the page of the model."""
    folder = make_submission(tmp_path, tiles=36)
    run = tmp_path / "checked"
    the_result(folder).rename(run)
    make_run(tmp_path / "submitted", tiles=36, release="mini", list_name="test")
    write_speed(run, load_record(run), 123.0)
    write_verification(run, load_record(run))
    check = SpeedCheck(speed_sha256=file_sha256(run / "speed.json"), largest=0.02, tolerance=0.1, agrees=True)
    found = Verification.load(run / Verification.FILE).model_dump() | {"speed": check.model_dump()}
    Verification.model_validate(found).save(run / Verification.FILE)
    remember(run / Verification.FILE)
    target = add_verified(run, folder)
    if not confirmed:  # another speed than the one that was timed again
        write_speed(target, load_record(target), 2_496_400.0)
    write_manifest(folder, slug="my-sr", title="my-sr")
    build([tmp_path / "submissions"], tmp_path / "out")
    page = next((tmp_path / "out").rglob("m/my-sr.html")).read_text(encoding="utf-8")
    assert ("timed again by maintainers" in page) == confirmed
    assert ("valid; self-reported" in page) == (not confirmed)


def test_a_speed_that_authors_added_draws_nothing_where_ranks_may_be_cited(tmp_path: Path) -> None:
    """A time of a nanosecond, added after the verification, moved the axis and the stairs of everyone else."""
    for slug, rate in (("one-sr", 123.0), ("two-sr", 45.0)):
        claims: dict[str, Any] = {"protocol": "probav", "tiles": None, "list_name": "full", "release": "v1.1"}
        folder = make_submission(tmp_path, slug, gain_db=rate / 100, official=True, **claims)
        run = the_result(folder)
        write_speed(run, load_record(run), rate)
        write_verification(run, load_record(run))
        if slug == "one-sr":
            check = SpeedCheck(speed_sha256=file_sha256(run / "speed.json"), largest=0.02, tolerance=0.1, agrees=True)
            found = Verification.load(run / Verification.FILE).model_dump() | {"speed": check.model_dump()}
            Verification.model_validate(found).save(run / Verification.FILE)
    config = BoardConfig(merged=("one-sr", "two-sr"), commits=(COMMIT,))

    def chart() -> str:
        build([tmp_path / "submissions"], tmp_path / "out", config=config)
        text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
        return text[text.index("against speed on") :].partition("</figure>")[0]

    before = chart()
    assert "1 model. " in before
    assert "timed again by maintainers. 1 more model with a self-reported one in the table" in before
    run = the_result(tmp_path / "submissions" / "two-sr")
    write_speed(run, load_record(run), 2_496_400.0)
    assert chart() == before
