"""Sweeps on a Dask cluster, one worker of which is killed half way."""

import os
import signal

import distributed
import pandas as pd
import pytest

from pimsim.dse import executors
from pimsim.dse.store import Outcome
from pimsim.dse.sweeping import sweep
from pimsim.errors import InputError

SMALL = (("points: 4", "points: 12"), ("[5, 9, 17]", "[5, 9]"))


def slow(task):
    """An outcome that names nothing but its task, after a moment."""
    import time

    time.sleep(0.05)
    return Outcome({"energy_uj": float(len(repr(task.overrides))), "latency_us": 1.0}, None, 0.05)


@pytest.fixture
def cluster():
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        memory_limit=0,
    ) as running:
        yield running


@pytest.mark.filterwarnings("ignore")  # Dask warns of the worker that is killed
def test_a_killed_worker_loses_and_doubles_nothing(sweep_file, tmp_path, monkeypatch, cluster):
    monkeypatch.setattr(executors, "evaluate", slow)
    pids = [worker.pid for worker in cluster.workers.values()]

    class Killing:
        """Kills one worker when a third of the points have ended."""

        seen = 0

        def start(self, total, known):
            pass

        def say(self, text):
            pass

        def advance(self, outcome):
            self.seen += 1
            if self.seen == 8:
                os.kill(pids[0], signal.SIGKILL)

    killing = Killing()
    found = sweep(
        sweep_file(*SMALL), dask=cluster.scheduler_address, output=tmp_path / "out",
        progress=killing,
    )  # fmt: skip
    assert killing.seen == len(found) == 24
    pd.testing.assert_frame_equal(found, sweep(sweep_file(*SMALL)))


def test_no_scheduler_is_an_error_that_says_so(sweep_file):
    with pytest.raises(InputError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        sweep(sweep_file(), dask="tcp://127.0.0.1:9")
