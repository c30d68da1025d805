"""Publishing: a bad row is left out and named, and everything else is published as if it were not there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from site_scenes import write_verification
from spectra_files import add_spectra, put_spectra
from submission_factory import make_submission, record_of, rewrite_record, the_result
from worldstrat_bench.cli.app import app
from worldstrat_bench.site import builder, pages_share, pages_tile
from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.breaking import without_breaking
from worldstrat_bench.site.builder import build
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.entries import Entry, read_entries
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.sorting import list_divisions
from worldstrat_bench.submission import check as checking
from worldstrat_bench.submission.check_files import folder_faults

BOARD_PAGES = ("index.html", "by-lpips.html", "compare.html", "strata.html")


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two honest submissions, and the site of them beside it."""
    root = tmp_path_factory.mktemp("repository")
    for slug in ("one-sr", "two-sr"):
        make_submission(root, slug, gain_db=1.0 if slug == "one-sr" else 2.0)
    (root / "reports").mkdir()
    entries = (f'[[submission]]\nslug = "{slug}"\nowners = []\n' for slug in ("one-sr", "two-sr"))
    (root / "reports" / "owners.toml").write_text("".join(entries))
    assert published(root) == {}
    return root


def published(root: Path, out: str = "site") -> dict[str, str]:
    """Build and check the site; source to reason of what was left out."""
    command = ["site", "build", str(root / "submissions"), "--out", str(root / out), "--checked", "--json"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert CliRunner().invoke(app, ["site", "check", str(root / out)], catch_exceptions=False).exit_code == 0
    return {item["source"]: item["reason"] for item in json.loads(done.stdout)["refused"]}


def damaged(root: Path) -> None:
    folder = make_submission(root, "bad-sr", gain_db=9.0)
    rewrite_record(folder, lambda d: d.update(created="9999-01-01T00:00:00Z"))


def copied(root: Path) -> None:
    folder = shutil.copytree(root / "submissions" / "two-sr", root / "submissions" / "bad-sr")
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text().replace("two-sr", "bad-sr"))
    rewrite_record(folder, lambda d: d["model"].update(name="bad-sr", submission="bad-sr", distribution="bad-sr"))


def empty(root: Path) -> None:
    (root / "submissions" / "bad-sr").mkdir()


def no_manifest(root: Path) -> None:
    (make_submission(root, "bad-sr", gain_db=9.0) / "submission.toml").unlink()


def binary(root: Path) -> None:
    folder = make_submission(root, "bad-sr", gain_db=9.0)
    (folder / "submission.toml").write_bytes(b"\xff\xfe\x00")
    (the_result(folder) / "tiles.csv").write_bytes(b"\x00" * 50)


def linked(root: Path) -> None:
    (root / "submissions" / "bad-sr").symlink_to("two-sr")


def unreadable_curves(root: Path) -> None:
    """A field that Python's reader of CSV does not take, in a file that the record names."""
    put_spectra(the_result(make_submission(root, "bad-sr", gain_db=9.0)), f'tile,curve,b00\n"{"x" * 140_000}",a,1\n')


def formula_in_curves(root: Path) -> None:
    """Curves of a tile that the table has not: the file is offered as it is, and its cells are read by spreadsheets."""
    folder = the_result(make_submission(root, "bad-sr", gain_db=9.0))
    add_spectra(folder, 0.9, ["=cmd|calc!A0"])


def loose(root: Path) -> None:
    shutil.copy(the_result(root / "submissions" / "two-sr") / "record.json", root / "submissions" / "bad-sr.json")


