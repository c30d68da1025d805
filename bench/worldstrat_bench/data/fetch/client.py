"""One server, many threads: sessions, the pause that a 429 imposes on all of them, retries, and a way to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import requests
import tenacity
import urllib3
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from worldstrat_bench import __version__
from worldstrat_bench.data.fetch.faults import FetchAttemptFailed, FetchStopped
from worldstrat_bench.data.fetch.settings import RetryPolicy
from worldstrat_bench.errors import DataError, InfrastructureError

T = TypeVar("T")
_NO_NETWORK = "check the network and HTTPS_PROXY, then run it again; without a network, copy the files and use --source"
_AGAIN = "run the same command again: it continues where it stopped"


class Client:
    """Sessions of requests, one a thread, that share a pause and a stop.

    Parameters
    ----------
    policy : how patient to be.
    on_retry : called with a sentence whenever an attempt failed and another one follows.
    """

    def __init__(self, policy: RetryPolicy, on_retry: Callable[[str], None] = lambda _: None) -> None:
        self.policy = policy
        self.tell = on_retry
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: set[urllib3.BaseHTTPResponse] = set()
        self._paused_until = 0.0
        self._stopped = threading.Event()
        self._received = 0

    @property
    def bytes_received(self) -> int:
        """Bytes of bodies that arrived, useful or not."""
        return self._received

    def count(self, size: int) -> None:
        """Add to :attr:`bytes_received`."""
        with self._lock:
            self._received += size

    def stop(self) -> None:
        """End all requests in flight; their threads get :class:`FetchStopped`."""
        self._stopped.set()
        with self._lock:
            # Not closed: that would not wake a thread that waits for bytes.
            for raw in self._open:
                with suppress(Exception):  # the socket may be gone already: that is what we want
                    raw.shutdown()

    def resume(self) -> None:
        """Allow requests again after :meth:`stop`."""
        self._stopped.clear()

    def check_stopped(self) -> None:
        """Raise :class:`FetchStopped` if the fetch is being ended."""
        if self._stopped.is_set():
            raise FetchStopped

    def get(self, url: str, headers: dict[str, str]) -> requests.Response:
        """Send one request, after the pause that the server may have asked for. The body is not read.

        Raises
        ------
        FetchAttemptFailed
            if there is no answer.
        """
        self._stopped.wait(max(0.0, self._paused_until - time.monotonic()))
        self.check_stopped()
        timeouts = (self.policy.connect_seconds, self.policy.silence_seconds)
        try:
            response = self._session().get(url, headers=headers, stream=True, timeout=timeouts)
        except (requests.exceptions.MissingSchema, requests.exceptions.InvalidURL) as error:
            raise DataError("that is not a URL", where=url, remedy="give an http:// or https:// address") from error
        except requests.RequestException as error:
            self.check_stopped()
            raise FetchAttemptFailed(f"no answer: {_reason(error)}", remedy=_NO_NETWORK) from error
        with self._lock:
            self._open.add(response.raw)
        return response

    def release(self, response: requests.Response) -> None:
        """Forget a response and close its connection unless its body was read to the end."""
        with self._lock:
            self._open.discard(response.raw)
        with suppress(Exception):
            response.close()

    def pause(self, seconds: float) -> None:
        """Send nothing new for `seconds`, whichever thread asks."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def retrying(self, attempt: Callable[[], T], *, where: str, faults: FaultCount) -> T:
        """Call `attempt` until it succeeds or `faults` says that it is enough.

        Raises
        ------
        DataError
            if wrong bytes keep coming.
        InfrastructureError
            if the server keeps failing, or asks for a longer wait than the policy allows.
        """
        spread = tenacity.wait_random_exponential(self.policy.first_wait_seconds, self.policy.longest_wait_seconds)

        def wait(state: tenacity.RetryCallState) -> float:
            state.attempt_number = faults.count  # faults since progress, also those of earlier calls
            return max(spread(state), _fault(state).retry_after_seconds or 0.0)

        def stop(state: tenacity.RetryCallState) -> bool:
            faults.add()
            asked = _fault(state).retry_after_seconds or 0.0
            return faults.count >= self.policy.attempts or asked > self.policy.longest_retry_after_seconds

        def before_sleep(state: tenacity.RetryCallState) -> None:
            fault = _fault(state)
            if fault.retry_after_seconds:
                self.pause(fault.retry_after_seconds)
            self.tell(f"{where}: {fault.what}; fault {faults.count}, trying again")

        loop = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(FetchAttemptFailed),
            wait=wait,
            stop=stop,
            sleep=tenacity.sleep_using_event(self._stopped),
            before_sleep=before_sleep,
            reraise=True,
        )
        try:
            return loop(attempt)
        except FetchAttemptFailed as fault:
            raise final_error(fault, where, faults.count) from fault

    def _session(self) -> requests.Session:
        # One a thread: requests does not promise that threads may share a session.
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            # Not packed on the way: a range would count other bytes than those of the file.
            session.headers.update({"User-Agent": f"worldstrat-bench/{__version__}", "Accept-Encoding": "identity"})
            self._local.session = session
        return session


class FaultCount:
    """Faults since the last real progress, so that a long download outlives many short interruptions."""

    def __init__(self, enough_bytes: int = 256 * 1024) -> None:
        self.count = 0
        self._bytes = 0
        self._enough_bytes = enough_bytes

    def add(self) -> None:
        """Count one more fault."""
        self.count += 1
        self._bytes = 0

    def progress(self, size: int) -> None:
        """Count good bytes; enough of them in a row forgive the faults before."""
        self._bytes += size
        if self._bytes >= self._enough_bytes:
            self.count = 0


def retry_after(response: requests.Response) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number or a date), or None."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(Retry().parse_retry_after(value)))
    except (InvalidHeader, OverflowError):
        return None


def final_error(fault: FetchAttemptFailed, where: str, attempts: int) -> DataError | InfrastructureError:
    """Return the error that a fault becomes when it does not go away."""
    if fault.damaged:
        return DataError(
            f"{fault.what}, {attempts} times in a row",
            where=where,
            remedy=fault.remedy or "the copy at the source is damaged: use another source",
        )
    if fault.retry_after_seconds:
        return InfrastructureError(
            f"the server asks to wait {fault.retry_after_seconds:.0f} seconds ({fault.what})",
            where=where,
            remedy=f"wait that long, then {_AGAIN}",
        )
    return InfrastructureError(f"{fault.what}, {attempts} times in a row", where=where, remedy=fault.remedy or _AGAIN)


def _fault(state: tenacity.RetryCallState) -> FetchAttemptFailed:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, FetchAttemptFailed) else FetchAttemptFailed("unknown")


def _reason(error: Exception) -> str:
    text = str(error)
    for words, reason in (
        ("timed out", "the server did not answer in time"),
        ("NameResolution", "the host's name does not resolve"),
        ("refused", "the connection was refused"),
        ("CERTIFICATE", "the server's certificate is not valid"),
        ("ProxyError", "the proxy failed"),
    ):
        if words in text:
            return reason
    return type(error).__name__
