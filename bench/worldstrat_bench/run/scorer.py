"""The scorer of a run, ready to go: metrics are loaded and compared with those that scored the run before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from worldstrat_bench.data.target import ArrayCache
from worldstrat_bench.errors import UsageError
from worldstrat_bench.metrics.optional import Loaded, load_optional
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.run.caching import open_cache
from worldstrat_bench.run.environment import probe_harness
from worldstrat_bench.run.events import Listener, Notice
from worldstrat_bench.run.folder import RESUME, RunFolder
from worldstrat_bench.run.notes import HARNESS_STATE, ScoreInputs, protocol_ref, read_note, remember
from worldstrat_bench.run.request import RunOptions
from worldstrat_bench.scoring.types import Scorer
from worldstrat_bench.worker.inside.device import usable_cores

DEVICE_THREADS = 8
"""Tiles at once on a GPU: while a batch is computed, others are read, hashed and prepared. No number depends on which
tiles are scored at the same time; see ``scoring.wsb_batch``."""


@dataclass(frozen=True)
class Scoring:
    """A scorer on its device, with what the journal has to know of it."""

    scorer: Scorer
    protocol: Protocol
    cache: ArrayCache | None
    threads: int
    harness_changed: bool

    @classmethod
    def open(cls, run: RunFolder, protocol: Protocol, options: RunOptions, device: str, tell: Listener) -> Self:
        """Load the metrics and compare them with those of an earlier process.

        Nothing is put on the device before the first tile is scored: networks are loaded on the CPU.

        Raises
        ------
        UsageError
            if the run was scored by other means before.
        """
        from worldstrat_bench.metrics.lpips_metric import load_perceptual
        from worldstrat_bench.scoring import make_scorer

        backbone, reason = None, None
        if "lpips" in protocol.metrics.names:
            loaded = load_perceptual(options.lpips_weights, options.download)
            if isinstance(loaded, Unavailable):
                reason = loaded.reason
                tell(Notice(f"no LPIPS: {reason}", once=True))
            else:
                backbone = loaded
        optional = _optional(options, protocol, tell)
        changed = _remember_scoring(
            run, protocol, device, None if backbone is None else backbone.sha256, reason, optional
        )
        cache = open_cache(options)
        scorer = make_scorer(protocol, device=device, perceptual=backbone, cache=cache, optional=optional)
        threads = options.threads or usable_cores()
        return cls(scorer, protocol, cache, threads if device == "cpu" else min(threads, DEVICE_THREADS), changed)


def _optional(options: RunOptions, protocol: Protocol, tell: Listener) -> tuple[Loaded, ...]:
    """Return the optional metrics asked for and the automatic ones; one that this machine lacks is null.

    Raises
    ------
    UsageError
        if the protocol is another group's: its columns are fixed.
    """
    if protocol.family != "wsb":
        if options.metrics:
            raise UsageError(f"{protocol.id} has no optional metrics", where="--metrics", remedy="use --protocol wsb-1")
        return ()
    optional = load_optional(options.metrics)
    for one in optional:
        if isinstance(one.computation, Unavailable):
            tell(Notice(f"no {one.metric.name}: {one.computation.reason}", once=True))
    return optional


def _remember_scoring(
    run: RunFolder,
    protocol: Protocol,
    device: str,
    backbone: str | None,
    reason: str | None,
    optional: Sequence[Loaded],
) -> bool:
    """Write the note, or compare it; True if the harness is in another state than when the run began."""
    now = ScoreInputs(
        protocol=protocol_ref(protocol),
        lpips_backbone_sha256=backbone,
        lpips_null=reason,
        optional={one.metric.name: one.version for one in optional},
        device_type=device.partition(":")[0],
        harness=probe_harness(),
    )
    remedy = f"{RESUME}; `worldstrat-bench score RUN --out DIR` scores the predictions again"
    # The reason for a missing LPIPS may change, as when the network comes back; having it or not is told apart by the
    # digest of its weights.
    remember(run.journal, "score", now, remedy=remedy, leave_out=HARNESS_STATE | {"lpips_null"})
    return read_note(run.journal, "score", ScoreInputs).harness != now.harness
