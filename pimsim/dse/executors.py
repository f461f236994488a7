"""Who computes the points: this process, several, or a Dask cluster.

Which question this module answers: *where do tasks run, and what if a worker dies?*

Every executor yields outcomes as they come; their order means nothing. A task is a pure function of
itself, so that it may run twice: a worker that dies takes nothing with it but time. A task whose
worker dies :data:`ATTEMPTS` times is given up as failed.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from threading import Thread
from typing import Any, Final, Protocol

from pimsim.dse.store import Outcome
from pimsim.dse.task import Task, evaluate
from pimsim.dse.work import Work
from pimsim.errors import InputError, MissingExtraError

ATTEMPTS: Final = 3
"""How often a task is tried whose process dies."""

_AHEAD: Final = 2
"""Tasks handed to a process at a time, so that it never idles and an interrupt loses little."""

_THREAD_VARIABLES: Final = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Executor(Protocol):
    """Computes tasks."""

    @property
    def processes(self) -> int:
        """How many tasks it works on at a time."""
        ...

    def outcomes(self, work: Work) -> Iterator[tuple[str, Outcome]]:
        """Key and outcome of every task that is taken, in the order in which they end."""
        ...


class InProcess:
    """One after the other, here."""

    processes = 1

    def outcomes(self, work: Work) -> Iterator[tuple[str, Outcome]]:
        """See :class:`Executor`."""
        while (entry := work.take()) is not None:
            yield entry[0], evaluate(entry[1])


class Processes:
    """Several processes of this machine, each of which keeps to a family of tasks.

    Parameters
    ----------
    jobs
        How many.

    Raises
    ------
    InputError
        If there are fewer than one.
    """

    def __init__(self, jobs: int) -> None:
        if jobs < 1:
            raise InputError(f"jobs must be 1 or more, got {jobs}")
        self.processes = jobs

    def outcomes(self, work: Work) -> Iterator[tuple[str, Outcome]]:
        """See :class:`Executor`."""
        with ExitStack() as stack:
            stack.enter_context(_environment(_threads_each(self.processes)))
            lanes = [stack.enter_context(_Lane(number)) for number in range(self.processes)]
            while True:
                for lane in lanes:
                    lane.fill(work)
                running = {future: lane for lane in lanes for future in lane.running}
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from running[future].ended(future)


@dataclass(slots=True)
class _Attempt:
    key: str
    task: Task
    number: int


class _Lane:
    """One process, and the tasks that it was handed."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._pool: ProcessPoolExecutor | None = None
        self._again: deque[_Attempt] = deque()
        self.running: dict[Future[Outcome], _Attempt] = {}

    def fill(self, work: Work) -> None:
        """Hand over as many tasks as the process should have."""
        # A task that has seen its process die runs alone, so that it takes no other with it.
        while len(self.running) < (1 if self._again else _AHEAD):
            if any(attempt.number > 1 for attempt in self.running.values()):
                return
            if self._again:
                attempt = self._again.popleft()
            elif (entry := work.take(self._number)) is not None:
                attempt = _Attempt(*entry, 1)
            else:
                return
            self.running[self._started().submit(evaluate, attempt.task)] = attempt

    def ended(self, future: "Future[Outcome]") -> Iterator[tuple[str, Outcome]]:
        """Key and outcome of a task that has ended, or of one that is given up."""
        if future not in self.running:
            return  # its process has died, and it waits to be tried again
        try:
            outcome = future.result()
        except BrokenProcessPool:
            attempts, self.running = list(self.running.values()), {}
            self._stop()
            for attempt in attempts:
                attempt.number += 1
                if attempt.number > ATTEMPTS:
                    yield attempt.key, _given_up(ATTEMPTS)
                else:
                    self._again.append(attempt)
        else:
            yield self.running.pop(future).key, outcome

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
            )
        return self._pool

    def _stop(self) -> None:
        """Stop the process at once, whatever it does."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        # There is no public way to stop at once before Python 3.14.
        for process in list((pool._processes or {}).values()):  # noqa: SLF001
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> "_Lane":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._pool is not None:
            self._pool.shutdown()
        self._stop()


def _begin() -> None:
    """What a process does first: leave Ctrl-C to its parent, and end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _given_up(attempts: int) -> Outcome:
    return Outcome(None, f"ProcessDied: the worker process died {attempts} times", 0.0)


def _threads_each(jobs: int) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return dict.fromkeys(_THREAD_VARIABLES, str(max(1, (cores or 1) // jobs)))


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Variables that the processes started in the block inherit."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class Cluster:
    """An existing Dask cluster.

    Parameters
    ----------
    address
        Of its scheduler, such as ``tcp://127.0.0.1:8786``. Its workers need the same pimsim and
        must see the same files.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    InputError
        If there is no scheduler at the address.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise MissingExtraError(
                "a sweep on a Dask cluster needs Dask: pip install 'pimsim[dask]'"
            ) from None
        try:
            self._client: Any = Client(address, timeout="10s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(f"no Dask scheduler answers at {address!r}: {error}") from None

    def outcomes(self, work: Work) -> Iterator[tuple[str, Outcome]]:
        """See :class:`Executor`."""
        from distributed import as_completed

        keys: dict[Any, str] = {}
        done = as_completed(loop=self._client.loop)
        try:
            self._fill(work, keys, done)
            while keys:
                future = next(done)
                yield keys.pop(future), _outcome_of(future)
                self._fill(work, keys, done)
        finally:
            self._client.cancel(list(keys))

    @property
    def processes(self) -> int:
        """Threads of the cluster, as it is now."""
        threads: int = sum(self._client.nthreads().values())
        return max(1, threads)

    def _fill(self, work: Work, keys: dict[Any, str], done: Any) -> None:
        """Hand over so many tasks that no thread of the cluster idles."""
        while len(keys) < _AHEAD * self.processes:
            entry = work.take()
            if entry is None:
                return
            future = self._client.submit(
                evaluate, entry[1], key=f"pimsim-{entry[0]}", retries=ATTEMPTS - 1
            )
            keys[future] = entry[0]
            done.add(future)

    def close(self) -> None:
        """Leave the cluster."""
        self._client.close()


def _outcome_of(future: Any) -> Outcome:
    from distributed.scheduler import KilledWorker

    try:
        outcome: Outcome = future.result()
    except KilledWorker:
        return _given_up(ATTEMPTS)
    return outcome
