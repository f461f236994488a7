"""NSGA-II: generations that do not depend on who computes them, and do better than chance."""

import pandas as pd

from pimsim.dse.judging import on_front
from pimsim.dse.sweep_file import load_sweep
from pimsim.dse.sweeping import sweep

SEARCH = (
    ("samples: 4", "sampler: {model: nsga2, population: 12, generations: 6, seed: 3}"),
    ("macros.mram.adc.levels: [5, 9, 17]", "macros.mram.adc.levels: {from: 2, to: 12}"),
)


def test_a_search_is_the_same_again_and_resumes_between_points(
    sweep_file, tmp_path, without_simulation
):
    file = sweep_file(*SEARCH)
    whole = sweep(file)
    assert len(whole) == 72
    known = len(without_simulation)
    part = sweep(file, output=tmp_path / "out", limit=30)
    assert len(part) < 72
    again = sweep(file, output=tmp_path / "out", resume=True)
    pd.testing.assert_frame_equal(whole, again)
    assert len(without_simulation) == 2 * known


def test_a_search_comes_closer_to_the_front_than_its_first_generation(
    sweep_file, without_simulation
):
    """Few levels are best for both objectives: later generations find designs with two of them."""
    frame = sweep(sweep_file(*SEARCH))
    levels = frame["macros.mram.adc.levels"]
    assert levels.iloc[-12:].mean() < levels.iloc[:12].mean()
    front = on_front(frame, load_sweep(sweep_file(*SEARCH)))
    assert front.sum() > 1


def test_designs_that_fail_or_break_a_constraint_do_not_stop_a_search(
    sweep_file, without_simulation
):
    bounded = ("objectives:", "constraints: {area_mm2: {max: 6.0}}\nobjectives:")
    frame = sweep(sweep_file(*SEARCH, bounded, ("to: 12}", "to: 13}")))
    assert len(frame) == 72
    assert frame["feasible"].iloc[-12:].sum() >= frame["feasible"].iloc[:12].sum()
