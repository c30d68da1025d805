"""Builds as a whole: the report, the same bytes again, the check and its faults, the time for a hundred models."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from factories import COMMIT, invented_facts, make_run, official_facts, references
from site_scenes import write_verification
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.site import build
from worldstrat_bench.site.checker import check
from worldstrat_bench.site.config import BoardConfig, load_config

BOARD = Path(__file__).resolve().parents[2] / "reports" / "board.toml"


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from worldstrat_bench.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three practice runs and one that is listed apart."""
    root = tmp_path_factory.mktemp("small") / "runs"
    for i in range(3):
        make_run(root / f"m{i}", model=f"m{i}", tiles=36, release="mini", list_name="test", seed=i)
    facts = invented_facts(36)
    make_run(root / "bad", model="bad", tiles=facts, release="mini", list_name="test", failed={facts[0].tile: "crash"})
    return root


def test_the_whole_site_passes_its_own_check(site: Path) -> None:
    report = check(site, references=references())
    assert report.faults == ()
    assert report.rebuilt
    assert report.index_gzipped < 60_000


def test_two_builds_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    build([small], tmp_path / "a")
    shutil.copytree(small, tmp_path / "elsewhere")
    build([tmp_path / "elsewhere" / name for name in ("m2", "bad", "m0", "m1")], tmp_path / "b")
    names = [sorted(p.relative_to(tmp_path / x).as_posix() for p in (tmp_path / x).rglob("*")) for x in "ab"]
    assert names[0] == names[1]
    for name in names[0]:
        if (tmp_path / "a" / name).is_file():
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_the_command_says_what_it_used_and_why_not_the_rest(small: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "record.json").write_text("{}", encoding="utf-8")
    done = command("site", "build", small, tmp_path / "broken", "--out", tmp_path / "out", "--board", BOARD)
    assert done.returncode == 0, done.stderr
    assert "used         runs/m0" in done.stdout
    assert "not ranked   runs/bad: incomplete: 1 of 36 tiles failed (1 crash)" in done.stdout
    assert "not used     broken: tiles.csv is missing" in done.stdout
    done = command("site", "build", small, "--out", tmp_path / "out", "--json")
    document = json.loads(done.stdout)
    assert [len(b["entries"]) for b in document["boards"]] == [3]
    done = command("site", "check", tmp_path / "out")
    assert (done.returncode, "a rebuild gives the same bytes" in done.stdout) == (0, True), done.stdout + done.stderr


def test_an_old_build_leaves_nothing_behind(small: Path, tmp_path: Path) -> None:
    build([small], tmp_path / "out")
    build([small / "m0"], tmp_path / "out")
    assert check(tmp_path / "out").faults == ()


def test_a_folder_with_other_things_is_not_overwritten(small: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="not empty"):
        build([small], tmp_path)
    assert command("site", "build", small, "--out", tmp_path).returncode == 2


def test_a_build_that_can_show_nothing_keeps_the_site_that_is_there(small: Path, tmp_path: Path) -> None:
    site, nothing = tmp_path / "site", tmp_path / "nothing"
    nothing.mkdir()
    build([small], site)
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    report = build([nothing], site)
    assert report.kept
    assert report.files == 0
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before


def test_a_site_below_its_own_input_is_never_read(small: Path, tmp_path: Path) -> None:
    root = tmp_path / "all"
    shutil.copytree(small, root / "runs")
    first = build([root], root / "site", previews=False)
    shutil.copytree(root / "site", root / "older" / "site")
    gone = sorted((root / "runs").iterdir())[-1]
    shutil.rmtree(gone)
    second = build([root], root / "site", previews=False)
    sources = [source for board in second.boards for source in board.ranked]
    assert len(sources) == sum(len(board.ranked) for board in first.boards) - 1
    assert not [source for source in sources if "site" in source.split("/")]
    assert not [source for source, _ in second.refused if "site" in source.split("/")]


def test_a_site_as_the_only_input_is_named(small: Path, tmp_path: Path) -> None:
    build([small], tmp_path / "site", previews=False)
    report = build([tmp_path / "site"], tmp_path / "again", previews=False)
    assert [reason for _, reason in report.refused] == ["is a built site, not a folder of submissions"]


