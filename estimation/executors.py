"""Who computes: this process, several processes here, or a Dask cluster. Same seed, same bytes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from estimation.errors import EstimationError

# The libraries under numpy each read a name of their own, once, when they are loaded.
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_CONNECT_SECONDS = 10
_PACKAGE = "equipoise"


@contextmanager
def executor(workers: int | None = None, scheduler: str | None = None) -> Iterator[Executor | None]:
    """Yield what long computations are handed to, and stop it at the end, however the end comes.

    Whoever takes an executor draws its random numbers from seeds that belong to the work and not to the worker, so
    that the result has the same bytes whoever computes it (on machines and libraries of one kind). Interrupted by
    Ctrl-C or an error, processes are stopped at once and what waits is dropped; a cluster finishes what it is at.

    Parameters
    ----------
    workers
        So many processes on this machine. None, or 1: this process, for which None is yielded.
    scheduler
        Address of a Dask scheduler, such as ``tcp://host:8786``; its workers need the same version of Equipoise.

    Raises
    ------
    EstimationError
        Both are given, the number is less than 1, or the cluster cannot be used; the message says what to do.
    """
    if workers is not None and workers < 1:
        raise EstimationError(f"{workers} workers cannot work; give --workers 1 or more")
    if scheduler is not None:
        if workers is not None:
            raise EstimationError("give --workers or --scheduler, not both: a cluster has its own workers")
        with _cluster(scheduler) as cluster:
            yield cluster
    elif workers is None or workers == 1:
        yield None
    else:
        with _processes(workers) as pool:
            yield pool


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """Yield a pool of fresh processes: forking one that has threads can lock up."""
    before = {child.pid for child in multiprocessing.active_children()}
    saved = {name: os.environ.get(name) for name in _THREADS}
    # Several processes with several threads each would only wait for one another.
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
    )
    try:
        yield pool
    except BaseException:
        results = pool._result_queue
        pool.shutdown(wait=False, cancel_futures=True)
        ended = [child for child in multiprocessing.active_children() if child.pid not in before]
        for child in ended:
            child.terminate()
        for child in ended:
            child.join()
        # A worker may have ended in the middle of a large result. Whoever reads it waits for the rest until nobody
        # can write any more, and this process is the last who could.
        results._writer.close()  # type: ignore[attr-defined]  # No public name leads there.
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin_worker() -> None:
    """Leave Ctrl-C to the process that started us, and end when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:  # Not started by multiprocessing: there is nobody to follow.
        return

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, name="follow-parent", daemon=True).start()


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise EstimationError(
            f"--scheduler needs Dask, which is not installed here: pip install '{_PACKAGE}[cluster]'"
        ) from None
    try:
        _knock(address)
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EstimationError(
            f"no Dask scheduler answers at {address} ({error}); start one with 'dask scheduler' and workers with "
            "'dask worker tcp://host:8786', or leave --scheduler out to compute here"
        ) from None
    try:
        _check_workers(client.run(metadata.version, _PACKAGE, on_error="return"), address)
        inner: Executor = client.get_executor(pure=False)
        try:
            yield _Pickling(inner)
        finally:
            inner.shutdown(wait=False)
    finally:
        client.close()


def _knock(address: str) -> None:
    """Raise OSError or ValueError if nothing listens there: a client that never connected closes very slowly."""
    parts = urlsplit(address)
    if not parts.hostname or not parts.port:
        raise ValueError("an address looks like tcp://host:8786")
    socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT_SECONDS).close()


class _Pickling(Executor):
    """Sends work and results as pickles of our own making.

    Dask sends large arrays as views into its messages, which begin anywhere in memory. On such arrays numpy sums in
    another order, and results differ in their last digit from those computed here.
    """

    def __init__(self, inner: Executor) -> None:
        self._inner = inner

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call; see :meth:`concurrent.futures.Executor.submit`."""
        theirs = self._inner.submit(_call, pickle.dumps((fn, args, kwargs)))
        ours: Future[Any] = Future()

        def pass_on(done: Future[bytes]) -> None:
            if done.cancelled():
                ours.cancel()
            if not ours.set_running_or_notify_cancel():
                return
            if (error := done.exception()) is not None:
                ours.set_exception(error)
            else:
                ours.set_result(pickle.loads(done.result()))  # noqa: S301 - from our own worker

        def give_up(done: Future[Any]) -> None:
            if done.cancelled():
                theirs.cancel()

        theirs.add_done_callback(pass_on)
        ours.add_done_callback(give_up)
        return ours


def _call(pickled: bytes) -> bytes:
    function, args, kwargs = pickle.loads(pickled)  # noqa: S301 - from the process that we work for
    return pickle.dumps(function(*args, **kwargs))


def _check_workers(versions: Mapping[str, str | BaseException], address: str) -> None:
    """Refuse a cluster that would compute nothing, or something else."""
    if not versions:
        raise EstimationError(
            f"the Dask scheduler at {address} has no workers; start some with 'dask worker {address}'"
        )
    own = metadata.version(_PACKAGE)
    for worker, found in versions.items():
        if found != own:
            has = found if isinstance(found, str) else "not at all"
            raise EstimationError(
                f"the Dask worker {worker} has {_PACKAGE} {has}, this process {own}; install the same version "
                "on every worker"
            )
