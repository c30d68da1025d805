"""The confined process that runs a model, and the wire to it. This package is copied next to the worker as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worldstrat_bench.worker.host import Worker as Worker
    from worldstrat_bench.worker.types import Hello as Hello
    from worldstrat_bench.worker.types import Limits as Limits
    from worldstrat_bench.worker.types import ModelSpec as ModelSpec
    from worldstrat_bench.worker.types import Reply as Reply

__all__ = ["Hello", "Limits", "ModelSpec", "Reply", "Worker"]


def __getattr__(name: str) -> Any:
    """Return the host's names, imported when first used: the worker itself has no use for them."""
    if name not in __all__:
        raise AttributeError("module {!r} has no attribute {!r}".format(__name__, name))  # noqa: UP032 also read by old Pythons
    from importlib import import_module

    home = "host" if name == "Worker" else "types"
    return getattr(import_module("worldstrat_bench.worker." + home), name)
