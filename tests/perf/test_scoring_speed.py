"""The scorer against the definition, against searches that move copies, and against scikit-image: ratios of one run.

``tox -e perf``, or ``python -m pytest tests/perf --benchmark-enable --benchmark-only``. The table is printed at the
end and written to build/perf/scoring.json. Nothing here fails because something is slow. On a machine that others
use, processor time on one thread says more: WORLDSTRAT_BENCH_PERF_THREADS=1 and --benchmark-timer=time.process_time.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn import functional as F

import scoring_reference as reference
from device_waits import Waits
from scoring_peers import copies_2022
from scoring_scenes import enlarged, land, target_of
from worldstrat_bench import filtering
from worldstrat_bench.filtering import correlate, gaussian_taps
from worldstrat_bench.memory import keep_freed_memory
from worldstrat_bench.metrics.optional import Loaded, load_optional
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.metrics.ssim import ssim, ssim_target
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.registration import mismatch, move, prepare_search
from worldstrat_bench.scoring import Frame, make_scorer
from worldstrat_bench.scoring.many import Scorer
from worldstrat_bench.scoring.upstream import UpstreamPrepared, UpstreamScorer
from worldstrat_bench.scoring.wsb import WsbScorer
from worldstrat_bench.scoring.wsb_batch import BATCH

ROOT = Path(__file__).resolve().parents[2]
SIDE = 632
RADIUS, BORDER = 8, 20


@dataclass
class Figures:
    """Seconds, or MiB, by name of what was measured; the rows of the table pair them."""

    values: dict[str, float] = field(default_factory=dict)
    rows: tuple[tuple[str, str, str], ...] = (
        ("search of wsb-1, everywhere valid", "search wsb-1", "search wsb-1: definition"),
        ("search of wsb-1, masked", "search wsb-1 masked", "search wsb-1: definition"),
        ("separable filter, 17 taps, float64", "filter", "filter: conv2d"),
        ("moving a prediction", "move", "move: conv2d"),
        ("SSIM, target prepared", "ssim", "ssim: scikit-image"),
        ("wsb-1, all but LPIPS, target prepared", "wsb-1", "ssim: scikit-image"),
        ("wsb-1, all but LPIPS, nothing prepared", "wsb-1 from nothing", "ssim: scikit-image"),
        ("Scorer, PSNR and SSIM, a pair of 16", "Scorer", "ssim: scikit-image"),
        ("Scorer, a pair of 16, peer in float64", "Scorer", "ssim: scikit-image in float64"),
        ("Scorer, a pair of 4, peer in float64", "Scorer of 4", "ssim: scikit-image in float64"),
        ("Scorer, one pair, peer in float64", "Scorer alone", "ssim: scikit-image in float64"),
        ("Scorer, half a pixel off, peer in float64", "Scorer, moved", "ssim: scikit-image in float64"),
        ("Scorer, 16 half a pixel off, peer in float64", "Scorer of 16, moved", "ssim: scikit-image in float64"),
        ("wsb-1 with spectral scores, target prepared", "wsb-1 spectral", "wsb-1"),
        ("wsb-1 with spectral scores, nothing prepared", "wsb-1 spectral from nothing", "wsb-1 from nothing"),
        ("wsb-1 with ST-LPIPS, target prepared", "wsb-1 stlpips", "wsb-1"),
        ("wsb-1 with opensr-test, target prepared", "wsb-1 opensr", "wsb-1"),
        ("wsb-1 with near infrared, target prepared", "wsb-1 psnr_nir", "wsb-1 four bands"),
        ("2022-fixed, MSE + MAE + SSIM, target prepared", "2022-fixed", "2022-fixed: 81 copies"),
        ("2022-fixed, MSE + MAE + SSIM, nothing prepared", "2022-fixed from nothing", "2022-fixed: 81 copies"),
        ("2022-fixed, peak memory beyond the images", "2022-fixed memory", "2022-fixed: 81 copies memory"),
        ("PROBA-V search", "search probav", "search probav: definition"),
    )

    def table(self) -> list[dict[str, Any]]:
        """One entry a row whose figures were both taken; `ratio` is how many times less ours is."""
        known = [row for row in self.rows if row[1] in self.values and row[2] in self.values]
        return [
            {
                "what": what,
                "ours": self.values[ours],
                "peer": peer,
                "theirs": self.values[peer],
                "ratio": self.values[peer] / self.values[ours],
            }
            for what, ours, peer in known
        ]

    def own_costs(self) -> dict[str, float]:
        """Seconds that each optional metric adds to a tile whose target is prepared, by name."""
        bases = {"spectral": "wsb-1", "stlpips": "wsb-1", "opensr": "wsb-1", "psnr_nir": "wsb-1 four bands"}
        known = {name: base for name, base in bases.items() if {f"wsb-1 {name}", base} <= set(self.values)}
        return {name: self.values[f"wsb-1 {name}"] - self.values[base] for name, base in known.items()}


@pytest.fixture(scope="module")
def figures(publish: Any) -> Iterator[Figures]:
    threads, used = torch.get_num_threads(), int(os.environ.get("WORLDSTRAT_BENCH_PERF_THREADS", "2"))
    torch.set_num_threads(used)
    # For the peers, too: without it the float64 call of scikit-image takes twice as long, by clearing pages.
    keep_freed_memory(one_heap=False)
    collected = Figures()
    yield collected
    torch.set_num_threads(threads)
    table = collected.table()
    lines = [
        f"{row['what']:<50} {_unit(row, 'ours'):>12} {_unit(row, 'theirs'):>12}  {row['ratio']:8.2f}" for row in table
    ]
    head = f"{'':<50} {'ours':>12} {'peer':>12}  {'times less':>8}"
    about = {"threads": used, "torch": torch.__version__, "machine": platform.machine()}
    costs = collected.own_costs()
    if costs and "wsb-1" in collected.values:
        lines.append(f"a tile of the ranked protocol takes {collected.values['wsb-1'] * 1e3:.2f} ms; beside it")
        lines += [f"  {name} takes {cost * 1e3:.2f} ms of its own" for name, cost in costs.items()]
    publish("scoring", {"about": about, "rows": table, "own_cost_s": costs}, [head, *lines])


def _unit(row: dict[str, Any], key: str) -> str:
    return f"{row[key]:.1f} MiB" if "memory" in row["what"] else f"{row[key] * 1e3:.2f} ms"


def take(figures: Figures, benchmark: Any, name: str, call: Callable[[], object], rounds: int = 15) -> None:
    """Keep the least of the rounds: on a shared machine the others measure the neighbours."""
    benchmark.pedantic(call, rounds=rounds, warmup_rounds=1 if rounds > 1 else 0)
    figures.values[name] = benchmark.stats.stats.min


@pytest.fixture(scope="module")
def pair() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(3, 632, 632) prediction and target."""
    return enlarged(land(SIDE)), land(SIDE)


