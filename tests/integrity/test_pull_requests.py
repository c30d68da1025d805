"""Pull requests of strangers: other people's rows, files beside a submission, dates, names, and copies of a sibling."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conftest import ROOT
from git_scene import commit, git
from site_scenes import write_verification
from submission_factory import (
    MANIFEST,
    add_record,
    make_submission,
    record_of,
    rewrite_record,
    rewrite_tiles,
    the_result,
)
from worldstrat_bench.artefacts.owners import load_owners, parse_owners
from worldstrat_bench.artefacts.verification import Verification
from worldstrat_bench.cli.app import app
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.submission import check_others
from worldstrat_bench.submission.check import Options, check, judged_folders
from worldstrat_bench.submission.faults import (
    MOST_SHOWN,
    CheckFinding,
    CheckReport,
    Severity,
    as_github,
    as_json,
    as_markdown,
    as_text,
    from_json,
)

VICTIM, MINE = "victim-sr", "my-sr"
OWNERS = f'[[submission]]\nslug = "{VICTIM}"\nowners = ["Ada-L"]\n'


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the submission of a victim on main, and branch `mine` from there."""
    root = tmp_path_factory.mktemp("repository")
    git(root, "init", "--quiet", "--initial-branch", "main")
    make_submission(root, VICTIM)
    result = the_result(root / "submissions" / VICTIM)
    (result / "timings.csv").write_text("tile,seconds\na,1\n")
    (root / "reports").mkdir()
    (root / "reports" / "owners.toml").write_text(OWNERS)
    commit(root)
    git(root, "switch", "--quiet", "-c", "mine")
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return shutil.copytree(template, tmp_path / "clone", symlinks=True)


def report_of(root: Path, **options: object) -> CheckReport:
    commit(root)
    return check([root / "submissions"], Options(base="main", **options))  # type: ignore[arg-type]


def rules(root: Path, **options: object) -> set[str]:
    report = report_of(root, **options)
    assert ("✅" in as_markdown(report)) == (report.ok and bool(report.checked))
    return {fault.rule for fault in report.errors}


def retitle(root: Path) -> None:
    path = root / "submissions" / VICTIM / "submission.toml"
    text = path.read_text().replace(f'title = "{VICTIM}"', 'title = "Mine now"')
    path.write_text(text + '[[correction]]\ndate = "2026-11-20"\nwhat = "The title was that of a draft."\n')


def other_device(root: Path) -> None:
    add_record(root / "submissions" / VICTIM, VICTIM, device_class="H100-80GB", gain_db=-9.0)


def more_words(root: Path) -> None:
    (root / "submissions" / VICTIM / "README.md").write_text("a page of ours\n")


ROW_ATTACKS: list[Callable[[Path], None]] = [retitle, other_device, more_words]


@pytest.mark.parametrize("attack", ROW_ATTACKS, ids=lambda attack: attack.__name__)
def test_a_row_is_changed_by_its_owner_alone(root: Path, attack: Callable[[Path], None]) -> None:
    attack(root)
    for stranger in (None, "mallory", "ada-l2", "", VICTIM):
        assert "owner" in rules(root, author=stranger)
    assert rules(root, author="ada-L") == set()  # forges do not tell case apart
    assert rules(root, maintainer=True) == set()


def test_who_owns_a_row_is_what_the_base_says(root: Path) -> None:
    retitle(root)
    (root / "reports" / "owners.toml").write_text(OWNERS.replace("Ada-L", "mallory"))
    assert rules(root, author="mallory") == {"owner", "one-slug"}


def test_a_slug_stays_its_owners_when_the_folder_is_gone(root: Path) -> None:
    git(root, "switch", "--quiet", "main")
    shutil.rmtree(root / "submissions" / VICTIM)
    commit(root)
    git(root, "switch", "--quiet", "-c", "squat")
    make_submission(root, VICTIM)
    assert "owner" in rules(root, author="mallory")
    assert rules(root, author="Ada-L") == set()


def test_a_branch_from_before_the_row_was_there_does_not_take_it(root: Path) -> None:
    git(root, "switch", "--quiet", "--orphan", "fresh")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "start")
    git(root, "switch", "--quiet", "-c", "old")
    git(root, "switch", "--quiet", "fresh")
    git(root, "checkout", "main", "--", ".")
    commit(root)
    git(root, "branch", "--force", "main", "fresh")
    git(root, "switch", "--quiet", "old")
    make_submission(root, VICTIM)
    assert "owner" in rules(root, author="mallory")


