"""VDR-Softmax: equal to an unbounded oracle, and close to the exponential over its whole range."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pimsim.integer.token_shift
import pimsim.integer.vdr_normalize
import pimsim.integer.vdr_softmax
from pimsim.errors import ModelRangeError
from pimsim.integer import VdrSoftmax
from pimsim.integer.vdr_softmax import ENTRY_BYTES
from pimsim.quantization.rap_constants import VDR_SMALLEST_SCALE, vdr_softmax
from tests.integer import rap_oracles

SCALES = st.floats(1e-7, 10.0)
LOGITS = st.lists(st.integers(-255, 255), min_size=1, max_size=12)
TWO = np.array([[255, 0]], np.int16)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(LOGITS, st.integers(-8, 24), SCALES, st.integers(0, 2**12 - 1))
def test_equals_the_oracle_bit_for_bit(row, relative, scale, mask):
    """Any exponent from below the table to above it, any elements masked."""
    unit, _ = vdr_softmax(scale, 9)
    exponent = unit.first_exponent + relative
    if abs(exponent) > 127:
        return
    keep = [bool(mask >> place & 1) for place in range(len(row))]
    if not any(keep):
        keep[0] = True
    found = unit.encode(np.array([row], np.int16), np.array([keep]), np.array([[exponent]]))
    codes, limited = rap_oracles.exponentials(row, keep, exponent, scale)
    assert found.values.tolist() == [codes]
    assert found.sums.tolist() == [[sum(codes)]]
    assert found.saturations == limited


def test_a_reciprocal_and_one_correction_divide_every_distance():
    """Exhaustive over distances up to 65,535 and all multiples of ln 2 that a table can have."""
    distances = np.arange(2**16, dtype=np.int32)
    logits = np.stack([np.zeros_like(distances), -distances], axis=-1)
    for scale in (4.1e-4, 5.3e-4, 7.9e-4):
        unit, _ = vdr_softmax(scale, 17)
        for place in range(10):
            exponent = unit.first_exponent + place
            _, l, b, c, shift = rap_oracles.entry(scale, exponent)  # noqa: E741
            z, rest = distances // l, -(distances % l)
            value = (rest.astype(np.int64) * (rest + b) + c) >> np.minimum(z, 16)
            value = value << -shift if shift <= 0 else (value + (1 << shift >> 1)) >> shift
            found = unit(logits, exponents=np.array([exponent])).values[:, 1]
            assert np.array_equal(found, np.minimum(value, 255))


@pytest.mark.parametrize("scale", [4.1e-4, 6e-4, 8.1e-4])
def test_codes_are_within_a_code_of_the_exponential_where_a_logit_is_fine(scale):
    """Entries 1 to 6, steps up to 0.026: half a code is 1 / 256 at most, the polynomial 1.9e-3 off,
    the rest rounded constants. In the last entries ln 2 is only 2 to 4 steps, and they err more.
    """
    unit, step = vdr_softmax(scale, 9)
    distances = np.arange(511, dtype=np.int16)
    logits = np.stack([np.full_like(distances, 255), 255 - distances], axis=-1)
    bounds = (8e-3,) * 6 + (2e-2, 2e-2, 5e-2, 7e-2)
    for place, bound in enumerate(bounds):
        exponent = unit.first_exponent + place
        real = np.exp(-distances * scale * 2.0**exponent)
        codes = unit(logits, exponents=np.array([exponent])).values[:, 1]
        assert np.abs(codes * step - real).max() < bound


def test_codes_have_one_scale_whatever_the_exponent():
    """exp(0) stands for 1 up to rounding of the constant, which is small in the last entries."""
    unit, step = vdr_softmax(0.0123, 9)
    for place in range(10):
        exponents = np.array([unit.first_exponent + place])
        code = int(unit(TWO, exponents=exponents).values[0, 0])
        tolerance = max(0.5, 2.0**place * 255 / unit.q_c[0] * 2**place)
        assert 128 <= code <= 255
        assert abs(code * step - 1) < tolerance / 128 + 0.02


def test_normalized_rows_are_close_to_softmax():
    """Codes over their sum: at most 0.025 from softmax, on rows of 64 ordinary logits."""
    generator = np.random.default_rng(5)
    for exponent in range(4):
        logits = np.clip(generator.normal(0, 60, (200, 64)), -255, 255).astype(np.int16)
        scale = 0.03 * 2.0**-exponent
        unit, _ = vdr_softmax(scale, 9)
        found = unit.encode(logits, exponents=np.full((200, 1), exponent))
        real = np.exp(0.03 * (logits - logits.max(axis=-1, keepdims=True)).astype(float))
        real /= real.sum(axis=-1, keepdims=True)
        assert np.abs(found.values / found.sums - real).max() < 0.025


def test_shifting_logits_down_and_the_exponent_up_changes_nothing():
    """What eMSB-Q hands over: even codes halved, e one larger, same entry and same codes."""
    unit, _ = vdr_softmax(0.01, 9)
    logits = 2 * np.random.default_rng(1).integers(-120, 120, (20, 9)).astype(np.int16)
    unshifted, _ = vdr_softmax(0.02, 9)
    first = unshifted.encode(logits >> 1, exponents=np.array([2]))
    second = unit.encode(logits >> 1, exponents=np.array([3]))
    assert np.array_equal(first.values, second.values)


def test_ten_entries_take_a_hundred_bytes():
    unit, _ = vdr_softmax(0.01, 9)
    assert unit.hardware.table_bits == 8 * 100 == 8 * 10 * ENTRY_BYTES
    assert max(unit.q_c) < 2**24
    assert max((*unit.q_ln2, *unit.inverse, *unit.q_b)) < 2**16
    assert min(unit.q_ln2) >= 2
    assert all(-128 <= shift < 128 for shift in unit.output_shift)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(SCALES)
def test_every_scale_has_a_table(scale):
    """The bounds of 24 bits and of two steps per ln 2 hold between any two powers of two."""
    unit, step = vdr_softmax(scale, 9)
    assert 2**21 < unit.q_c[0] < 2**24
    assert VDR_SMALLEST_SCALE <= scale * 2.0**unit.first_exponent <= 2 * VDR_SMALLEST_SCALE
    assert 1 / 256 < step <= 1 / 127.5


def test_rows_above_the_table_are_counted():
    unit, _ = vdr_softmax(0.01, 9)
    exponents = np.array([[unit.first_exponent + 9], [unit.first_exponent + 10]])
    rows = np.array([[0, -3], [0, -3]], np.int16)
    assert unit.encode(rows, exponents=exponents).saturations == 1


def test_a_row_that_is_masked_throughout_is_zero():
    unit, _ = vdr_softmax(0.01, 9)
    found = unit.encode(TWO, np.array([[False, False]]))
    assert (found.values.tolist(), found.sums.tolist()) == ([[0, 0]], [[0]])


def test_a_masked_logit_has_no_part_in_the_maximum():
    unit, _ = vdr_softmax(0.01, 9)
    row = np.array([[255, 3, 3]], np.int16)
    codes = unit(row, np.array([[False, True, True]])).values[0]
    assert codes[0] == 0
    assert codes[1] == codes[2] == unit(np.array([[3]], np.int16)).values[0, 0]


def constants(**changed):
    unit, _ = vdr_softmax(0.01, 9)
    given = {name: getattr(unit, name) for name in unit.__slots__}
    return given | changed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"q_ln2": (2,) * 9}, "q_ln2 must have 10 entries, got 9"),
        ({"q_c": (1 << 24,) * 10}, r"q_c\[0\] must be in"),
        ({"input_bits": 33}, "input_bits must be in"),
        ({"q_b": (1,) * 10}, "entry 0 is no falling exponential"),
        ({"inverse": (9,) * 10}, r"inverse\[0\] 9 is not 2\*\*16 / q_ln2"),
    ],
)
def test_inconsistent_constants_are_refused(changed, message):
    with pytest.raises(ModelRangeError, match=message):
        VdrSoftmax(**constants(**changed))


def test_operands_are_checked():
    unit, _ = vdr_softmax(0.01, 9)
    with pytest.raises(ModelRangeError, match="at most 65536 elements, got 65537"):
        unit(np.zeros((1, 65537), np.int16))
    with pytest.raises(ModelRangeError, match="logits must fit 9 bits"):
        unit(np.array([[256]], np.int16))
    with pytest.raises(TypeError, match="exponents must be"):
        unit(TWO, exponents=np.array([1.0]))
    with pytest.raises(TypeError, match="keep must be a boolean"):
        unit(TWO, np.array([1, 0]))


@pytest.mark.parametrize(
    "module",
    [pimsim.integer.vdr_softmax, pimsim.integer.vdr_normalize, pimsim.integer.token_shift],
    ids=lambda module: module.__name__.rpartition(".")[2],
)
def test_nothing_divides_at_run_time(module):
    """No true or floor division and no remainder inside a function; tables are made on import."""
    tree = ast.parse(Path(inspect.getfile(module)).read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert functions
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.BinOp | ast.AugAssign):
                assert not isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod), function.name
            if isinstance(node, ast.Name | ast.Attribute):
                name = node.id if isinstance(node, ast.Name) else node.attr
                assert name not in {"divmod", "floor_divide", "remainder", "mod"}, function.name
