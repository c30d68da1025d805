"""A verification of the whole list runs it: a run that others left in its folder is not gone on with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import UsageError
from worldstrat_bench.run import evaluate
from worldstrat_bench.run.journal import FILE_NAME
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.submission.made_here import BEGUN, begin, refuse_begun_elsewhere, remember
from worldstrat_bench.submission.verify import VerifyRequest, verify

MODEL = ModelRequest("bicubic", frames=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify") / "mini"
    write_mini(folder, test_tiles=1, train_tiles=1, size=160)
    return folder


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    folder = data.with_name("run")
    evaluate(MODEL, data=data, out=folder, download=False, device="cpu")
    return folder


@pytest.mark.parametrize("kept", [(FILE_NAME, "predictions"), ("record.json",)])
def test_a_run_that_lies_in_the_folder_is_not_vouched_for(
    data: Path, run: Path, tmp_path: Path, kept: tuple[str, ...]
) -> None:
    brought = tmp_path / "checked"
    brought.mkdir()
    for name in kept:
        (shutil.copytree if (run / name).is_dir() else shutil.copy)(run / name, brought / name)
    (brought / BEGUN).write_text("0" * 64 + "\n")
    with pytest.raises(UsageError, match="began no run there"):
        verify(VerifyRequest(run, data, MODEL, out=brought, device="cpu"))
    assert {path.name for path in brought.iterdir()} == {*kept, BEGUN}


def test_a_run_that_was_begun_here_goes_on_and_one_of_another_machine_does_not(
    data: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = VerifyRequest(run, data, MODEL, out=tmp_path / "full", device="cpu")
    (tmp_path / "full").mkdir()
    first = verify(request)
    assert first.passed
    assert verify(request).passed
    assert load_record(tmp_path / "full") == first.computed
    monkeypatch.setenv("WORLDSTRAT_BENCH_STATE", str(tmp_path / "another"))
    with pytest.raises(UsageError, match="began no run there"):
        verify(request)


def test_a_number_that_names_another_file_counts_for_nothing(tmp_path: Path) -> None:
    own = tmp_path / "own"
    begin(own)
    refuse_begun_elsewhere(own)
    linked, long, file = tmp_path / "linked", tmp_path / "long", tmp_path / "file"
    linked.mkdir()
    (linked / BEGUN).symlink_to(own / BEGUN)
    long.mkdir()
    (long / BEGUN).write_text((own / BEGUN).read_text() + " " * 200)
    file.write_text("")
    for place in (linked, long, file):
        with pytest.raises(UsageError, match="began no run there"):
            begin(place)


def test_a_full_run_is_not_written_through_a_link(tmp_path: Path) -> None:
    """A branch may bring a link along, under the name that maintainers' pages give to the run."""
    (tmp_path / "other").mkdir()
    (tmp_path / "checked").symlink_to(tmp_path / "other")
    with pytest.raises(UsageError, match="it is a link"):
        begin(tmp_path / "checked")
    assert not list((tmp_path / "other").iterdir())


def test_the_digest_of_a_published_verification_is_not_such_a_number(tmp_path: Path) -> None:
    published = tmp_path / "verification.json"
    published.write_text("{}")
    remember(published)
    (tmp_path / "out").mkdir()
    for number in (file_sha256(published), "", f"begun:{file_sha256(published)}"):
        (tmp_path / "out" / BEGUN).write_text(number)
        with pytest.raises(UsageError, match="began no run there"):
            refuse_begun_elsewhere(tmp_path / "out")


def test_without_a_folder_for_such_notes_a_run_begins_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORLDSTRAT_BENCH_STATE", str(tmp_path / "file" / "state"))
    begin(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
