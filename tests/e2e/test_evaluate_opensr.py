"""``--opensr`` adds three columns: numbers with the extra, null and the reason without; nothing without the option."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from run_helpers import run_cli, small_dataset
from worldstrat_bench.metrics.opensr import NAMES, load_opensr
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.run.result import load_result


def test_the_columns_of_opensr_test(tmp_path: Path) -> None:
    data, run, more = small_dataset(tmp_path / "data", tiles=1), tmp_path / "run", tmp_path / "more"
    common = ["--data", data, "--no-download"]
    done = run_cli("evaluate", "bicubic", "--out", run, "--isolation", "process", *common)
    assert done.code == 0, done.err
    plain = load_result(run)
    assert not set(NAMES) & set(plain.table.numbers)

    refused = run_cli("score", run, "--out", tmp_path / "2022", "--protocol", "worldstrat-2022", "--opensr", *common)
    assert refused.code == 2
    assert "--opensr" in refused.err
    changed = run_cli("score", run, "--opensr", *common)  # a record is not given other columns afterwards
    assert changed.code == 2
    assert "opensr" in changed.err

    done = run_cli("score", run, "--out", more, "--opensr", *common)
    assert done.code == 0, done.err
    found = load_result(more)
    assert set(NAMES) <= set(found.table.optional_metrics)
    if isinstance(load_opensr(), Unavailable):
        assert all(np.isnan(found.table.numbers[name]).all() for name in NAMES)
        assert all("worldstrat-bench[opensr]" in found.record.nulls[name] for name in NAMES)
        assert "no opensr-test" in done.err
    else:
        assert abs(sum(found.table.numbers[name][0] for name in NAMES) - 1) < 1e-3
    assert np.array_equal(found.table.numbers["psnr"], plain.table.numbers["psnr"])
