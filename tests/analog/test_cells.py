"""Cell variation: its spread, its defaults, its refusals."""

import numpy as np
import pytest

from pimsim.analog.cells import CURRENT_ONE, draw_deviations, sigma_lsb
from pimsim.config.architecture import Cell
from pimsim.errors import ModelRangeError


def test_deviations_have_the_stated_spread():
    """Sample standard deviation within 5 sigma of its own error, mean within 5 of zero."""
    cell = Cell(model="mram", bits=1, on_off_ratio=2.5, sigma_on_ratio=0.05)
    on, off = draw_deviations(cell, (300, 300), np.random.default_rng(0))
    for deviation, sigma in ((on, 0.05), (off, 0.02)):
        in_lsb = deviation / CURRENT_ONE
        assert in_lsb.std() == pytest.approx(sigma, rel=5 / np.sqrt(2 * in_lsb.size))
        assert abs(in_lsb.mean()) < 5 * sigma / np.sqrt(in_lsb.size)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (0.0, 0.0)),
        ({"sigma_on_ratio": 0.05}, (0.05, 0.0)),
        ({"sigma_on_ratio": 0.05, "on_off_ratio": 2.5}, (0.05, 0.02)),
        ({"sigma_on_ratio": 0.05, "sigma_off_ratio": 0.04, "on_off_ratio": 2.5}, (0.05, 0.04)),
    ],
)
def test_the_off_current_spreads_like_the_on_current_unless_told(settings, expected):
    assert sigma_lsb(Cell(model="mram", bits=1, **settings)) == pytest.approx(expected)


def test_an_ideal_cell_with_a_spread_is_a_contradiction():
    cell = Cell(model="ideal", bits=1).model_copy(update={"sigma_on_ratio": 0.05})
    with pytest.raises(ModelRangeError, match="cell model 'ideal' has no variation"):
        draw_deviations(cell, (2, 2), np.random.default_rng(0))
