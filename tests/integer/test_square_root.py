"""The integer square root is the floor of the root, exactly."""

import math

import numpy as np
import pytest

from pimsim.errors import ModelRangeError
from pimsim.integer import integer_sqrt


def check(radicands):
    assert integer_sqrt(np.array(radicands, dtype=np.int64)).tolist() == [
        math.isqrt(radicand) for radicand in radicands
    ]


def test_every_radicand_to_2_to_the_16():
    check(range(2**16 + 1))


def test_random_radicands_of_every_width():
    generator = np.random.default_rng(0)
    for bits in range(17, 63):
        check(generator.integers(2 ** (bits - 1), 2**bits, 1000).tolist())


def test_squares_and_their_neighbours():
    """Where Newton's iteration could stop one too high, or alternate."""
    roots = [2**power + offset for power in range(2, 31) for offset in (-1, 0, 1)]
    roots += np.random.default_rng(1).integers(2, 2**31, 5000).tolist()
    check([root**2 + offset for root in roots for offset in (-1, 0, 1)])
    check([2**62 - 1])


def test_shape_is_kept_and_nothing_overwritten():
    radicands = np.array([[4], [9]])
    assert integer_sqrt(radicands).tolist() == [[2], [3]]
    assert radicands.tolist() == [[4], [9]]
    assert integer_sqrt(np.zeros((0, 1), dtype=np.int64)).shape == (0, 1)


def test_other_radicands_are_refused():
    with pytest.raises(TypeError, match="radicand must be int64, got float64"):
        integer_sqrt(np.array([4.0]))
    for radicand in (-1, 2**62):
        with pytest.raises(ModelRangeError, match="radicand must be in"):
            integer_sqrt(np.array([radicand]))
