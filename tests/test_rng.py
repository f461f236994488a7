"""Keys and generators stand for names, not for the type a number happens to have."""

import numpy as np
import pytest

from pimsim import rng


def test_a_number_is_the_same_name_whatever_its_integer_type():
    """An index out of an array must not be another piece of silicon than the same index."""
    assert rng.key(0, "chip", np.int64(3)) == rng.key(0, "chip", 3)
    assert rng.key(np.int32(7), "chip") == rng.key(7, "chip")
    assert rng.key(0, "chip", 3) != rng.key(0, "chip", "3")


def test_only_text_and_whole_numbers_are_names():
    with pytest.raises(TypeError):
        rng.key(0, "chip", 1.0)


def test_paths_of_names_never_meet_by_concatenation():
    keys = {rng.key(0, "ab", "c"), rng.key(0, "a", "bc"), rng.key(0, "abc"), rng.key(0, "a", 12),
            rng.key(0, "a", 1, 2), rng.key(1, "abc")}  # fmt: skip
    assert len(keys) == 6


def test_a_generator_depends_on_its_names_alone():
    first = rng.for_(0, "cells", 0, 128).standard_normal(5)
    assert np.array_equal(first, rng.for_(0, "cells", 0, 128).standard_normal(5))
    assert not np.array_equal(first, rng.for_(0, "cells", 128, 0).standard_normal(5))


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed must be 0 or more, got -1"):
        rng.key(-1, "chip")