def test_a_manifest_that_cannot_be_read_is_listed(small: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    shutil.copytree(small, root)
    run = sorted(path.parent for path in root.rglob("record.json"))[0]
    (run / "submission.toml").write_text("title = [unclosed", encoding="utf-8")
    report = build([root], tmp_path / "site", previews=False)
    assert [reason.partition(":")[0] for _, reason in report.refused] == ["submission.toml cannot be read"]


def test_no_record_at_all_is_a_page_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    report = build([tmp_path / "empty"], tmp_path / "out")
    assert report.refused == (("empty", "holds no record.json"),)
    front = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "There is no record that could be ranked. Not used: empty (holds no record.json)." in front
    assert check(tmp_path / "out").faults == ()
    done = command("site", "build", tmp_path / "empty", "--out", tmp_path / "out")
    assert done.returncode == 5
    assert "not used     empty: holds no record.json" in done.stdout
    assert command("site", "build", tmp_path / "empty", "--out", tmp_path / "out", "--json").returncode == 5


@pytest.mark.parametrize(
    ("path", "old", "new", "fault"),
    [
        ("method.html", "<main", "<main><img src='https://x.y/z.png' alt='' height='1'", "from elsewhere"),
        ("method.html", "</main>", "", "closes"),
        ("method.html", 'id="main"', 'id="main" onclick="x()"', "onclick"),
        ("method.html", "feed.xml", "feed2.xml", "dead link"),
        ("method.html", "#wsb-1", "#wsb-2", "an id that is not there"),
        ("feed.xml", "</feed>", "", "cannot be read"),
    ],
)
def test_the_check_finds_faults(small: Path, tmp_path: Path, path: str, old: str, new: str, fault: str) -> None:
    build([small / "m0"], tmp_path / "out")
    file = tmp_path / "out" / path
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    report = check(tmp_path / "out", rebuild=False)
    assert any(fault in line and line.startswith(path) for line in report.faults), report.faults
    assert any("changed since the build" in line for line in report.faults)


def test_a_forged_page_is_caught_by_the_rebuild(small: Path, tmp_path: Path) -> None:
    """Even if the list of files was forged with it."""
    build([small / "m0"], tmp_path / "out")
    out = tmp_path / "out"
    before = (out / "method.html").read_text(encoding="utf-8")
    (out / "method.html").write_text(before.replace("There is no composite", "There is a composite"), encoding="utf-8")
    manifest = json.loads((out / "data" / "site.json").read_text(encoding="utf-8"))
    manifest["files"]["method.html"] = hashlib.sha256((out / "method.html").read_bytes()).hexdigest()
    (out / "data" / "site.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "method.html: a rebuild gives other bytes" in check(out).faults


def test_check_refuses_a_folder_that_is_not_a_site(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtefactError, match="not a built site"):
        check(tmp_path)
    assert command("site", "check", tmp_path).returncode == 5


def test_the_board_file_of_the_repository_says_the_defaults() -> None:
    assert load_config(BOARD) == BoardConfig(pictures="gallery")


def test_a_kind_that_is_not_published_is_listed_apart(small: Path, tmp_path: Path) -> None:
    report = build([small], tmp_path / "out", config=BoardConfig(kinds=("official",)))
    assert report.boards == ()
    reasons = sorted(reason for _, reason in report.apart)
    assert reasons[1:] == ["practice boards are not published on this site"] * 3
    assert "incomplete" in reasons[0]
    assert check(tmp_path / "out").faults == ()


def test_a_bad_board_file_is_refused(tmp_path: Path) -> None:
    for text in ("kinds = 3", "colour = 'red'", "beside = ['beauty']", "=", "gallery = 0"):
        (tmp_path / "board.toml").write_text(text, encoding="utf-8")
        with pytest.raises(InvalidArtefactError):
            load_config(tmp_path / "board.toml")


@pytest.fixture(scope="module")
def hundred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hundred")
    facts = official_facts()
    for i in range(100):
        run = root / f"m{i:03d}"
        write_verification(run, make_run(run, model=f"model-{i:03d}", tiles=facts, gain_db=i * 0.03, seed=i))
    return root


@pytest.mark.parametrize(("seconds", "tries"), [(25, 1), pytest.param(10, 3, marks=pytest.mark.soak)])
def test_a_hundred_models_on_all_tiles_and_axes_build_in_ten_seconds(
    hundred: Path, tmp_path: Path, seconds: float, tries: int
) -> None:
    """Measured as processor time of this process, which tests on the other core make twice as long.

    So ten seconds are asked for in the long version, best of three; here only that it is not several times as slow.
    """
    spent: list[float] = []
    while len(spent) < tries and not (spent and spent[-1] < seconds):
        start = time.process_time()
        config = BoardConfig(commits=(COMMIT,))
        report = build([hundred], tmp_path / "out", references=references(), config=config)
        spent.append(time.process_time() - start)
    assert [len(b.ranked) for b in report.boards] == [100]
    assert min(spent) < seconds
    assert len(gzip.compress((tmp_path / "out" / "index.html").read_bytes())) <= 60_000
    assert max(p.stat().st_size for p in (tmp_path / "out" / "t").iterdir()) <= 400_000
