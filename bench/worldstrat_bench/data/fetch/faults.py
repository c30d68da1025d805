"""Faults of a transfer, before it is known whether the user has to be told."""

from __future__ import annotations


class FetchAttemptFailed(Exception):  # noqa: N818 - it becomes an error only if it does not go away
    """An attempt failed and another one may succeed.

    Parameters
    ----------
    what : one sentence without a full stop.
    retry_after_seconds : what the server asked for, if it did.
    damaged : the bytes arrived but are wrong; if that persists it is the data's fault, not the network's.
    remedy : what the user can do if it persists.
    """

    def __init__(
        self, what: str, *, retry_after_seconds: float | None = None, damaged: bool = False, remedy: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.retry_after_seconds = retry_after_seconds
        self.damaged = damaged
        self.remedy = remedy


class SourceChanged(Exception):  # noqa: N818 - it is an event of the outside world
    """The file on the server is no longer the one that the fetch began with."""


class FetchStopped(Exception):  # noqa: N818 - not an error: the user, or a failure elsewhere, ended the fetch
    """The fetch is being ended."""