def test_a_copy_is_refused_from_an_old_branch_too(root: Path) -> None:
    git(root, "switch", "--quiet", "--orphan", "fresh")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "start")
    git(root, "branch", "old")
    git(root, "checkout", "main", "--", ".")
    commit(root)
    victim = root / "submissions" / VICTIM
    kept = shutil.copytree(victim, root.parent / "kept")
    git(root, "branch", "--force", "main", "fresh")
    git(root, "switch", "--quiet", "old")
    assert not victim.exists()
    mine = make_submission(root)
    assert rules(root) == set()
    shutil.copy(the_result(kept) / "tiles.csv", the_result(mine) / "tiles.csv")
    rewrite_record(mine, lambda d: d.update(files=json.loads((the_result(kept) / "record.json").read_text())["files"]))
    faults = [fault for fault in report_of(root).errors if fault.rule == "copied"]
    assert len(faults) == 1
    assert f"submissions/{VICTIM}/results/" in faults[0].what


@pytest.mark.parametrize("merged", [False, True], ids=["a new slug", "a record of a merged one"])
def test_a_table_is_not_copied_into_an_earlier_submission_during_a_dispute(root: Path, *, merged: bool) -> None:
    """Settled, the dispute would leave the honest one as the later of two with the same table."""
    victim, owners = root / "submissions" / VICTIM, root / "reports" / "owners.toml"
    state = '[submission]\nstatus = "disputed"\nstatus_date = "2026-11-26"\nstatus_reason = "Copied? See issue 12."\n'
    manifest = victim / "submission.toml"
    manifest.write_text(manifest.read_text().replace("[submission]\n", state))
    if merged:
        mine = make_submission(root, record=False)
        owners.write_text(f'[[submission]]\nslug = "{mine.name}"\nowners = ["Mallory"]\n' + owners.read_text())
        commit(root)
        git(root, "branch", "--force", "main", "HEAD")
        add_record(mine)
    else:
        commit(root)
        git(root, "branch", "--force", "main", "HEAD")
        mine = make_submission(root)
    assert rules(root, author="Mallory") == set()
    shutil.copy(the_result(victim) / "tiles.csv", the_result(mine) / "tiles.csv")
    stated = json.loads((the_result(victim) / "record.json").read_text())
    rewrite_record(mine, lambda d: d.update(files=stated["files"], scores=stated["scores"]))
    assert ("copied" in rules(root, author="Mallory")) == merged


@pytest.mark.parametrize("name", ["timings.csv", "record.json"])
def test_no_one_alters_what_was_measured(root: Path, name: str) -> None:
    path = the_result(root / "submissions" / VICTIM) / name
    path.write_text(path.read_text() + " ")
    assert "immutable" in rules(root, author="Ada-L")
    assert "immutable" in rules(root, maintainer=True)
    (path.parent / "verification.json").write_text("{}")
    assert "immutable" in rules(root, maintainer=True)
    assert "immutable" in rules(root, author="Ada-L")


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"scope": "sample", "agrees": True}, False),
        ({"submitted_record_id": "b" * 64}, False),
        ({"passed": False}, False),
    ],
    ids=str,
)
def test_only_a_full_verification_of_a_record_takes_its_place(
    root: Path, changes: dict[str, object], taken: bool
) -> None:
    folder = root / "submissions" / VICTIM
    submitted = record_of(folder).record_id
    shutil.rmtree(the_result(folder))
    own = add_record(folder, VICTIM, gain_db=-9.0)
    write_verification(the_result(folder), own)
    path = the_result(folder) / "verification.json"
    content = Verification.load(path).model_dump() | {"submitted_record_id": submitted, "agrees": False} | changes
    if content["scope"] == "sample":
        content["submitted_record_id"] = own.record_id
    Verification.model_validate(content).save(path)
    assert ("immutable" not in rules(root, maintainer=True)) == taken


def loose_file(root: Path) -> None:
    (root / "submissions" / "note.txt").write_text("hello\n")


def other_case(root: Path) -> None:
    (root / "Submissions" / MINE).mkdir(parents=True)
    (root / "Submissions" / MINE / "submission.toml").write_text("")


def gitlink(root: Path) -> None:
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},submissions/linked")
    git(root, "commit", "--quiet", "-m", "link")
    (root / "submissions" / "linked").mkdir()


