"""A model that fails on three tiles for three reasons: terminal, log, record and page name tiles and reasons."""

from __future__ import annotations

import html
import zipfile
from pathlib import Path

import pytest

from run_helpers import model_wheel, run_cli, small_dataset
from site_scenes import write_manifest
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.reading import read_inputs
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.worker import Limits, ModelSpec, Worker, host, starting
from worldstrat_bench.worker.conformance import make_task
from worldstrat_bench.worker.isolation import Attempt, LevelUnavailableError

REASONS = """
if self.calls == 1:
    raise RuntimeError("Error(s) in loading state_dict for Net:\\n\\tsize mismatch for tail.weight: got [3], not [12]")
if self.calls == 2:
    open("/srv/table-that-is-elsewhere.npy")
if self.calls == 3:
    return bicubic(lr, target).half()
return 4 * bicubic(lr, target) - 0.6
"""


def test_three_tiles_three_reasons(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "mini", 5)
    # Each failure ends the worker, and the next one counts its calls from 1: the state is kept beside the package.
    source = REASONS.replace("self.calls", "int(lr.images.sum() * 0) + STATE()")
    source = (
        f"STATE = lambda: {{{', '.join(f'{round_of(data, n)!r}: {n + 1}' for n in range(3))}}}.get(KEY, 4)\n" + source
    )
    wheel = model_wheel(tmp_path, "KEY = round(float(lr.images[0, 0].double().mean()), 7)\n" + source)
    run = tmp_path / "submissions" / "odd" / "results" / "mini"
    done = run_cli("evaluate", wheel, "--data", data, "--out", run, "--no-download", "--frames", "1")
    assert done.code == 3, done.err
    names = open_dataset(data).names("test")
    record, log = load_record(run), (run / "log.txt").read_text()
    assert record.outcomes == {"ok": 2, "model_error": 2, "invalid_output": 1}
    write_manifest(run.parent.parent, slug="odd", title="Odd")
    assert run_cli("site", "build", tmp_path / "submissions", "--out", tmp_path / "site").code == 0
    shown = html.unescape("".join(page.read_text() for page in (tmp_path / "site").rglob("index.html")))
    reasons = {names[0]: "size mismatch for tail.weight", names[1]: "table-that-is-elsewhere.npy", names[2]: "float16"}
    for name, reason in reasons.items():
        assert any(reason in one.message and one.names == (name,) for one in record.messages), (name, record.messages)
        for text in (done.out, log, shown):
            assert any(reason in line and name in line for line in text.splitlines()), (name, reason)
    hint = record.messages[-1]
    assert (hint.outcome, hint.tiles, "-1..1" in hint.message) == ("ok", 1, True)
    assert "/srv/" not in record.dump()


def round_of(data: Path, index: int) -> float:
    """What the model sees of a tile: the mean of its first frame."""
    tile = open_dataset(data).tiles("test")[index]
    images = read_inputs(tile, load_protocol(), 1).task.images[0, 0]
    return round(float(images.astype("float64").mean()), 7)


LOADER = """
import torch as t
{}
return bicubic(lr, target)
"""
POOLS = {
    "loader": "list(t.utils.data.DataLoader([0, 1, 2], num_workers=1))",
    "pool": "import multiprocessing as m; m.get_context('fork').Pool(1).map(abs, [-1])",
    "futures": "import concurrent.futures as c; list(c.ProcessPoolExecutor(1).map(abs, [-1]))",
    "queue": "import multiprocessing as m; m.Queue()",
}


@pytest.mark.parametrize("level", ["strong", "full"])
def test_process_pools_fail_at_once_and_alike(level: str, tmp_path: Path) -> None:
    code = LOADER.format("\n".join(f"if KIND == {kind!r}:\n    {line}" for kind, line in POOLS.items()))
    wheel = model_wheel(tmp_path, "KIND = self.parameters['kind']\n" + code)
    zipfile.ZipFile(wheel).extractall(tmp_path / "package")
    task = make_task(1, 48, 48, 192)
    limits = Limits(tile_seconds=60)
    for kind in POOLS:
        spec = ModelSpec("odd_model:load", {"kind": kind}, search_paths=(tmp_path / "package",))
        try:
            with Worker(spec, isolation=level, limits=limits) as worker:
                reply = worker.predict(task, 0)
        except LevelUnavailableError as error:
            pytest.skip(f"isolation {level!r} is not available on this machine and was NOT tested: {error.where}")
        first = reply.message.partition("\n")[0]
        assert reply.outcome == "model_error", (kind, reply)
        assert "num_workers=0" in first
        assert "--isolation process" in first


def test_a_check_never_runs_a_model_unconfined_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "ran"
    wheel = model_wheel(tmp_path, f"open({str(marker)!r}, 'w').close()\nreturn bicubic(lr, target)")
    for module in (host, starting):  # the model's worker, and the one that is tried without a model
        monkeypatch.setattr(
            module, "launch", lambda request, log: (None, Attempt(request.level, {}, "not on this machine"))
        )
    done = run_cli("models", "check", wheel, "--frames", "1")
    assert (done.code, marker.exists()) == (6, False), done.err
    assert "--isolation process" in done.err
    assert str(wheel) in done.err
    assert "process: not on this machine" not in done.err


def test_a_check_names_the_refused_path_and_the_command(tmp_path: Path) -> None:
    wheel = model_wheel(tmp_path, "open('/srv/lut-of-a-lab.bin').read()")
    done = run_cli("models", "check", wheel, "--frames", "1")
    if ", isolation process" in done.out:
        pytest.skip("this machine confines nothing")
    assert done.code == 3
    assert "/srv/lut-of-a-lab.bin" in done.out
    assert f"worldstrat-bench models check {wheel} --frames 1 --isolation process" in done.err


DROPOUT = "return torch.nn.functional.dropout(bicubic(lr, target), 0.5, training=True)"
MODULE = "self.d = getattr(self, 'd', None) or torch.nn.Dropout(0.5)\nreturn self.d(bicubic(lr, target))"


@pytest.mark.parametrize(("source", "passes", "says"), [(MODULE, False, "Dropout"), (DROPOUT, True, "random numbers")])
def test_dropout_that_is_active_is_found_by_two_runs_of_one_input(
    source: str, passes: bool, says: str, tmp_path: Path
) -> None:
    done = run_cli(
        "models", "check", model_wheel(tmp_path, source), "--frames", "1", "--json", "--isolation", "process"
    )
    found = {finding["check"]: finding for finding in done.json["findings"]}["another seed"]
    assert found["passed"] is passes
    assert says in found["seen"]
    assert "model.eval()" in found["fix"] + found["seen"]
