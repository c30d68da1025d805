"""Return of memory to the system while a process moves images of tiles; used beside models, too."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST = 32 << 20
"""The greatest threshold that glibc takes: larger blocks are always given back at once."""
_KEPT = 512 << 20


def keep_freed_memory(one_heap: bool = True) -> bool:
    """Let the C library keep freed images for the next ones, up to half a GiB; False where it is not glibc.

    A tile takes dozens of images of 4 to 9 MB. Given back to the system each time, every page of the next one is
    cleared and mapped again, a sixth of the time of a score.

    Parameters
    ----------
    one_heap : for all threads, which keeps them for all threads; a model's own threads are not made to share one.
    """
    try:
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    except (OSError, TypeError):  # Windows, and a Python without a dynamic linker: there is no library of the process
        return False
    if mallopt is None:
        return False
    settings = ((_M_MMAP_THRESHOLD, _LARGEST), (_M_TRIM_THRESHOLD, _KEPT), *(((_M_ARENA_MAX, 1),) if one_heap else ()))
    return all(mallopt(name, value) == 1 for name, value in settings)
