"""While a sweep runs: what it says, what it claims, and how it shares a store."""

import sqlite3
import time

import pandas as pd
import pytest

from pimsim.dse import executors, running
from pimsim.dse.store import FILE, Outcome, Store, StoreError
from pimsim.dse.sweeping import explore, sweep
from tests.dse.conftest import invented


class Listening:
    """Keeps what a sweep says."""

    def __init__(self, on_say=lambda text: None):
        self.started, self.said, self.ended, self.on_say = [], [], 0, on_say

    def start(self, total, known):
        self.started.append((total, known))

    def advance(self, outcome):
        self.ended += 1

    def say(self, text):
        self.said.append(text)
        self.on_say(text)


def test_it_tells_what_is_known_and_how_long_the_rest_takes(
    sweep_file, tmp_path, without_simulation
):
    file, folder = sweep_file(), tmp_path / "out"
    first, second = Listening(), Listening()
    sweep(file, output=folder, limit=5, progress=first)
    assert first.started == [(12, 0)]
    assert first.said[0] == (
        "12 points to compute, 3 of them with values of their own; how long that takes is told "
        "when the first has ended"
    )
    explored = explore(file, output=folder, resume=True, progress=second)
    assert second.started == [(12, 5)]
    assert second.ended == 12
    tally = explored.tally
    assert (tally.computed, tally.known, tally.failed) == (7, 5, 0)


def test_the_time_left_is_told_from_points_measured(sweep_file, tmp_path, monkeypatch):
    def evaluate(task):
        own = ("values",) if task.overrides[1] == "chip.clock_ghz=0.5" else ()
        return Outcome(invented(task).row, None, 60.0 if own else 1.0, own)

    monkeypatch.setattr(executors, "evaluate", evaluate)
    heard = Listening()
    sweep(sweep_file(), progress=heard, output=tmp_path / "out")
    # After 2 points: 2 more levels with values of their own, 8 points that use them.
    assert heard.said[1:] == [
        "about 2 min for 10 more points, from 2 points measured",
        "about 2 s for 2 more points, from 10 points measured",
    ]
    longer = sweep_file(("[5, 9, 17]", "[5, 9, 17, 33]"))
    heard = Listening()
    sweep(longer, progress=heard, output=tmp_path / "out", resume=True)
    assert heard.said[0] == (
        "4 points to compute, 1 of them with values of their own: about 63 s, from 12 points known"
    )


def test_points_that_another_sweep_computes_are_waited_for_and_not_silently(
    sweep_file, tmp_path, without_simulation, monkeypatch
):
    """The other one runs elsewhere, and gives up while this one waits."""
    monkeypatch.setattr(running, "_POLL_S", 0.01)
    file, folder = sweep_file(), tmp_path / "out"
    alone = sweep(file)
    without_simulation.clear()
    sweep(file, output=folder, limit=1)
    key = running.identified(without_simulation[0]).key
    rows = sqlite3.connect(folder / FILE)
    rows.execute("DELETE FROM results WHERE key = ?", (key,))
    rows.execute("INSERT INTO claims VALUES (?, 'elsewhere:7:1')", (key,))
    rows.execute("INSERT INTO owners VALUES ('elsewhere:7:1', ?)", (time.time(),))
    rows.commit()

    def give_up(text):
        if text.startswith("waiting"):
            assert text.startswith("waiting for 1 point that another process computes in ")
            rows.execute("DELETE FROM claims")
            rows.commit()

    heard = Listening(give_up)
    found = sweep(file, output=folder, resume=True, progress=heard)
    rows.close()
    assert any(text.startswith("waiting") for text in heard.said)
    pd.testing.assert_frame_equal(found, alone)


def test_a_point_is_claimed_when_it_is_started(sweep_file, tmp_path, monkeypatch):
    folder, claims = tmp_path / "out", []

    def evaluate(task):
        rows = sqlite3.connect(folder / FILE)
        claims.append(rows.execute("SELECT count(*) FROM claims").fetchone()[0])
        rows.close()
        return invented(task)

    monkeypatch.setattr(executors, "evaluate", evaluate)
    sweep(sweep_file(), output=folder)
    assert claims == [1] * 12


def test_the_frame_is_there_while_the_sweep_runs(sweep_file, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "_REFRESH_S", 0.0)
    folder, seen = tmp_path / "out", []

    def evaluate(task):
        path = folder / "points.parquet"
        seen.append(len(pd.read_parquet(path)) if path.exists() else 0)
        return invented(task)

    monkeypatch.setattr(executors, "evaluate", evaluate)
    sweep(sweep_file(), output=folder)
    assert seen == list(range(12))


def test_relatives_are_computed_one_after_another(sweep_file, without_simulation):
    """The clock is the outer axis here, and values do not depend on it."""
    swapped = sweep_file((
        "  macros.mram.adc.levels: [5, 9, 17]\n  chip.clock_ghz: {from: 0.5, to: 2.0, points: 4}\n",
        "  chip.clock_ghz: {from: 0.5, to: 2.0, points: 4}\n  macros.mram.adc.levels: [5, 9, 17]\n",
    ))  # fmt: skip
    frame = sweep(swapped)
    levels = [task.overrides[1] for task in without_simulation]
    assert levels == sorted(levels, key=levels.index)
    assert frame["point"].tolist() == list(range(12))


@pytest.mark.parametrize(
    ("key", "value"), [("workloads", "[vit_digits, vit_digits]"), ("seeds", "[1, 1]")]
)
def test_what_is_given_twice_is_refused(sweep_file, key, value):
    text = {"workloads": ("workloads: [vit_digits]", f"workloads: {value}"),
            "seeds": ("samples: 4", f"seeds: {value}")}[key]  # fmt: skip
    with pytest.raises(Exception, match="is there twice; keep one of them"):
        sweep(sweep_file(text))


def test_a_store_of_before_is_refused_with_what_to_do(tmp_path):
    Store(tmp_path).close()
    rows = sqlite3.connect(tmp_path / FILE)
    rows.execute("UPDATE about SET version = 1")
    rows.commit()
    rows.close()
    with pytest.raises(StoreError, match=r"written as version 1.*remove it to compute its points"):
        Store(tmp_path)
