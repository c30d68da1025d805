"""Withdrawn, corrected and disputed submissions: who may say so, and what boards and pages make of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from factories import make_run
from git_scene import commit, git, rules, write_owners
from site_scenes import write_manifest
from submission_factory import make_submission
from worldstrat_bench.artefacts.state import UNREADABLE, corrections_of, state_in, state_of
from worldstrat_bench.site import build
from worldstrat_bench.site.checker import check as check_site
from worldstrat_bench.site.report import BuildReport
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.compare import compare_markdown

SLUG = "my-sr"
WITHDRAWN = """status = "withdrawn"
status_date = "2026-11-26"
status_reason = "The training list held test tiles."
"""
DISPUTED = WITHDRAWN.replace("withdrawn", "disputed")
CORRECTION = '[[correction]]\ndate = "2026-11-26"\nwhat = "The title named another network."\n'


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one merged submission, that of ada."""
    root = tmp_path_factory.mktemp("states")
    git(root, "init", "--quiet", "--initial-branch", "main")
    make_submission(root)
    write_owners(root, my_sr="ada")
    commit(root)
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "clone"))


def manifest(root: Path, slug: str = SLUG) -> Path:
    return root / "submissions" / slug / "submission.toml"


def say(root: Path, text: str, *, slug: str = SLUG) -> None:
    """Put lines into the section of the submission."""
    path = manifest(root, slug)
    path.write_text(path.read_text().replace("[submission]\n", f"[submission]\n{text}"))


def test_owners_and_maintainers_withdraw_and_strangers_do_not(root: Path) -> None:
    say(root, WITHDRAWN)
    assert rules(root, author="ada") == set()
    assert rules(root, maintainer=True) == set()
    assert "owner" in rules(root, author="mallory")
    assert "owner" in rules(root)


def test_the_reason_of_an_owner_says_nothing_that_only_pages_say(root: Path) -> None:
    """It stands on the page, and in the list of what is not ranked, in no one's name."""
    say(root, WITHDRAWN.replace("The training", "Maintainers verified that the training"))
    assert rules(root, author="ada") == {"status"}
    assert rules(root, maintainer=True) == set()


def test_only_maintainers_open_and_close_a_dispute_and_take_a_status_back(root: Path) -> None:
    say(root, DISPUTED)
    assert rules(root, author="ada") == {"status"}
    assert rules(root, maintainer=True) == set()
    commit(root)
    text = manifest(root).read_text()
    for changed in (
        text.replace(DISPUTED, ""),
        text.replace(DISPUTED, WITHDRAWN),
        text.replace("held", "did not hold"),
    ):
        manifest(root).write_text(changed)
        assert rules(root, author="ada") == {"status"}
        assert rules(root, maintainer=True) == set()


def test_a_new_submission_is_active(root: Path) -> None:
    make_submission(root, "new-sr")
    assert rules(root) == set()
    path = manifest(root, "new-sr")
    text = path.read_text()
    path.write_text(text + CORRECTION)
    assert rules(root) == {"correction"}
    assert rules(root, maintainer=True) == set()
    path.write_text(text)
    say(root, WITHDRAWN, slug="new-sr")
    assert rules(root) == {"status"}


@pytest.mark.parametrize(
    "wrong",
    [
        'status = "withdrawn"\n',
        'status = "gone"\nstatus_date = "2026-11-26"\nstatus_reason = "No reason at all."\n',
        'status_reason = "It is as it was."\n',
        WITHDRAWN.replace("2026-11-26", "yesterday"),
        WITHDRAWN.replace("2026-11-26", "2026-13-77"),
        WITHDRAWN.replace("The training list held test tiles.", "bad"),
    ],
)
def test_a_status_comes_with_its_date_and_reason(root: Path, wrong: str) -> None:
    say(root, wrong)
    assert rules(root, maintainer=True) == {"manifest"}


