"""The leading-one shift equals an unbounded oracle, and has the properties its papers claim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import LeadingOneShift, emsb_q, qrazor_sdr, quartz_lzs
from pimsim.integer.leading_one import bit_lengths
from tests.integer import unit_oracles

SETTINGS = st.fixed_dictionaries(
    {
        "kept_bits": st.integers(1, 9),
        "group_size": st.none() | st.integers(1, 7),
        "coding": st.sampled_from(["twos_complement", "sign_magnitude", "unsigned"]),
        "rounding": st.sampled_from(["truncate", "half_up"]),
        "overflow": st.sampled_from(["clamp", "floor"]),
        "msb_bits": st.none() | st.integers(1, 20),
    }
)
VALUES = st.lists(st.integers(-(2**15), 2**15 - 1) | st.integers(-9, 9), min_size=1, max_size=20)


def groups_of(row, size):
    size = size or len(row)
    return [row[start : start + size] for start in range(0, len(row), size)]


@settings(derandomize=True, max_examples=400, deadline=None)
@given(VALUES, SETTINGS)
def test_equals_the_oracle_under_every_setting(row, chosen):
    if chosen["coding"] == "unsigned":
        row = [abs(x) - (x == -(2**15)) for x in row]
    unit = LeadingOneShift(input_bits=16, **chosen)
    encoded = unit.encode(np.array([row], dtype=np.int16))
    rest = {key: value for key, value in chosen.items() if key != "group_size"}
    expected = [
        unit_oracles.leading_one(group, **rest) for group in groups_of(row, unit.group_size)
    ]
    assert encoded.values[0].tolist() == [code for codes, _, _ in expected for code in codes]
    assert encoded.shifts[0].tolist() == [shift for _, shift, _ in expected]
    assert encoded.saturations == sum(saturations for _, _, saturations in expected)
    assert unit(np.array([row], dtype=np.int16)).saturations == encoded.saturations


@pytest.mark.parametrize("make", [emsb_q, qrazor_sdr, quartz_lzs])
def test_every_16_bit_code_alone_and_beside_a_large_one(make):
    """Exhaustive: groups of one, and pairs whose partner fixes the leading one."""
    codes = np.arange(-(2**15), 2**15, dtype=np.int16)
    unit = make(input_bits=16)
    rest = {
        key: getattr(unit, key)
        for key in ("kept_bits", "coding", "rounding", "overflow", "msb_bits")
    }
    for partner in ([], [3000]):
        rows = np.array([[code, *partner] for code in codes.tolist()], dtype=np.int16)
        values = unit.encode(rows).values
        assert values[::7].tolist() == [
            unit_oracles.leading_one(row, **rest)[0] for row in rows[::7].tolist()
        ]


def error_and_step(unit, row):
    x = np.array([row], dtype=np.int64)
    encoded = unit.encode(x)
    return x - unit.decode(encoded), 2 ** encoded.shifts.astype(np.int64), encoded


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=20), st.integers(1, 12))
def test_emsb_q_truncation_errs_by_less_than_a_step_downwards(row, kept_bits):
    unit = emsb_q(input_bits=32, kept_bits=kept_bits)
    error, step, encoded = error_and_step(unit, row)
    clamped = encoded.values == -(2**kept_bits) + 1
    assert np.all(((error >= 0) & (error < step)) | (clamped & (error <= 0) & (-error <= step)))


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=20), st.integers(1, 12))
def test_emsb_q_rounding_errs_by_half_a_step_unless_clamped(row, kept_bits):
    unit = emsb_q(input_bits=32, kept_bits=kept_bits, rounding="half_up")
    error, step, encoded = error_and_step(unit, row)
    clamped = np.abs(encoded.values.astype(np.int64)) == 2**kept_bits - 1
    assert np.all((2 * np.abs(error) <= step) | (clamped & (np.abs(error) <= step)))


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=40), st.integers(0, 12))
def test_scaling_a_row_by_a_power_of_two_only_moves_its_shift(row, places):
    """Once the row fills the kept bits; the codes, what a product sees, stay."""
    unit = emsb_q(input_bits=32)
    base = np.array([[*row, 2**15]], dtype=np.int64)
    first, second = unit.encode(base), unit.encode(base << places)
    assert np.array_equal(first.values, second.values)
    assert np.array_equal(first.shifts + places, second.shifts)


def test_small_rows_are_kept_whole():
    row = np.array([[-255, 3, 255, 0]], dtype=np.int32)
    encoded = emsb_q(input_bits=32).encode(row)
    assert encoded.values.tolist() == row.tolist()
    assert (encoded.shifts.tolist(), encoded.saturations) == ([[0]], 0)


def test_the_power_of_minus_two_clamps():
    """-256 has eight bits below its sign, so the shift stays 0, and sign + 8 ends at -255."""
    encoded = emsb_q(input_bits=32).encode(np.array([[-256, 5]], dtype=np.int32))
    assert encoded.values.tolist() == [[-255, 5]]
    assert encoded.saturations == 1


@pytest.mark.parametrize("msb_bits", [8, 12, 20])
def test_a_fixed_msb_gives_every_row_one_shift_and_saturates_beyond(msb_bits):
    unit = emsb_q(input_bits=32, msb_bits=msb_bits)
    rows = np.random.default_rng(0).integers(-(2**21), 2**21, (50, 8)).astype(np.int32)
    encoded = unit.encode(rows)
    assert np.all(encoded.shifts == msb_bits - 8)
    beyond = (rows >> (msb_bits - 8) > 255) | (rows >> (msb_bits - 8) < -255)
    assert encoded.saturations == np.count_nonzero(beyond)


def test_sdr_rounds_and_floors_where_rounding_would_overflow():
    """Published form: step 2**(b + 1 - 4), q = round(x / step), 8 becomes 7."""
    unit = qrazor_sdr(input_bits=8, group_size=4)
    encoded = unit.encode(np.array([[127, -127, 24, -8], [3, -7, 7, 0]], dtype=np.int8))
    assert encoded.values.tolist() == [[7, -7, 2, -1], [3, -7, 7, 0]]
    assert encoded.shifts.tolist() == [[4], [0]]
    assert encoded.saturations == 2


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.integers(-127, 127), min_size=1, max_size=40), st.sampled_from([8, 16, 32]))
def test_sdr_codes_have_four_bits_and_err_by_half_a_step(row, group_size):
    unit = qrazor_sdr(group_size=group_size)
    error, step, encoded = error_and_step(unit, row)
    steps = np.repeat(step, group_size, axis=-1)[:, : len(row)]
    top = np.abs(encoded.values) == 7
    assert np.abs(encoded.values).max() <= 7
    assert np.all((2 * np.abs(error) <= steps) | (top & (np.abs(error) < steps)))
    assert int(encoded.shifts.max()) <= 4  # what three flag bits beside a group can say


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.integers(-127, 127), min_size=1, max_size=40), st.sampled_from([16, 32]))
def test_lzs_cuts_towards_zero_and_keeps_small_blocks_whole(row, group_size):
    unit = quartz_lzs(group_size=group_size)
    error, step, encoded = error_and_step(unit, row)
    steps = np.repeat(step, group_size, axis=-1)[:, : len(row)]
    signs = np.sign(np.array([row]))
    assert np.all((error * signs >= 0) & (np.abs(error) < steps))
    assert encoded.saturations == 0
    if max(map(abs, row)) <= 7:
        assert not error.any()


def test_zero_rows_and_empty_batches():
    for make in (emsb_q, qrazor_sdr, quartz_lzs):
        encoded = make(input_bits=8).encode(np.zeros((2, 5), dtype=np.int8))
        assert not encoded.values.any()
        assert not encoded.shifts.any()
        assert make(input_bits=8).encode(np.zeros((0, 5), dtype=np.int8)).values.shape == (0, 5)


def test_groups_along_another_axis_are_groups_of_the_transpose():
    x = np.random.default_rng(0).integers(-128, 128, (20, 6)).astype(np.int8)
    unit = qrazor_sdr(group_size=8)
    across, along = unit.encode(x, axis=0), unit.encode(np.ascontiguousarray(x.T))
    assert np.array_equal(across.values, along.values.T)
    assert np.array_equal(across.shifts, along.shifts.T)
    assert np.array_equal(unit.decode(across, axis=0), unit.decode(along).T)
    assert across.shifts.shape == (3, 6)


@pytest.mark.parametrize(("kept_bits", "dtype"), [(3, np.int8), (7, np.int8), (8, np.int16)])
def test_codes_have_the_smallest_signed_type(kept_bits, dtype):
    unit = emsb_q(input_bits=32, kept_bits=kept_bits)
    assert unit(np.zeros((1, 2), dtype=np.int32)).values.dtype == dtype


def test_the_widest_inputs_do_not_overflow():
    unit = emsb_q(input_bits=48, kept_bits=31, rounding="half_up")
    ends = [-(2**47), 2**47 - 1]
    expected = unit_oracles.leading_one(
        ends, kept_bits=31, coding="twos_complement", rounding="half_up", overflow="clamp",
        msb_bits=None,
    )  # fmt: skip
    assert unit(np.array([ends])).values[0].tolist() == expected[0]


def test_bit_lengths_of_every_power():
    powers = [0, *(2**k + d for k in range(1, 62) for d in (-1, 0))]
    assert bit_lengths(np.array(powers)).tolist() == [p.bit_length() for p in powers]


def test_detectors_are_counted_per_group():
    """Two groups of 16 in 20 elements have two leading-one detectors' work; 20 ORs."""
    counts = qrazor_sdr(input_bits=8, group_size=16).hardware.operations(20)
    compares = {op.width_bits: n for op, n in counts.items() if op.kind == "compare"}
    assert compares == {8: 20 + 2, 5: 2 * 20}
    fixed = emsb_q(input_bits=32, msb_bits=20).hardware
    assert fixed.passes == 1
    assert all(op.width_bits != 32 or op.kind != "compare" for op in fixed.operations(20))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kept_bits": 0}, "kept_bits must be in"),
        ({"group_size": 0}, "group_size must be in"),
        ({"msb_bits": 49}, "msb_bits must be in"),
        ({"coding": "offset"}, "coding must be one of twos_complement, sign_magnitude, unsigned"),
        ({"rounding": "even"}, "rounding must be one of truncate, half_up, got 'even'"),
        ({"overflow": "wrap"}, "overflow must be one of clamp, floor"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    chosen = {"input_bits": 8, "kept_bits": 3, "group_size": 4, "coding": "unsigned"}
    with pytest.raises(ModelRangeError, match=message):
        LeadingOneShift(**chosen | {"rounding": "truncate", "overflow": "clamp"} | changes)


def test_wrong_operands_are_refused():
    with pytest.raises(TypeError, match="x must be"):
        qrazor_sdr().encode(np.zeros((1, 4)))
    with pytest.raises(ModelRangeError, match="x must fit 8 bits"):
        qrazor_sdr().encode(np.array([[200]], dtype=np.int16))
    with pytest.raises(ModelRangeError, match="must not be negative under unsigned coding, got -1"):
        emsb_q(input_bits=8, unsigned=True).encode(np.array([[-1]], dtype=np.int8))