def nested(root: Path) -> None:
    (root / "submissions" / "nested").mkdir()
    git(root / "submissions" / "nested", "init", "--quiet")
    git(root / "submissions" / "nested", "commit", "--quiet", "--allow-empty", "-m", "x")


def linked_folder(root: Path) -> None:
    (root / "submissions" / "twin-sr").symlink_to(VICTIM)


BESIDE: list[Callable[[Path], None]] = [loose_file, other_case, gitlink, nested, linked_folder]


@pytest.mark.parametrize("attack", BESIDE, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("honest", [False, True], ids=["alone", "beside an honest submission"])
def test_nothing_lies_beside_the_folders(root: Path, attack: Callable[[Path], None], honest: bool) -> None:
    if honest:
        make_submission(root)
        assert rules(root) == set()
    (root / "bench").mkdir()
    (root / "bench" / "x.py").write_text("evil\n")
    attack(root)
    assert rules(root) == ({"files", "one-slug"} if honest else {"files"})
    assert "files" in rules(root, maintainer=True)


def test_on_main_links_loose_files_and_empty_folders_are_named(root: Path) -> None:
    assert check([root / "submissions"]).ok
    for attack in (loose_file, nested, linked_folder):
        attack(root)
    (root / "submissions" / "empty").mkdir()
    found = {fault.what for fault in check([root / "submissions"]).errors if fault.rule == "files"}
    for name in ("note.txt", "nested", "twin-sr", "empty"):
        assert any(repr(name) in what for what in found), (name, found)


@pytest.mark.parametrize(
    "name",
    ["Submission.toml", "SUBMISSION.TOML", "notes\u202etxt.md", "read\u200bme.md", "re\u0301sume\u0301.md", "-rf.md"],
)
def test_names_are_what_they_look_like(root: Path, name: str) -> None:
    folder = make_submission(root)
    (folder / "notes (1).md").write_text("")
    assert rules(root) == {"files"}
    (folder / "notes (1).md").rename(folder / "notes 1.md")
    assert rules(root) == set()
    (folder / name).write_text("")
    assert rules(root) == {"files"}


def test_files_and_folders_of_results_have_no_twins_either(root: Path) -> None:
    folder = make_submission(root)
    (folder / "README.md").write_text("")
    (folder / "Results").mkdir()
    (folder / "Results" / "a.md").write_text("")
    (folder / "readme.md").write_text("")
    what = " ".join(fault.what for fault in report_of(root).errors)
    assert "'readme.md' differs from 'README.md' in case alone" in what
    assert "differs from 'results' in case alone" in what


@pytest.mark.parametrize(
    ("created", "refused"),
    [
        ("9999-12-31T00:00:00Z", True),
        ("soon", True),
        ("", True),
        (timedelta(days=3), True),
        (timedelta(hours=2), False),
        ("2026-01-01T00:00:00+00:00", False),
    ],
    ids=str,
)
def test_no_record_is_dated_in_the_future(root: Path, created: str | timedelta, refused: bool) -> None:
    folder = make_submission(root)
    # an hour that is told here, not while tests are collected: every process has to collect the same names
    stated = created if isinstance(created, str) else (datetime.now(UTC) + created).isoformat()
    rewrite_record(folder, lambda d: d.update(created=stated))
    assert rules(root) == ({"created"} if refused else set())


def listing(root: Path, *rows: dict[str, str], pages: bool = True) -> Path:
    path = root.parent / "files.json"
    path.write_text(json.dumps([list(rows)] if pages else list(rows)))
    return path


def test_what_the_forge_lists_counts_beside_git(root: Path) -> None:
    folder = make_submission(root)
    own = [{"filename": f"submissions/{MINE}/{path.name}", "status": "added"} for path in folder.glob("*.*")]
    assert rules(root, changed=listing(root, *own)) == set()
    assert rules(root, changed=listing(root, *own, pages=False)) == set()
    outside = {"filename": ".github/workflows/evil.yml", "status": "added"}
    assert rules(root, changed=listing(root, *own, outside)) == {"one-slug"}
    moved = {
        "filename": f"submissions/{MINE}/a.md",
        "status": "renamed",
        "previous_filename": f"submissions/{VICTIM}/README.md",
    }
    assert rules(root, changed=listing(root, *own, moved)) == {"one-slug", "owner"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1]",
        '[{"filename": 1}]',
        '[{"filename": "a", "status": "renamed"}]',
        "[" * 100_000,
        json.dumps([{"filename": f"a/{i}", "status": "added"} for i in range(3000)]),
    ],
    ids=["empty", "brace", "number", "no name", "no old name", "deep", "cut"],
)
def test_a_list_that_cannot_be_used_is_refused(root: Path, content: str) -> None:
    path = root.parent / "files.json"
    path.write_text(content)
    with pytest.raises(InvalidArtefactError):
        report_of(root, changed=path)


