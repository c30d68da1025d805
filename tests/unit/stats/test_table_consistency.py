"""A metric that is null everywhere needs a reason where the protocol has it, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

from factories import invented_facts, make_run
from worldstrat_bench.artefacts.tiles import parse_tiles
from worldstrat_bench.stats.table_consistency import table_contradictions


@pytest.mark.parametrize(("protocol", "faults"), [("wsb-1", 1), ("probav", 0), ("worldstrat-2022", 0)])
def test_null_without_a_reason(tmp_path: Path, protocol: str, faults: int) -> None:
    record = make_run(
        tmp_path, tiles=invented_facts(12), release="mini", list_name="test", lpips=False, protocol=protocol
    )
    table = parse_tiles((tmp_path / "tiles.csv").read_bytes())
    assert not list(table_contradictions(table, record))
    found = list(table_contradictions(table, record.model_copy(update={"nulls": {}})))
    assert len(found) == faults
    assert all("lpips is null on every tile" in str(one) for one in found)
