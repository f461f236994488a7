"""Digits and their weights put every operand together again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pimsim.analog import ideal_macro
from pimsim.analog.coding import (
    check_accumulator,
    correction,
    drive_levels,
    encode_inputs,
    encode_weights,
    input_range,
    load_max,
    plane_count,
    plane_digit_max,
    readout,
    slice_count,
    slice_digit_max,
    sum_range,
    weight_range,
)
from pimsim.config.macros import Accumulate, Inputs, Macro
from pimsim.errors import ModelRangeError

WEIGHT_CODINGS = ("twos_complement", "sign_magnitude", "differential", "offset")
INPUT_CODINGS = ("twos_complement", "sign_magnitude", "unsigned")


def macro_of(
    weights: str = "twos_complement",
    inputs: str = "twos_complement",
    *,
    bits: int = 4,
    input_bits: int = 4,
    rows: int = 4,
    **more: object,
) -> Macro:
    return ideal_macro(rows=rows, cols=64, active_rows=rows, weight_bits=bits,
                       input_bits=input_bits, weight_coding=weights, input_coding=inputs,
                       **more)  # fmt: skip


@pytest.mark.parametrize("coding", WEIGHT_CODINGS)
@pytest.mark.parametrize("cell_bits", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [2, 5, 8, 9])
def test_every_weight_is_the_weighted_sum_of_its_digits(coding, cell_bits, bits):
    """Exhaustively; digits fit their cells, and offset adds its zero point to each."""
    macro = macro_of(coding, bits=bits, cell_bits=cell_bits)
    low, high = weight_range(macro)
    values = np.arange(low, high + 1)[None, :]
    coded = encode_weights(values, macro)
    zero_point = 1 << (bits - 1) if coding == "offset" else 0
    assert np.array_equal(np.tensordot(coded.weights, coded.digits, axes=1) - zero_point, values)
    assert len(coded.digits) == slice_count(macro)
    assert np.array_equal(coded.digits.max(axis=(1, 2)), slice_digit_max(macro))
    assert int(coded.digits.max()) < 1 << cell_bits
    powers = np.abs(coded.weights)
    assert np.array_equal(powers & (powers - 1), np.zeros_like(powers))


@pytest.mark.parametrize("coding", INPUT_CODINGS)
@pytest.mark.parametrize("bits_per_cycle", [1, 2, 3, 5, 8])
def test_every_input_is_the_weighted_sum_of_its_digits(coding, bits_per_cycle):
    macro = macro_of(inputs=coding, input_bits=8, bits_per_cycle=bits_per_cycle, adc_levels=2)
    low, high = input_range(macro)
    values = np.arange(low, high + 1)[:, None]
    coded = encode_inputs(values, macro)
    assert np.array_equal(np.tensordot(coded.weights, coded.digits, axes=1), values)
    assert len(coded.digits) == plane_count(macro)
    assert np.array_equal(coded.digits.max(axis=(1, 2)), plane_digit_max(macro))


def test_positive_and_negative_inputs_are_never_driven_together():
    macro = macro_of(inputs="sign_magnitude", input_bits=5)
    coded = encode_inputs(np.arange(-15, 16)[None], macro)
    positive = coded.digits[coded.weights > 0].any(axis=0)
    negative = coded.digits[coded.weights < 0].any(axis=0)
    assert not (positive & negative).any()
    assert np.all(coded.weights[: len(coded.weights) // 2] > 0)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(WEIGHT_CODINGS),
    st.sampled_from(INPUT_CODINGS),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
def test_digit_products_recombine_to_the_integer_product(
    weights, inputs, cell_bits, bits_per_cycle, seed
):
    """sum over planes and slices of w_p w_s (digits @ digits), minus the correction."""
    generator = np.random.default_rng(seed)
    macro = macro_of(weights, inputs, bits=6, input_bits=5, cell_bits=cell_bits,
                     bits_per_cycle=bits_per_cycle, adc_levels=2)  # fmt: skip
    matrix = generator.integers(*weight_range(macro), (7, 3), endpoint=True)
    vectors = generator.integers(*input_range(macro), (4, 7), endpoint=True)
    stored, driven = encode_weights(matrix, macro), encode_inputs(vectors, macro)
    total = np.zeros((4, 3), np.int64)
    for p, plane in enumerate(driven.digits.astype(int)):
        for s, cells in enumerate(stored.digits.astype(int)):
            total += driven.weights[p] * stored.weights[s] * (plane @ cells)
    assert np.array_equal(total - correction(vectors, macro)[:, None], vectors @ matrix)


@pytest.mark.parametrize("coding", WEIGHT_CODINGS)
@pytest.mark.parametrize("inputs", INPUT_CODINGS)
@pytest.mark.parametrize("slices", ["digital", "charge"])
@pytest.mark.parametrize("planes", ["digital", "charge"])
def test_the_readout_weighs_every_pair_of_plane_and_slice_as_the_coding_does(
    coding, inputs, slices, planes
):
    """Analog times digital weight is w_p w_s, each pair is in exactly one conversion, and the
    numbers of conversions are those that the configuration states."""
    macro = macro_of(coding, inputs, cell_bits=2, adc_levels=2,
                     accumulate=Accumulate(slices=slices, planes=planes))  # fmt: skip
    out = readout(macro)
    stored = encode_weights(np.zeros((4, 1), int), macro).weights
    driven = encode_inputs(np.zeros((1, 4), int), macro).weights
    assert np.array_equal(out.plane_weights @ out.planes, driven)
    assert np.array_equal(out.slice_weights @ out.slices, stored)
    assert np.all((out.planes != 0).sum(axis=0) == 1)
    assert np.all((out.slices != 0).sum(axis=0) == 1)
    assert len(out.planes) == macro.plane_conversions
    assert len(out.slices) == macro.slice_conversions
    assert out.mixes == ("charge" in {slices, planes} or coding == "differential")


@pytest.mark.parametrize("coding", WEIGHT_CODINGS)
@pytest.mark.parametrize("inputs", INPUT_CODINGS)
@pytest.mark.parametrize("slices", ["digital", "charge"])
@pytest.mark.parametrize("planes", ["digital", "charge"])
def test_the_range_of_column_sums_is_the_one_that_occurs(coding, inputs, slices, planes):
    """By brute force over all weights and inputs of one row."""
    macro = macro_of(coding, inputs, rows=1, cell_bits=2, bits=4, input_bits=3, adc_levels=2,
                     accumulate=Accumulate(slices=slices, planes=planes))  # fmt: skip
    out = readout(macro)
    weights = np.arange(weight_range(macro)[0], weight_range(macro)[1] + 1)[None]
    inputs_ = np.arange(input_range(macro)[0], input_range(macro)[1] + 1)[:, None]
    stored = encode_weights(weights, macro).digits[:, 0].astype(int)
    driven = encode_inputs(inputs_, macro).digits[:, :, 0].astype(int)
    mixed = np.einsum("gp,pb,hs,sc->ghbc", out.planes, driven, out.slices, stored)
    loads = np.einsum("gp,pb,hs,sc->ghbc", out.planes != 0, driven, out.slices != 0, stored)
    assert (int(mixed.min()), int(mixed.max())) == sum_range(macro)
    assert int(loads.max()) <= load_max(macro)


def test_only_differential_and_charge_sums_go_below_zero():
    assert sum_range(macro_of("differential")) == (-4, 4)
    assert sum_range(macro_of("sign_magnitude")) == (0, 4)
    charge = macro_of(accumulate=Accumulate(slices="charge"))
    assert sum_range(charge) == (-4 * 8, 4 * 7)


def test_drive_levels_bow_between_exact_ends():
    """A dac_inl_ratio of 1 % of full scale is 0.15 of 15 digits in the middle, none at the ends."""
    macro = macro_of(bits_per_cycle=4, input_bits=4, adc_levels=2)
    bent = macro.model_copy(
        update={"inputs": macro.inputs.model_copy(update={"dac_inl_ratio": 0.01})}
    )
    deviation = (drive_levels(bent) - drive_levels(macro)) / 4096
    digit = np.arange(16)
    assert np.allclose(deviation, 0.15 * 4 * digit / 15 * (1 - digit / 15), atol=1 / 8192)
    assert deviation[0] == deviation[15] == 0.0


@pytest.mark.parametrize(
    ("coding", "weights", "message"),
    [
        ("twos_complement", -9, "weights span -9 to -9, but weights.bits 4 with coding 'twos_comp"),
        ("differential", -8, "hold -7 to 7; raise the bits or choose another coding"),
        ("sign_magnitude", 8, "hold -7 to 7"),
        ("offset", 8, "hold -8 to 7"),
    ],
)
def test_weights_that_do_not_fit_their_coding_are_refused(coding, weights, message):
    with pytest.raises(ModelRangeError, match=message):
        encode_weights(np.full((2, 2), weights), macro_of(coding))


def test_inputs_that_do_not_fit_or_are_no_integers_are_refused():
    with pytest.raises(
        ModelRangeError, match=r"inputs span -8 to -8, but inputs.bits 4 with .* -7"
    ):
        encode_inputs(np.full((1, 2), -8), macro_of(inputs="sign_magnitude"))
    with pytest.raises(TypeError, match="inputs must be integers, got float64"):
        encode_inputs(np.full((1, 2), np.nan), macro_of())


def test_products_beyond_a_declared_accumulator_are_refused():
    macro = macro_of(accumulate=Accumulate(accumulator_bits=6))
    check_accumulator(np.array([[-32, 31]]), macro)
    for value in (-33, 32):
        with pytest.raises(ModelRangeError, match=r"need 7 bits, but .*accumulator_bits is 6"):
            check_accumulator(np.array([[0, value]]), macro)
    assert macro.accumulator_bits(1024) == 6
    assert macro_of().accumulator_bits(1024) == 4 + 4 + 10


def test_the_columns_of_a_macro_hold_as_many_weights_as_their_slices_allow():
    widths = {coding: macro_of(coding, bits=8, cell_bits=2).logical_cols
              for coding in WEIGHT_CODINGS}  # fmt: skip
    assert widths == {"twos_complement": 12, "sign_magnitude": 8, "differential": 8, "offset": 16}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"coding": "sign_magnitude", "bits": 1, "bits_per_cycle": 1}, "must be at least 2"),
        ({"coding": "unsigned", "bits": 2, "bits_per_cycle": 3}, "cannot exceed bits \\(2\\)"),
        (
            {"coding": "unsigned", "bits": 2, "bits_per_cycle": 1, "dac_inl_ratio": 0.1},
            "two drive levels always lie on a straight line",
        ),
        (
            {"coding": "unsigned", "bits": 2, "bits_per_cycle": 2, "dac_inl_ratio": float("nan")},
            "finite",
        ),
    ],
)
def test_impossible_inputs_are_refused(inputs, message):
    with pytest.raises(ValidationError, match=message):
        Inputs.model_validate(inputs)
