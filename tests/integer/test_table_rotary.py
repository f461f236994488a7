"""Rotary embedding equals an unbounded oracle, and turns real vectors by the real angle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import TableRotary
from tests.integer import unit_oracles


def make_unit(**changes):
    settings_of_unit = {"positions": 16, "length": 4, "fraction_bits": 14}
    return TableRotary(**settings_of_unit | {"input_bits": 16, "output_bits": 16} | changes)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-(2**15), 2**15 - 1)] * 3), min_size=2, max_size=16),
    st.sampled_from(["halves", "neighbours"]),
    st.integers(2, 32),
)
def test_equals_the_oracle(channels, pairing, output_bits):
    channels = channels[: len(channels) // 2 * 2]
    row, cosine, sine = (list(column) for column in zip(*channels, strict=True))
    unit = make_unit(length=len(row), pairing=pairing, output_bits=output_bits)
    operands = [np.array([part], dtype=np.int16) for part in (row, cosine, sine)]
    values, saturations = unit(*operands)
    expected = unit_oracles.rotary(
        row, cosine, sine, fraction_bits=14, output_bits=output_bits, pairing=pairing
    )
    assert ([values[0].tolist()], saturations) == ([expected[0]], expected[1])


def test_the_widest_operands_do_not_overflow():
    unit = make_unit(input_bits=32, output_bits=32, length=2)
    for x in (-(2**31), 2**31 - 1):
        for turn in (-(2**15), 2**15 - 1):
            operands = (np.array([[x, x]]), *[np.array([[turn, turn]], dtype=np.int16)] * 2)
            expected = unit_oracles.rotary(
                [x, x], [turn] * 2, [turn] * 2, fraction_bits=14, output_bits=32, pairing="halves"
            )
            assert (unit(*operands).values[0].tolist(), unit(*operands).saturations) == expected


def tables(positions, length):
    angles = np.arange(positions)[:, np.newaxis] * 10_000.0 ** (-np.arange(0, length, 2) / length)
    return [
        np.rint(np.tile(function(angles), 2) * 2**14).astype(np.int16)
        for function in (np.cos, np.sin)
    ]


def test_position_zero_changes_nothing():
    cosine, sine = tables(4, 8)
    x = np.random.default_rng(0).integers(-(2**15), 2**15, (3, 4, 8)).astype(np.int16)
    values, saturations = make_unit(length=8)(x[:, :1], cosine[:1], sine[:1])
    assert np.array_equal(values, x[:, :1])
    assert saturations == 0


def test_turned_vectors_are_the_real_ones():
    """Half an output step, and half a step of either table entry on codes of at most 20,000."""
    cosine, sine = tables(64, 8)
    x = np.random.default_rng(1).integers(-20_000, 20_000, (5, 64, 8)).astype(np.int16)
    values = make_unit(length=8, positions=64)(x, cosine, sine).values
    real = np.stack([x[..., :4], x[..., 4:]])
    angles = np.arange(64)[:, np.newaxis] * 10_000.0 ** (-np.arange(0, 8, 2) / 8)
    exact = np.concatenate(
        [
            real[0] * np.cos(angles) - real[1] * np.sin(angles),
            real[1] * np.cos(angles) + real[0] * np.sin(angles),
        ],
        axis=-1,
    )
    assert np.abs(values - exact).max() <= 0.5 + 2 * 20_000 * 2**-15


def test_neighbours_are_halves_in_another_order():
    cosine, sine = tables(6, 8)
    x = np.random.default_rng(2).integers(-9000, 9000, (6, 8)).astype(np.int16)
    order = [0, 4, 1, 5, 2, 6, 3, 7]
    halves = make_unit(length=8)(x, cosine, sine).values
    neighbours = make_unit(length=8, pairing="neighbours")(
        *(np.ascontiguousarray(part[:, order]) for part in (x, cosine, sine))
    ).values
    assert np.array_equal(neighbours, halves[:, order])


def test_wrong_operands_and_settings_are_refused():
    x = np.zeros((2, 4), dtype=np.int16)
    with pytest.raises(TypeError, match="cosine must be a NumPy array of a signed integer type"):
        make_unit()(x, x.astype(np.float32), x)
    with pytest.raises(ModelRangeError, match="sine must fit 16 bits"):
        make_unit()(x, x, x + np.int32(2**15))
    with pytest.raises(ValueError, match="rows must have 4 elements"):
        make_unit()(x[:, :2], x[:, :2], x[:, :2])
    for changes, message in (
        ({"length": 5}, "length must be even"),
        ({"positions": 0}, "positions must be in"),
        ({"fraction_bits": 15}, "fraction_bits must be in"),
        ({"output_bits": 33}, "output_bits must be in"),
        ({"pairing": "thirds"}, "pairing must be 'halves' or 'neighbours', got 'thirds'"),
    ):
        with pytest.raises(ModelRangeError, match=message):
            make_unit(**changes)


def test_the_table_is_counted_once_per_pair():
    hardware = make_unit(positions=2048, length=64).hardware
    assert hardware.table_bits == 2048 * 32 * 2 * 16
