"""What reviews found and tests now hold: facts beside metrics, caches, digests, words for differences."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import worldstrat_bench
from run_helpers import run_cli, small_dataset
from worldstrat_bench import score_pair
from worldstrat_bench.artefacts.tiles import parse_tiles
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.run.demo import prepare_data
from worldstrat_bench.run.environment import probe_harness
from worldstrat_bench.scoring.wsb_target import method_sha256
from worldstrat_bench.stats.aggregate import first_difference


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    done = run_cli("evaluate", "bicubic", "--data", data, "--out", run, "--no-download", "--device", "cpu")
    assert done.code == 0, done.err
    return run


def test_the_consistency_of_the_target_itself_lies_beside_that_of_the_prediction(run: Path) -> None:
    table = parse_tiles((run / "tiles.csv").read_bytes())
    own, predicted = table.numbers["lr_consistency_target"], table.numbers["lr_consistency"]
    assert np.array_equal(np.isnan(own), np.isnan(predicted))
    assert not np.isnan(own).all()
    assert (own[~np.isnan(own)] > 0).all()
    assert not np.array_equal(own, predicted)


def test_the_verify_of_a_run_accepts_the_column(run: Path) -> None:
    done = run_cli("verify", run)
    assert done.code == 0, done.err


def test_statistics_of_other_code_are_not_taken_from_the_cache(tmp_path: Path) -> None:
    package = Path(worldstrat_bench.__file__).parent
    copy = Path(shutil.copytree(package, tmp_path / "copy", ignore=shutil.ignore_patterns("*.pyc", "facts")))
    assert method_sha256(copy) == method_sha256()
    for name in ("registration/moving.py", "filtering.py", "resampling.py", "metrics/psnr.py", "scoring/wsb.py"):
        other = tmp_path / name.replace("/", "-")
        shutil.copytree(copy, other)
        (other / name).write_bytes((other / name).read_bytes() + b"\n")
        assert method_sha256(other) != method_sha256(), name


def test_a_target_with_holes_of_nan_is_refused() -> None:
    image = np.full((3, 160, 160), 0.3, dtype=np.float32)
    broken = image.copy()
    broken[1, 80, 80] = np.nan
    with pytest.raises(DataError, match="not finite"):
        score_pair(image, broken)


def test_a_new_module_makes_a_checkout_dirty(tmp_path: Path) -> None:
    package = tmp_path / "bench" / "worldstrat_bench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(tmp_path))
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        subprocess.run([*git, *words], check=True)
    assert probe_harness(package).dirty is False
    (package / "notes.txt").write_text("lies about")
    assert probe_harness(package).dirty is False
    (package / "more").mkdir()
    (package / "more" / "new module.py").write_text("")
    assert probe_harness(package).dirty is True


def test_aggregates_may_differ_in_the_last_bits_and_no_more() -> None:
    assert first_difference({"a": {"mean": 31.25}}, {"a": {"mean": 31.25 * (1 + 1e-9)}}) is None
    assert first_difference({"a": {"mean": 31.25}}, {"a": {"mean": 31.25 * (1 + 1e-6)}}) is not None
    assert first_difference({"n": 3}, {"n": 4}) == ("n", 3, 4)


def test_a_demonstration_of_another_size_is_refused(data: Path) -> None:
    def never(folder: Path, tiles: int) -> None:
        raise AssertionError(f"{folder} is there")

    assert prepare_data(data, 3, never) == data
    with pytest.raises(UsageError, match="of 3 tiles, not 5"):
        prepare_data(data, 5, never)


def test_one_axis_as_json(run: Path) -> None:
    done = run_cli("compare", run, run, "--strata", "ipcc", "--json")
    assert (done.code, set(done.json["strata"])) == (0, {"ipcc"})
    done = run_cli("compare", run, run, "--strata", "colour", "--json")
    assert (done.code, "unknown axis" in done.err) == (2, True)
