"""``robustness.json``: what it may say, and what the record beside it contradicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from factories import invented_facts, make_run
from worldstrat_bench.artefacts.record import ModelRef, Record
from worldstrat_bench.artefacts.robustness import Robustness, SyntheticGap
from worldstrat_bench.artefacts.tiles import TileTable, parse_tiles
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.robustness import cloud_points, disagreements, frames_point, synthetic_gaps

PROTOCOL = load_protocol("wsb-1")


def run(folder: Path, **options: Any) -> tuple[Record, TileTable]:
    options = {"tiles": 24, "release": "mini", "list_name": "test", **options}
    return make_run(folder, **options), parse_tiles((folder / "tiles.csv").read_bytes())


def with_frames(folder: Path, frames: int) -> Record:
    reference = ModelRef(name="m", distribution="m", version="1", entry_point="m:load", frames=frames)
    return run(folder, model="m", model_ref=reference, seed=frames)[0]


def curves(folder: Path) -> tuple[Robustness, Record]:
    points = [with_frames(folder / str(n), n) for n in (1, 2, 4, 8)]
    record = points[-1]
    made = Robustness(
        record_id=record.record_id,
        list="test",
        frames=tuple(frames_point(point, "test") for point in points),
        cloud=cloud_points(record, "test"),
    )
    return made, record


def test_what_is_written_is_read_and_agrees_with_its_record(tmp_path: Path) -> None:
    made, record = curves(tmp_path)
    assert Robustness.parse(made.dump()) == made
    assert disagreements(made, record) == ()
    assert [point.frames for point in made.frames] == [1, 2, 4, 8]
    assert sum(point.scores["psnr"].n for point in made.cloud) == 24


def test_the_gap_is_what_numpy_says(tmp_path: Path) -> None:
    _, real = run(tmp_path / "real", model="m", gain_db=0.3)
    _, synthetic = run(tmp_path / "synthetic", model="m", gain_db=2.0, seed=5, inputs="synthetic")
    gaps = {gap.metric: gap for gap in synthetic_gaps(real, synthetic, PROTOCOL)}
    assert list(gaps) == ["psnr", "gain", "ssim", "lpips"]
    gap, groups = gaps["psnr"], np.array(real.text("group"))
    difference = synthetic.numbers["psnr"] - real.numbers["psnr"]
    assert gap.tiles == 24
    assert gap.groups == len(set(groups)) > gap.effective_groups
    assert gap.difference == pytest.approx(difference.mean(), abs=1e-12)
    assert gap.difference == pytest.approx(gap.synthetic - gap.real, abs=1e-12)  # what readers subtract
    assert gap.real == pytest.approx(real.numbers["psnr"].mean(), abs=1e-12)
    assert gap.synthetic == pytest.approx(synthetic.numbers["psnr"].mean(), abs=1e-12)
    assert gap.ci_low is not None
    assert gap.ci_high is not None
    assert gap.ci_low < gap.difference < gap.ci_high


def test_no_gap_where_a_tile_failed_or_the_tiles_differ(tmp_path: Path) -> None:
    facts = invented_facts(24)
    _, real = run(tmp_path / "real")
    _, failed = run(tmp_path / "failed", failed={facts[3].tile: "timeout"})
    _, fewer = run(tmp_path / "fewer", tiles=12)
    assert synthetic_gaps(real, failed, PROTOCOL) == ()
    assert synthetic_gaps(failed, real, PROTOCOL) == ()
    assert synthetic_gaps(real, fewer, PROTOCOL) == ()
    others = [tile for tile in real.tiles if tile != facts[3].tile]
    assert synthetic_gaps(real, failed, PROTOCOL, others)[0].tiles == 23  # another list, without the failed tile


def _changed(made: Robustness, **changes: Any) -> Robustness:
    return Robustness.model_validate({**made.model_dump(), **changes})


def test_contradictions_are_named(tmp_path: Path) -> None:
    made, record = curves(tmp_path)
    document = made.model_dump()
    better = json.loads(json.dumps(document["frames"]))
    better[3]["scores"]["psnr"]["mean"] += 1
    fewer = json.loads(json.dumps(document["frames"]))
    fewer[0]["scores"]["psnr"]["n"] -= 1
    expected = [
        ({"record_id": "0" * 64}, "another record_id"),
        ({"list": "full"}, "no list"),
        ({"frames": better}, "point at 8 frames"),
        ({"frames": fewer}, "the same tiles"),
        ({"frames": document["frames"][::-1]}, "ascend"),
        ({"frames": (document["frames"][3], document["frames"][3])}, "ascend"),
        ({"cloud": document["cloud"][:-1]}, "cloud classes"),
    ]
    for change, words in expected:
        assert any(words in reason for reason in disagreements(_changed(made, **change), record)), (change, words)


@pytest.mark.parametrize("inputs", ["real", "synthetic"])
def test_what_a_gap_repeats_of_the_record_is_compared(tmp_path: Path, inputs: Literal["real", "synthetic"]) -> None:
    """It stands on the page of the record, beside scores that maintainers may have computed."""
    both = {
        each: run(tmp_path / each, model="m", gain_db=gain, inputs=each)
        for each, gain in (("real", 0.3), ("synthetic", 2.0))
    }
    record, own = both[inputs][0], {"real": "real", "synthetic": "synthetic"}[inputs]
    gaps = synthetic_gaps(both["real"][1], both["synthetic"][1], PROTOCOL)

    def said(**change: float) -> tuple[str, ...]:
        changed = (gaps[0].model_copy(update=change), *gaps[1:])
        stated = Robustness(
            record_id=record.record_id,
            list="test",
            frames=(frames_point(record, "test"),),
            cloud=cloud_points(record, "test"),
            synthetic=SyntheticGap(record_id="1" * 64, gaps=changed),
        )
        return disagreements(stated, record)

    assert said() == ()
    mine, other = getattr(gaps[0], own) + 9, getattr(gaps[0], "real" if own == "synthetic" else "synthetic")
    difference = other - mine if own == "real" else mine - other
    for change in ({own: mine, "difference": difference}, {"difference": 1.0}, {"tiles": 25}, {"tiles": 23}):
        assert any("real and synthetic inputs" in reason for reason in said(**change)), change
