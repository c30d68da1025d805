from __future__ import annotations

import time
from pathlib import Path

import pytest

from worldstrat_bench.data.mini import write_mini


@pytest.mark.soak
def test_the_default_mini_takes_less_than_twenty_seconds_on_two_cores(tmp_path: Path) -> None:
    begun = time.process_time()
    write_mini(tmp_path / "mini")
    # Processor time of all threads, which another program on the machine does not lengthen much.
    assert time.process_time() - begun < 20
