"""The counts of a stage: every tile once, in order, from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from worldstrat_bench.run.events import Event, Progress, Tally


def test_a_tally_counts_in_order_from_any_thread() -> None:
    told: list[Event] = []
    tally = Tally("predict", 3, 43, told.append)
    assert told == [Progress("predict", 3, 43)]
    with ThreadPoolExecutor(8) as pool:
        for index in range(40):
            pool.submit(tally.add, f"t{index}", "ok", "a hint")
    progress = [event for event in told if isinstance(event, Progress)]
    assert [event.done for event in progress] == list(range(3, 44))
    assert {event.tile for event in progress[1:]} == {f"t{index}" for index in range(40)}
    assert {(event.total, event.outcome, event.message) for event in progress[1:]} == {(43, "ok", "a hint")}
