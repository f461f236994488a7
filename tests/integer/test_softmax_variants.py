"""The softmax units equal unbounded oracles bit for bit, masked and unmasked, at every register's
ends, and the real softmax within bounds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import FqVitSoftmax, ILlmSoftmax, IVitSoftmax, LogShiftProduct, Softermax
from pimsim.integer.softermax import QUARTER_POWERS
from tests.integer import scales, unit_oracles

LOGITS = st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=24)
SCALE = st.floats(4.1e-5, 0.57)
OUTPUT_BITS = st.integers(1, 15)
ROUNDING = st.sampled_from(["truncate", "half_up"])


def ivit(scale=1e-3, **changes):
    chosen = {"one": math.floor(1 / scale), "input_bits": 16, "output_bits": 8}
    return IVitSoftmax(**chosen | changes)


def illm(scale=1e-3, **changes):
    multiplier, shift = scales.dyadic(scale * 256 / 15)
    chosen = {"multiplier": multiplier, "shift": shift, "input_bits": 16, "output_bits": 8}
    return ILlmSoftmax(**chosen | changes)


def fqvit(scale=1e-3, **changes):
    return FqVitSoftmax(**scales.softmax(scale) | {"input_bits": 16} | changes)


def softermax(scale=1e-3, **changes):
    fraction_bits = changes.get("fraction_bits", 8)
    multiplier, shift = scales.dyadic(scale * math.log2(math.e) * 2**fraction_bits)
    chosen = {"multiplier": multiplier, "shift": shift, "input_bits": 16, "integer_bits": 8}
    chosen |= {"fraction_bits": fraction_bits, "sum_fraction_bits": 15, "reciprocal_bits": 15}
    return Softermax(**chosen | {"window": 64, "output_bits": 8} | changes)


UNITS = {"ivit": ivit, "illm": illm, "fqvit": fqvit, "softermax": softermax}
ORACLES = {
    IVitSoftmax: unit_oracles.ivit_softmax,
    ILlmSoftmax: unit_oracles.illm_softmax,
    FqVitSoftmax: unit_oracles.fqvit_softmax,
    Softermax: unit_oracles.softermax,
}
CONSTANTS = {
    IVitSoftmax: ("one", "output_bits", "rounding"),
    ILlmSoftmax: ("multiplier", "shift", "output_bits", "rounding"),
    FqVitSoftmax: ("q_ln2", "q_b", "q_c"),
    Softermax: (
        *("multiplier", "shift", "integer_bits", "fraction_bits", "sum_fraction_bits"),
        *("reciprocal_bits", "window", "output_bits", "rounding"),
    ),
}


def oracle(unit, row, keep=None):
    """Codes and saturations of one row."""
    keep = [True] * len(row) if keep is None else keep
    constants = {name: getattr(unit, name) for name in CONSTANTS[type(unit)]}
    if not any(keep):
        nothing = -1 if isinstance(unit, FqVitSoftmax) and unit.form == "log2" else 0
        return [nothing] * len(row), 0
    result = ORACLES[type(unit)](row, keep, **constants)
    if not isinstance(unit, FqVitSoftmax):
        return result
    if unit.form == "log2":
        return result, 0
    linear = [0 if k < 0 else 2 ** (15 - k) for k in result]
    return [min(code, 2**15 - 1) for code in linear], linear.count(2**15)


def check_row(unit, row, keep):
    logits = np.array(row, dtype=np.int16)
    plain = unit(logits)
    assert (plain.values.tolist(), plain.saturations) == oracle(unit, row)
    masked = unit(logits, np.array(keep))
    assert (masked.values.tolist(), masked.saturations) == oracle(unit, row, keep)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(LOGITS, SCALE, OUTPUT_BITS, ROUNDING, st.randoms(use_true_random=False))
def test_shiftmax_equals_the_oracle(row, scale, output_bits, rounding, random):
    unit = ivit(scale, output_bits=output_bits, rounding=rounding)
    check_row(unit, row, [random.random() < 0.7 for _ in row])


@settings(derandomize=True, max_examples=150, deadline=None)
@given(LOGITS, SCALE, OUTPUT_BITS, ROUNDING, st.randoms(use_true_random=False))
def test_clipped_softmax_equals_the_oracle(row, scale, output_bits, rounding, random):
    unit = illm(scale, output_bits=output_bits, rounding=rounding)
    check_row(unit, row, [random.random() < 0.7 for _ in row])


@settings(derandomize=True, max_examples=150, deadline=None)
@given(LOGITS, SCALE, st.sampled_from(["log2", "linear"]), st.randoms(use_true_random=False))
def test_log_int_softmax_equals_the_oracle(row, scale, form, random):
    check_row(fqvit(scale, form=form), row, [random.random() < 0.7 for _ in row])


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    LOGITS,
    SCALE,
    st.fixed_dictionaries(
        {
            "integer_bits": st.integers(2, 12),
            "fraction_bits": st.integers(2, 12),
            "sum_fraction_bits": st.integers(1, 15),
            "reciprocal_bits": st.integers(3, 15),
            "window": st.integers(1, 30),
            "output_bits": OUTPUT_BITS,
            "rounding": ROUNDING,
        }
    ),
    st.randoms(use_true_random=False),
)
def test_softermax_equals_the_oracle(row, scale, chosen, random):
    check_row(softermax(scale, **chosen), row, [random.random() < 0.7 for _ in row])


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("scale", [4.1e-5, 1e-3, 0.05, 0.57])
def test_16_bit_distances_beside_a_maximum_equal_the_oracle(name, scale):
    """Pairs (0, -d): arguments of the exponential in the finest codes; the golden tables hold
    every distance."""
    changes = {} if name == "fqvit" else {"output_bits": 15}
    unit = UNITS[name](scale, input_bits=17, **changes)
    step = 17 if name == "softermax" else 5
    distances = np.arange(0, 2**16, step, dtype=np.int32)
    values = unit(np.stack([np.zeros_like(distances), -distances], axis=-1)).values
    assert values.tolist() == [oracle(unit, [0, -d])[0] for d in distances.tolist()]


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("level", [-(2**15), 0, 2**15 - 1])
@pytest.mark.parametrize("length", [1, 2, 8, 1000])
def test_all_equal_rows(name, level, length):
    """One-element groups, the most negative integer, and equal shares of a power-of-two row."""
    unit = UNITS[name]()
    output = unit(np.full((1, length), level, dtype=np.int16))
    assert (output.values[0].tolist(), output.saturations) == oracle(unit, [level] * length)
    assert len(set(output.values[0].tolist())) == 1


@pytest.mark.parametrize("name", UNITS)
def test_the_widest_logits_do_not_overflow(name):
    unit = UNITS[name](input_bits=32)
    row = [-(2**31), 2**31 - 1, 0]
    output = unit(np.array([row], dtype=np.int32))
    assert (output.values[0].tolist(), output.saturations) == oracle(unit, row)


@pytest.mark.parametrize("name", UNITS)
def test_the_longest_row_fits_the_declared_registers(name):
    """Equal elements: the sum is largest. One more element is refused, in cycles too."""
    unit = UNITS[name]()
    longest = unit.hardware.maximum_row_length
    row = np.zeros((1, longest), dtype=np.int8)
    output = unit(row)
    assert set(output.values[0].tolist()) == set(oracle(unit, [0] * longest)[0])
    with pytest.raises(ModelRangeError, match=f"at most {longest} elements, got {longest + 1}"):
        unit(np.zeros(longest + 1, dtype=np.int8))
    with pytest.raises(ModelRangeError, match=f"between 1 and {longest} elements"):
        unit.hardware.cycles_per_row(longest + 1, 64)


def real_softmax(logits):
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("ivit", 0.0225),  # p (1 - p) <= 1/4 times the exponential's spread of 9 %
        ("illm", 0.0225),  # the same line on an octave
        ("fqvit", 0.335),  # 2/3 becomes 1; and the polynomial
        ("softermax", 0.0055),  # 0.4 % of the reciprocal, 1/4 of 0.4 % of the powers, exponents
    ],
)
def test_probabilities_are_near_the_real_softmax(name, bound):
    scale, length = 1e-3, 64
    chosen = {"form": "linear"} if name == "fqvit" else {"output_bits": 15, "rounding": "half_up"}
    unit = UNITS[name](scale, **chosen)
    logits = np.random.default_rng(0).normal(0, 3000, (500, length)).round().astype(np.int16)
    error = np.abs(unit(logits).values * 2.0**-15 - real_softmax(logits * scale))
    assert error.max() <= bound


def test_log_codes_are_the_published_rounding_by_division():
    """Every quotient up to the largest logarithm, and the flag beyond."""
    unit = fqvit(0.05)
    row = np.array([[0] * n + [-400] * m for n, m in ((1, 999), (999, 1))], dtype=np.int16)
    assert unit(row).values.tolist() == [oracle(unit, part)[0] for part in row.tolist()]
    total, codes = 2**31, np.arange(1, 2**16)
    logs = [unit_oracles.logarithm(total, int(code)) for code in codes[::97]]
    assert set(logs) <= set(range(16)) | {-1}


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(2, 16), st.integers(0, 2**32 - 1))
def test_shifted_values_are_the_product_with_the_linear_codes(length, value_bits, seed):
    generator = np.random.default_rng(seed)
    logs = generator.integers(-1, 16, (3, length)).astype(np.int8)
    largest = 2 ** (value_bits - 1)
    values = generator.integers(-largest, largest, (length, 4)).astype(np.int16)
    product = LogShiftProduct(value_bits=value_bits, maximum_row_length=64)(logs, values)
    expected = [
        [sum((int(v) << (15 - k)) if k >= 0 else 0 for k, v in zip(row, column, strict=True))
         for column in values.T.tolist()]
        for row in logs.tolist()
    ]  # fmt: skip
    assert product.tolist() == expected


def test_the_shift_product_refuses_what_its_registers_do_not_hold():
    unit = LogShiftProduct(value_bits=8, maximum_row_length=4)
    worst = unit(np.zeros((1, 4), np.int8), np.full((4, 1), -128, np.int8))
    assert int(worst[0, 0]).bit_length() + 1 <= unit.accumulator_bits
    assert unit.hardware.operations(4)
    with pytest.raises(ModelRangeError, match=r"logs must be in \[-1, 15\], got -2"):
        unit(np.array([[-2]], np.int8), np.zeros((1, 1), np.int8))
    with pytest.raises(ModelRangeError, match="at most 4 elements, got 5"):
        unit(np.zeros((1, 5), np.int8), np.zeros((5, 1), np.int8))
    with pytest.raises(ModelRangeError, match="value_bits must be in"):
        LogShiftProduct(value_bits=17, maximum_row_length=4)


def test_quarter_powers_are_the_rounded_real_ones():
    """(code - 1/2)**4 < 2**(60 + j) <= (code + 1/2)**4, in integers."""
    for j, code in enumerate(QUARTER_POWERS):
        assert (2 * code - 1) ** 4 < 2 ** (64 + j) < (2 * code + 1) ** 4


def test_published_softermax_widths_make_a_unit():
    """Q(6,2), Q(10,6), Q(1,7): 8-bit logits and codes."""
    unit = softermax(
        0.25 / math.log2(math.e), input_bits=8, integer_bits=6, fraction_bits=2,
        sum_fraction_bits=6, reciprocal_bits=7, output_bits=7, window=16,
    )  # fmt: skip
    rows = np.random.default_rng(0).integers(-128, 128, (40, 50)).astype(np.int8)
    for row in rows:
        output = unit(row)
        assert (output.values.tolist(), output.saturations) == oracle(unit, row.tolist())


def test_the_online_pass_does_not_depend_on_the_window_where_nothing_is_cut():
    """With 15 fraction bits in the sum and falling rows, every window sees the maximum first."""
    rows = -np.sort(np.random.default_rng(0).integers(0, 9000, (20, 40))).astype(np.int16)
    outputs = [softermax(window=window)(rows).values for window in (1, 7, 64)]
    assert np.array_equal(outputs[0], outputs[2])
    assert np.array_equal(outputs[1], outputs[2])


def test_softermax_counts_saturated_exponents_of_kept_elements_only():
    unit = softermax(1e-3, integer_bits=2)  # exponents end at 2
    row = np.array([[0, 5000, 100]], dtype=np.int16)
    assert unit(row).saturations == 1
    assert unit(row, np.array([[True, False, True]])).saturations == 0


@pytest.mark.parametrize("name", UNITS)
def test_wrong_operands_are_refused(name):
    unit = UNITS[name]()
    row = np.zeros((2, 3), dtype=np.int16)
    with pytest.raises(TypeError, match=r"logits must be .* got float32"):
        unit(row.astype(np.float32))
    with pytest.raises(TypeError, match="keep must be a boolean NumPy array, got int16"):
        unit(row, row)
    with pytest.raises(ModelRangeError, match="logits must fit 16 bits"):
        unit(np.array([40_000], dtype=np.int32))


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (ivit, {"one": 0}, r"one must be in \[1, 65535\]"),
        (ivit, {"output_bits": 16}, "output_bits must be in"),
        (ivit, {"rounding": "nearest"}, "rounding must be 'truncate' or 'half_up', got 'nearest'"),
        (illm, {"multiplier": 2**15}, "multiplier must be in"),
        (illm, {"shift": 63}, "shift must be in"),
        (fqvit, {"form": "log10"}, "form must be 'log2' or 'linear', got 'log10'"),
        (fqvit, {"q_ln2": 0}, "q_ln2 must be in"),
        (softermax, {"integer_bits": 13}, "integer_bits must be in"),
        (softermax, {"fraction_bits": 1}, "fraction_bits must be in"),
        (softermax, {"reciprocal_bits": 2}, "reciprocal_bits must be in"),
        (softermax, {"window": 0}, "window must be in"),
        (softermax, {"input_bits": 33}, "input_bits must be in"),
    ],
)
def test_constants_that_make_no_softmax_are_refused(make, changes, message):
    with pytest.raises(ModelRangeError, match=message):
        make(**changes)


def test_units_without_a_division_declare_none():
    for make in (fqvit, softermax):
        assert all(op.kind != "divide" for op in make().hardware.operations(64))
    assert softermax().hardware.passes == 2
    assert ivit().hardware.passes == illm().hardware.passes == fqvit().hardware.passes == 3
