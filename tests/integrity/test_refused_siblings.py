"""A submission that is itself refused, merged without its check, takes neither a name nor a table from others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from git_scene import commit, git
from site_scenes import write_verification
from submission_factory import make_submission, rewrite_record, the_result
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.submission import check as checking
from worldstrat_bench.submission.check import Options, check, judged_folders
from worldstrat_bench.submission.check_files import folder_faults


def alike_in_title(root: Path, first: str, second: str) -> None:
    for slug, title in ((first, "Sharp Network 1"), (second, "Sharp Network l")):
        retitle(root, slug, title)


def alike_in_tiles(root: Path, first: str, second: str) -> None:
    one, two = (the_result(root / "submissions" / slug) for slug in (first, second))
    shutil.copy(one / "tiles.csv", two / "tiles.csv")
    stated = json.loads((one / "record.json").read_text())
    rewrite_record(root / "submissions" / second, lambda d: d.update(files=stated["files"], scores=stated["scores"]))


def alike_in_slug(root: Path, first: str, second: str) -> None:
    """They are so from the start: see :func:`scene`."""


KINDS: dict[str, tuple[Callable[[Path, str, str], None], str, str]] = {
    "title": (alike_in_title, "first-sr", "second-sr"),
    "tiles": (alike_in_tiles, "first-sr", "second-sr"),
    "slug": (alike_in_slug, "model-sr", "rnodel-sr"),
}


def retitle(root: Path, slug: str, title: str) -> None:
    manifest = root / "submissions" / slug / "submission.toml"
    manifest.write_text(manifest.read_text().replace(f'title = "{slug}"', f'title = "{title}"'))


def break_it(root: Path, slug: str) -> None:
    """Refuse a submission for something of its own: its lock is missing."""
    (root / "submissions" / slug / "requirements.lock").unlink()


def list_owners(root: Path, slugs: Sequence[str]) -> None:
    (root / "reports").mkdir(exist_ok=True)
    text = "".join(f'[[submission]]\nslug = "{slug}"\nowners = []\n' for slug in slugs)
    (root / "reports" / "owners.toml").write_text(text)


def scene(root: Path, kind: str, *, listed: bool = True) -> tuple[str, str]:
    """Two submissions that collide, in the order of their merges."""
    alike, first, second = KINDS[kind]
    for slug, gain in ((first, 1.0), (second, 2.0)):
        make_submission(root, slug, gain_db=gain)
    alike(root, first, second)
    list_owners(root, (first, second) if listed else ())
    return first, second


def refused(root: Path) -> dict[str, str]:
    """Slug to reason of what publishing leaves out."""
    (judged,) = judged_folders([root / "submissions"]).values()
    return {folder.name: reason for folder, reason in judged.items() if reason}


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_refused_refuses_no_later_one(tmp_path: Path, kind: str) -> None:
    first, second = scene(tmp_path, kind)
    # The control: of two good ones the later one is refused.
    assert set(refused(tmp_path)) == {second}
    break_it(tmp_path, first)
    found = refused(tmp_path)
    assert set(found) == {first}
    assert "lock" in found[first]
    # One submission that is checked alone is told the same.
    assert check([tmp_path / "submissions" / second]).ok


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_order_is_not_known_one_that_is_refused_by_itself_refuses_no_other(tmp_path: Path, kind: str) -> None:
    first, second = scene(tmp_path, kind, listed=False)
    assert set(refused(tmp_path)) == {first, second}
    break_it(tmp_path, first)
    assert set(refused(tmp_path)) == {first}


@pytest.mark.parametrize("kind", KINDS)
def test_a_pull_request_is_not_refused_for_one_that_main_refuses(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    first, second = scene(root, kind)
    list_owners(root, [first])
    git(root, "init", "--quiet", "--initial-branch", "main")
    aside = tmp_path / "aside"
    (root / "submissions" / second).rename(aside)
    commit(root)

    def judged() -> set[str]:
        git(root, "switch", "--quiet", "--create", "pull")
        shutil.copytree(aside, root / "submissions" / second)
        commit(root)
        report = check([root / "submissions"], Options(base="main"))
        assert report.checked == (second,)
        git(root, "switch", "--quiet", "main")
        git(root, "branch", "--quiet", "-D", "pull")
        return {fault.rule for fault in report.errors}

    assert judged() == {"copied" if kind == "tiles" else "name"}
    break_it(root, first)
    commit(root)
    assert judged() == set()


def test_a_chain_is_judged_in_the_order_of_the_merges(tmp_path: Path) -> None:
    """The second is refused for the title of the first, so that it keeps its own table from no third one."""
    for i, slug in enumerate(("a-sr", "b-sr", "c-sr", "d-sr")):
        make_submission(tmp_path, slug, gain_db=1.0 + i)
    for slug in ("a-sr", "b-sr", "d-sr"):
        retitle(tmp_path, slug, "Sharp")
    alike_in_tiles(tmp_path, "b-sr", "c-sr")
    list_owners(tmp_path, ("a-sr", "b-sr", "c-sr", "d-sr"))
    # A refused one frees no name that an earlier one has: the fourth is held against the first.
    assert set(refused(tmp_path)) == {"b-sr", "d-sr"}
    break_it(tmp_path, "a-sr")
    # Now the second stands, and with it its title and its table.
    assert set(refused(tmp_path)) == {"a-sr", "c-sr", "d-sr"}


def test_the_name_of_a_row_that_maintainers_computed_stays_taken(tmp_path: Path) -> None:
    first, second = scene(tmp_path, "title")
    run = the_result(tmp_path / "submissions" / first)
    write_verification(run, load_record(run))
    break_it(tmp_path, first)
    assert set(refused(tmp_path)) == {first, second}
    # A copy of another's verified folder is not such a row.
    shutil.rmtree(run)
    other = make_submission(tmp_path, "verified-elsewhere", gain_db=3.0)
    write_verification(the_result(other), load_record(the_result(other)))
    shutil.copytree(other / "results", tmp_path / "submissions" / first / "results", dirs_exist_ok=True)
    shutil.rmtree(other)
    assert set(refused(tmp_path)) == {first}


def test_a_slug_that_was_there_is_not_held_against_a_later_one(tmp_path: Path) -> None:
    """Two that stand already: a slug is never changed, so that neither may be kept from a correction by it."""
    first, _ = scene(tmp_path, "slug")
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    commit(tmp_path)
    git(tmp_path, "switch", "--quiet", "--create", "pull")
    manifest = tmp_path / "submissions" / first / "submission.toml"
    manifest.write_text(manifest.read_text().replace("A model for tests.", "A model for the tests."))
    commit(tmp_path)
    report = check([tmp_path / "submissions"], Options(base="main", maintainer=True))
    assert report.checked == (first,)
    assert report.ok, report.faults


def test_each_submission_is_checked_once_however_many_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slugs = [f"m{i}-sr" for i in "abcdefgh"]
    for slug in slugs:
        make_submission(tmp_path, slug, record=False)
        retitle(tmp_path, slug, "Sharp")
        break_it(tmp_path, slug)
    list_owners(tmp_path, slugs)
    counted: list[str] = []
    real = folder_faults

    def counting(folder: Path) -> object:
        counted.append(folder.name)
        return real(folder)

    monkeypatch.setattr(checking, "folder_faults", counting)
    assert set(refused(tmp_path)) == set(slugs)
    assert sorted(counted) == slugs
    counted.clear()
    list_owners(tmp_path, [])
    assert set(refused(tmp_path)) == set(slugs)
    assert len(counted) <= 2 * len(slugs)
