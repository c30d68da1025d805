"""``evaluate`` from end to end, as a user runs it: a process, a dataset on disk, files that come out."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from run_helpers import command, environment, leftovers, model_wheel, run_cli, run_process, small_dataset
from worldstrat_bench.artefacts.record import LimitsRef, Record, load_record
from worldstrat_bench.artefacts.tiles import TileTable, parse_tiles
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run.finish import finish
from worldstrat_bench.run.folder import hold_run
from worldstrat_bench.run.journal import Journal, Predicted
from worldstrat_bench.run.notes import notes_of, protocol_ref
from worldstrat_bench.run.selection import select

TILES = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", TILES)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference bicubic in its own wheel, which no other test edits."""
    return model_wheel(tmp_path_factory.mktemp("wheel"), "return bicubic(lr, target)", name="plain")


@pytest.fixture(scope="module")
def bicubic(tmp_path_factory: pytest.TempPathFactory, data: Path, wheel: Path) -> Path:
    run = tmp_path_factory.mktemp("runs") / "bicubic"
    done = run_process("evaluate", wheel, "--data", data, "--out", run, "--no-download", "--device", "cpu")
    assert done.code == 0, done.err
    assert "PSNR" in done.out
    assert f"scoring {TILES}/{TILES}" in done.err
    return run


def read(run: Path) -> tuple[Record, TileTable]:
    return load_record(run), parse_tiles((run / "tiles.csv").read_bytes())


def content(run: Path) -> dict[str, object]:
    """What must not depend on how a run came about: everything but the time and the checkout's state."""
    record = json.loads((run / "record.json").read_text())
    return {key: value for key, value in record.items() if key not in ("created", "record_id", "harness")}


def test_a_run_has_the_files_of_the_design_and_no_others(bicubic: Path) -> None:
    assert leftovers(bicubic) == []
    record, table = read(bicubic)
    assert len(list((bicubic / "predictions").iterdir())) == TILES == len(table) == record.dataset.tiles
    assert record.outcomes == {"ok": TILES}
    assert record.dataset.release == "mini"
    assert not record.dataset.official
    assert (record.model.name, record.model.frames, record.seed) == ("plain", 8, 0)
    assert record.model.wheel_sha256
    assert len(str(record.model.code_sha256)) == 64
    assert record.harness.version
    assert record.limits == LimitsRef(tile_seconds=60.0, memory_bytes=None)


def test_every_metric_is_there_and_gain_over_the_reference_is_nil(bicubic: Path) -> None:
    record, table = read(bicubic)
    for name in ("psnr", "ssim", "rmse", "psnr_raw", "psnr_unregistered", "sam", "shift_y", "shift_x", "detail"):
        assert np.isfinite(table.numbers[name]).all(), name
    means = record.scores["test"].micro
    assert means["gain"].mean == 0
    assert means["psnr"].mean == pytest.approx(float(table.numbers["psnr"].mean()), rel=1e-8)
    assert means["lpips"].mean is None
    assert "weights" in record.nulls["lpips"]


def test_the_same_inputs_give_the_same_bytes(bicubic: Path, wheel: Path, data: Path, tmp_path: Path) -> None:
    done = run_cli("evaluate", wheel, "--data", data, "--out", tmp_path / "again", "--no-download", "--no-cache")
    assert done.code == 0, done.err
    assert (tmp_path / "again" / "tiles.csv").read_bytes() == (bicubic / "tiles.csv").read_bytes()
    assert content(tmp_path / "again") == content(bicubic)


