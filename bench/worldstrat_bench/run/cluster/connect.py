"""The connection to Dask: a scheduler that is already running, or workers of our own on this machine."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worldstrat_bench.errors import InfrastructureError, UsageError
from worldstrat_bench.run.cluster.watch import workers_text
from worldstrat_bench.run.events import Listener, Notice

if TYPE_CHECKING:
    from distributed import Client, Security, SpecCluster

LOOPBACK = "127.0.0.1"
_CONNECT_SECONDS = 30
_FILE_SECONDS = 300
_START = "start one: dask scheduler --scheduler-file FILE; and workers: dask worker --scheduler-file FILE"
_KEYS = "give --tls-ca FILE --tls-cert FILE --tls-key FILE, or set them in Dask's configuration (distributed.comm.tls)"
_INSTALL = "pip install 'worldstrat-bench[dask]'"
GPU = "GPU"
"""The resource of which a Dask worker with a GPU has one: ``dask worker --resources GPU=1``."""


@dataclass(frozen=True)
class ClusterOptions:
    """Machines that make the shards.

    Attributes
    ----------
    scheduler : address of a Dask scheduler (``tls://host:8786``), or the scheduler file that it writes.
    workers : instead, start so many Dask workers on this machine, reachable from this machine with a key only.
    tiles_per_task : tiles of a shard; one that is lost with its machine is begun again where it stopped.
    dashboard : whether Dask's web page is served, by the scheduler of our own workers.
    tls_ca_file, tls_cert, tls_key : of the connection to `scheduler`; where not given, Dask's own configuration counts.
    """

    scheduler: str | None = None
    workers: int | None = None
    tiles_per_task: int = 24
    dashboard: bool = False
    tls_ca_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None


@contextmanager
def connected(options: ClusterOptions, devices: Sequence[str], tell: Listener) -> Iterator[Client]:
    """Connect a client to the cluster, for as long as the context lasts.

    Parameters
    ----------
    devices : of this machine, for our own workers: ``("cpu",)``, or ``cuda:N`` of which each gets one.

    Raises
    ------
    UsageError
        if Dask is not installed, or there are more workers than GPUs.
    InfrastructureError
        if the scheduler cannot be reached.
    """
    try:
        import dask
        import distributed
    except ImportError as error:
        raise UsageError(f"Dask is not installed: {error}", where="--scheduler, --workers", remedy=_INSTALL) from None
    with dask.config.set(_configuration(options.dashboard)), _without_log("distributed.client"):
        if options.scheduler is not None:
            with _client(options, tell) as client:
                yield client
            return
        with (
            _own_cluster(options, devices, tell) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            yield client


@contextmanager
def _without_log(name: str) -> Iterator[None]:
    """Keep a part of Dask from printing tracebacks of what the run reports in its own words."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _configuration(dashboard: bool) -> dict[str, Any]:
    """Return settings that stop what Dask does by itself and we do not want.

    It sets one thread for numerical libraries, which the model's process would inherit; it serves web pages. It starts
    workers with ``python -c``, which looks for modules in the current folder: that may be a stranger's.
    """
    quiet: dict[str, Any] = {
        "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": 65536, "PYTHONSAFEPATH": "1"},
        "distributed.worker.http.routes": [],
    }
    return quiet if dashboard else {**quiet, "distributed.scheduler.http.routes": []}


def _await_file(path: Path, tell: Listener) -> None:
    """Wait for the scheduler's file: a job may start before its scheduler has; a mistyped name never comes."""
    tell(Notice(f"waiting for the scheduler file {path}, {_FILE_SECONDS} s at most"))
    deadline = time.monotonic() + _FILE_SECONDS
    while not path.is_file():
        if time.monotonic() > deadline:
            raise InfrastructureError("no scheduler wrote its file", where=path, remedy=f"check the path; {_START}")
        time.sleep(0.1)


