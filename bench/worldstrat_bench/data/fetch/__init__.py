"""Getting WorldStrat: only what a list needs, and only once.

Transport is requests (urllib3), retries are tenacity, archives are read by the standard library's zipfile and tarfile.
remotezip and fsspec were tried first: remotezip reads one member at a time and would read the directory of 250,000
members once a connection; neither of them sends If-Range or notices a file that changes between two ranges, and fsspec
takes a full answer for a range in ``cat_file``. What is written here is what they lack, not another ZIP reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worldstrat_bench.data.fetch.fetcher import fetch as fetch
    from worldstrat_bench.data.fetch.settings import FetchResult as FetchResult
    from worldstrat_bench.data.fetch.settings import RetryPolicy as RetryPolicy
    from worldstrat_bench.data.fetch.settings import Settings as Settings

__all__ = ["FetchResult", "RetryPolicy", "Settings", "fetch"]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "fetch":
        return import_module("worldstrat_bench.data.fetch.fetcher").fetch
    if name in __all__:
        return getattr(import_module("worldstrat_bench.data.fetch.settings"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
