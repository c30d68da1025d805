"""Nothing but the package's reference says what WorldStrat's targets and tiles are: no number of submissions does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from factories import COMMIT, make_run, references
from factories import make_reference as invented_reference
from forgery import Rows, forge, set_cells
from submission_factory import make_submission, the_result
from worldstrat_bench.artefacts.identity import targets_sha256
from worldstrat_bench.artefacts.reference import Reference, References
from worldstrat_bench.artefacts.result import read_result
from worldstrat_bench.cli.app import app
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.data.references import shipped_references
from worldstrat_bench.errors import DataError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run import evaluate
from worldstrat_bench.run.reference import make_reference, reference_of_tiles
from worldstrat_bench.site import build
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.report import BuildReport
from worldstrat_bench.stats.anchor import contradiction
from worldstrat_bench.submission.check import Options, check

full = partial(make_run, release="v1.1", list_name="full")


def honest_runs(folder: Path) -> Path:
    """A folder with two honest rows."""
    for name in ("a", "b"):
        full(folder / name, model=name, gain_db=0.4)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder of them to add to."""
    return honest_runs(tmp_path / "runs")


def board(runs: Path, out: Path) -> tuple[BuildReport, dict[str, bytes]]:
    """Build a site; its report, and its front page and the data of its official board."""
    report = build([runs], out, references=references(), previews=False, config=BoardConfig(commits=(COMMIT,)))
    files = {path.name: path.read_bytes() for path in (out / "data").glob("board-*")}
    assert files
    return report, files | {"index.html": (out / "index.html").read_bytes()}


def hardest(rows: Rows, count: int = 1) -> list[str]:
    """The tiles with the lowest psnr, which a forger would like to leave out."""
    return [row["tile"] for row in sorted(rows, key=lambda row: float(row["psnr"]))[:count]]


def drop_hardest(folder: Path) -> None:
    """Claim that the hardest tile has no target."""
    dropped: list[str] = []

    def edit(rows: Rows) -> None:
        dropped.extend(hardest(rows))
        rows[:] = [row for row in rows if row["tile"] not in dropped]

    forge(folder, edit)
    forge(folder, no_target=dropped)


def drop_and_follow(folder: Path) -> None:
    """The same, with the digest of the targets that are left."""
    drop_hardest(folder)
    reference, left = references().find(read_result(folder).record), read_result(folder).table.tiles
    assert reference is not None
    forge(folder, targets_sha256=targets_sha256((tile, reference.tiles[tile].target_sha256 or "") for tile in left))


ATTACKS: dict[str, Callable[[Path], Any]] = {
    "invented-targets": lambda folder: forge(folder, targets_sha256="0" * 64),
    "no-target": drop_hardest,
    "no-target-with-its-digest": drop_and_follow,
    "cloud": lambda folder: forge(folder, set_cells("cloud", lambda value: value + 1e-6, every=50)),
    "days": lambda folder: forge(folder, set_cells("days", lambda value: value + 1, every=50)),
    "detail": lambda folder: forge(folder, set_cells("detail", lambda value: value * 1.0001, every=50)),
    "bicubic": lambda folder: forge(folder, set_cells("psnr_bicubic", lambda value: value - 0.0012, every=50)),
    "no-bicubic": lambda folder: forge(folder, set_cells("psnr_bicubic", "", every=50)),
    "label": lambda folder: forge(folder, set_cells("ipcc", "Water", every=3)),
    "place": lambda folder: forge(folder, set_cells("lon", lambda value: value + 0.1, every=50)),
}


