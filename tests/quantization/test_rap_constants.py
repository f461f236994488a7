"""Constants of RAP's units from real scales."""

import math

import numpy as np
import pytest

from pimsim.errors import QuantizationError
from pimsim.quantization import rap_constants


@pytest.mark.parametrize("scale", [3e-7, 4.1e-4, 4.0999e-4, 0.011, 1.0])
def test_the_table_starts_at_the_smallest_step_whose_constant_has_24_bits(scale):
    unit, _ = rap_constants.vdr_softmax(scale, 9)
    first = scale * 2.0**unit.first_exponent
    assert 4.1e-4 <= first < 8.2e-4
    for place, constant in enumerate(unit.q_c):
        exact = 2.79211 / (first * 2.0**place) ** 2
        assert abs(constant - exact) < 0.5 + 1e-5 * exact


def test_the_output_shift_and_the_exponent_cancel():
    unit, _ = rap_constants.vdr_softmax(0.02, 9)
    total = {
        2 * (unit.first_exponent + place) + shift for place, shift in enumerate(unit.output_shift)
    }
    assert len(total) == 1


def test_a_table_stays_the_same_when_the_scale_moves_by_a_power_of_two():
    """Only the number of its first entry does; that is what the exponent stands for."""
    one, step = rap_constants.vdr_softmax(0.0123, 9)
    other, other_step = rap_constants.vdr_softmax(0.0123 / 8, 9)
    assert other.first_exponent == one.first_exponent + 3
    assert (other.q_ln2, other.q_c, other.output_shift) == (one.q_ln2, one.q_c, one.output_shift)
    assert math.isclose(step, other_step)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-12])
def test_a_bias_is_kept_to_31_bits(scale):
    bias = np.array([0.3, -1.7, 0.0, 1e-9])
    mantissas, shift = rap_constants.bias_mantissas(bias, scale)
    assert all(abs(mantissa) <= 2**30 for mantissa in mantissas)
    exact = bias / scale
    assert np.all(np.abs(np.array(mantissas) * 2.0**shift - exact) <= 2.0**shift / 2 + 1e-9)
    assert shift == 0 or max(map(abs, mantissas)) > 2**28


def test_a_bias_of_nothing_is_nothing():
    assert rap_constants.bias_mantissas(np.zeros(2), 1.0) == ((0, 0), 0)


@pytest.mark.parametrize("ratio", [1e-4, 0.3, 1.0, 17.0])
def test_a_branch_ratio_is_held_to_15_bits(ratio):
    multiplier, shift = rap_constants.branch_ratio(ratio, power_of_two=False)
    assert 2**14 <= multiplier < 2**15
    assert math.isclose(multiplier / 2.0**shift, ratio, rel_tol=2.0**-15)


def test_a_ratio_that_should_be_a_power_of_two_must_be_one():
    assert rap_constants.branch_ratio(2.0**-7 * (1 + 1e-12), power_of_two=True) == (1, 7)
    with pytest.raises(QuantizationError, match=r"scales differ by 0\.3, which is no power of two"):
        rap_constants.branch_ratio(0.3, power_of_two=True)


@pytest.mark.parametrize("scale", [1.0, 0.99, 1.01, 2.0, 1e-6])
def test_the_next_power_is_less_than_twice_as_large(scale):
    found = rap_constants.next_power(scale, 1.0)
    assert math.log2(found).is_integer()
    assert scale * (1 - 1e-8) <= found < 2 * scale


def test_a_power_that_rounding_put_just_above_stays():
    assert rap_constants.next_power(4.0 * (1 + 1e-12), 1.0) == 4.0


def test_gains_are_what_the_rows_lack_on_average():
    """Of one row each: unnormalized products with codes of ``step``, times the gain, are means."""
    step = 1 / 200
    for largest in (1.0, 0.7, 0.013):
        plain = rap_constants.mean_gains(np.array([[largest]]), step, shifted=False)
        assert math.isclose(float(plain[0]), largest)  # 1 / Z
        total = 1 / largest / step  # sum of codes
        place = math.floor(math.log2(total))
        shifted = rap_constants.mean_gains(np.array([[largest]]), step, shifted=True)
        assert math.isclose(float(shifted[0]), 2.0**place / total)
