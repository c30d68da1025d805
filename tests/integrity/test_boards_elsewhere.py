"""``submission compare --board``: where a model would stand on a published board, without a fork of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from submission_factory import make_submission
from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.site import build
from worldstrat_bench.submission.compare import compare_markdown


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("board")
    for slug, gain in (("low", 0.0), ("high", 3.0)):
        make_submission(root, slug, tiles=40, gain_db=gain, spread_db=0.3)
    build([root / "submissions"], root / "site", previews=False)
    return root / "site"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_site_by_address_or_folder_and_a_checkout_give_the_same(site: Path, address: str, tmp_path: Path) -> None:
    make_submission(tmp_path, "mine", tiles=40, gain_db=1.5, spread_db=0.3)
    own = tmp_path / "submissions"
    places = (f"{address}/", f"{address}/index.html", str(site), str(site.parent), str(site.parent / "submissions"))
    texts = {compare_markdown("mine", own, board=place) for place in places}
    assert len(texts) == 1
    (text,) = texts
    assert "rank 2 of 3" in text
    assert "alone on its board" in compare_markdown("mine", own)


def test_a_record_that_a_site_does_not_rank_is_left_out(site: Path, tmp_path: Path) -> None:
    root = tmp_path / "other"
    make_submission(root, "whole", tiles=40, gain_db=1.0, spread_db=0.3)
    make_submission(root, "part", tiles=40, gain_db=9.0, spread_db=0.3, limit=40)
    build([root / "submissions"], root / "site", previews=False)
    make_submission(tmp_path, "mine", tiles=40, gain_db=2.0, spread_db=0.3)
    text = compare_markdown("mine", tmp_path / "submissions", board=str(root / "site"))
    assert "rank 1 of 2" in text
    assert "| part |" not in text


def test_other_places_are_refused(site: Path, address: str, tmp_path: Path) -> None:
    make_submission(tmp_path, "mine")
    ask = partial(compare_markdown, "mine", tmp_path / "submissions")
    for place, words in (
        ("http://example.org/", "only https"),
        ("ftp://example.org/", "only https"),
        ("http://127.0.0.1.example.org/", "only https"),
        (str(tmp_path / "nothing"), "no leaderboard"),
        (f"{address}/data", "no leaderboard"),
    ):
        with pytest.raises(UsageError, match=words):
            ask(board=place)
    with pytest.raises(UsageError, match="both say"):
        ask("main", board=str(site))
    with pytest.raises(InfrastructureError, match="cannot be read"):
        ask(board="http://127.0.0.1:9/")


def test_a_changed_or_hostile_site_is_refused(tmp_path: Path) -> None:
    make_submission(tmp_path, "mine")
    served = tmp_path / "served"
    (served / "data" / "runs" / "x").mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_address[1]}"
    ask = partial(compare_markdown, "mine", tmp_path / "submissions", board=place)
    try:
        listing = served / "data" / "site.json"
        for text in ("[]", "{", '{"files": 5}', "\ufeff" + "[" * 5000):
            listing.write_text(text)
            with pytest.raises(InvalidArtefactError, match="list of a site's files"):
                ask()
        (served / "data" / "runs" / "x" / "record.json").write_text("{}")
        listing.write_text('{"files": {"data/runs/x/record.json": "00"}}')
        with pytest.raises(InvalidArtefactError, match="not the one that the site lists"):
            ask()
        # Names that lead out of the folder are not asked for, so that nothing is written there.
        listing.write_text('{"files": {"data/runs/../../../x/record.json": "00", "/data/runs/x/record.json": "00"}}')
        assert "alone on its board" in ask()
    finally:
        server.shutdown()
        server.server_close()
