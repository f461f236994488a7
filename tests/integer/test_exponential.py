"""The shared exponentials equal unbounded oracles, and the real one within the published bounds."""

import numpy as np
import pytest

from pimsim.errors import ModelRangeError
from pimsim.integer.exponential import (
    check_polynomial,
    polynomial_at_zero,
    polynomial_exponential,
    shift_at_zero,
    shift_exponential,
)
from tests.integer import oracles, scales, unit_oracles

EVERY_DISTANCE = range(2**16)
ONES = [1, 2, 3, 7, 100, 587, 1000, 32768, 65535]


def distances():
    return np.arange(2**16, dtype=np.int64)


@pytest.mark.parametrize("scale", [2.56e-5, 3e-4, 0.01, 0.1, 0.6931])
def test_every_16_bit_distance_gives_the_oracles_polynomial(scale):
    constants = scales.softmax(scale)
    exponentials = polynomial_exponential(distances(), **constants)
    assert exponentials.tolist() == [oracles.exponential(d, **constants) for d in EVERY_DISTANCE]
    assert exponentials[0] == polynomial_at_zero(constants["q_c"])
    assert int(exponentials[0]).bit_length() == 16
    assert np.all(np.diff(exponentials) <= 0)


@pytest.mark.parametrize("scale", [2.56e-5, 1e-4, 1e-3])
def test_polynomial_is_within_the_published_bound(scale):
    """1.9e-3 for the published coefficients (1.9130e-3 computed); the rest is 16 bits and scale."""
    exponentials = polynomial_exponential(distances(), **scales.softmax(scale))
    exact = np.exp(-scale * np.arange(2**16))
    assert np.abs(exponentials / exponentials[0] - exact).max() <= 1.9131e-3 + 2**-15 + scale / 2


def test_polynomial_reaches_zero_by_30_halvings():
    constants = scales.softmax(0.5)
    far = np.array([0, 29, 30, 2**40], dtype=np.int64) * constants["q_ln2"]
    assert polynomial_exponential(far, **constants).tolist()[2:] == [0, 0]


@pytest.mark.parametrize("halvings", [15, 23])
@pytest.mark.parametrize("one", ONES)
def test_every_16_bit_distance_gives_the_oracles_shifts(one, halvings):
    exponentials = shift_exponential(distances(), one=one, halvings=halvings)
    step = 1 if one in {1, 587} else 13  # every distance twice, a 13th of them elsewhere
    assert exponentials[::step].tolist() == [
        unit_oracles.shift_exponential(d, one=one, halvings=halvings)
        for d in EVERY_DISTANCE[::step]
    ]


@pytest.mark.parametrize("halvings", [15, 23])
@pytest.mark.parametrize("one", ONES)
def test_shifts_stay_in_their_width_fall_and_never_vanish(one, halvings):
    exponentials = shift_exponential(distances(), one=one, halvings=halvings)
    assert exponentials[0] == shift_at_zero(one, halvings)
    assert int(exponentials[0]).bit_length() == halvings + 1
    assert np.all(np.diff(exponentials) <= 0)
    far = shift_exponential(np.array([2**40]), one=one, halvings=halvings)
    assert far.tolist() == [1]


def test_shifts_are_within_the_published_bound():
    """At most 0.044 off, and 7.9 % of the value up to a distance of 5."""
    one = 10_000
    exponentials = shift_exponential(distances(), one=one, halvings=23)
    exact = np.exp(-np.arange(2**16) / one)
    ratio = exponentials / exponentials[0]
    assert 0.0438 < np.abs(ratio - exact).max() <= 0.0440
    near = np.arange(2**16) <= 5 * one
    assert 0.078 < np.abs(ratio / exact - 1)[near].max() <= 0.0793


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q_c": 2**32}, r"q_c must be in \[1, 4294967295\]"),
        ({"q_ln2": 0}, r"q_ln2 must be in \[1, 135\], got 0"),
        ({"q_b": 10**9}, "q_b must be in"),
        ({"q_ln2": 130, "q_c": 300}, "give an exponential of 0 or less"),
    ],
)
def test_constants_that_make_no_exponential_are_refused(changes, message):
    with pytest.raises(ModelRangeError, match=message):
        check_polynomial(**{"q_ln2": 69, "q_b": 270, "q_c": 27921} | changes)
