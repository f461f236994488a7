"""I-ViT's and FQ-ViT's layer norms equal unbounded oracles, and the real one within bounds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import FqVitLayerNorm, IVitLayerNorm, fixed_start_sqrt
from tests.integer import unit_oracles

INT16 = st.integers(-(2**15), 2**15 - 1)
BIAS = st.integers(-(2**30), 2**30 - 1)
ALPHA = st.integers(0, 3)


def ivit_oracle(unit, row):
    return unit_oracles.ivit_layer_norm(row, gain=unit.gain, bias=unit.bias)


def fqvit_oracle(unit, row):
    return unit_oracles.fqvit_layer_norm(
        row, alpha=unit.alpha, gain=unit.gain, bias=unit.bias, epsilon=unit.epsilon
    )


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(st.tuples(INT16, INT16, BIAS), min_size=1, max_size=24))
def test_ivit_equals_the_oracle(channels):
    row, gain, bias = (list(column) for column in zip(*channels, strict=True))
    unit = IVitLayerNorm(gain=tuple(gain), bias=tuple(bias), input_bits=16)
    values, saturations = unit(np.array([row, row[::-1]], dtype=np.int16))
    assert (values.dtype, saturations) == (np.int32, 0)
    assert values.tolist() == [ivit_oracle(unit, row), ivit_oracle(unit, row[::-1])]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(INT16, INT16, BIAS, ALPHA), min_size=1, max_size=24),
    st.integers(1, 2**60 - 1) | st.integers(1, 100),
)
def test_fqvit_equals_the_oracle(channels, epsilon):
    row, gain, bias, alpha = (list(column) for column in zip(*channels, strict=True))
    unit = FqVitLayerNorm(
        alpha=tuple(alpha), gain=tuple(gain), bias=tuple(bias), epsilon=epsilon, input_bits=16
    )
    values, saturations = unit(np.array([row, row[::-1]], dtype=np.int16))
    assert (values.dtype, saturations) == (np.int32, 0)
    assert values.tolist() == [fqvit_oracle(unit, row), fqvit_oracle(unit, row[::-1])]


def rows_at_the_ends(length):
    ends = np.random.default_rng(length).choice([-(2**15), 2**15 - 1], (4, length))
    ends[1], ends[2] = 0, -(2**15)
    ends[1, -1] = 1
    return ends.astype(np.int16)


@pytest.mark.parametrize("length", [1, 2, 3, 16_384])
def test_ivit_rows_at_the_ends_of_every_register(length):
    unit = IVitLayerNorm(gain=(-(2**15),) * length, bias=(-(2**30),) * length, input_bits=16)
    rows = rows_at_the_ends(length)
    assert unit(rows).values.tolist() == [ivit_oracle(unit, row) for row in rows.tolist()]


@pytest.mark.parametrize("length", [1, 2, 3, 4096])
@pytest.mark.parametrize("epsilon", [1, 2**60 - 1])
def test_fqvit_rows_at_the_ends_of_every_register(length, epsilon):
    unit = FqVitLayerNorm(
        alpha=(3,) * length,
        gain=(-(2**15),) * length,
        bias=(2**30 - 1,) * length,
        epsilon=epsilon,
        input_bits=16,
    )
    rows = rows_at_the_ends(length)
    assert unit(rows).values.tolist() == [fqvit_oracle(unit, row) for row in rows.tolist()]


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8])
def test_the_smallest_deviations_do_not_overflow_32_bits(length):
    """One element off by one: the quotient is largest there, with the widest gains and biases."""
    rows = np.concatenate([np.eye(length), 1 - np.eye(length)]).astype(np.int16)
    for gain, bias in ((-(2**15), 2**30 - 1), (-(2**15), -(2**30)), (2**15 - 1, 2**30 - 1)):
        constants = {"gain": (gain,) * length, "bias": (bias,) * length, "input_bits": 16}
        ivit = IVitLayerNorm(**constants)
        fqvit = FqVitLayerNorm(**constants, alpha=(0,) * length, epsilon=1)
        assert ivit(rows).values.tolist() == [ivit_oracle(ivit, row) for row in rows.tolist()]
        assert fqvit(rows).values.tolist() == [fqvit_oracle(fqvit, row) for row in rows.tolist()]


@pytest.mark.parametrize("level", [-(2**15), -1, 0, 2**15 - 1])
def test_a_constant_row_gives_the_bias(level):
    bias = (-7, 0, 2**30 - 1, 12)
    row = np.full((1, 4), level, dtype=np.int16)
    constants = {"gain": (2**15 - 1,) * 4, "bias": bias, "input_bits": 16}
    assert IVitLayerNorm(**constants)(row).values.tolist() == [list(bias)]
    fqvit = FqVitLayerNorm(**constants, alpha=(0,) * 4, epsilon=1)
    assert fqvit(row).values.tolist() == [list(bias)]


def test_factors_undo_the_quantization_of_the_channels():
    """A channel stored at 1/8 of its codes with alpha 3 is the channel itself."""
    generator = np.random.default_rng(0)
    rows = generator.integers(-500, 500, (20, 8)) * 8
    constants = {"gain": (9000,) * 8, "bias": (3,) * 8, "epsilon": 7, "input_bits": 16}
    alpha = (0, 1, 2, 3, 3, 2, 1, 0)
    plain = FqVitLayerNorm(**constants, alpha=(0,) * 8)(rows.astype(np.int16))
    shifted = FqVitLayerNorm(**constants, alpha=alpha)((rows >> np.array(alpha)).astype(np.int16))
    assert np.array_equal(plain.values, shifted.values)


def real_layer_norm(codes):
    centred = codes - codes.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True))


@pytest.mark.parametrize("length", [64, 384])
def test_outputs_are_near_the_real_layer_norm(length):
    """FQ-ViT's mantissa alone lets a value of up to 5 deviations fall short by 1/128."""
    codes = np.random.default_rng(length).normal(300, 1000, (100, length)).round().astype(np.int16)
    exact = real_layer_norm(codes.astype(float))
    constants = {"gain": (2**14 + 77,) * length, "bias": (0,) * length, "input_bits": 16}
    gain = (2**14 + 77) * 2.0**-15
    ivit = IVitLayerNorm(**constants)(codes).values * (np.sqrt(length) * 2.0**-30)
    assert np.abs(ivit - exact * gain).max() <= 2e-3
    fqvit = FqVitLayerNorm(**constants, alpha=(0,) * length, epsilon=1)(codes).values
    error = fqvit * (length * 2.0**-30) - exact * gain
    assert np.all(np.abs(error) <= np.abs(exact) * gain / 128 + 2e-3)


