"""Copies and crowds: what counts on a board, and what is pointed out about entries that are nearly the same."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest

from site_scenes import write_verification
from submission_factory import MANIFEST, make_submission, record_of, rewrite_record, rewrite_tiles, the_result
from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.stats.counting import Claim, claim_of, code_digests, counting_rows
from worldstrat_bench.submission.check import check, judged_folders


def claim(key: str, day: int, *authors: str, code: str | None = None, main: bool = False) -> Claim:
    codes = frozenset() if code is None else frozenset(code.split())
    return Claim(key, authors, codes, f"2026-01-{day:02d}T00:00:00Z", main, frozenset({"ada"}))


def test_rows_of_different_people_and_code_all_count() -> None:
    rows = [claim("a", 1, "Ada", code="1"), claim("b", 2, "Bob", code="2"), claim("c", 3), claim("d", 3)]
    assert counting_rows(rows) == {"a", "b", "c", "d"}


@pytest.mark.parametrize("name", ["Ada Example", "ada example", "Аdа Ехаmple", "Ada  Exämple", "ada-example"])
def test_the_first_of_a_group_counts_however_its_name_is_written(name: str) -> None:
    rows = [claim("first", 1, "Ada Example"), *(claim(f"more{i}", 2 + i, name, "Bob") for i in range(20))]
    assert counting_rows(rows) == {"first"}
    assert counting_rows([claim("a", 1, "Ada", code="1"), claim("b", 2, "Bob", code="1")]) == {"a"}
    assert counting_rows([claim("a", 1, "Ada", code="1 2"), claim("b", 2, "Bob", code="3 2")]) == {"a"}


@pytest.mark.parametrize(
    ("one", "other"), [("Ian Li", "Lan Li"), ("Maria Chen", "Marla Chen"), ("Jan Born", "Jan Bom"), ("-", ".")]
)
def test_people_whose_names_look_alike_are_two(one: str, other: str) -> None:
    assert counting_rows([claim("a", 1, one, code="1"), claim("b", 2, other, code="2")]) == {"a", "b"}


def counted(*models: ModelRef) -> frozenset[str]:
    """The rows that count of verified ones by other people each."""
    rows = enumerate(models)
    manifest = '[submission]\nauthors = ["Author {}"]\n'
    return counting_rows(
        claim_of(model.name, model, manifest.format(i), f"2026-01-{i + 1:02d}", [f"o{i}"]) for i, model in rows
    )


def test_one_code_in_two_wheels_counts_once() -> None:
    """A wheel that is packed again has another digest."""
    first = ModelRef(name="first", frames=1, wheel_sha256="a" * 64, code_sha256="c" * 64)
    again = ModelRef(name="again", frames=1, wheel_sha256="b" * 64, code_sha256="c" * 64)
    assert counted(first, again) == {"first"}
    assert counted(first, again.model_copy(update={"code_sha256": "d" * 64})) == {"first", "again"}


@pytest.mark.parametrize("distribution", ["worldstrat-bench", "worldstrat-bench-baselines"])
def test_networks_that_one_adapter_runs_are_told_apart_by_their_weights(distribution: str) -> None:
    """Whoever is verified first with an adapter must not keep everyone else from counting."""
    networks = [
        ModelRef(name=f"net-{i}", distribution=distribution, frames=1, code_sha256="c" * 64, weights_sha256=f"{i}" * 64)
        for i in range(3)
    ]
    assert counted(*networks) == {"net-0", "net-1", "net-2"}
    assert counted(networks[0], networks[0].model_copy(update={"name": "copy"})) == {"net-0"}
    # The code of others is theirs, with whatever weights.
    theirs = [network.model_copy(update={"distribution": "my-sr"}) for network in networks]
    assert counted(*theirs) == {"net-0"}


def test_a_later_row_takes_no_count_from_earlier_ones_whomever_it_names() -> None:
    first = [claim("a", 1, "Ada"), claim("b", 2, "Bob")]
    for later in (
        claim("x", 3, "Ada", "Bob"),
        claim("x", 3, "Ada", "Bob", main=True),
        claim("x", 3, "Ada", "Cy", main=True),
    ):
        for order in itertools.permutations([*first, later]):
            assert counting_rows(order) == {"a", "b"}


def test_authors_name_their_main_entry() -> None:
    rows = [
        claim("old", 1, "Ada", "Bob"),
        claim("new", 2, "Bob", "Ada", main=True),
        claim("newer", 3, "Ada", "Bob", main=True),
    ]
    assert counting_rows(rows) == {"new"}


def test_functions_that_the_adapter_for_functions_runs_are_told_apart_by_their_names() -> None:
    """Its code is ours for all of them: whoever was verified first would keep everyone else from counting."""
    own: dict[str, Any] = {
        "distribution": "worldstrat-bench-baselines",
        "entry_point": "worldstrat_bench_baselines.adapters.callables:load",
        "code_sha256": "a" * 64,
        "frames": 1,
    }
    one, two, again = (
        code_digests(ModelRef(name="callable", parameters={"function": function}, **own))
        for function in ("funca:net", "funcb:net", "funca:net")
    )
    assert one == again != two
    assert one.isdisjoint(two)
    assert code_digests(ModelRef(name="bicubic", **own)).isdisjoint(one)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_submission(tmp_path_factory.mktemp("honest"), tiles=36, spread_db=0.6)


def copied(honest: Path, root: Path, *, author: str = "Eve") -> Path:
    """A submission that took everything from an honest one but its name."""
    folder = Path(shutil.copytree(honest.parent, root / "submissions"))
    copy = Path(shutil.copytree(folder / honest.name, folder / "copycat"))
    text = MANIFEST.replace('"my-sr"', '"copycat"').replace("Ada Example", author)
    (copy / "submission.toml").write_text(text, encoding="utf-8")
    rewrite_record(copy, lambda d: d["model"].update(name="copycat", distribution="copycat", submission="copycat"))
    return copy


def said(folder: Path, rule: str) -> list[str]:
    return [notice.what for notice in check([folder]).notices if notice.rule == rule]


def test_nearly_the_same_gains_and_the_same_code_are_pointed_out(honest: Path, tmp_path: Path) -> None:
    copy = copied(honest, tmp_path)
    for folder in (copy, copy.with_name(honest.name)):
        rewrite_record(folder, lambda d: d["model"].update(code_sha256="c" * 64))

    def noise(rows: list[list[str]]) -> None:
        sam = rows[0].index("sam")
        for row in rows[1:]:
            row[sam] = f"{float(row[sam]) + 1e-6:.7g}"

    rewrite_tiles(copy, noise)
    found = said(copy, "copies")
    assert any("correlation of 1.000000" in text for text in found)
    assert any("is also that of my-sr" in text for text in said(copy, "code"))
    assert not any(fault.rule == "copies" for fault in check([copy]).errors)


@pytest.mark.parametrize("state", ["active", "disputed", "withdrawn"])
def test_a_copy_that_was_merged_first_keeps_no_authors_off_once_it_is_in_dispute(
    honest: Path, tmp_path: Path, state: str
) -> None:
    copy = copied(honest, tmp_path)
    own = copy.with_name(honest.name)
    (tmp_path / "reports").mkdir()
    entries = "".join(f'[[submission]]\nslug = "{slug}"\nowners = []\n' for slug in (copy.name, own.name))
    (tmp_path / "reports" / "owners.toml").write_text(entries)
    if state != "active":
        said_so = f'[submission]\nstatus = "{state}"\nstatus_date = "2026-11-26"\nstatus_reason = "Copied: issue 12."\n'
        manifest = copy / "submission.toml"
        manifest.write_text(manifest.read_text().replace("[submission]\n", said_so))
    verdicts = judged_folders([own.parent])[own.parent]
    assert verdicts[copy] == ""
    # A row that stands is still copied by no other.
    assert ("tiles.csv is that of another submission" in verdicts[own]) == (state == "active")
    assert [state in text for text in said(own, "copied")] == [True] * (state != "active")


def test_a_table_that_maintainers_computed_was_not_copied_from_an_earlier_one(honest: Path, tmp_path: Path) -> None:
    copied(honest, tmp_path)
    own = tmp_path / "submissions" / honest.name
    assert "copied" in {fault.rule for fault in check([own]).errors}
    write_verification(the_result(own), record_of(own))
    assert "copied" not in {fault.rule for fault in check([own]).errors}
    (text,) = said(own, "copied")
    assert "whose numbers maintainers have not computed" in text


def test_authors_whose_names_look_alike_are_pointed_out(honest: Path, tmp_path: Path) -> None:
    """They count as two people: maintainers see that they may be one."""
    (text,) = said(copied(honest, tmp_path, author="Ada Exampie"), "authors")
    assert text.startswith("the names of its authors look like those of 1 other submission (my-sr)")
    assert "if they are other people, both count" in text


def test_two_honest_models_are_not_called_copies(honest: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(honest.parent, tmp_path / "submissions")) / honest.name
    text = MANIFEST.replace('"my-sr"', '"other-sr"').replace("Ada Example", "Bob Example")
    other = make_submission(tmp_path, "other-sr", manifest=text, tiles=36, spread_db=0.6)
    assert [said(one, rule) for one in (folder, other) for rule in ("copies", "authors")] == [[], [], [], []]


def test_the_number_of_entries_of_an_author_is_said(honest: Path, tmp_path: Path) -> None:
    copy = copied(honest, tmp_path, author="ada example")
    assert said(copy, "authors") == [
        "its authors have 1 other submission (my-sr): one entry of the same authors moves ranks"
    ]