def window(image: NDArray[np.float32], extra: int) -> Tensor:
    edge = BORDER - extra
    return torch.from_numpy(image[:, edge : SIDE - edge, edge : SIDE - edge].copy()).double()


def test_filter(figures: Figures, benchmark: Any, pair: Any) -> None:
    image, taps = window(pair[0], 16), gaussian_taps(2.0, 8)
    take(figures, benchmark, "filter", lambda: correlate(image, taps, taps))


def test_filter_by_conv2d(figures: Figures, benchmark: Any, pair: Any) -> None:
    image, taps = window(pair[0], 16)[:, None], torch.tensor(gaussian_taps(2.0, 8), dtype=torch.float64)
    column, row = taps.view(1, 1, -1, 1), taps.view(1, 1, 1, -1)
    take(figures, benchmark, "filter: conv2d", lambda: F.conv2d(F.conv2d(image, column), row))


def test_move(figures: Figures, benchmark: Any, pair: Any) -> None:
    image = torch.from_numpy(pair[0].copy())
    take(figures, benchmark, "move", lambda: move(image, 1.25, -0.5, BORDER))


def test_move_by_conv2d(figures: Figures, benchmark: Any, pair: Any) -> None:
    image = torch.from_numpy(pair[0][:, 12:-12, 12:-12].copy())[:, None]
    kernel = torch.randn(1, 1, 17, 17)
    take(figures, benchmark, "move: conv2d", lambda: F.conv2d(image, kernel), rounds=5)