def test_ten_steps_find_the_root_between_186_and_2_to_the_22():
    roots = np.unique(np.geomspace(187, 2**22, 20_000).astype(np.int64))
    for radicands in (roots**2, roots**2 - 1, roots**2 + roots):
        found = fixed_start_sqrt(radicands)
        floors = np.array([math.isqrt(radicand) for radicand in radicands.tolist()])
        assert np.all((found == floors) | (found == floors + 1))
    few = [0, 1, 161**2, 2**48, 2**62 - 1]
    assert fixed_start_sqrt(np.array(few)).tolist() == [
        unit_oracles.fixed_start_root(radicand) for radicand in few
    ]
    with pytest.raises(TypeError, match="radicand must be int64"):
        fixed_start_sqrt(np.array([4.0]))


def test_constants_out_of_range_are_refused():
    constants = {"gain": (1, 1), "bias": (0, 0), "input_bits": 16}
    fq = {"alpha": (0, 0), "epsilon": 1}
    for changes, message in (
        ({"gain": (1, 2**15)}, r"gain\[1\] must be in"),
        ({"bias": (0,)}, "one code per channel each, got 2 and 1"),
        ({"input_bits": 17}, "input_bits must be in"),
    ):
        with pytest.raises(ValueError, match=message):
            IVitLayerNorm(**constants | changes)
        with pytest.raises(ValueError, match=message):
            FqVitLayerNorm(**constants | fq | changes)
    for changes, message in (
        ({"alpha": (0, 4)}, r"alpha\[1\] must be in \[0, 3\], got 4"),
        ({"alpha": (0,)}, "alpha and gain must have one code per channel each, got 1 and 2"),
        ({"epsilon": 0}, "epsilon must be in"),
    ):
        with pytest.raises(ValueError, match=message):
            FqVitLayerNorm(**constants | fq | changes)
    with pytest.raises(ModelRangeError, match=r"row length must be in \[1, 4096\]"):
        FqVitLayerNorm(
            **constants | fq | {"alpha": (0,) * 4097, "gain": (0,) * 4097, "bias": (0,) * 4097}
        )