ONE_OF_EACH_KIND = ("no-target-with-its-digest", "detail", "label")
"""A digest, a number and a word. The rest in `tox -e soak`: what refuses them is the check of the next test."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[BuildReport, dict[str, bytes]]:
    """The board of the two honest rows alone."""
    root = tmp_path_factory.mktemp("before")
    return board(honest_runs(root / "runs"), root / "out")


@pytest.mark.parametrize(
    "attack", [pytest.param(name, marks=[] if name in ONE_OF_EACH_KIND else [pytest.mark.soak]) for name in ATTACKS]
)
def test_rows_that_contradict_the_reference_are_refused_and_move_nothing(
    runs: Path, before: tuple[BuildReport, dict[str, bytes]], tmp_path: Path, attack: str
) -> None:
    assert (len(before[0].boards), before[0].boards[0].kind, before[0].refused) == (1, "official", ())
    for i in range(3):  # more of them than of honest ones
        full(runs / f"forged-{i}", model=f"forged-{i}", gain_db=9.0)
        ATTACKS[attack](runs / f"forged-{i}")
    after = board(runs, tmp_path / "after")
    assert len(after[0].refused) == 3
    # Labels and places are the package's own, whatever reference there is.
    assert all("v1.1" in reason or "the package says" in reason for _, reason in after[0].refused)
    assert after[1] == before[1]


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_check_of_a_submission_refuses_the_same(tmp_path: Path, attack: str) -> None:
    folder = make_submission(tmp_path, tiles=None, release="v1.1", list_name="full", official=True)
    options = Options(references=references())
    assert "reference" not in {fault.rule for fault in check([folder], options).faults}
    assert check([folder], options).ok
    ATTACKS[attack](the_result(folder))
    assert "reference" in {fault.rule for fault in check([folder], options).errors}


def test_honest_rows_of_other_machines_agree_with_the_reference(runs: Path, tmp_path: Path) -> None:
    full(runs / "c", model="c", gain_db=0.2)
    forge(runs / "c", set_cells("psnr_bicubic", lambda value: value + 0.0009))
    forge(runs / "c", set_cells("detail", lambda value: value * (1 + 1e-6)))
    failed = {read_result(runs / "a").table.tiles[0]: "crash"}
    full(runs / "d", model="d", failed=failed)
    forge(runs / "d", lambda rows: rows[0].update(psnr_bicubic=""))
    report, _ = board(runs, tmp_path / "site")
    assert report.refused == ()
    assert report.boards[0].kind == "official"


def test_without_a_reference_the_rows_go_to_a_practice_board(runs: Path, tmp_path: Path) -> None:
    for i in range(3):
        full(runs / f"forged-{i}", model=f"forged-{i}", targets_sha256="0" * 64)
    report = build([runs], tmp_path / "site", previews=False)
    assert {use.kind for use in report.boards} == {"practice"}
    assert sorted(len(use.ranked) for use in report.boards) == [2, 3]
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "Official pending a reference" in page
    folder = make_submission(tmp_path, tiles=None, release="v1.1", list_name="full", official=True)
    notices = [fault.what for fault in check([folder], Options(references=References({}))).notices]
    assert any("official pending a reference" in what for what in notices)


def test_practice_data_need_no_reference(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    assert check([folder], Options(references=references())) == check([folder])
    assert check([folder]).ok


def test_no_command_takes_a_reference_and_the_package_ships_valid_ones() -> None:
    for verb in (("site", "build"), ("site", "check"), ("submission", "check"), ("submission", "compare"), ("verify",)):
        shown = CliRunner().invoke(app, [*verb, "--help"])
        assert shown.exit_code == 0
        assert "--reference" not in shown.stdout
    shipped = shipped_references().by_key
    assert all(key == (one.release, one.protocol.id, one.protocol.sha256) for key, one in shipped.items())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "mini"
    write_mini(folder, test_tiles=3, train_tiles=1, size=200)
    return folder


def test_a_real_run_agrees_with_the_reference_of_its_data(data: Path, tmp_path: Path) -> None:
    dataset, protocol = open_dataset(data), load_protocol("wsb-1")
    seen: list[tuple[int, int]] = []
    made = reference_of_tiles(dataset, dataset.tiles("test"), protocol, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    evaluate("bicubic", data=data, out=tmp_path / "run", frames=1, download=False, device="cpu")
    result = read_result(tmp_path / "run")
    assert contradiction(result.record, result.table, made) == ""
    made.save(tmp_path / "reference.json")
    assert Reference.load(tmp_path / "reference.json") == made


def test_a_reference_is_made_of_a_release_only(data: Path) -> None:
    with pytest.raises(DataError, match="not a release of WorldStrat"):
        make_reference(data, "wsb-1")


def test_a_reference_is_found_by_release_and_protocol(runs: Path) -> None:
    record = read_result(runs / "a").record
    other = invented_reference(release="v1.0")
    assert References.of([other]).find(record) is None
    assert references().find(record) == invented_reference(release="v1.1")
