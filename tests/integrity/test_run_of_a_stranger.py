"""A run may come from a stranger: to score it, go on with it or add it touches no file but its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from run_helpers import small_dataset
from submission_factory import SLUG, make_submission, the_result
from worldstrat_bench.artefacts.durable import write_durably
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.data.task import Answer
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.results.load import title_of
from worldstrat_bench.run import messages
from worldstrat_bench.run.cluster.engine import Cluster
from worldstrat_bench.run.events import ignore
from worldstrat_bench.run.folder import hold_run, read_run
from worldstrat_bench.run.journal import FILE_NAME, Journal, Predicted
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.predictions import PredictionStore
from worldstrat_bench.run.request import RunOptions, RunRequest
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.manifest import load_manifest
from worldstrat_bench.submission.manifest_faults import ManifestError
from worldstrat_bench.submission.results import add_run

if TYPE_CHECKING:
    from distributed import Client

MAGIC = bytes.fromhex("d9d505f920a163d7")
WORDS = "mine\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    with hold_run(folder) as held:
        held.journal.set_predicted(Predicted("a", "ok", sha256="0" * 64))
        held.store.write("a", Answer(np.zeros((3, 4, 4), np.float32)), {})
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file of the person who was sent the run."""
    file = tmp_path / "own.txt"
    file.write_text(WORDS)
    return file