@pytest.mark.parametrize("masked", [False, True])
def test_search_wsb(figures: Figures, benchmark: Any, pair: Any, masked: bool) -> None:
    mask = torch.rand(SIDE - 2 * BORDER, SIDE - 2 * BORDER) < 0.7 if masked else None
    taps = gaussian_taps(2.0, 8)
    target = prepare_search(correlate(window(pair[1], 8), taps, taps), mask, RADIUS)
    image = torch.from_numpy(pair[0][:, 4:-4, 4:-4].copy())
    name = "search wsb-1 masked" if masked else "search wsb-1"
    take(figures, benchmark, name, lambda: mismatch(correlate(image.double(), taps, taps), target))


def test_search_wsb_by_definition(figures: Figures, benchmark: Any, pair: Any) -> None:
    mask = np.ones((SIDE - 2 * BORDER,) * 2, dtype=bool)
    call = lambda: reference.mismatch(pair[0], pair[1], mask, RADIUS, BORDER)  # noqa: E731
    take(figures, benchmark, "search wsb-1: definition", call, rounds=2)


def test_ssim(figures: Figures, benchmark: Any, pair: Any) -> None:
    prediction, target = (torch.from_numpy(image.copy()) for image in pair)
    prepared = ssim_target(target)
    take(figures, benchmark, "ssim", lambda: ssim(prediction, prepared))


@pytest.mark.parametrize(
    ("name", "kind"), [("ssim: scikit-image", np.float32), ("ssim: scikit-image in float64", np.float64)]
)
def test_ssim_by_scikit_image(figures: Figures, benchmark: Any, pair: Any, name: str, kind: type[np.floating]) -> None:
    """In the images' own float32, and in the float64 that `ssim` agrees with to 1e-6 on any tile."""
    prediction, target = (image.transpose(1, 2, 0).astype(kind) for image in pair)
    similarity: Any = structural_similarity

    def call() -> object:
        return similarity(
            target,
            prediction,
            channel_axis=2,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )

    take(figures, benchmark, name, call)


