"""Who computes the points: this process, several, or a Dask cluster.

Which question this module answers: *where do tasks run, and what if a worker dies?*

Every executor yields outcomes as they come; their order means nothing. A task is a pure function of
itself, so that it may run twice: a worker that dies takes nothing with it but time. A task whose
worker dies :data:`ATTEMPTS` times is given up as failed.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Final, Protocol

from pimsim.dse.store import Outcome
from pimsim.dse.task import Task, evaluate
from pimsim.errors import InputError, MissingExtraError

ATTEMPTS: Final = 3
"""How often a task is tried whose process dies."""

_WAITING_PER_PROCESS: Final = 2
"""Tasks handed to a pool ahead of time, so that no process idles and an interrupt loses little."""

_THREAD_VARIABLES: Final = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

Tasks = Sequence[tuple[str, Task]]
"""Key and task each."""


class Executor(Protocol):
    """Computes tasks."""

    def outcomes(self, tasks: Tasks) -> Iterator[tuple[str, Outcome]]:
        """Key and outcome of every task, in the order in which they end."""
        ...


class InProcess:
    """One after the other, here."""

    def outcomes(self, tasks: Tasks) -> Iterator[tuple[str, Outcome]]:
        """See :class:`Executor`."""
        for key, task in tasks:
            yield key, evaluate(task)


class Processes:
    """Several processes of this machine.

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
        self.jobs = jobs

    def outcomes(self, tasks: Tasks) -> Iterator[tuple[str, Outcome]]:
        """See :class:`Executor`."""
        waiting = deque((key, task, 1) for key, task in tasks)
        while waiting:
            running: dict[Future[Outcome], tuple[str, Task, int]] = {}
            with _pool(self.jobs) as pool:
                try:
                    yield from self._until_broken(pool, waiting, running)
                except BrokenProcessPool:
                    for key, task, attempt in reversed(list(running.values())):
                        if attempt < ATTEMPTS:
                            waiting.appendleft((key, task, attempt + 1))
                        else:
                            yield key, _given_up(attempt)

    def _until_broken(
        self,
        pool: ProcessPoolExecutor,
        waiting: deque[tuple[str, Task, int]],
        running: dict[Future[Outcome], tuple[str, Task, int]],
    ) -> Iterator[tuple[str, Outcome]]:
        while waiting or running:
            # A task that has seen its process die runs alone, so that it takes no other with it.
            alone = any(entry[2] > 1 for entry in running.values())
            most = 1 if alone or (waiting and waiting[0][2] > 1) else (
                self.jobs * _WAITING_PER_PROCESS
            )  # fmt: skip
            while waiting and len(running) < most:
                entry = waiting.popleft()
                running[pool.submit(evaluate, entry[1])] = entry
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = future.result()
                yield running.pop(future)[0], outcome


def _given_up(attempts: int) -> Outcome:
    return Outcome(None, f"ProcessDied: the worker process died {attempts} times", 0.0)


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that share the machine's cores; they are stopped when the block is left early."""
    with _environment(_threads_each(jobs)):
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(jobs, mp_context=context)
        try:
            yield pool
        except BaseException:
            for process in list(getattr(pool, "_processes", None) or {}):
                _terminate(pool, process)
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()


def _terminate(pool: ProcessPoolExecutor, pid: int) -> None:
    process = pool._processes.get(pid)  # noqa: SLF001  # no public way to stop at once before 3.14
    if process is not None:
        process.terminate()


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

    def outcomes(self, tasks: Tasks) -> Iterator[tuple[str, Outcome]]:
        """See :class:`Executor`."""
        from distributed import as_completed

        futures = {
            self._client.submit(evaluate, task, key=f"pimsim-{key}", retries=ATTEMPTS - 1): key
            for key, task in tasks
        }
        try:
            for future in as_completed(list(futures), loop=self._client.loop):
                yield futures[future], _outcome_of(future)
        finally:
            self._client.cancel(list(futures))

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