def test_a_tick_is_for_submissions_alone() -> None:
    aside = CheckFinding("changes", "files outside", severity="notice")
    assert "✅" in as_markdown(CheckReport((MINE,), ()))
    for report in (CheckReport((), ()), CheckReport((MINE,), (aside,)), CheckReport((), (aside,))):
        assert report.ok
        assert "✅" not in as_markdown(report)


def test_a_report_with_many_findings_is_cut_and_never_says_ok() -> None:
    many = CheckReport((MINE,), tuple(CheckFinding("files", f"fault {i}") for i in range(5 * MOST_SHOWN)))
    read = from_json(json.dumps(as_json(many)))
    assert not read.ok
    assert len(read.faults) == MOST_SHOWN
    with pytest.raises(InvalidArtefactError, match="contradicts itself"):
        from_json(json.dumps({**as_json(many), "faults": []}))


def test_many_notices_of_one_rule_push_no_other_out_of_a_report() -> None:
    """Whoever copies a model chooses how many records come with it, and so how long the report is."""
    flood = [CheckFinding("unranked", f"record {i}", severity="notice") for i in range(5 * MOST_SHOWN)]
    told = [CheckFinding(rule, "to be read", severity="notice") for rule in ("authors", "copies", "boards")]
    report = CheckReport((MINE,), (*flood, *told))
    read = from_json(json.dumps(as_json(report)))
    for text in (as_markdown(read), as_github(read), as_markdown(report), as_text(report)):
        assert all(rule in text for rule in ("authors", "copies", "boards"))


def twins(root: Path, *, listed: str) -> dict[str, str]:
    """Two submissions of one tiles.csv on main; what is refused there, by slug."""
    first = make_submission(root, "zz-first")
    second = make_submission(root, "aa-second")
    shutil.copy(the_result(first) / "tiles.csv", the_result(second) / "tiles.csv")
    stated = json.loads((the_result(first) / "record.json").read_text())
    rewrite_record(second, lambda d: d.update(files=stated["files"], scores=stated["scores"]))
    (root / "reports" / "owners.toml").write_text(OWNERS + listed)
    (judged,) = judged_folders([root / "submissions"]).values()
    return {folder.name: reason for folder, reason in judged.items() if reason}


def test_of_two_that_cannot_both_stand_the_one_that_was_merged_first_stays(root: Path) -> None:
    merged = '[[submission]]\nslug = "zz-first"\nowners = []\n'
    refused = twins(root, listed=merged)
    assert set(refused) == {"aa-second"}
    assert "copied" in refused["aa-second"]


def test_where_the_order_is_not_known_neither_stays(root: Path) -> None:
    assert set(twins(root, listed="")) == {"aa-second", "zz-first"}


def test_owners_are_read_strictly() -> None:
    assert parse_owners(OWNERS).of(VICTIM) == ("Ada-L",)
    for bad in (OWNERS + OWNERS, OWNERS.replace("Ada-L", "a b"), "[[submission]]\n", "x = 1", OWNERS + "[", "\xff"):
        with pytest.raises(InvalidArtefactError):
            parse_owners(bad)


def test_every_submission_of_this_repository_is_listed() -> None:
    there = {path.parent.name for path in (ROOT / "submissions").glob("*/submission.toml")}
    assert there <= set(load_owners(ROOT).slugs)


def test_the_command_line_passes_them_on(root: Path) -> None:
    make_submission(root)
    (root / "submissions" / VICTIM / "README.md").write_text("ours\n")
    commit(root)
    files = listing(root, {"filename": "bench/x.py", "status": "modified"})
    command = ["submission", "check", str(root / "submissions"), "--base", "main", "--json"]
    stranger = json.loads(CliRunner().invoke(app, [*command, "--changed", str(files)]).stdout)
    assert {fault["rule"] for fault in stranger["faults"]} >= {"owner", "one-slug"}
    owner = json.loads(CliRunner().invoke(app, [*command, "--author", "ada-l"]).stdout)
    assert "owner" not in {fault["rule"] for fault in owner["faults"]}


