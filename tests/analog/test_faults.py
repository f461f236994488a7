"""Stuck cells: rates, levels, and a draw that only the chip decides."""

import math

import numpy as np
import pytest

from pimsim.analog.faults import stuck_levels
from pimsim.config.cells import Faults

CELLS = 400_000


@pytest.mark.parametrize("top", [1, 15])
def test_fault_rates_are_binomial(top):
    """Both rates within 5 standard errors; everything else works."""
    faults = Faults(stuck_at_zero_ratio=0.01, stuck_at_one_ratio=0.002)
    stuck = stuck_levels(faults, top, (CELLS,), np.random.default_rng(0))
    for level, p in ((0, 0.01), (top, 0.002)):
        error = 5 * math.sqrt(p * (1 - p) / CELLS)
        assert (stuck == level).mean() == pytest.approx(p, abs=error)
    assert set(np.unique(stuck)) == {-1, 0, top}


def test_all_cells_can_be_stuck():
    faults = Faults(stuck_at_zero_ratio=0.3, stuck_at_one_ratio=0.7)
    stuck = stuck_levels(faults, 1, (CELLS,), np.random.default_rng(1))
    assert (stuck >= 0).all()


def test_without_faults_nothing_is_drawn():
    generator = np.random.default_rng(2)
    assert stuck_levels(None, 1, (4,), generator) is None
    assert generator.random() == np.random.default_rng(2).random()


def test_the_same_chip_has_the_same_faults():
    faults = Faults(stuck_at_one_ratio=0.5)
    draws = [stuck_levels(faults, 1, (64,), np.random.default_rng(seed)) for seed in (3, 3, 4)]
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()
