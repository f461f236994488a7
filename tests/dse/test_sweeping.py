"""Sweeps from file to frame: the same whoever computes, however often they were interrupted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pimsim.dse import executors
from pimsim.dse.judging import on_front
from pimsim.dse.store import Outcome
from pimsim.dse.sweep_file import load_sweep
from pimsim.dse.sweeping import sweep
from pimsim.errors import InputError, OutputError
from tests.dse.conftest import invented

LEVELS = "[5, 9, 17]"


def test_a_frame_has_a_row_per_point_in_order(sweep_file, without_simulation):
    frame = sweep(sweep_file())
    assert frame["point"].tolist() == list(range(12))
    assert frame["macros.mram.adc.levels"].tolist() == [5] * 4 + [9] * 4 + [17] * 4
    assert frame["energy_uj"].iloc[3] == 5 * 2.0**2
    assert frame["error"].isna().all()
    assert len(without_simulation) == 12


def test_known_points_are_free_and_a_limit_stops_in_between(
    sweep_file, tmp_path, without_simulation
):
    file, folder = sweep_file(), tmp_path / "out"
    part = sweep(file, output=folder, limit=5)
    assert len(part) == len(without_simulation) == 5
    whole = sweep(file, output=folder, resume=True)
    assert len(whole) == len(without_simulation) == 12
    pd.testing.assert_frame_equal(whole, sweep(file))
    assert len(without_simulation) == 24
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "points.parquet"), whole, check_dtype=False
    )
    # A longer sweep over the same folder computes only what is new.
    sweep(sweep_file((LEVELS, "[5, 9, 17, 33]")), output=folder, resume=True)
    assert len(without_simulation) == 24 + 4


def test_a_failing_point_is_a_row_and_the_others_go_on(sweep_file, tmp_path, without_simulation):
    file = sweep_file((LEVELS, "[5, 13]"))
    frame = sweep(file, output=tmp_path / "out")
    failed = frame["macros.mram.adc.levels"] == 13
    assert frame.loc[failed, "error"].tolist() == ["MappingError: thirteen is refused"] * 4
    assert frame.loc[failed, "energy_uj"].isna().all()
    assert frame.loc[~failed, "error"].isna().all()
    assert len(sweep(file, output=tmp_path / "out", resume=True)) == 8
    assert len(without_simulation) == 8


def test_a_design_that_no_architecture_can_be_is_a_row_too(sweep_file, without_simulation):
    """Rules between keys of several axes are seen design by design."""
    rows = "macros.mram.crossbar.rows: [16, 1024]\n  macros.mram.crossbar.active_rows: [8, 32]"
    frame = sweep(sweep_file((f"macros.mram.adc.levels: {LEVELS}", rows)))
    assert frame["error"].notna().sum() == 4
    assert frame["error"].dropna().str.contains("active_rows .32. cannot exceed rows .16.").all()
    assert len(without_simulation) == 12


def test_an_interrupt_loses_no_point_that_had_ended(sweep_file, tmp_path, monkeypatch):
    computed = []

    def evaluate(task):
        if len(computed) == 7:
            raise KeyboardInterrupt
        computed.append(task)
        return invented(task)

    monkeypatch.setattr(executors, "evaluate", evaluate)
    folder = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        sweep(sweep_file(), output=folder)
    assert len(pd.read_csv(folder / "points.csv")) == 7
    monkeypatch.setattr(executors, "evaluate", invented)
    assert len(sweep(sweep_file(), output=folder, resume=True)) == 12


def test_constraints_mark_and_the_front_is_of_what_keeps_them(sweep_file, without_simulation):
    bounded = ("samples: 4", "constraints: {area_mm2: {max: 10.0}}")
    file = sweep_file(bounded)
    frame = sweep(file)
    assert frame["feasible"].tolist() == [True] * 8 + [False] * 4
    marks = on_front(frame, load_sweep(file))
    assert not marks[8:].any()
    values = frame[["energy_uj", "latency_us"]].to_numpy(float)[:8]
    expected = [
        not any((other <= one).all() and (other < one).any() for other in values) for one in values
    ]
    assert marks[:8].tolist() == expected


@pytest.mark.parametrize(
    ("prepare", "options", "message"),
    [
        (lambda folder: None, {"limit": 0}, "limit must be 1 or more, got 0"),
        (lambda folder: None, {"jobs": 0}, "jobs must be 1 or more, got 0"),
        (lambda folder: (folder / "x").write_text(""), {}, "is not empty and holds no sweep"),
    ],
)
def test_wrong_arguments_are_refused(
    sweep_file, tmp_path, without_simulation, prepare, options, message
):
    folder = tmp_path / "out"
    folder.mkdir()
    prepare(folder)
    with pytest.raises(InputError, match=message):
        sweep(sweep_file(), output=folder, **options)


def test_another_sweeps_folder_is_not_touched(sweep_file, tmp_path, without_simulation):
    folder = tmp_path / "out"
    sweep(sweep_file(), output=folder)
    with pytest.raises(OutputError, match="add --resume to go on"):
        sweep(sweep_file(), output=folder)
    with pytest.raises(OutputError, match="holds the sweep 'example', not 'other'"):
        sweep(sweep_file(("name: example", "name: other")), output=folder, resume=True)


def test_the_copy_in_a_folder_goes_on_with_that_folder(sweep_file, tmp_path, without_simulation):
    folder = tmp_path / "out"
    sweep(sweep_file(), output=folder, limit=5)
    assert len(sweep(folder / "sweep.yaml", output=folder, resume=True)) == 12


@pytest.mark.parametrize("text", ["", "[]", '{"name": '])
def test_a_folder_whose_description_is_broken_says_what_to_do(sweep_file, tmp_path, text):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "sweep.json").write_text(text)
    with pytest.raises(OutputError, match=r"sweep\.json: is not what pimsim wrote; remove it"):
        sweep(sweep_file(), output=folder, resume=True)


def test_ten_thousand_points_are_a_frame_in_seconds(sweep_file, tmp_path, monkeypatch):
    """Only the bookkeeping: keys, store, frame, front."""
    monkeypatch.setattr(
        "pimsim.dse.running.identified", lambda task: replace(task, key=repr(task.overrides))
    )
    monkeypatch.setattr(executors, "evaluate", invented)
    many = ("points: 4}", "points: 5000}")
    file = sweep_file(many, (LEVELS, "[5, 9]"))
    frame = sweep(file)
    assert len(frame) == 10_000
    assert 0 < int(on_front(frame, load_sweep(file)).sum()) < 10_000


@pytest.mark.xdist_group("processes")
def test_processes_give_the_same_frame(sweep_file):
    """Real points, in this process and in two others."""
    small = (("points: 4", "points: 2"), (LEVELS, "[9]"), ("samples: 4", "samples: 1"))
    alone, together = sweep(sweep_file(*small)), sweep(sweep_file(*small), jobs=2)
    pd.testing.assert_frame_equal(alone, together)
    assert alone["error"].isna().all()
    assert np.unique(alone["latency_us"]).size == 2


def dying(task):
    """Kills its process for one design, every time."""
    import os

    if "chip.clock_ghz=1.0" in task.overrides:
        os._exit(9)
    return Outcome({"energy_uj": 1.0}, None, 0.0)


@pytest.mark.xdist_group("processes")
def test_a_task_that_kills_its_process_is_given_up_and_the_others_are_not(sweep_file, monkeypatch):
    monkeypatch.setattr(executors, "evaluate", dying)
    frame = sweep(sweep_file((LEVELS, "[9]")), jobs=2)
    died = frame["chip.clock_ghz"] == 1.0
    assert frame.loc[died, "error"].tolist() == ["ProcessDied: the worker process died 3 times"]
    assert frame.loc[~died, "error"].isna().all()