@pytest.mark.parametrize("severity", ["error", "notice"])
def test_a_comment_is_never_longer_than_a_forge_takes(severity: Severity) -> None:
    """Or an earlier comment, which says that all passed, would stay in its place."""
    first = CheckFinding("files", "the first", severity=severity)
    long = [CheckFinding("name", "_" * 400, where="_" * 400, remedy="`" * 400, severity=severity) for _ in range(199)]
    text = as_markdown(CheckReport(("my-sr",), (first, *long)))
    assert len(text) < 65_536
    assert "the first" in text
    assert "further findings: see the log of the run" in text
    assert ("\u274c" in text) == (severity == "error")
    short = as_markdown(CheckReport(("my-sr",), (first,)))
    assert "further" not in short
    both = as_markdown(CheckReport(("my-sr",), (CheckFinding("files", "the error"), *long)))
    assert "the error" in both


def test_who_merges_reads_how_many_boards_a_submission_opens(tmp_path: Path) -> None:
    """Each has a page for each tile: one submission could open more than a site can hold."""
    make_submission(tmp_path, "other-sr", manifest=MANIFEST.replace('"my-sr"', '"other-sr"'))
    folder = make_submission(tmp_path)

    def said() -> list[str]:
        return [fault.what for fault in check([tmp_path / "submissions"]).notices if fault.rule == "boards"]

    add_record(folder, tiles=13)
    assert said() == []  # one of its boards is that of the other
    add_record(folder, tiles=14)
    assert said() == ["it opens 2 boards, with a page for each of their 27 tiles"]


def test_a_record_that_states_other_facts_of_the_same_tiles_opens_a_board_of_its_own(tmp_path: Path) -> None:
    make_submission(tmp_path, "other-sr", manifest=MANIFEST.replace('"my-sr"', '"other-sr"'))
    folder = make_submission(tmp_path)

    def older(rows: list[list[str]]) -> None:
        days = rows[0].index("days")
        rows[1][days] = str(float(rows[1][days]) + 1)

    rewrite_tiles(folder, older)
    add_record(folder, tiles=13)
    found = [fault.what for fault in check([tmp_path / "submissions"]).notices if fault.rule == "boards"]
    assert found == ["it opens 2 boards, with a page for each of their 25 tiles"]


def test_a_record_of_other_tiles_on_the_same_targets_is_pointed_out(tmp_path: Path) -> None:
    """It opens a board of its own, and takes the address of the one that is there if its submission came first."""
    make_submission(tmp_path, "other-sr", manifest=MANIFEST.replace('"my-sr"', '"other-sr"'))
    folder = make_submission(tmp_path)

    def renamed(rows: list[list[str]]) -> None:
        rows[1:] = sorted(["z" + row[0], *row[1:]] for row in rows[1:])

    rewrite_tiles(folder, renamed)
    add_record(folder, tiles=13)
    found = {fault.rule: fault.what for fault in check([folder]).notices}
    assert found["boards"] == "it opens 2 boards, with a page for each of their 25 tiles"
    assert "the list of tiles differs from the one in submissions/other-sr/results" in found["facts"]


def test_a_crowd_of_pairs_hides_no_notice_of_equal_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record of one submission may resemble every record of another: one notice says so, after that of code."""
    for slug in ("aa-old", "victim-sr"):
        make_submission(tmp_path, slug, manifest=MANIFEST.replace('"my-sr"', f'"{slug}"').replace("Ada", slug[:2]))
    mine = make_submission(tmp_path)
    for folder in (mine, tmp_path / "submissions" / "victim-sr"):
        rewrite_record(folder, lambda d: d["model"].update(code_sha256="a" * 64))
    for folder in (mine, tmp_path / "submissions" / "aa-old"):
        for number in range(4):
            add_record(folder, folder.name, device_class=f"GPU {number}")
    alike = CheckFinding("copies", "alike", severity="notice")
    monkeypatch.setattr(check_others, "_pair_faults", lambda *given: iter([alike]))
    found = [fault for fault in check([mine]).notices if fault.rule in ("code", "copies")]
    assert found[0].rule == "code"
    assert "is also that of victim-sr" in found[0].what
    assert [fault.what for fault in found[1:]] == [
        "alike (and so for 24 more pairs of records)",
        "alike (and so for 4 more pairs of records)",
    ]