def test_a_finished_run_is_left_alone(bicubic: Path, wheel: Path, data: Path) -> None:
    before = {p.name: p.read_bytes() for p in bicubic.iterdir() if p.suffix in (".json", ".csv")}
    done = run_cli("evaluate", wheel, "--data", data, "--out", bicubic, "--no-download", "--json")
    assert done.code == 0, done.err
    assert done.json["record"]["record_id"] == load_record(bicubic).record_id
    assert {p.name: p.read_bytes() for p in bicubic.iterdir() if p.suffix in (".json", ".csv")} == before


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        (("--frames", "4"), "frames: 8, now 4"),
        (("--seed", "1"), "seed: 0, now 1"),
        (("--limit", "3"), "limit: not given, now 3"),
        (("--list", "train"), "list: test, now train"),
        (("--param", "sharpness=2"), "model parameters"),
        (("--tile-seconds", "30"), "time limit of a tile (--tile-seconds): 60.0, now 30.0"),
        (("--memory-gib", "2"), "memory limit (--memory-gib): not given, now 2147483648"),
        (("--protocol", "probav"), "protocol: wsb-1, now probav"),
    ],
)
def test_a_run_with_other_inputs_is_refused_and_says_which(
    bicubic: Path, wheel: Path, data: Path, changed: tuple[str, ...], word: str
) -> None:
    done = run_cli("evaluate", wheel, "--data", data, "--out", bicubic, "--no-download", *changed)
    assert done.code == 2
    assert word in done.err
    assert "--out" in done.err


def test_an_offset_costs_nothing_and_the_record_names_it(bicubic: Path, data: Path, tmp_path: Path) -> None:
    wheel = model_wheel(tmp_path, "return bicubic(lr, target) - 0.3", name="dark")
    done = run_cli("evaluate", wheel, "--data", data, "--out", tmp_path / "run", "--no-download", "--device", "cpu")
    assert done.code == 0, done.err
    record, plain = load_record(tmp_path / "run"), load_record(bicubic)
    assert plain.warnings == ()
    (warning,) = record.warnings
    assert "an offset of +0.3 added" in warning
    assert warning in done.out + done.err
    for metric, tolerance in {"psnr": 1e-4, "ssim": 1e-5, "sam": 1e-4}.items():
        means = [one.scores["test"].micro[metric].mean for one in (record, plain)]
        assert means[0] == pytest.approx(means[1], abs=tolerance)
    raw = [one.scores["test"].micro["psnr_raw"].mean or 0 for one in (record, plain)]
    assert raw[0] < raw[1] - 5


