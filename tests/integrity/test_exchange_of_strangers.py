"""What a decibel is worth on a board whose ranks may be cited: no word of authors is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from factories import COMMIT, make_run, references
from site_scenes import write_manifest, write_verification
from worldstrat_bench.site import build
from worldstrat_bench.site.config import BoardConfig


def add(root: Path, slug: str, place: str, gain: float, *, verified: bool, **run: Any) -> None:
    folder = root / slug
    result = folder / "results" / place / "x"
    options = {"release": "v1.1", "list_name": "clean", "spread_db": 0.4, "gain_db": gain, **run}
    record = make_run(result, model=slug, submission=slug, **options)
    write_manifest(folder, slug=slug, title=slug)
    if verified:
        write_verification(result, record)


@pytest.mark.parametrize("verified", [False, True])
def test_a_cited_board_takes_no_self_reported_scores_of_another_protocol(tmp_path: Path, verified: bool) -> None:
    """Owners of verified rows add records of another protocol, which name the release and go to a practice board."""
    for i, slug in enumerate(("bicubic", "fusion")):
        add(tmp_path / "runs", slug, "wsb-1", 0.4 * i, verified=True, official=True)
        add(tmp_path / "runs", slug, "probav", 9.0 * i, verified=verified, official=verified, protocol="probav")
    build([tmp_path / "runs"], tmp_path / "out", references=references(), config=BoardConfig(commits=(COMMIT,)))
    assert (tmp_path / "out" / "exchange.html").exists() == verified
