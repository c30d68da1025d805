"""Models that cheat at being timed, through the real confined worker: each is INVALID or an error.

Work is a sleep: it takes as long on a busy machine, and costs nothing.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from worldstrat_bench.artefacts.speed import Timing
from worldstrat_bench.errors import ModelError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.speed.figures import Scenario
from worldstrat_bench.speed.inputs import synthetic_tiles
from worldstrat_bench.speed.plan import Plan
from worldstrat_bench.speed.session import SpeedRequest, time_model
from worldstrat_bench.worker.types import ModelSpec

PLAN = Plan(seconds=0.1, budget_seconds=4.0, min_blocks=2, warm_up_seconds=0.5, block_seconds=0.12)
"""Two short blocks in each repeat: a sleep needs no more. The host's clock is within a millisecond of theirs."""
WORK_SECONDS = 0.02
ACCUSATIONS = ("cached", "fresh process", "host waited", "asked for", "wall clock", "to be placed", "while bicubic")
"""What is said of a model that cheats, and not of a machine that is busy."""

COMMON = f"""
import random, sys, time
import torch
from worldstrat_bench.worker.inside import blocks

def bicubic(lr, target):
    return torch.nn.functional.interpolate(lr.rgb(), size=(target.height, target.width), mode="bicubic")

def nearest(lr, target):
    return torch.nn.functional.interpolate(lr.rgb(), size=(target.height, target.width))

def work(lr, target):
    time.sleep({WORK_SECONDS} * len(lr.images))
    return bicubic(lr, target)

class Model:
    def predict(self, lr, target):
        return work(lr, target)

def load(weights, device):
    return Model()
"""

LAZY = """
class Lazy(torch.Tensor):
    def detach(self):
        return work(*self.question)

class Model:
    def predict(self, lr, target):
        output = bicubic(lr, target).as_subclass(Lazy)
        output.question = (lr, target)
        return output
"""

LYING = """
truth = blocks.run_block

def claims(*arguments, **more):
    marks, wall = truth(*arguments, **more)
    share = 1.0 if random.random() < {honest} else 0.05
    return [mark * share for mark in marks], wall * share

blocks.run_block = claims
"""

FAST = """
def work(lr, target):
    time.sleep(0.004 * len(lr.images))
    return bicubic(lr, target)
"""
"""Quick enough that a clock which forgives a call some milliseconds forgives all of it."""

SNIFFING = """
class Model:
    '''Works for the calls whose outputs will be kept.'''
    def predict(self, lr, target):
        frame = sys._getframe()
        while frame is not None and frame.f_code.co_name != "run_block":
            frame = frame.f_back
        looked_at = frame is None or frame.f_locals.get("i", 0) >= frame.f_locals["keep_from"]
        return work(lr, target) if looked_at else nearest(lr, target)
"""

THUMBNAILS = """
class Model:
    '''Knows an image again by a small picture of it.'''
    def __init__(self):
        self.seen = {{}}
    def predict(self, lr, target):
        small = torch.nn.functional.adaptive_avg_pool2d(lr.rgb(), {size})
        key = tuple((small * {steps}).round().int().flatten().tolist())
        if key not in self.seen:
            self.seen[key] = work(lr, target)
        return self.seen[key]
"""

SKIPPING = """
truth = blocks.run_block

def only_the_last(call, inputs, plan, kept, clock, seed=None, **more):
    '''Makes the calls whose outputs are kept, and says that it made all.'''
    calls = max(1, kept.size)
    first = [inputs[plan.first + i % plan.inputs] for i in range(plan.calls - calls, plan.calls)]
    short = blocks.BlockPlan(0, len(first), calls, calls, plan.wait)
    marks, wall = truth(call, first, short, kept, clock, seed, **more)
    count = plan.calls // plan.every
    return [marks[-1] * k / count for k in range(count)] + [marks[-1]], wall

blocks.run_block = only_the_last
"""

LATE = """
truth, take = blocks.run_block, blocks.Bench.take

def nothing(call, inputs, plan, kept, clock, seed=None, **more):
    '''Makes no call; the outputs are computed when they are asked for.'''
    count = plan.calls // plan.every
    wait = 0.0005 * plan.calls
    time.sleep(wait)
    kept._used = min(kept.size, plan.calls)
    kept.question = (inputs, plan)
    return [wait * k / count for k in range(count)] + [wait], wait

def late(self, header, body):
    inputs, plan = self._kept.question
    for number, _ in header["tiles"]:
        i = plan.calls - self._kept._used + number
        placed = inputs[plan.first + i % plan.inputs]
        self._kept._slots[number] = work(placed.lr, placed.target)
    return take(self, header, body)

blocks.run_block, blocks.Bench.take = nothing, late
"""

SELDOM_LATE = (
    LATE
    + """
audits = []

def mostly(call, inputs, plan, kept, clock, seed=None, **more):
    '''Honest in two of the five short blocks all of whose outputs can be asked for.'''
    if 1 < plan.calls == kept.size:
        audits.append(plan)
        if len(audits) % 3 == 0:
            kept.question = None
            return truth(call, inputs, plan, kept, clock, seed, **more)
    return nothing(call, inputs, plan, kept, clock, seed, **more)

def late_or_not(self, header, body):
    return take(self, header, body) if self._kept.question is None else late(self, header, body)

blocks.run_block, blocks.Bench.take = mostly, late_or_not
"""
)


IN_ADVANCE = """
class Model:
    '''Works on all inputs that the worker holds at the first call it gets, timed or not.'''
    def __init__(self):
        self.done = {}
    def predict(self, lr, target):
        if id(lr) in self.done and self.done[id(lr)][0] is lr:
            return self.done[id(lr)][1]
        frame = sys._getframe()
        while frame is not None and frame.f_code.co_name != "run_block":
            frame = frame.f_back
        if frame is None:
            return work(lr, target)
        self.done = {id(p.lr): (p.lr, work(p.lr, p.target)) for p in frame.f_locals["inputs"]}
        return self.done[id(lr)][1]
"""

