"""Models that break the contract, their process, or the machine: each costs one tile, and the next one is fine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hostile_scene import (
    BREAKS,
    CUDA_IN_SOAK,
    GOOD,
    LIMITS,
    MIB,
    Confinement,
    Scene,
    ask,
    hostile_worker,
    number_of,
    or_skip,
    processes_of,
)
from waiting import wait_until
from worldstrat_bench.worker import Limits, Worker

QUICK = Limits(**{**vars(LIMITS), "tile_seconds": 1.5})

EXPECTED: dict[str, tuple[tuple[str, ...], str]] = {
    "nan": (("invalid_output",), "NaN"),
    "infinite": (("invalid_output",), "infinite"),
    "wrong_shape": (("invalid_output",), "permute"),
    "wrong_dtype": (("invalid_output",), "float()"),
    "too_small": (("invalid_output",), "at least the input's size"),
    "scaled": (("invalid_output",), "divide by"),
    "not_a_tensor": (("invalid_output",), "numpy.ndarray"),
    "nothing": (("invalid_output",), "NoneType"),
    "raises": (("model_error",), "RuntimeError: a message"),
    "raises_unprintable": (("model_error",), "Worse"),
    "leaves": (("model_error",), "SystemExit"),
    "leaves_at_once": (("crash",), "exited with code 0"),
    "segfault": (("crash",), "SIGSEGV"),
    "kills_itself": (("crash",), "SIGKILL"),
    "stops_itself": (("timeout",), "more than 1.5 s"),
    "endless_loop": (("timeout",), "more than 1.5 s"),
    "ignores_sigterm": (("timeout",), "more than 1.5 s"),
    "blocks_native": (("timeout",), "more than 1.5 s"),
    "allocates_50_gb": (("out_of_memory",), ""),
    "leaks_slowly": (("out_of_memory",), "are allowed"),
    "leaks_after_sparing_itself": (("out_of_memory",), "are allowed"),
    "leaks_in_children": (("out_of_memory",), "are allowed"),
    "fork_bomb": (("crash",), "processes"),
    "fork_bomb_of_sessions": (("crash",), "processes"),
    "crowd_of_threads": (("crash",), "threads"),
    "fills_scratch": (("model_error", "crash"), ""),
    "many_files_in_scratch": (("crash",), "scratch folder"),
    "closes_wire": (("crash",), ""),
    "malformed_frame": (("invalid_output",), "not a message"),
    "oversized_frame": (("invalid_output",), "are allowed"),
    "oversized_header": (("invalid_output",), "are allowed"),
    "nested_header": (("invalid_output",), "not JSON"),
    "half_a_frame": (("timeout",), "more than 1.5 s"),
    "pickled_frame": (("invalid_output",), "does not belong"),
    "forged_reply": (("invalid_output",), "does not belong"),
}
"""By behaviour: the outcomes that are right, and words of the message."""

HARMLESS = ("daemonises", "gigabyte_of_junk", "replies_in_advance", "changes_buffer_after_reply", "lies_about_time")
"""What does not even cost its own tile."""

SLOW = frozenset({"stops_itself", "endless_loop", "ignores_sigterm", "blocks_native", "half_a_frame"})


@pytest.fixture(params=CUDA_IN_SOAK, scope="module")
def confinement(request: pytest.FixtureRequest, stub_python: Path) -> Confinement:
    """As in the rest of the suite, but the CUDA profile in the long version only: limits do not depend on it."""
    return or_skip(request.param, stub_python)


@pytest.fixture
def workers(scene: Scene, confinement: Confinement, temporary: Path) -> Iterator[dict[str, Worker]]:
    """The worker that behaviours share, made when it is first needed; with little time where they use it up."""
    made: dict[str, Worker] = {}
    yield made
    for worker in made.values():
        worker.close()
    assert wait_until(lambda: not processes_of(temporary))
    assert not list(temporary.iterdir()), "something was left in the folder for temporary files"


def test_every_behaviour_has_an_expectation() -> None:
    assert sorted([*EXPECTED, *HARMLESS]) == sorted(BREAKS)


@pytest.mark.timeout(300)
def test_breaking_models_cost_one_tile_each(
    scene: Scene,
    confinement: Confinement,
    temporary: Path,
    tmp_path: Path,
    workers: dict[str, Worker],
    stub_python: Path,
) -> None:
    faults = []
    for limits, names in ((LIMITS, [n for n in EXPECTED if n not in SLOW]), (QUICK, sorted(SLOW))):
        worker = workers[str(limits.tile_seconds)] = hostile_worker(
            scene, confinement, tmp_path / "log.txt", limits, stub_python
        )
        worker.start()
        for name in names:
            reply = ask(worker, number_of(name))
            outcomes, words = EXPECTED[name]
            if reply.outcome not in outcomes or words not in reply.message or reply.image is not None:
                faults.append(f"{name}: {reply.outcome}: {reply.message[:300]}")
            # A killed process needs a moment to go, so the host's reply may be here before it has gone.
            if not wait_until(lambda: not processes_of(temporary)):
                faults.append(f"{name}: left {processes_of(temporary)}")
        following = ask(worker, GOOD)
        assert following.outcome == "ok", following.message
        worker.close()
    assert not faults, "\n".join(faults)


def test_memory_is_limited_before_the_machine_suffers(
    scene: Scene, confinement: Confinement, workers: dict[str, Worker], stub_python: Path
) -> None:
    worker = workers["one"] = hostile_worker(scene, confinement, python=stub_python)
    worker.start()
    session = worker._session
    assert session is not None
    assert ask(worker, number_of("leaks_slowly")).outcome == "out_of_memory"
    assert session.peak_bytes < (LIMITS.memory_bytes or 0) + 700 * MIB


def test_harmless_misbehaviour(
    scene: Scene,
    confinement: Confinement,
    temporary: Path,
    tmp_path: Path,
    workers: dict[str, Worker],
    stub_python: Path,
) -> None:
    log = tmp_path / "log.txt"
    worker = workers["one"] = hostile_worker(scene, confinement, log, python=stub_python)
    clean = ask(worker, GOOD)
    assert clean.image is not None
    for name in HARMLESS:
        reply = ask(worker, number_of(name))
        assert reply.outcome == "ok", (name, reply.message)
        assert reply.image is not None
        assert 0 <= reply.seconds < 20
        assert abs(reply.image - clean.image).max() == 0, name
        assert ask(worker, GOOD).outcome == "ok", name
    worker.close()
    text = log.read_bytes()
    assert len(text) <= 2 * LIMITS.log_bytes + 500
    assert b"bytes left out here" in text
    assert b"\x1b" not in text
    assert b"\0" not in text
