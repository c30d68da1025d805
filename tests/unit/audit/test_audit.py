"""The audit against honest models and three that are not: which probe catches which."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from collections.abc import Iterable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from worldstrat_bench.audit import AuditReport, AuditRequest, run_audit
from worldstrat_bench.audit.audit import report_lines
from worldstrat_bench.audit.changes import CELLS, cells, cropped, mosaic
from worldstrat_bench.audit.detail import change
from worldstrat_bench.audit.gains import Gains, difference
from worldstrat_bench.audit.private import refuse_known_tiles
from worldstrat_bench.audit.probes import (
    LIMITS,
    AuditedModel,
    NoPredictionError,
    ProbeResult,
    probe_mosaic,
    probe_repeat,
)
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.data.reading import read_inputs
from worldstrat_bench.data.target import read_target
from worldstrat_bench.data.task import Task
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.discovery import find_model
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.worker.types import ModelSpec, Reply

pytestmark = pytest.mark.not_quick

CHEATS = Path(__file__).parent / "cheats"
WSB = load_protocol("wsb-1")
PROBES_OF_CONTENT = ("gain", "noise", "shift", "mosaic", "unseen")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit") / "mini"
    write_mini(folder, test_tiles=16, train_tiles=1, size=320)
    return folder


@pytest.fixture(scope="module")
def answers(data: Path) -> Path:
    """What the cheats carry along: the truth of every test tile, and how to recognise it."""
    module = cheat_module()
    truths, hashes, thumbnails = [], [], []
    for tile in open_dataset(data).tiles("test"):
        image = torch.from_numpy(read_inputs(tile, WSB, 1).task.images[0, 0])
        truths.append(read_target(tile, WSB).image)
        hashes.append(hashlib.sha256(image.numpy().tobytes()).hexdigest())
        thumbnails.append(module.thumbnail(image[[3, 2, 1]]).numpy())
    path = data.parent / "answers.npz"
    np.savez(path, answers=np.stack(truths), hashes=np.array(hashes), thumbnails=np.stack(thumbnails))
    return path


@pytest.fixture(scope="module")
def few_answers(answers: Path) -> Path:
    """The same of every third tile only."""
    path = answers.with_name("few.npz")
    with np.load(answers) as held:
        np.savez(path, **{name: held[name][::3] for name in held.files})
    return path


def cheat_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit_cheats", CHEATS / "audit_cheats.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def audit(
    data: Path, model: ModelSpec, frames: int = 1, probes: tuple[str, ...] = ("determinism", *PROBES_OF_CONTENT)
) -> AuditReport:
    report = run_audit(AuditRequest(model, data, frames=frames, seed=7, isolation="process", probes=probes))
    print("\n".join(report_lines(report)))
    return report


def over(report: AuditReport) -> set[str]:
    return {result.probe for result in report.results if result.verdict in ("flag", "fail")} - {"isolation"}


@pytest.mark.parametrize(("name", "frames"), [("bicubic", 1), pytest.param("shift-and-add", 8, marks=pytest.mark.soak)])
def test_the_controls_pass_every_probe(data: Path, name: str, frames: int) -> None:
    probes = tuple(LIMITS) if frames == 1 else ("determinism", *PROBES_OF_CONTENT)
    report = audit(data, ModelSpec(find_model(name).target), frames, probes)
    assert over(report) - {"repeat"} == set()  # how long a call takes is the machine's affair: tested with given times
    assert all(result.value is not None for result in report.results)
    for result in report.results:  # calibrated: honest models stay well away from the limits
        if result.probe in PROBES_OF_CONTENT:
            assert result.value is not None
            assert result.value < 0.7 * result.limit


def test_a_look_up_by_hash_is_caught_by_every_change_of_the_input(data: Path, answers: Path) -> None:
    report = audit(data, ModelSpec("audit_cheats:load_hash", weights=answers, search_paths=(CHEATS,)))
    assert over(report) == {"gain", "noise", "shift", "mosaic", "unseen"}
    assert report.passed  # flags are for a person: determinism and isolation alone refuse


def test_a_look_up_by_thumbnail_is_caught_by_what_moves_or_mixes_content(data: Path, answers: Path) -> None:
    report = audit(data, ModelSpec("audit_cheats:load_thumbnail", weights=answers, search_paths=(CHEATS,)))
    caught = over(report)
    assert {"shift", "mosaic", "unseen"} <= caught
    assert not {"noise", "determinism"} & caught


def test_unseen_tiles_that_are_known_are_refused_under_any_name(tmp_path: Path) -> None:
    public, private = tmp_path / "public", tmp_path / "private"
    for seed, folder in enumerate((public, private)):
        write_mini(folder, test_tiles=2, train_tiles=1, size=160, seed=seed)
    refuse_known_tiles(open_dataset(private), open_dataset(public))
    with pytest.raises(UsageError, match="4 unseen tiles are in "):
        refuse_known_tiles(open_dataset(public), open_dataset(public))
    # One tile of no test list, under another name.
    theirs, mine = open_dataset(public).tiles("train")[0].hr, open_dataset(private).tiles("test")[0].hr
    shutil.copyfile(theirs, mine)
    with pytest.raises(UsageError, match=rf"1 unseen tile is in .* as {theirs.parent.name} for one") as caught:
        run_audit(AuditRequest(ModelSpec("none:none"), public, probes=("unseen",), unseen=private))
    assert caught.value.where == "--unseen"


def test_a_look_up_of_a_third_of_the_tiles_is_caught_too(data: Path, few_answers: Path) -> None:
    model = ModelSpec("audit_cheats:load_hash", weights=few_answers, search_paths=(CHEATS,))
    report = audit(data, model, probes=("gain", "noise", "unseen"))
    assert over(report) == {"gain", "noise", "unseen"}


def test_known_minus_unseen_is_told_of_the_model_and_of_the_controls(data: Path, answers: Path, tmp_path: Path) -> None:
    private = tmp_path / "private"
    write_mini(private, test_tiles=4, train_tiles=1, size=320, seed=99)
    cheat = ModelSpec("audit_cheats:load_hash", weights=answers, search_paths=(CHEATS,))
    controls = {"bicubic": ModelSpec(find_model("bicubic").target)}
    request = AuditRequest(
        cheat, data, frames=1, controls=controls, seed=7, isolation="process", probes=("unseen",), unseen=private
    )
    report = run_audit(request)
    assert set(report.differences) == {"model", "bicubic"}
    found, honest = report.differences["model"], report.differences["bicubic"]
    assert (found.known, found.unseen) == (16, 4)
    assert found.low is not None
    assert found.low > 10
    assert honest.low is not None
    assert honest.high is not None
    assert honest.low <= 0 <= honest.high
    text = "\n".join(report_lines(report))
    assert "known minus unseen (scenes of the generator" in text
    assert "clean" not in text
    assert "does not show that a model has not seen" in text


def test_the_interval_of_a_difference_is_welchs() -> None:
    from scipy.stats import ttest_ind

    a, b = (1.0, 2.0, 4.0, 3.0, 2.5), (0.5, 1.0, 0.2)
    found = difference(a, b)
    interval = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert difference((1.0,), (0.5, 1.0)).low is None
    assert Gains((0.0,) * 12 + (30.0,) * 4, (0.1, 0.2)).excess > 20
    assert Gains((0.0, 0.1, 0.3, 0.2), (0.1, 0.4)).excess < 0.1


def test_a_model_that_remembers_the_tile_before_fails(data: Path) -> None:
    report = audit(data, ModelSpec("audit_cheats:load_forgetful", search_paths=(CHEATS,)), 1, ("determinism", "order"))
    assert {"determinism", "order"} <= {result.probe for result in report.failed}
    assert not report.passed


class Timed:
    """A model that takes the seconds that it is told to, and a machine that adds its own."""

    def __init__(self, *, new: float, again: float, delays: Iterable[float]) -> None:
        self._new, self._again = new, again
        self._delays = cycle(delays)
        self._seen: set[str] = set()

    def restart(self) -> None:
        """It remembers its tiles all the same."""

    def predict(self, task: Task, seed: int) -> Reply:
        seconds = self._again if task.name in self._seen else self._new
        self._seen.add(task.name)
        return Reply("ok", np.zeros((3, 4, 4), dtype=np.float32), "", seconds + next(self._delays))


def repeat_value(model: Timed) -> float:
    return probe_repeat(AuditedModel(model), [task_of(float(i)) for i in range(16)])


@pytest.mark.parametrize("delays", [(0.0,), (0.3, 0.0, 0.002), (0.0, 0.02, 0.3, 0.0, 0.9), (0.02, 0.0, 0.0)])
def test_an_honest_model_on_a_busy_machine_is_not_a_cache(delays: tuple[float, ...]) -> None:
    assert repeat_value(Timed(new=0.02, again=0.02, delays=delays)) < LIMITS["repeat"]


@pytest.mark.parametrize("delays", [(0.0,), (0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.02, 0.0, 0.0)])
def test_a_cache_is_seen_on_a_busy_machine(delays: tuple[float, ...]) -> None:
    assert repeat_value(Timed(new=0.02, again=0.001, delays=delays)) > 2 * LIMITS["repeat"]


def test_a_cache_is_seen_though_other_probes_have_filled_it(data: Path) -> None:
    model = ModelSpec("audit_cheats:load_caching", search_paths=(CHEATS,))
    report = audit(data, model, 1, ("determinism", "noise", "unseen", "repeat"))
    assert over(report) == {"repeat"}


def test_only_three_probes_refuse() -> None:
    verdicts = {probe: ProbeResult(probe, limit + 1).verdict for probe, limit in LIMITS.items()}
    assert {probe for probe, verdict in verdicts.items() if verdict == "fail"} == {"determinism", "order", "isolation"}
    assert ProbeResult("gain", None).verdict == "unknown"


def task_of(value: float, side: int = 40) -> Task:
    images = np.full((2, 12, side, side), value, dtype=np.float32)
    clear, days = np.ones((2, 1, side, side), dtype=bool), np.zeros(2, dtype=np.int64)
    return Task.single(images, clear, days, 160, 160, str(value))


def test_a_mosaic_holds_every_tile_in_its_cell() -> None:
    made = mosaic([task_of(float(i)) for i in range(CELLS * CELLS)])
    for i, (rows, columns) in enumerate(cells(40, 40)):
        assert (made.images[..., rows, columns] == i).all()
    assert (made.height, made.width) == (160, 160)


class Enlarging:
    """Enlarges the first frame by repeating its pixels."""

    def predict(self, task: Task, seed: int) -> Reply:
        image = task.images[0, 0, :3].repeat(4, axis=1).repeat(4, axis=2)
        return Reply("ok", image, "", 0.01)

    def restart(self) -> None:
        """It keeps nothing."""


def noisy_task(side: int, number: int) -> Task:
    task = task_of(0.0, side)
    noise = np.random.default_rng(number).normal(0.1, 0.02, task.images.shape)
    return replace(task, images=noise.astype(np.float32))


@pytest.mark.parametrize("side", [28, 30, 40])
def test_a_mosaic_has_a_value(side: int) -> None:
    assert 0 <= probe_mosaic(AuditedModel(Enlarging()), [noisy_task(side, i) for i in range(16)]) < 0.6


@pytest.mark.parametrize("side", [16, 24, 27])
def test_a_mosaic_of_small_tiles_says_how_large_they_have_to_be(side: int) -> None:
    with pytest.raises(NoPredictionError, match=rf"input tiles of {side} x {side} px are too small.* 28 px are needed"):
        probe_mosaic(AuditedModel(Enlarging()), [noisy_task(side, i) for i in range(16)])


def test_a_crop_asks_for_the_crop_of_the_output() -> None:
    part = cropped(task_of(1.0), 4, 6)
    assert part.size == (36, 34)
    assert (part.height, part.width) == (144, 136)


def test_change_is_nought_for_the_same_and_one_for_a_blank() -> None:
    image = np.random.default_rng(0).normal(size=(3, 120, 120))
    assert change(image, image) == 0
    assert change(np.zeros_like(image), image) == pytest.approx(1)
    assert change(image + 5.0, image) < 1e-6
