"""What the synthetic dataset costs. The aim: 20 s of two cores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from worldstrat_bench.data.mini import write_mini


def test_the_default_mini(benchmark: Any, publish: Any, tmp_path: Path) -> None:
    """Processor time of all threads, which another program on the machine does not lengthen much."""
    begun = time.process_time()
    benchmark.pedantic(write_mini, (tmp_path / "mini",), rounds=1)
    seconds = time.process_time() - begun
    publish("mini", {"processor_seconds": seconds}, [f"the default mini: {seconds:.1f} s of processor time"])