ON_ARRIVAL = """
truth = blocks.Bench.place
done = {}

def place(self, header, body):
    '''Works while the inputs are placed.'''
    answer = truth(self, header, body)
    done.clear()
    done.update({id(p.lr): (p.lr, work(p.lr, p.target)) for p in self._inputs})
    return answer

blocks.Bench.place = place

class Model:
    def predict(self, lr, target):
        time.sleep(0.005)
        found = done.get(id(lr))
        return found[1] if found is not None and found[0] is lr else work(lr, target)
"""

BURNING = """
import threading

def burn():
    while True:
        sum(range(10000))

def load(weights, device):
    threading.Thread(target=burn, daemon=True).start()
    return Model()
"""

BURNING_ELSEWHERE = """
import subprocess

def load(weights, device):
    subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    return Model()
"""

ONCE = """
truth = blocks.run_block

def memo(call, inputs, plan, kept, clock, seed=None, **more):
    '''Works once for each input; marks as of a steady model.'''
    done = {}
    def once(placed):
        if id(placed) not in done:
            done[id(placed)] = call(placed)
        return done[id(placed)]
    marks, wall = truth(once, inputs, plan, kept, clock, seed, **more)
    count = len(marks) - 1
    return [marks[-1] * (k + 1) / count for k in range(count)] + [marks[-1]], wall

blocks.run_block = memo
"""


def timed(folder: Path, source: str, scenario: Scenario = "single") -> Timing:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "timed_model.py").write_text(COMMON + textwrap.dedent(source), encoding="utf-8")
    tiles = synthetic_tiles(load_protocol(), frames=1, side=200)
    spec = ModelSpec("timed_model:load", search_paths=(folder,))
    request = SpeedRequest(spec, "timed", tiles, scenarios=(scenario,), plan=PLAN, batch_max=4)
    return time_model(request, lambda line: None).report.timings[0]


@pytest.mark.parametrize("scenario", ["single", pytest.param("offline", marks=pytest.mark.soak)])
def test_an_honest_model_is_not_accused(tmp_path: Path, scenario: Scenario) -> None:
    """The machine may be busy with other things: one session in three has to be clean.

    A host that is held up waits some per cent longer than the worker; the liars below claim a twentieth.
    """
    reasons: list[str] = []
    for attempt in range(3):
        timing = timed(tmp_path / str(attempt), "", scenario)
        found = [reason for reason in timing.reasons if any(word in reason for word in ACCUSATIONS)]
        found = [reason for reason in found if not re.match("the worker reports 9[0-9]% of", reason)]
        if not found:
            assert timing.call_ms / timing.batch >= 1e3 * WORK_SECONDS
            return
        reasons += found
    raise AssertionError(reasons)


CHEATS = {
    "lying": (LYING.format(honest=0.0), "of the time that the host waited"),
    "lying, seldom honest": (LYING.format(honest=0.2), "of the time that the host waited"),
    "lying about milliseconds": (FAST + LYING.format(honest=0.0), "of the time that the host waited"),
    "sniffing": (SNIFFING, "whose outputs can all be asked for take"),
    "thumbnails": (THUMBNAILS.format(size=8, steps=50), "results are cached between calls"),
    "coarse thumbnails": (THUMBNAILS.format(size=1, steps=20), "from those of a fresh process"),
    "skipping": (SKIPPING, "whose outputs can all be asked for take"),
    "in advance": (IN_ADVANCE, "results are cached between calls"),
    "on arrival": (ON_ARRIVAL, "longer to be placed"),
    "once for each input": (ONCE, "whose outputs can all be asked for take"),
    "burning": (BURNING, "of a core busy while bicubic was timed"),
    "burning elsewhere": (BURNING_ELSEWHERE, "of a core busy while bicubic was timed"),
    "late": (LATE, "outputs are not there when they are asked for"),
    "late, and prompt now and then": (SELDOM_LATE, "outputs are not there when they are asked for"),
}
LONG = (
    "lying",
    "lying about milliseconds",
    "coarse thumbnails",
    "skipping",
    "in advance",
    "once for each input",
    "burning",
    "late",
    "late, and prompt now and then",
)
"""In `tox -e soak` only: what the others of their kind are caught by catches them, too, or they take half a minute."""


@pytest.mark.parametrize("cheat", [pytest.param(c, marks=[pytest.mark.soak] if c in LONG else []) for c in CHEATS])
def test_a_model_that_cheats_is_invalid(tmp_path: Path, cheat: str) -> None:
    """Always; and with these words in one of three sessions, since audits are compared with a busy machine's blocks."""
    source, words = CHEATS[cheat]
    reasons: list[str] = []
    for attempt in range(3):
        timing = timed(tmp_path / str(attempt), source)
        assert timing.verdict == "INVALID"
        if any(words in reason for reason in timing.reasons):
            return
        reasons += timing.reasons
    raise AssertionError(reasons)


@pytest.mark.soak
@pytest.mark.parametrize("cheat", CHEATS)
def test_a_model_that_cheats_with_batches_is_invalid(tmp_path: Path, cheat: str) -> None:
    timing = timed(tmp_path, CHEATS[cheat][0], "offline")
    assert any(word in reason for reason in timing.reasons for word in ACCUSATIONS), timing.reasons


def test_an_output_that_is_computed_later_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"timed_model\.Lazy, not a plain torch\.Tensor"):
        timed(tmp_path, LAZY)