def test_a_statement_is_changed_in_the_open(root: Path) -> None:
    path = manifest(root)
    text = path.read_text()
    honest = text.replace('title = "my-sr"', 'title = "Better"')
    for changed in (
        honest,
        text.replace("test_evaluations = 1", "test_evaluations = 0"),
        text.replace("Ada Example", "Eve Example"),
        text.replace('licence = "Apache-2.0"', 'licence = "MIT"'),
    ):
        path.write_text(changed)
        assert "correction" in rules(root, author="ada")
        assert "correction" in rules(root, maintainer=True)
    path.write_text(honest + CORRECTION.replace("2026-11-26", "9999-12-31"))
    assert rules(root, author="ada") == {"correction"}
    path.write_text(honest + CORRECTION)
    assert rules(root, author="ada") == set()
    commit(root)
    path.write_text(honest)
    assert rules(root, author="ada") == {"correction"}
    path.write_text(honest.replace("A model for tests.", "A model for tests, in other words.") + CORRECTION)
    assert rules(root, author="ada") == set()  # readers do not rely on a description


def test_a_withdrawn_record_is_kept_and_has_no_rank(root: Path) -> None:
    make_submission(root, "other-sr")
    say(root, WITHDRAWN)
    report = check([root / "submissions"])
    assert report.ok
    assert any("withdrawn on 2026-11-26: “The training" in fault.what for fault in report.notices)
    told = compare_markdown(SLUG, root / "submissions")
    assert "Not ranked: withdrawn on" in told
    assert "\\.." not in told  # its reason ends with a full stop of its own
    assert "Below is where it would stand if that were not so." in told
    assert "my-sr" not in compare_markdown("other-sr", root / "submissions")


def test_a_status_that_cannot_be_read_is_not_active() -> None:
    assert state_of({}).word == state_of({"submission": {"status": "active"}}).word == "active"
    assert state_of({"submission": {"status": 1}}).text == f"withdrawn: {UNREADABLE}"
    assert (
        state_of({"submission": {"status": "Withdrawn", "status_date": "d", "status_reason": "r"}}).word == "withdrawn"
    )
    assert state_in("[").word == "active"  # refused by the check and by the site
    assert corrections_of({"correction": [1, {"date": 1}, {"date": "d", "what": "w"}]})[0].what == "w"


# --- pages ------------------------------------------------------------------------------------------------------


def board(tmp_path: Path, **extra: Any) -> tuple[Path, BuildReport]:
    """A practice board of three submissions; the second has the keys of `extra` in its manifest."""
    for i, slug in enumerate(("one", "two", "three")):
        make_run(
            tmp_path / "s" / slug / "results" / "a" / "b",
            model=slug,
            submission=slug,
            tiles=36,
            release="mini",
            list_name="test",
            gain_db=float(i),
        )
        write_manifest(tmp_path / "s" / slug, slug=slug, title=slug.title(), **(extra if slug == "two" else {}))
    report = build([tmp_path / "s"], tmp_path / "out")
    assert check_site(tmp_path / "out").faults == ()
    return next((tmp_path / "out").glob("practice-*")), report


@pytest.mark.parametrize("word", ["withdrawn", "disputed"])
def test_the_row_leaves_the_ranks_and_its_page_stays(tmp_path: Path, word: str) -> None:
    text = "The training list held <b>test</b> tiles."
    folder, report = board(tmp_path, status=word, status_date="2026-11-26", status_reason=text)
    assert [len(use.ranked) for use in report.boards] == [2]
    assert report.apart == (("s/two/results/a/b", f"{word} on 2026-11-26: “{text}”"),)
    page = (folder / "m" / "two.html").read_text(encoding="utf-8")
    shown = "The training list held &lt;b&gt;test&lt;/b&gt; tiles."
    assert f"<b>No rank:</b> <bdi>{word} on 2026-11-26: “{shown}”</bdi>" in page
    assert f"Nothing is compared with a {word} submission" in page
    assert word in (folder / "badge" / "two.svg").read_text(encoding="utf-8")
    assert (folder / "data" / "runs" / "two" / "record.json").is_file()
    front = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert re.search(
        rf'<a href="practice-[^"]+m/two.html"><bdi>Two</bdi></a></th><td class="wrap"><bdi>{word} on', front
    )
    for name in ("compare.html", "strata.html", "data/board-test.csv"):
        assert "two" not in (folder / name).read_text(encoding="utf-8").lower().replace("two models", "")
    assert "two" not in (tmp_path / "out" / "feed.xml").read_text(encoding="utf-8")