def test_another_dataset_or_model_is_refused(bicubic: Path, wheel: Path, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(data, other)
    tile = read_tiles_of(data)[0]
    file = max((other / "lr_dataset" / tile).rglob("*L2A_data.tiff"))
    file.write_bytes(file.read_bytes() + b"\0")
    done = run_cli("evaluate", wheel, "--data", other, "--out", bicubic, "--no-download")
    assert (done.code, "dataset files" in done.err) == (2, True)
    done = run_cli("evaluate", "nearest", "--data", data, "--out", bicubic, "--no-download")
    assert (done.code, "model: plain, now nearest" in done.err) == (2, True)


def test_a_changed_model_is_noticed(data: Path, tmp_path: Path) -> None:
    arguments = ("--data", data, "--out", tmp_path / "run", "--no-download", "--limit", "2")
    wheel = model_wheel(tmp_path, "return bicubic(lr, target)")
    assert run_cli("evaluate", wheel, *arguments).code == 0
    assert load_record(tmp_path / "run").model.wheel_sha256
    wheel = model_wheel(tmp_path, "return bicubic(lr, target) + 0.01")
    done = run_cli("evaluate", wheel, *arguments)
    assert (done.code, "model wheel" in done.err) == (2, True)


def test_changed_weights_are_noticed(data: Path, tmp_path: Path) -> None:
    wheel = model_wheel(tmp_path, "return bicubic(lr, target) + float(open(self.weights).read())")
    weights = tmp_path / "weights.txt"
    arguments = ("--data", data, "--out", tmp_path / "run", "--no-download", "--limit", "2", "--weights", weights)
    weights.write_text("0.01")
    done = run_cli("evaluate", wheel, *arguments)
    assert done.code == 0, done.err
    weights.write_text("0.02")
    done = run_cli("evaluate", wheel, *arguments)
    assert (done.code, "model weights" in done.err) == (2, True)


def test_predict_then_score_is_evaluate(bicubic: Path, wheel: Path, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = run_cli("predict", wheel, "--data", data, "--out", run)
    assert done.code == 0, done.err
    assert not (run / "record.json").exists()
    done = run_cli("score", run, "--data", data, "--no-download")
    assert done.code == 0, done.err
    assert (run / "tiles.csv").read_bytes() == (bicubic / "tiles.csv").read_bytes()
    assert content(run) == content(bicubic)


def test_stored_predictions_are_scored_elsewhere_without_the_model(bicubic: Path, data: Path, tmp_path: Path) -> None:
    before = {p.name: p.read_bytes() for p in bicubic.iterdir() if p.is_file()}
    done = run_cli("score", bicubic, "--data", data, "--out", tmp_path / "other", "--no-download")
    assert done.code == 0, done.err
    assert (tmp_path / "other" / "tiles.csv").read_bytes() == before["tiles.csv"]
    assert content(tmp_path / "other") == content(bicubic)
    assert not (tmp_path / "other" / "predictions").exists()
    assert {p.name: p.read_bytes() for p in bicubic.iterdir() if p.is_file()} == before


def test_another_protocol_needs_a_folder_of_its_own(bicubic: Path, data: Path, tmp_path: Path) -> None:
    done = run_cli("score", bicubic, "--data", data, "--protocol", "probav", "--no-download")
    assert (done.code, "--out" in done.err) == (2, True)
    done = run_cli("score", bicubic, "--data", data, "--protocol", "probav", "--no-download", "--out", tmp_path / "p")
    assert done.code == 0, done.err
    record = load_record(tmp_path / "p")
    assert record.protocol.id == "probav"
    assert record.warnings == ()  # its inputs are those of wsb-1


def finished_again(run: Path, data: Path, **predicting: object) -> Record:
    """The record that a finished run's journal gives if it was started with other inputs."""
    protocol, selection = load_protocol(), select(open_dataset(data))
    with hold_run(run, create=False) as folder:
        notes = notes_of(folder)
        changed = notes.predicting.model_copy(update=predicting)
        return finish(folder, selection, protocol, replace(notes, predicting=changed))


def test_scores_of_another_protocols_inputs_are_never_official(bicubic: Path, data: Path, tmp_path: Path) -> None:
    official = {}
    for name in ("wsb-1", "probav", "worldstrat-2022"):
        shutil.copytree(bicubic, tmp_path / name)
        (tmp_path / name / "record.json").unlink()
        asked = protocol_ref(load_protocol(name))
        record = finished_again(tmp_path / name, data, official=True, protocol=asked)
        assert record.dataset.inputs_protocol == (None if name == "wsb-1" else asked)
        official[name] = record.dataset.official
        assert any(name in warning for warning in record.warnings) != record.dataset.official
    assert official == {"wsb-1": True, "probav": True, "worldstrat-2022": False}


def test_a_record_is_never_replaced(bicubic: Path, data: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(bicubic, tmp_path / "run"))
    before = {p.name: p.read_bytes() for p in run.iterdir() if p.suffix in (".json", ".csv")}
    with pytest.raises(InvalidArtefactError, match="has a record already"):
        finished_again(run, data, seed=1)
    assert {p.name: p.read_bytes() for p in run.iterdir() if p.suffix in (".json", ".csv")} == before
    assert finished_again(run, data).record_id == load_record(bicubic).record_id


def test_a_tile_that_the_machine_failed_can_be_predicted_and_scored_after_all(
    bicubic: Path, wheel: Path, data: Path, tmp_path: Path
) -> None:
    run, out = Path(shutil.copytree(bicubic, tmp_path / "run")), tmp_path / "scores"
    tile = sorted(read_tiles_of(data))[1]
    with Journal(run) as journal:
        journal.set_predicted(Predicted(tile, "infra_error", "the machine sneezed"))
    for _ in range(2):
        done = run_cli("score", run, "--data", data, "--out", out, "--no-download")
        assert (done.code, "predict" in done.err, tile in done.err) == (6, True, True), done.err
    with Journal(out) as journal:  # what an earlier harness copied, and an earlier prediction that was never scored
        assert tile not in journal.entries()
        journal.set_predicted(Predicted(tile, "crash", "of long ago"))
    assert run_cli("predict", wheel, "--data", data, "--out", run).code == 0
    done = run_cli("score", run, "--data", data, "--out", out, "--no-download")
    assert done.code == 0, done.err
    assert (out / "tiles.csv").read_bytes() == (bicubic / "tiles.csv").read_bytes()


def test_a_device_that_is_not_there_leaves_no_folder(wheel: Path, data: Path, tmp_path: Path) -> None:
    done = run_cli("evaluate", wheel, "--data", data, "--out", tmp_path / "run", "--device", "cuda:99")
    assert done.code == 6
    assert not (tmp_path / "run").exists()


def test_a_changed_prediction_is_not_scored(bicubic: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(bicubic, tmp_path / "run")
    file = sorted((tmp_path / "run" / "predictions").iterdir())[2]
    raw = bytearray(file.read_bytes())
    raw[-5] ^= 0xFF
    file.write_bytes(raw)
    done = run_cli("score", tmp_path / "run", "--data", data, "--out", tmp_path / "p", "--no-download")
    assert (done.code, "changed after the run" in done.err) == (5, True)


def test_limit_is_a_smoke_test(data: Path, tmp_path: Path) -> None:
    done = run_cli("evaluate", "bicubic", "--data", data, "--out", tmp_path, "--limit", "2", "--no-download", "--json")
    assert done.code == 0, done.err
    record = done.json["record"]
    assert (record["dataset"]["limit"], record["dataset"]["tiles"]) == (2, 2)
    assert not Record.model_validate(record).complete


def test_no_keep_removes_predictions_and_says_so(bicubic: Path, wheel: Path, data: Path, tmp_path: Path) -> None:
    done = run_cli("evaluate", wheel, "--data", data, "--out", tmp_path / "r", "--no-keep", "--no-download")
    assert done.code == 0, done.err
    assert "--no-keep" in done.err
    assert list((tmp_path / "r" / "predictions").iterdir()) == []
    assert (tmp_path / "r" / "tiles.csv").read_bytes() == (bicubic / "tiles.csv").read_bytes()
    assert run_cli("evaluate", wheel, "--data", data, "--out", tmp_path / "r", "--no-download").code == 0
    again = run_cli("score", tmp_path / "r", "--data", data, "--protocol", "probav", "--out", tmp_path / "s")
    assert again.code == 5
    assert "the run holds no predictions" in again.err
    assert "--no-keep" in again.err
    assert not (tmp_path / "s").exists()


def test_a_failed_tile_is_a_row_with_its_facts(bicubic: Path, data: Path, tmp_path: Path) -> None:
    source = """
        if self.calls == 3:
            raise ValueError("tile of doom")
        return bicubic(lr, target)
    """
    wheel = model_wheel(tmp_path, source)
    run = tmp_path / "run"
    done = run_cli("evaluate", wheel, "--data", data, "--out", run, "--no-download")
    assert done.code == 3, done.err
    assert "1 of 4 tiles failed" in done.err
    record, table = read(run)
    assert record.outcomes == {"ok": TILES - 1, "model_error": 1}
    assert record.scores["test"].micro["psnr"].mean is None
    assert record.scores["test"].failed == 1
    failed = int(np.flatnonzero(~table.ok)[0])
    reference = parse_tiles((bicubic / "tiles.csv").read_bytes())
    for name in ("cloud", "days", "detail", "lon"):
        assert table.numbers[name][failed] == reference.numbers[name][failed]
    assert np.isnan(table.numbers["psnr"][failed])
    assert not (run / "predictions" / f"{table.tiles[failed]}.safetensors").exists()


def test_after_failures_in_a_row_the_run_stops_and_goes_on_when_told(data: Path, tmp_path: Path) -> None:
    wheel = model_wheel(tmp_path, "raise ValueError('always the same')")
    arguments = ("evaluate", wheel, "--data", data, "--out", tmp_path / "run", "--no-download", "--max-failures")
    done = run_cli(*arguments, "2")
    assert done.code == 3
    assert "2 tiles in a row failed" in done.err
    assert "always the same" in done.err
    assert not (tmp_path / "run" / "record.json").exists()
    predicted = run_cli("predict", *arguments[1:6], "--max-failures", "0", "--json")
    assert (predicted.code, predicted.json["outcomes"]) == (3, {"model_error": TILES})
    done = run_cli(*arguments, "0")
    assert done.code == 3
    assert "4 of 4 tiles failed" in done.err
    assert load_record(tmp_path / "run").outcomes == {"ok": 0, "model_error": TILES}


def test_the_seed_of_a_tile_does_not_depend_on_its_place(data: Path, tmp_path: Path) -> None:
    wheel = model_wheel(tmp_path, "return bicubic(lr, target) + 0.01 * torch.rand(3, 1, 1)")
    runs = [tmp_path / name for name in ("all", "two", "other")]
    for run, more in zip(runs, ((), ("--limit", "2"), ("--limit", "2", "--seed", "1")), strict=True):
        assert run_cli("evaluate", wheel, "--data", data, "--out", run, "--no-download", *more).code == 0
    whole, part, other = (parse_tiles((run / "tiles.csv").read_bytes()).numbers["psnr_raw"] for run in runs)
    np.testing.assert_array_equal(part, whole[:2])
    assert not np.array_equal(other, part)


def test_a_tile_without_target_is_named_and_in_no_list(data: Path, tmp_path: Path) -> None:
    import rasterio

    other = tmp_path / "other"
    shutil.copytree(data, other)
    tile = sorted(read_tiles_of(data))[1]
    file = other / "hr_dataset" / tile / f"{tile}_ps.tiff"
    with rasterio.open(file) as source:
        image, profile = source.read(), source.profile
    image[:, : image.shape[1] * 3 // 4] = 0
    with rasterio.open(file, "w", **profile) as sink:
        sink.write(image)
    done = run_cli("evaluate", "bicubic", "--data", other, "--out", tmp_path / "run", "--no-download")
    assert done.code == 0, done.err
    record, table = read(tmp_path / "run")
    assert record.dataset.no_target == (tile,)
    assert tile not in table.tiles
    assert record.dataset.tiles == len(table) == TILES - 1
    assert "without target: 1 tile, " in done.out


def read_tiles_of(data: Path) -> list[str]:
    from worldstrat_bench.data.layout import open_dataset

    return [tile.name for tile in open_dataset(data).tiles()]


def test_a_damaged_file_is_named_and_the_run_goes_on_when_it_is_repaired(
    bicubic: Path, wheel: Path, data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(data, other)
    tile = sorted(read_tiles_of(data))[2]
    file = sorted((other / "lr_dataset" / tile / "L2A").glob("*L2A_data.tiff"))[1]
    whole = file.read_bytes()
    file.write_bytes(whole[:200] + b"\0" * (len(whole) - 200))
    arguments = ("evaluate", wheel, "--data", other, "--out", tmp_path / "run", "--no-download")
    done = run_cli(*arguments)
    assert done.code == 4
    assert file.name in done.err
    file.write_bytes(whole)
    done = run_cli(*arguments)
    assert done.code == 0, done.err
    assert (tmp_path / "run" / "tiles.csv").read_bytes() == (bicubic / "tiles.csv").read_bytes()


def test_two_processes_do_not_share_a_run(data: Path, tmp_path: Path) -> None:
    wheel = model_wheel(tmp_path, "time.sleep(2); return bicubic(lr, target)")
    arguments = ("evaluate", wheel, "--data", data, "--out", tmp_path / "run", "--no-download")
    first = subprocess.Popen(command(*arguments), env=environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "run").glob("predictions/*")) and time.monotonic() < deadline:
            assert first.poll() is None
            time.sleep(0.05)
        done = run_cli(*arguments)
        assert (done.code, "another process" in done.err) == (2, True)
    finally:
        first.send_signal(signal.SIGINT)
        _, error = first.communicate(timeout=300)
    assert first.returncode == 130
    assert b"the same command continues" in error


def test_errors_a_user_can_make(data: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run")
    cases = [
        (("evaluate", "bicubic", "--data", tmp_path / "nowhere", *out), 4, "no such folder"),
        (("evaluate", "no-such-model", "--data", data, *out), 3, "models list"),
        (("evaluate", "bicubic", "--data", data, *out, "--protocol", "wsb-9"), 2, "wsb-1"),
        (("evaluate", "bicubic", "--data", data, *out, "--list", "best"), 2, "never-split"),
        (("evaluate", "bicubic", "--data", data, *out, "--list", "full"), 4, "not here"),
        (("evaluate", "bicubic", "--data", data, *out, "--device", "tpu"), 2, "cuda:N"),
        (("evaluate", "bicubic", "--data", data, *out, "--frames", "12"), 2, "--frames"),
        (("evaluate", "bicubic", "--data", data, *out, "--param", "novalue"), 2, "name=value"),
        (("evaluate", "bicubic", "--data", data, *out, "--shard", "5/4"), 2, "1/4"),
        (("evaluate", "bicubic", "--data", data, *out, "--isolation", "some"), 2, "strong"),
        (("evaluate", "bicubic", "--data", data, *out, "--weights", tmp_path / "none"), 2, "--weights"),
        (("evaluate", "bicubic", "--data", data, *out, "--lr", "imagined"), 2, "synthetic"),
        (("evaluate", "bicubic", "--data", data, *out, "--lpips-weights", data / "metadata.csv"), 4, "LPIPS"),
        (("score", tmp_path / "nothing", "--data", data), 5, "no such run"),
        (("score", data, "--data", data), 5, "no journal"),
        (("compare", data, data), 5, "no record"),
        (("evaluate", "bicubic", "--data", data), 2, "--out"),
    ]
    for arguments, code, word in cases:
        done = run_cli(*arguments)
        assert not (tmp_path / "run" / "record.json").exists()
        assert (done.code, word in done.err) == (code, True), (arguments[-2:], done)
        assert "Traceback" not in done.err
        assert done.out == ""


def test_compare_two_runs(bicubic: Path, wheel: Path, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "nearest"
    assert run_cli("evaluate", "nearest", "--data", data, "--out", run, "--no-download").code == 0
    done = run_cli("compare", bicubic, run, "--json")
    assert done.code == 0, done.err
    psnr = done.json["lists"]["test"]["psnr"]
    expected = (
        parse_tiles((bicubic / "tiles.csv").read_bytes()).numbers["psnr"]
        - parse_tiles((run / "tiles.csv").read_bytes()).numbers["psnr"]
    )
    assert psnr["difference"] == pytest.approx(float(expected.mean()))
    assert psnr["difference"] == pytest.approx(psnr["mean_a"] - psnr["mean_b"])
    assert (psnr["ci_low"], psnr["p_value"], psnr["verdict"]) == (None, None, "none")  # too few tiles to say more
    assert done.json["strata"]["ipcc"]
    text = run_cli("compare", bicubic, run, "--strata", "ipcc")
    assert text.code == 0, text.err
    assert "a: plain" in text.out
    assert "by ipcc" in text.out
    assert run_cli("compare", bicubic, run, "--strata", "colour").code == 2
    (run / "tiles.csv").write_text((run / "tiles.csv").read_text().replace("ok", "crash", 1))
    done = run_cli("compare", bicubic, run)
    assert (done.code, "not the file that the record names" in done.err) == (5, True)


def test_python_does_what_the_command_line_does(bicubic: Path, wheel: Path, data: Path, tmp_path: Path) -> None:
    import worldstrat_bench
    from worldstrat_bench.run.events import Event, Progress

    events: list[Event] = []
    record = worldstrat_bench.evaluate(
        str(wheel), data=data, out=tmp_path / "run", download=False, device="cpu", progress=events.append
    )
    assert record.scores == load_record(bicubic).scores
    scored = [event for event in events if isinstance(event, Progress) and event.stage == "score"]
    assert [event.done for event in scored] == list(range(TILES + 1))


def test_a_dataset_is_not_a_place_for_a_run(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "mini", 2)
    before = sorted(data.rglob("*"))
    done = run_cli("evaluate", "bicubic", "--data", data, "--out", data, "--no-download")
    assert done.code == 2
    assert "this is a dataset, no place for a run" in done.err
    assert sorted(data.rglob("*")) == before