ATTACKS: list[Callable[[Path], None]] = [
    damaged,
    copied,
    empty,
    no_manifest,
    binary,
    linked,
    unreadable_curves,
    formula_in_curves,
    loose,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_the_boards_are_those_without_the_bad_row(honest: Path, tmp_path: Path, attack: Callable[[Path], None]) -> None:
    root = shutil.copytree(honest, tmp_path / "clone", ignore=shutil.ignore_patterns("site"))
    attack(root)
    refused = published(root)
    if attack is not loose:
        assert refused["submissions/bad-sr"].startswith("refused by the check: ")
    for page in BOARD_PAGES:
        old, new = honest / "site" / page, root / "site" / page
        assert old.exists() == new.exists()
        assert not old.exists() or old.read_bytes() == new.read_bytes(), page
    listed = (root / "site" / "data.html").read_text()
    assert ("submissions/bad-sr" in listed) == (attack is not loose)


def test_a_check_that_fails_itself_refuses_one_row_alone(
    honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(honest, tmp_path / "clone", ignore=shutil.ignore_patterns("site"))
    plain = folder_faults

    def broken(folder: Path) -> object:
        if folder.name == "one-sr":
            raise ZeroDivisionError("set off by a file")
        return plain(folder)

    monkeypatch.setattr(checking, "folder_faults", broken)
    refused = published(root)
    assert list(refused) == ["submissions/one-sr"]
    assert "ZeroDivisionError" in refused["submissions/one-sr"]


@pytest.mark.parametrize("bad", [["two-sr"], ["one-sr", "two-sr"]], ids=["one", "two"])
def test_a_row_with_which_no_site_can_be_built_is_left_out(
    honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: list[str]
) -> None:
    """Whatever a passed row sets off in the pages: it is named, and the others are published."""
    root = shutil.copytree(honest, tmp_path / "clone", ignore=shutil.ignore_patterns("site"))
    make_submission(root, "three-sr", gain_db=0.5)
    plain = pages_tile.build_tiles

    def broken(output: Output, analysis: Analysis, *others: Any) -> None:
        if {entry.record.model.submission for entry in analysis.division.shown} & {*bad}:
            raise OverflowError("set off by a number")
        plain(output, analysis, *others)

    monkeypatch.setattr(builder, "build_tiles", broken)
    refused = published(root)
    assert {source.split("/")[1] for source in refused} == {*bad}
    assert all("OverflowError: set off by a number" in reason for reason in refused.values())
    pages = {path.stem for path in (root / "site").rglob("m/*.html")}
    assert pages == {"one-sr", "two-sr", "three-sr"} - {*bad}


def test_of_two_rows_that_fail_together_the_one_that_was_merged_first_stays(
    honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(honest, tmp_path / "clone", ignore=shutil.ignore_patterns("site"))
    plain = pages_tile.build_tiles

    def broken(output: Output, analysis: Analysis, *others: Any) -> None:
        if len(analysis.division.shown) > 1:
            raise OverflowError("set off by two")
        plain(output, analysis, *others)

    monkeypatch.setattr(builder, "build_tiles", broken)
    assert {source.split("/")[1] for source in published(root)} == {"two-sr"}


def test_of_two_rows_that_fail_together_a_verified_one_stays(honest: Path) -> None:
    """The place of a submission is that of its merge, and a record may be added to it long afterwards."""
    entries, _ = read_entries([honest / "submissions"])
    first, later = sorted(entries, key=lambda entry: entry.title)
    folder = honest / "submissions" / later.title
    write_verification(the_result(folder), later.record)
    try:
        entries, _ = read_entries([honest / "submissions"])
    finally:
        (the_result(folder) / "verification.json").unlink()

    def make(some: Sequence[Entry], _: object) -> list[str]:
        if len(some) > 1:
            raise OverflowError("set off by two")
        return [entry.title for entry in some]

    kept, refused = without_breaking(make, entries, [], [first.title, later.title])
    assert kept == [later.title]
    assert [one.source.split("/")[1] for one in refused] == [first.title]


def test_a_crowd_of_rows_that_are_their_authors_word_leaves_verified_ones_in_the_feed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Practice boards rank all rows: a hundred of them took every place of the feed."""
    monkeypatch.setattr(pages_share, "FEED", 2)
    write_verification(the_result(make_submission(tmp_path, "ours")), record_of(tmp_path / "submissions" / "ours"))
    for number in range(3):
        make_submission(tmp_path, f"crowd-{number}", created="2026-10-09T00:00:00Z", seed=number)
    divisions = list_divisions(read_entries([tmp_path / "submissions"])[0])
    output = Output()
    pages_share.build_feed(output, divisions, "")
    feed = output.files["feed.xml"].decode()
    assert feed.count("<entry>") == 3
    assert "m/ours.html" in feed


def test_a_build_that_fails_without_any_row_fails(
    honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(honest, tmp_path / "clone", ignore=shutil.ignore_patterns("site"))

    def broken(*_: Any) -> None:
        raise OverflowError("a bug of ours")

    monkeypatch.setattr(builder, "build_method", broken)
    with pytest.raises(OverflowError, match="a bug of ours"):
        published(root)


def test_without_the_option_the_site_checks_what_it_always_did(honest: Path, tmp_path: Path) -> None:
    root = shutil.copytree(honest, tmp_path / "clone", ignore=shutil.ignore_patterns("site"))
    empty(root)
    command = ["site", "build", str(root / "submissions"), "--out", str(root / "plain"), "--json"]
    assert json.loads(CliRunner().invoke(app, command, catch_exceptions=False).stdout)["refused"] == []


def test_a_date_of_authors_changes_no_other_and_ends_at_a_verification_that_came_later(tmp_path: Path) -> None:
    """A record of 1970 that was merged last gave all others its date."""
    dates = {
        "first-sr": "2026-10-09T00:00:00Z",
        "second-sr": "2026-01-01T00:00:00Z",
        "third-sr": "2026-01-02T00:00:00Z",
        "last-sr": "1970-01-01T00:00:00Z",
    }
    for slug, created in dates.items():
        make_submission(tmp_path, slug, created=created, seed=len(slug))
    third = tmp_path / "submissions" / "third-sr"
    write_verification(the_result(third), record_of(third))

    def feed(*merged: str) -> list[tuple[str, str]]:
        build([tmp_path / "submissions"], tmp_path / "site", previews=False, config=BoardConfig(merged=merged))
        name = "{http://www.w3.org/2005/Atom}"
        entries = ElementTree.parse(tmp_path / "site" / "feed.xml").getroot().findall(f"{name}entry")
        links = [entry.find(f"{name}link") for entry in entries]
        slugs = [link.attrib["href"].rpartition("/")[2].removesuffix(".html") for link in links if link is not None]
        return list(zip(slugs, (entry.findtext(f"{name}updated") or "" for entry in entries), strict=True))

    own = {**dates, "third-sr": "2026-02-03T04:05:06Z"}
    assert dict(feed()) == own
    assert feed("first-sr", "second-sr", "third-sr", "last-sr") == [
        ("third-sr", own["third-sr"]),
        ("first-sr", own["third-sr"]),
        ("second-sr", own["second-sr"]),
        ("last-sr", own["last-sr"]),
    ]
    assert dict(feed("third-sr", "first-sr", "second-sr", "last-sr")) == own