def test_a_board_that_loses_its_last_row_keeps_the_page(tmp_path: Path) -> None:
    make_run(
        tmp_path / "s" / "a" / "results" / "a" / "b",
        model="a",
        submission="a",
        tiles=36,
        release="mini",
        list_name="test",
    )
    about: dict[str, Any] = {
        "status": "withdrawn",
        "status_date": "2026-11-26",
        "status_reason": "It was of another model.",
    }
    write_manifest(tmp_path / "s" / "a", slug="a", title="A", **about)
    build([tmp_path / "s"], tmp_path / "out")
    assert check_site(tmp_path / "out").faults == ()
    assert "withdrawn on 2026-11-26" in next((tmp_path / "out").rglob("m/a.html")).read_text(encoding="utf-8")
    for page in (tmp_path / "out" / "index.html", *(tmp_path / "out").glob("practice-*/index.html")):
        text = page.read_text(encoding="utf-8")
        said = "A (withdrawn on 2026-11-26: “It was of another model.”)."
        assert f"<b>No row is left on this board.</b> <bdi>{said}</bdi>" in text
        assert "no record has it" not in text


def test_a_correction_is_on_the_page(tmp_path: Path) -> None:
    for slug in ("one", "two"):
        make_run(
            tmp_path / "s" / slug / "results" / "a" / "b",
            model=slug,
            submission=slug,
            tiles=36,
            release="mini",
            list_name="test",
        )
        write_manifest(tmp_path / "s" / slug, slug=slug, title=slug)
    with (tmp_path / "s" / "two" / "submission.toml").open("a", encoding="utf-8") as stream:
        stream.write(CORRECTION.replace("network", "<i>network</i>"))
    build([tmp_path / "s"], tmp_path / "out")
    page = next((tmp_path / "out").rglob("m/two.html")).read_text(encoding="utf-8")
    assert (
        "Corrected on 2026-11-26. The submission says: <bdi>The title named another &lt;i&gt;network&lt;/i&gt;.</bdi>"
        in page
    )


def test_two_records_of_one_submission_on_boards_that_are_not_published(tmp_path: Path) -> None:
    """Both would be listed under the same name, and are."""
    from worldstrat_bench.site.config import BoardConfig

    for seed, size in (("a", 36), ("b", 24)):
        run = tmp_path / "s" / "one" / "results" / "wsb-1" / seed
        make_run(run, model="one", submission="one", tiles=size, release=f"mini-{seed}", list_name="test")
    write_manifest(tmp_path / "s" / "one", slug="one", title="One")
    report = build([tmp_path / "s"], tmp_path / "out", config=BoardConfig(kinds=("official",)))
    assert report.boards == ()
    assert len(report.apart) == 2
    assert check_site(tmp_path / "out").faults == ()


def test_a_reason_stays_in_its_quotes() -> None:
    """An owner withdraws a submission: what follows a quote of theirs would be in the page's own voice."""
    said = state_of({"submission": {"status": "withdrawn", "status_date": "2026-11-26", "status_reason": 'a" «b» ”c'}})
    assert said.text == "withdrawn on 2026-11-26: “a' 'b' 'c”"


def test_a_submission_is_withdrawn_today_or_before(root: Path) -> None:
    say(root, WITHDRAWN.replace("2026-11-26", "2099-01-01"))
    assert rules(root, maintainer=True) == {"status"}