def names_a_file(folder: Path, victim: Path) -> None:
    """Write a rollback journal that is to be rolled back, and that names a further file."""
    database = folder / FILE_NAME
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    content, name = database.read_bytes(), str(victim).encode()
    (page,) = struct.unpack(">H", content[16:18])
    header = (MAGIC + struct.pack(">5I", 0, 0, len(content) // page, 512, page)).ljust(512, b"\0")
    record = struct.pack(">I", 0x40000000 // page + 1) + name + struct.pack(">2I", len(name), sum(name)) + MAGIC
    (folder / f"{FILE_NAME}-journal").write_bytes(header + record)


def test_what_a_rollback_journal_names_is_not_removed(run: Path, own: Path, tmp_path: Path) -> None:
    names_a_file(run, own)
    other = shutil.copytree(run, tmp_path / "other")
    with pytest.raises(InvalidArtefactError, match="names a further file"), hold_run(run):
        pass
    with pytest.raises(InvalidArtefactError, match="names a further file"), read_run(run):
        pass
    assert own.read_text() == WORDS
    sqlite3.connect(other / FILE_NAME).execute("SELECT * FROM note").fetchall()
    assert not own.exists(), "SQLite itself would have removed it"


def test_what_a_killed_process_left_is_rolled_back(run: Path, tmp_path: Path) -> None:
    """On a network file system the journal of runs is of this kind."""
    with Journal(run, network=True) as journal:
        journal.set_note("before", "x")
    writing = sqlite3.connect(run / FILE_NAME, isolation_level=None)
    writing.execute("PRAGMA cache_size=1")
    writing.execute("BEGIN IMMEDIATE")
    writing.executemany("INSERT INTO note VALUES (?, ?)", [(str(n), "y" * 5000) for n in range(50)])
    killed = shutil.copytree(run, tmp_path / "killed")
    writing.execute("ROLLBACK")
    writing.close()
    assert (killed / f"{FILE_NAME}-journal").stat().st_size > 512
    with Journal(killed) as journal:
        assert (journal.note("before"), journal.note("1")) == ("x", None)


def as_link(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize(
    "name", [FILE_NAME, f"{FILE_NAME}-wal", "log.txt", "log-1.txt", "predictions", "predictions/draw-2", "robustness/x"]
)
def test_links_in_a_run_are_refused(run: Path, own: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".save.tmp").write_text(WORDS)
    as_link(run / name, own if "." in name else folder)
    with pytest.raises(InvalidArtefactError, match="link"), hold_run(run):
        pass
    with pytest.raises(InvalidArtefactError, match="link"), read_run(run):
        pass
    assert own.read_text() == WORDS
    assert [path.name for path in folder.iterdir()] == [".save.tmp"]


@pytest.mark.parametrize("name", ["log.txt", f"{FILE_NAME}-journal", "predictions"])
def test_pipes_in_a_run_are_refused(run: Path, name: str) -> None:
    if (run / name).is_dir():
        shutil.rmtree(run / name)
    os.mkfifo(run / name)
    with pytest.raises(InvalidArtefactError, match="neither a file nor a folder"), hold_run(run):
        pass


def test_a_run_by_a_link_is_a_run(run: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run)
    with hold_run(tmp_path / "link") as held:
        assert list(held.journal.entries()) == ["a"]
    with read_run(tmp_path / "link") as read:
        assert read.store.has("a")


def test_nothing_is_written_through_a_temporary_name(own: Path, tmp_path: Path) -> None:
    folder = tmp_path / "record"
    folder.mkdir()
    (folder / ".speed.json.tmp").symlink_to(own)
    (folder / "speed.json").symlink_to(own)
    write_durably(folder / "speed.json", b"{}")
    assert own.read_text() == WORDS
    assert (folder / "speed.json").read_bytes() == b"{}"
    assert not (folder / "speed.json").is_symlink()


@pytest.mark.parametrize("kind", ["view", "trigger", "index", "virtual", "computed", "checked", "default"])
def test_a_journal_holds_its_tables_and_nothing_else(run: Path, kind: str) -> None:
    statement = {
        "view": "ALTER TABLE note RENAME TO tables; DROP TABLE tables; CREATE VIEW note AS WITH RECURSIVE t(x) AS "
        "(SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT x AS name, x AS text FROM t",
        "trigger": "CREATE TRIGGER more AFTER INSERT ON tile BEGIN DELETE FROM note; END",
        "index": "CREATE INDEX more ON note (text)",
        "virtual": "DROP TABLE note; CREATE VIRTUAL TABLE note USING rtree(id, a, b)",
        "computed": "DROP TABLE note; CREATE TABLE note (name TEXT PRIMARY KEY, text AS (printf('%.*c', 9000, 'x')))",
        "checked": "DROP TABLE note; CREATE TABLE note (name TEXT PRIMARY KEY, text TEXT CHECK (hex(text) > ''))",
        "default": "DROP TABLE note; CREATE TABLE note (name TEXT PRIMARY KEY, text TEXT DEFAULT (hex(zeroblob(9))))",
    }[kind]
    with sqlite3.connect(run / FILE_NAME) as connection:
        connection.executescript(statement)
    for opened in (hold_run, read_run):
        with pytest.raises(InvalidArtefactError, match="journal is damaged: it holds '"), opened(run):
            pass


@pytest.mark.parametrize("shape", ["[3, 1e400, 1]", "[" * 20_000, '[3, 4, "9"]', "[3, NaN, 1]"])
def test_a_header_that_cannot_be_followed_is_a_damaged_prediction(tmp_path: Path, shape: str) -> None:
    header = b'{"prediction": {"dtype": "F32", "shape": %s}}' % shape.encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InvalidArtefactError, match="cannot be read"):
        PredictionStore(tmp_path).read("a")


@pytest.fixture
def submitted(tmp_path: Path) -> tuple[Path, Path]:
    """A submission, and its record as a run."""
    make_submission(tmp_path, SLUG)
    folder = tmp_path / "submissions" / SLUG
    record = next(folder.glob("results/*/*/record.json")).parent
    shutil.copytree(record, tmp_path / "again")
    return folder, tmp_path / "again"


def through_the_file(folder: Path, run: Path, own: Path) -> None:
    record = next(folder.glob("results/*/*"))
    as_link(record / "tiles.csv", own)


def through_the_folder(folder: Path, run: Path, own: Path) -> None:
    record = next(folder.glob("results/*/*"))
    as_link(record, own.parent)


def from_a_link(folder: Path, run: Path, own: Path) -> None:
    (run / "spectra.csv").symlink_to(own)


@pytest.mark.parametrize(
    ("change", "refused"), [(through_the_file, False), (through_the_folder, True), (from_a_link, True)]
)
def test_a_record_is_added_through_no_link(
    submitted: tuple[Path, Path], own: Path, change: Callable[[Path, Path, Path], None], refused: bool
) -> None:
    folder, run = submitted
    change(folder, run, own)
    if refused:
        with pytest.raises(InvalidArtefactError, match="link"):
            add_run(run, folder)
    else:
        added = add_run(run, folder)
        assert json.loads((added / "record.json").read_text())
        assert not (added / "tiles.csv").is_symlink()
    assert own.read_text() == WORDS
    assert not list(folder.glob("results/*/*/spectra.csv"))
    assert not (own.parent / "record.json").exists()


def test_a_record_that_is_added_from_its_own_place_stays(submitted: tuple[Path, Path]) -> None:
    """After a verification beside the submitted record, as the page has it."""
    folder, _ = submitted
    place = next(folder.glob("results/*/*"))
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    assert add_run(place, folder) == place
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def as_other_than_a_file(path: Path, kind: str) -> None:
    """Put a pipe in the place of a file, or a link to a device."""
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(os.devnull)


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("name", ["record.json", "tiles.csv"])
def test_only_a_regular_file_is_read_in_the_place_of_a_record(tmp_path: Path, name: str, kind: str) -> None:
    """A pipe would be waited for without end, and a device read without end: its size is 0."""
    folder = the_result(make_submission(tmp_path))
    assert load_result(folder).record.model.submission == SLUG
    as_other_than_a_file(folder / name, kind)
    with pytest.raises(InvalidArtefactError, match="not a regular file"):
        load_result(folder)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_only_a_regular_file_is_read_in_the_place_of_a_manifest(tmp_path: Path, kind: str) -> None:
    folder = make_submission(tmp_path)
    result = the_result(folder)
    assert load_manifest(folder).submission.slug == title_of(load_result(result)) == SLUG
    as_other_than_a_file(folder / "submission.toml", kind)
    with pytest.raises(ManifestError, match="not a regular file"):
        load_manifest(folder)
    # The name of the model stands in for the title; nothing waits.
    assert title_of(load_result(result)) == SLUG
    assert {fault.rule for fault in check([folder]).faults} >= {"files", "manifest"}


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_only_a_regular_file_is_read_in_the_place_of_a_prediction(run: Path, kind: str) -> None:
    store = PredictionStore(run / "predictions")
    assert store.read("a").image.shape == (3, 4, 4)
    as_other_than_a_file(store.path("a"), kind)
    with pytest.raises(InvalidArtefactError, match="not a regular file"):
        store.read("a")


def test_no_more_is_read_of_a_file_than_may_be(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 11)
    (tmp_path / "link").symlink_to(file)
    assert (read_plain(file, 11), read_plain(tmp_path / "link", 4)) == (b"x" * 11, b"x" * 5)
    with pytest.raises(FileNotFoundError):
        read_plain(tmp_path / "none", 4)
    with pytest.raises(OSError, match="not a regular file"):
        read_plain(tmp_path, 4)


@pytest.mark.parametrize("name", ["shards", "shards/1-of-1"])
def test_a_cluster_makes_no_shard_through_a_link(tmp_path: Path, name: str) -> None:
    """They are runs of their own, and were made before the run that they are of was looked at."""
    data, folder, out = small_dataset(tmp_path / "data", tiles=1), tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    (folder / "record.json").write_text(WORDS)
    as_link(out / name, folder)
    cluster = Cluster(cast("Client", None), tiles_per_task=1)
    with pytest.raises(InvalidArtefactError, match="a link in a run"):
        cluster.evaluate(RunRequest(ModelRequest("bicubic"), data, out), RunOptions(), ignore)
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("record.json", WORDS)]


def test_a_message_costs_no_more_than_its_size(run: Path) -> None:
    """Paths are taken out of it, which took four times as long for twice the text."""
    looked: list[int] = []
    long = "/" + "a/" * 40_000
    scratch = re.compile(messages._SCRATCH.pattern)

    class Counted:
        def sub(self, new: str, text: str) -> str:
            looked.append(len(text))
            return scratch.sub(new, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "_SCRATCH", Counted())
        assert len(messages.published(long)) <= messages.LONGEST
    assert max(looked) < 10_000
    with Journal(run) as journal:
        journal.set_predicted(Predicted("a", "crash", message=long))
    with sqlite3.connect(run / FILE_NAME) as connection:
        connection.execute("UPDATE tile SET message = ?", (long * 10,))
    with pytest.raises(InvalidArtefactError, match="the journal is damaged"), read_run(run) as read:
        read.journal.entries()


@pytest.mark.parametrize("side", [4097, 200_000])
def test_a_prediction_has_the_size_of_one(run: Path, side: int) -> None:
    """A file with holes takes no room on the disk and agrees with any header."""
    header = json.dumps(
        {"prediction": {"dtype": "F32", "shape": [3, side, 4], "data_offsets": [0, 48 * side]}}
    ).encode()
    with PredictionStore(run / "predictions").path("a").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 48 * side)
    with pytest.raises(InvalidArtefactError, match="1 to 4096 along an axis"):
        PredictionStore(run / "predictions").read("a")


def test_a_row_of_a_journal_has_a_size(run: Path) -> None:
    with sqlite3.connect(run / FILE_NAME) as connection:
        connection.execute("UPDATE tile SET message = CAST(zeroblob(100000000) AS TEXT)")
    with pytest.raises(InvalidArtefactError, match="the journal is damaged"), read_run(run) as read:
        read.journal.entries()


@pytest.mark.parametrize(
    "change",
    [
        {"days": 10**310},
        {"values": {"=HYPERLINK(1)": 1.0}},
        {"values": {"zz": 1.0}},
        {"nulls": {"zz": "why"}},
        {"nulls": {"psnr": "x" * 20_000}},
    ],
    ids=["days", "formula", "value", "null", "reason"],
)
def test_a_score_in_a_journal_holds_what_a_table_can(run: Path, change: dict[str, Any]) -> None:
    score = {"target_sha256": "0" * 64, "usable": True, "cloud": 0.1, "days": 3, "values": {"psnr": 30.0}, "nulls": {}}
    for changed, fits in ((score, True), (score | change, False)):
        with sqlite3.connect(run / FILE_NAME) as connection:
            connection.execute("UPDATE tile SET score = ?, score_seconds = 1.0", (json.dumps(changed),))
        with read_run(run) as read:
            if fits:
                assert read.journal.entries()["a"].scored is not None
            else:
                with pytest.raises(InvalidArtefactError, match="the journal is damaged"):
                    read.journal.entries()


def test_a_journal_whose_pages_lead_to_one_page_many_times_is_damaged(run: Path) -> None:
    """Each level of such a tree doubles the rows: a small file held thousands of millions."""
    with Journal(run) as journal:
        for number in range(400):
            journal.set_predicted(Predicted(f"tile {number:04d}", "ok", message="x" * 200, sha256="0" * 64))
    with sqlite3.connect(run / FILE_NAME) as database:
        database.execute("PRAGMA journal_mode=DELETE")
        (page_size,) = database.execute("PRAGMA page_size").fetchone()
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'tile'").fetchone()
    content = bytearray((run / FILE_NAME).read_bytes())
    start = (root - 1) * page_size
    cells = struct.unpack(">H", content[start + 3 : start + 5])[0]
    assert content[start] == 2, "an inner page of a tree"
    assert cells >= 2
    # The first cell's page is that of the second as well.
    first, second = (start + struct.unpack(">H", content[start + at : start + at + 2])[0] for at in (12, 14))
    content[second : second + 4] = content[first : first + 4]
    (run / FILE_NAME).write_bytes(content)
    with pytest.raises(InvalidArtefactError, match="the journal is damaged"), read_run(run):
        pass
    with pytest.raises(InvalidArtefactError, match="the journal is damaged"), hold_run(run):
        pass
