"""``sensitivity``: a planted swap is found and named, a killed study ends with the same bytes, faults are refused."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from run_helpers import Done, command, environment, run_cli, small_dataset
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.artefacts.sensitivity import Sensitivity
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.sensitivity.study import TILES, TileErrors
from worldstrat_bench.stats.sensitivity import findings

Image = NDArray[np.float32]
COUNT = 5


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", COUNT)


@pytest.fixture(scope="module")
def targets(data: Path) -> dict[str, Image]:
    return {tile.name: tile.target().image for tile in open_dataset(data).tiles()}


def noisy(targets: dict[str, Image], level: float, change: Callable[[Image], Image] | None = None) -> dict[str, Image]:
    rng = np.random.default_rng(0)
    found = {}
    for name, image in targets.items():
        made = (image + rng.normal(0, level, image.shape)).astype(np.float32)
        found[name] = made if change is None else change(made)
    return found


def handed_in(folder: Path, data: Path, name: str, images: dict[str, Image]) -> Path:
    """A run of predictions that were made elsewhere."""
    files = folder / f"{name}-files"
    files.mkdir(parents=True)
    for tile, image in images.items():
        np.savez(files / f"{tile}.npz", prediction=image)
    done = run_cli("score", files, "--data", data, "--name", name, "--out", folder / name, "--no-download")
    assert done.code == 0, done.err
    return folder / name


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, data: Path, targets: dict[str, Image]) -> Path:
    """A model that no choice touches: white noise on the target."""
    return handed_in(tmp_path_factory.mktemp("plain"), data, "plain", noisy(targets, 0.03))


def ring(image: Image) -> Image:
    """More noise between 12 and 20 px from the edge, where a border of 12 px looks and one of 20 px does not."""
    inside = np.zeros(image.shape[-2:], dtype=bool)
    inside[12:-12, 12:-12] = True
    inside[20:-20, 20:-20] = False
    rough = np.random.default_rng(1).normal(0, 0.1, image.shape)
    return (image + inside * rough).astype(np.float32)


PLANTED: dict[str, tuple[tuple[str, str], str, Callable[[Image], Image]]] = {
    "offset": (("level", "nothing"), "what is removed of each band = nothing", lambda i: i + np.float32(0.05)),
    "moved": (("radius", "4"), "search radius, px = 4", lambda i: np.roll(i, 6, axis=1)),
    "rough edge": (("border", "12"), "border that is left out, px = 12", ring),
}


def study(out: Path, data: Path, *runs: Path, more: tuple[object, ...] = ()) -> Done:
    return run_cli("sensitivity", *runs, "--data", data, "--out", out, *more)


@pytest.mark.parametrize("planted", PLANTED)
def test_two_models_that_swap_under_one_choice_only_are_found_and_named(
    tmp_path: Path, data: Path, targets: dict[str, Image], plain: Path, planted: str
) -> None:
    option, named, change = PLANTED[planted]
    better = handed_in(tmp_path, data, "better", noisy(targets, 0.02, change))
    done = study(tmp_path / "out", data, better, plain)
    assert done.code == 0, done.err
    found = findings(Sensitivity.load(tmp_path / "out" / Sensitivity.FILE))
    (swap,) = found.swaps
    assert (swap.first, swap.second) == ("better", "plain")
    assert [own for own, _ in swap.alone] == [option]
    assert swap.needed == (option,)
    assert found.moved[0].option == option
    sentence = " ".join(done.out.split())
    assert f"only under {named}" in sentence
    assert "plain is ahead of better" in sentence


def test_the_protocol_itself_gives_the_scores_of_the_runs(
    tmp_path: Path, data: Path, targets: dict[str, Image], plain: Path
) -> None:
    other = handed_in(tmp_path, data, "other", noisy(targets, 0.05, lambda i: np.roll(i, 2, axis=2)))
    assert study(tmp_path / "out", data, plain, other).code == 0
    report = Sensitivity.load(tmp_path / "out" / Sensitivity.FILE)
    for run, mean in zip((plain, other), report.variants[0].means, strict=True):
        result = load_result(run)
        assert mean == pytest.approx(result.record.scores["test"].micro["psnr"].mean, abs=1e-5)
    nothing = next(v for v in report.variants if v.changed == {"level": "nothing"})
    assert nothing.means[1] == pytest.approx(result.record.scores["test"].micro["psnr_raw"].mean, abs=1e-5)
    for path in (tmp_path / "out" / TILES).glob("*.json"):
        own = TileErrors.load(path)
        (row,) = result.table.index_of([own.tile])
        psnr = -10 * np.log10(own.errors[0][1] or 0)
        assert psnr == pytest.approx(result.table.numbers["psnr"][row], abs=1e-5)


def test_a_killed_study_ends_with_the_same_bytes(
    tmp_path: Path, data: Path, targets: dict[str, Image], plain: Path
) -> None:
    other = handed_in(tmp_path, data, "other", noisy(targets, 0.02))
    assert study(tmp_path / "whole", data, plain, other).code == 0
    out, arguments = tmp_path / "out", ("sensitivity", plain, other, "--data", data, "--threads", 1, "--out")
    process = subprocess.Popen(
        command(*arguments, out), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 120
    while len(list((out / TILES).glob("[!.]*.json"))) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in (out / TILES).glob("[!.]*.json")}
    assert 2 <= len(done) < COUNT
    assert not (out / Sensitivity.FILE).exists()
    again = study(out, data, plain, other)
    assert again.code == 0, again.err
    assert all(path.stat().st_mtime_ns == then for path, then in done.items())
    assert (out / Sensitivity.FILE).read_bytes() == (tmp_path / "whole" / Sensitivity.FILE).read_bytes()


def test_what_has_no_order_is_refused(tmp_path: Path, data: Path, targets: dict[str, Image], plain: Path) -> None:
    other = handed_in(tmp_path, data, "other", noisy(targets, 0.02))

    def refused(says: str, *runs: Path, place: Path = data, more: tuple[object, ...] = ()) -> None:
        done = study(tmp_path / "out", place, *runs, more=more)
        assert done.code in (2, 5), done.err
        assert says in " ".join(done.err.split())
        assert "fix:" in done.err
        assert "Traceback" not in done.err

    refused("one run has no order", plain)
    refused("given twice", plain, plain)
    refused("not the dataset of the run", plain, other, place=small_dataset(tmp_path / "elsewhere", COUNT, seed=1))
    assert run_cli("score", other, "--data", data, "--protocol", "probav", "--out", tmp_path / "probav").code == 0
    refused("differ in their protocol", plain, tmp_path / "probav")
    bare = tmp_path / "bare"
    shutil.copytree(other, bare)
    shutil.rmtree(bare / "predictions")
    refused("holds no predictions", plain, bare)
    variants = tmp_path / "variants.toml"
    variants.write_text("protocol = 'wsb-1'\n", encoding="utf-8")
    refused("cloudy_from", plain, other, more=("--variants", variants))
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    refused("not empty", plain, other)
    shutil.rmtree(tmp_path / "out")


def test_a_study_goes_on_with_its_own_runs_and_choices_only(
    tmp_path: Path, data: Path, targets: dict[str, Image], plain: Path
) -> None:
    other, third = (handed_in(tmp_path, data, name, noisy(targets, 0.02)) for name in ("other", "third"))
    few = tmp_path / "few.toml"
    few.write_text(few_variants(), encoding="utf-8")
    done = study(tmp_path / "out", data, plain, other, more=("--variants", few, "--json"))
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert [v["changed"] for v in document["study"]["variants"]] == [{}, {"border": "12"}]
    assert document["findings"]["variants"] == 2
    again = study(tmp_path / "out", data, plain, third, more=("--variants", few))
    assert again.code == 2
    assert "other runs, choices or code" in again.err
    assert study(tmp_path / "out", data, plain, other).code == 2


def few_variants() -> str:
    protocol = load_protocol("wsb-1")
    usual = {
        "radius": 8,
        "sigma": 2,
        "border": protocol.target.border,
        "level": '"bias"',
        "target": '"bicubic"',
        "average": '"mean of dB"',
        "tiles": '"all"',
        "weights": '"micro"',
    }
    tables = [
        f'[{key}]\ntitle = "{key}"\nusual = {value}\nothers = {"[12]" if key == "border" else "[]"}\n'
        for key, value in usual.items()
    ]
    return 'protocol = "wsb-1"\ncloudy_from = 0.2\n' + "\n".join(tables)
