"""The script of the page of two models computes what the package's estimator computes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.estimate import estimate, group_sums

ASSETS = Path(__file__).resolve().parents[3] / "bench/worldstrat_bench/site/assets/js"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_intervals_and_p_of_the_script_are_those_of_the_package(tmp_path: Path) -> None:
    rng, protocol = np.random.default_rng(5), load_protocol("wsb-1")
    rules = protocol.aggregation
    cases = []
    for n, spread in ((12, 1.0), (30, 0.2), (60, 3.0), (200, 1.0), (7, 1.0), (3, 1.0), (40, 0.0)):
        values = 0.1 + spread * rng.exponential(size=n) * rng.choice([1, -0.4], size=n)
        groups = rng.integers(0, max(2, n // 2), size=n)
        cases.append((values.tolist(), groups.tolist()))
    script = tmp_path / "run.mjs"
    script.write_text(
        f"import {{ paired }} from {json.dumps((ASSETS / 'paired.js').as_uri())};\n"
        f"const cases = {json.dumps(cases)};\n"
        f"console.log(JSON.stringify(cases.map(([v, g]) => paired(v, g, {rules.groups_min}))));\n",
        encoding="utf-8",
    )
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, check=True)
    for (values, groups), found in zip(cases, json.loads(done.stdout), strict=True):
        sums, sizes = group_sums(np.array([values]), np.array(groups, dtype=np.intp))
        own = estimate(sums, sizes[0])
        low, high = (float(end[0]) for end in own.interval(rules))
        assert found["value"] == pytest.approx(float(own.value[0]), abs=1e-12)
        assert found["effective"] == pytest.approx(float(own.effective[0]))
        if np.isnan(low):
            assert found["p"] is None
        else:
            assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-8)
            assert found["p"] == pytest.approx(float(own.largest_p(rules, protocol.ranking.tests)[0]), rel=1e-6)