def frame() -> Frame:
    small = land(SIDE).reshape(3, SIDE // 4, 4, SIDE // 4, 4).mean(axis=(2, 4))
    return Frame(small, np.ones(small.shape[1:], dtype=bool))


def test_wsb(figures: Figures, benchmark: Any, pair: Any) -> None:
    scorer = make_scorer(load_protocol("wsb-1"))
    prepared = scorer.prepare(target_of(pair[1]), frame())
    take(figures, benchmark, "wsb-1", lambda: scorer.score(pair[0], prepared))


def test_wsb_from_nothing(figures: Figures, benchmark: Any, pair: Any) -> None:
    scorer = make_scorer(load_protocol("wsb-1"))
    target, given = target_of(pair[1]), frame()
    call = lambda: scorer.score(pair[0], scorer.prepare(target, given))  # noqa: E731
    take(figures, benchmark, "wsb-1 from nothing", call, rounds=7)


@pytest.mark.parametrize(
    ("name", "count"),
    [("Scorer", 16), ("Scorer of 4", 4), ("Scorer alone", 1), ("Scorer, moved", 1), ("Scorer of 16, moved", 16)],
)
def test_scorer_of_a_training_loop(figures: Figures, benchmark: Any, pair: Any, name: str, count: int) -> None:
    """A pair against its prepared target, as ``Scorer`` scores it while a network is trained.

    The peer is one ``structural_similarity`` of the whole pair with the same Gaussian window: in float64, and in the
    images' own float32. At most half of the former is the aim.
    """
    scorer = Scorer(device="cpu", metrics="psnr,ssim").prepare(np.stack([pair[1]] * count))
    image = pair[0]
    if name.endswith("moved"):
        image = move(F.pad(torch.from_numpy(image), (8,) * 4, mode="replicate"), 0.5, 0.5, 8).numpy()
    batch = np.stack([image] * count)
    take(figures, benchmark, name, lambda: scorer.score(batch), rounds=5 if count > 4 else 15)
    figures.values[name] /= count


def test_wsb_with_spectral_scores(figures: Figures, benchmark: Any, pair: Any) -> None:
    """At most half of wsb-1 more: the ratio of the table is at least 0.67."""
    scorer = make_scorer(load_protocol("wsb-1"), optional=load_optional(["spectral"]))
    prepared = scorer.prepare(target_of(pair[1]), frame())
    take(figures, benchmark, "wsb-1 spectral", lambda: scorer.score(pair[0], prepared))


def test_wsb_with_spectral_scores_from_nothing(figures: Figures, benchmark: Any, pair: Any) -> None:
    scorer = make_scorer(load_protocol("wsb-1"), optional=load_optional(["spectral"]))
    target, given = target_of(pair[1]), frame()
    call = lambda: scorer.score(pair[0], scorer.prepare(target, given))  # noqa: E731
    take(figures, benchmark, "wsb-1 spectral from nothing", call, rounds=7)


def asked(name: str) -> tuple[Loaded, ...]:
    """That optional metric alone; skips where this machine lacks it."""
    optional = tuple(one for one in load_optional([name]) if one.metric.name == name)
    for one in optional:
        if isinstance(one.computation, Unavailable):
            pytest.skip(one.computation.reason)
    return optional


@pytest.mark.parametrize(("name", "rounds"), [("stlpips", 3), ("opensr", 3)])
def test_wsb_with_an_optional_metric(figures: Figures, benchmark: Any, pair: Any, name: str, rounds: int) -> None:
    scorer = make_scorer(load_protocol("wsb-1"), optional=asked(name))
    prepared = scorer.prepare(target_of(pair[1]), frame())
    take(figures, benchmark, f"wsb-1 {name}", lambda: scorer.score(pair[0], prepared), rounds=rounds)


@pytest.mark.parametrize("name", ["wsb-1 four bands", "wsb-1 psnr_nir"])
def test_wsb_with_near_infrared(figures: Figures, benchmark: Any, pair: Any, name: str) -> None:
    """Four bands with and without the score of the fourth."""
    optional = asked("psnr_nir") if name.endswith("psnr_nir") else ()
    scorer = make_scorer(load_protocol("wsb-1"), optional=optional)
    prediction, target = (np.concatenate([image, image[:1]]) for image in pair)
    prepared = scorer.prepare(target_of(target), frame())
    take(figures, benchmark, name, lambda: scorer.score(prediction, prepared))


def test_operations_of_a_tile(benchmark: Any, pair: Any, publish: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU would be told to do: operations that are not views, for one tile alone and for one of a batch."""
    monkeypatch.setattr(filtering, "on_gpu", lambda image: True)

    def count() -> dict[int, float]:
        counts = {}
        for size in (1, BATCH):
            scorer = make_scorer(load_protocol("wsb-1"), batch=size)
            assert isinstance(scorer, WsbScorer)
            tiles = [scorer.prepare(target_of(pair[1]), frame())] * size
            for _ in range(2):  # what is made once is there the second time
                with Waits() as operations:
                    scorer.score_batch([pair[0]] * size, tiles)
            counts[size] = operations.launches / size
        return counts

    counts: dict[int, float] = benchmark.pedantic(count, rounds=1)
    lines = [f"operations a tile: {counts[1]:.0f} alone, {counts[BATCH]:.1f} in a batch of {BATCH}"]
    publish("operations", {"alone": counts[1], "in_a_batch": counts[BATCH], "batch": BATCH}, lines)


def upstream() -> tuple[UpstreamScorer, UpstreamPrepared, NDArray[np.float32]]:
    scorer = make_scorer(load_protocol("worldstrat-2022-fixed"))
    assert isinstance(scorer, UpstreamScorer)
    return scorer, scorer.prepare(target_of(land(500)), None), enlarged(land(500))


def test_2022(figures: Figures, benchmark: Any) -> None:
    scorer, prepared, prediction = upstream()
    take(figures, benchmark, "2022-fixed", lambda: scorer.score(prediction, prepared))


def test_2022_from_nothing(figures: Figures, benchmark: Any) -> None:
    scorer, _, prediction = upstream()
    target = target_of(land(500))
    call = lambda: scorer.score(prediction, scorer.prepare(target, None))  # noqa: E731
    take(figures, benchmark, "2022-fixed from nothing", call, rounds=7)


def test_2022_by_copies(figures: Figures, benchmark: Any) -> None:
    scorer, prepared, prediction = upstream()
    kernels = torch.tensor(scorer.kernels, dtype=torch.float32)
    truth: Tensor = prepared.chips.contiguous()

    def call() -> tuple[float, float, float]:
        chips: Tensor = scorer._chips(torch.from_numpy(prediction))
        chips = chips + (truth - chips).mean(dim=(-2, -1), keepdim=True)
        return copies_2022(chips, truth, kernels, 5)

    take(figures, benchmark, "2022-fixed: 81 copies", call, rounds=3)
    metrics = scorer.score(prediction, prepared).metrics
    assert list(call()) == [pytest.approx(metrics[name], rel=1e-4) for name in ("mse", "mae", "ssim_loss")]


MEMORY = """
import sys
sys.path.insert(0, sys.argv[2])
import torch
torch.set_num_threads(2)
from scoring_peers import copies_2022, peak_mebibytes
from scoring_scenes import enlarged, land, target_of
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring import make_scorer
scorer = make_scorer(load_protocol("worldstrat-2022-fixed"))
target, prediction = target_of(land(500)), enlarged(land(500))
torch.fft.rfft2(torch.rand(8, 8)) @ torch.rand(5, 8).to(torch.complex64)
torch.nn.functional.conv2d(torch.rand(1, 1, 9, 9), torch.rand(1, 1, 3, 3))
before = peak_mebibytes(fresh=True)
if sys.argv[1] == "ours":
    scorer.score(prediction, scorer.prepare(target, None))
else:
    chips = scorer._chips(torch.from_numpy(target.image.copy()))
    copies_2022(scorer._chips(torch.from_numpy(prediction)), chips, torch.tensor(scorer.kernels).float(), 5)
print(peak_mebibytes() - before)
"""


@pytest.mark.parametrize(("which", "name"), [("ours", "2022-fixed memory"), ("copies", "2022-fixed: 81 copies memory")])
def test_peak_memory(figures: Figures, benchmark: Any, which: str, name: str) -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of memory is read from /proc")
    command = [sys.executable, "-c", MEMORY, which, str(ROOT / "tests")]
    run: subprocess.CompletedProcess[str] = benchmark.pedantic(
        subprocess.run, (command,), {"capture_output": True, "text": True, "check": True}, rounds=1
    )
    figures.values[name] = float(run.stdout)


def test_search_probav(figures: Figures, benchmark: Any, pair: Any) -> None:
    from worldstrat_bench.registration.integer_best import prepare_windows, window_mismatch

    prediction, target = (torch.from_numpy(image.copy()) for image in pair)
    truth = prepare_windows(target, torch.ones(SIDE, SIDE, dtype=torch.bool), 3)
    take(figures, benchmark, "search probav", lambda: window_mismatch(prediction[:, 3:-3, 3:-3], truth))


def test_search_probav_by_definition(figures: Figures, benchmark: Any, pair: Any) -> None:
    valid = np.ones((SIDE, SIDE), dtype=bool)
    call = lambda: reference.kelvins(pair[0], pair[1], valid)  # noqa: E731
    take(figures, benchmark, "search probav: definition", call, rounds=2)