@contextmanager
def _client(options: ClusterOptions, tell: Listener) -> Iterator[Client]:
    import distributed

    address = options.scheduler or ""
    path = Path(address)
    if not is_address(address) and not path.is_file():
        _await_file(path, tell)
    security = _security(options)
    reached = _with_scheme(address, security) if is_address(address) else _address_in(path)
    _reach(reached, security, address)
    try:
        client = distributed.Client(reached, security=security, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise _unreachable(error, address) from None
    with client:
        count = len(client.scheduler_info(n_workers=-1)["workers"])
        tell(Notice(workers_text(count) if count else "no Dask worker has joined yet: waiting for one"))
        client.wait_for_workers(1)
        yield client


def _address_in(path: Path) -> str:
    """Return the address in a scheduler file."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError):
        remedy = "give the file that `dask scheduler --scheduler-file FILE` writes"
        raise UsageError("not a scheduler file", where=path, remedy=remedy) from None


def _with_scheme(address: str, security: Security) -> str:
    """Return HOST:PORT as an address with TLS if there is a key: Dask would take it for one without."""
    return f"tls://{address}" if "://" not in address and security.require_encryption else address


def _reach(address: str, security: Security, given: str) -> None:
    """Try the connection: a client of Dask that fails tries on behind the scenes, and ends with a traceback.

    Raises
    ------
    UsageError
        if the scheduler wants a key and there is none, or the other way round, or another key.
    InfrastructureError
        if there is no answer.
    """
    from distributed.comm.addressing import normalize_address
    from distributed.comm.core import connect

    place = normalize_address(address)
    try:
        arguments = security.get_connection_args("client")
    except (OSError, ValueError) as error:
        raise UsageError(f"the key cannot be used: {error!s:.200}", where=given, remedy=_KEYS) from None
    if place.startswith(("tls://", "wss://")) and arguments.get("ssl_context") is None:
        raise UsageError("the scheduler wants a key", where=given, remedy=_KEYS)
    if arguments.get("require_encryption") and not place.startswith(("tls://", "wss://")):
        if is_address(given):
            remedy = "tls://HOST:PORT, or leave out --tls-ca, --tls-cert and --tls-key"
            raise UsageError("the address is one without TLS, and there is a key", where=given, remedy=remedy)
        raise _without_key(given)

    async def trial() -> None:
        comm = await connect(place, timeout=_CONNECT_SECONDS, **arguments)
        comm.abort()

    try:
        # In a thread of its own: a notebook has an event loop that runs already.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: asyncio.run(trial())).result()
    except (OSError, ValueError, TypeError) as error:
        raise _key_at_fault(error, place, given) or _unreachable(error, given) from None


def _without_key(given: str) -> UsageError:
    remedy = "start it with --protocol tls, or leave out --tls-ca, --tls-cert and --tls-key"
    return UsageError("the scheduler has no key", where=given, remedy=remedy)


def _key_at_fault(error: Exception, place: str, given: str) -> UsageError | None:
    """Return what is wrong with the key if a scheduler is there and the connection fails by it; else None."""
    from distributed.comm.core import CommClosedError

    cause = _tls_error(error)
    # What answers speaks no TLS at all; whether its first words come before the handshake is chance.
    if "WRONG_VERSION_NUMBER" in str(cause) or (isinstance(error, ValueError) and "convert to SSL" in str(error)):
        return _without_key(given)
    if isinstance(cause, ssl.SSLCertVerificationError):
        what = f"the scheduler's certificate is not one of --tls-ca: {cause.verify_message}"
        return UsageError(what, where=given, remedy="give the files that the scheduler was started with")
    if cause is not None:
        what = f"the scheduler ended the connection, as it does with a key that it does not know: {cause!s:.200}"
        return UsageError(what, where=given, remedy="give --tls-cert and --tls-key by an authority that it trusts")
    if place.startswith("tcp://") and isinstance(error, CommClosedError):
        what = "the scheduler ended the connection, as one that wants a key does with an address without TLS"
        return UsageError(what, where=given, remedy=f"tls://HOST:PORT; {_KEYS}")
    return None


def _tls_error(error: Exception) -> ssl.SSLError | None:
    """Return the error of TLS behind one of Dask, which is its cause, its context, or what Tornado keeps in either."""
    behind = (error.__cause__, error.__context__)
    found = (one for outer in behind for one in (outer, getattr(outer, "real_error", None)))
    return next((one for one in found if isinstance(one, ssl.SSLError)), None)


def _unreachable(error: Exception, given: str) -> InfrastructureError:
    return InfrastructureError(f"the Dask scheduler cannot be reached: {error!s:.300}", where=given, remedy=_START)


def is_address(text: str) -> bool:
    """Return whether a scheduler is named by its address; else it is the path of a scheduler file."""
    host, colon, port = text.rpartition(":")
    return "://" in text or bool(colon and port.isdigit() and host and "/" not in host)


def _security(options: ClusterOptions) -> Security:
    """TLS as asked for; with nothing asked for, as Dask's own configuration says."""
    import distributed

    files = {
        "tls_ca_file": options.tls_ca_file,
        "tls_client_cert": options.tls_cert,
        "tls_client_key": options.tls_key,
    }
    given = {name: str(path) for name, path in files.items() if path is not None}
    missing = [path for path in given.values() if not Path(path).is_file()]
    if missing:
        raise UsageError("there is no such file", where=missing[0], remedy="--tls-ca, --tls-cert, --tls-key")
    return distributed.Security(**given, require_encryption=True) if given else distributed.Security()


@contextmanager
def _own_cluster(options: ClusterOptions, devices: Sequence[str], tell: Listener) -> Iterator[SpecCluster]:
    """Start a scheduler and workers on the loopback interface, behind keys that exist in memory only.

    Whoever can speak to a Dask scheduler can run code: without keys that would be every user of this machine, and a
    model that is confined without a network namespace.
    """
    import distributed

    count = options.workers or 1
    if devices[0] != "cpu" and count > len(devices):
        raise UsageError(f"{count} workers and {len(devices)} GPUs", where="--workers", remedy="one worker a GPU")
    try:
        security = distributed.Security.temporary()
    except ImportError as error:
        raise UsageError(f"Dask's keys cannot be made: {error}", where="--workers", remedy=_INSTALL) from None
    common = {"host": LOOPBACK, "protocol": "tls://", "security": security}
    page = f"{LOOPBACK}:8787" if options.dashboard else f"{LOOPBACK}:0"
    scheduler = {
        "cls": distributed.Scheduler,
        "options": {**common, "dashboard": options.dashboard, "dashboard_address": page},
    }
    workers = {index: _worker(common, devices, index) for index in range(count)}
    with distributed.SpecCluster(
        workers=workers, scheduler=scheduler, security=security, silence_logs=logging.ERROR
    ) as cluster:
        if options.dashboard:
            tell(Notice(f"Dask's dashboard: {cluster.dashboard_link}"))
        yield cluster


def _worker(common: dict[str, Any], devices: Sequence[str], index: int) -> dict[str, Any]:
    import distributed

    options = {
        **common,
        "silence_logs": logging.ERROR,
        "nthreads": 1,
        "memory_limit": 0,
        "dashboard": False,
        "dashboard_address": f"{LOOPBACK}:0",
    }
    if devices[0] != "cpu":
        options |= {"resources": {GPU: 1}, "env": {"CUDA_VISIBLE_DEVICES": visible(devices[index], os.environ)}}
    return {"cls": distributed.Nanny, "options": options}


def visible(device: str, environment: os._Environ[str] | dict[str, str]) -> str:
    """Return CUDA_VISIBLE_DEVICES for a process that shall see one device only; an outer such variable is respected."""
    index = int(device.partition(":")[2])
    outer = [part.strip() for part in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    return outer[index] if outer else str(index)
