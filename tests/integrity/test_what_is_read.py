"""Files of a submission that are not its records: nothing of a site is read from them, whatever they are called."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from factories import make_run
from git_scene import commit, git, write_owners
from site_scenes import write_verification
from submission_factory import MANIFEST, make_submission, model_ref, the_result
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.cli.app import app
from worldstrat_bench.errors import UsageError
from worldstrat_bench.submission.check import Options, check
from worldstrat_bench.submission.faults import CheckReport

MINE = "my-sr"


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two submissions on main, and the site of them beside it."""
    root = tmp_path_factory.mktemp("repository")
    git(root, "init", "--quiet", "--initial-branch", "main")
    for slug, gain in (("one-sr", 1.0), ("two-sr", 2.0)):
        make_submission(root, slug, gain_db=gain)
    commit(root)
    published(root)
    return root


@pytest.fixture
def root(honest: Path, tmp_path: Path) -> Path:
    return shutil.copytree(honest, tmp_path / "clone", ignore=shutil.ignore_patterns("site"))


def published(root: Path) -> list[str]:
    """Build the site as the public one is built; return the sources of the rows on its boards."""
    command = ["site", "build", str(root / "submissions"), "--out", str(root / "site"), "--checked", "--json"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    boards = json.loads(done.stdout)["boards"]
    return [source for board in boards for source in (*board["entries"], *board["self_reported"])]


def pull_request(root: Path) -> CheckReport:
    commit(root)
    return check([root / "submissions"], Options(base="HEAD~1", author="mallory"))


def forged_run(folder: Path, *, verified: bool) -> None:
    """Write a record that no check has seen, with the numbers of a winner."""
    make_run(folder, model=MINE, submission=MINE, model_ref=model_ref(), tiles=12, release="mini", list_name="test",
             official=False, gain_db=30.0)  # fmt: skip
    if verified:
        write_verification(folder, load_record(folder))


def beside_the_manifest(root: Path) -> None:
    forged_run(make_submission(root, MINE), verified=True)


def in_a_folder(root: Path) -> None:
    forged_run(make_submission(root, MINE) / "runs" / "best", verified=True)


def hidden(root: Path) -> None:
    make_submission(root, MINE, gain_db=30.0).rename(root / "submissions" / ".my-sr")


def no_utf8(root: Path) -> None:
    folder = make_submission(root, MINE, gain_db=30.0)
    os.rename(os.fsencode(folder), os.fsencode(folder) + b"\xff")  # noqa: PTH104  # a name that is not text


def like_a_site(root: Path) -> None:
    (make_submission(root, "data", manifest=MANIFEST.replace('"my-sr"', '"data"')) / "site.json").write_text("{}\n")


def a_study(root: Path) -> None:
    (make_submission(root, MINE) / "sensitivity.json").write_text("{}\n")


def only_a_verification(root: Path) -> None:
    folder = make_submission(root, MINE)
    write_verification(folder, load_record(the_result(folder)))


ATTACKS: list[Callable[[Path], None]] = [
    beside_the_manifest, in_a_folder, hidden, no_utf8, like_a_site, a_study, only_a_verification,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_pull_request_with_such_a_file_is_refused_and_nothing_of_it_is_published(
    honest: Path, root: Path, attack: Callable[[Path], None]
) -> None:
    attack(root)
    report = pull_request(root)
    assert not report.ok
    assert {fault.rule for fault in report.errors} <= {"files", "verification", "slug", "name"}
    # Merged all the same, it changes no row of the others.
    assert {source.split("/")[1] for source in published(root)} == {"one-sr", "two-sr"}
    assert (root / "site" / "index.html").read_bytes() == (honest / "site" / "index.html").read_bytes()


def test_what_a_check_has_not_seen_is_not_published_even_where_it_passes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site reads records where the check reads them: the names that the check refuses are a second line."""
    monkeypatch.setattr("worldstrat_bench.submission.check_files._READ_ELSEWHERE", frozenset())
    beside_the_manifest(root)
    in_folder = root / "submissions" / MINE / "more"
    forged_run(in_folder, verified=True)
    like_a_site(root)
    sources = published(root)
    assert sorted(source.split("/")[1] for source in sources) == ["data", MINE, "one-sr", "two-sr"]
    assert all("/results/wsb-1/" in source for source in sources)
    assert "✔ verified" not in "".join(path.read_text("utf-8") for path in (root / "site").rglob("my-sr.html"))


def test_an_honest_submission_with_words_and_lists_beside_it_passes(root: Path) -> None:
    folder = make_submission(root, MINE)
    for name in ("README.md", "requirements.in", "tiles-used.txt", "CITATION.cff", "ablation.csv", "config.json"):
        (folder / name).write_text("words\n")
    assert pull_request(root).ok
    assert f"submissions/{MINE}" in {"/".join(source.split("/")[:2]) for source in published(root)}


@pytest.mark.parametrize("above", [".", "..", "reports"])
def test_a_folder_above_the_submissions_is_not_built_unchecked(root: Path, above: str) -> None:
    """It would be searched for runs, as any folder of runs is."""
    beside_the_manifest(root)
    (root / "reports").mkdir()
    command = ["site", "build", str(root / above), "--out", str(root / "out"), "--checked"]
    done = CliRunner().invoke(app, command)
    if above == "reports":  # holds no submission: an empty folder of runs
        assert done.exit_code == 5
        return
    assert isinstance(done.exception, UsageError)
    assert "submissions lie below it" in done.exception.what
    assert str(done.exception.remedy).endswith("submissions itself, beside the runs")
    assert not (root / "out").exists()


def test_a_folder_of_submissions_by_another_name_is_told_what_is_looked_for(root: Path) -> None:
    (root / "submissions").rename(root / "subs")
    write_owners(root, my_sr="ada")
    command = ["site", "build", str(root / "subs"), "--out", str(root / "out")]
    done = CliRunner().invoke(app, [*command, "--checked"])
    assert isinstance(done.exception, UsageError)
    assert f"call {root / 'subs'} 'submissions', or leave out --checked" in str(done.exception.remedy)
    done = CliRunner().invoke(app, command)
    assert "reports/owners.toml beside it is not read: give --board FILE" in done.stderr
