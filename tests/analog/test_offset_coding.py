"""The known trap of offset coding, and exactly when it snaps: docs/analog_coding.md.

A gain error ``g`` common to all conversions multiplies what is converted. Two's complement converts
``y``, so that the product errs by ``g y``. Offset coding converts ``y + z sum(x)`` with the zero
point ``z = 2**(bits - 1)`` and subtracts ``z sum(x)`` exactly, so that it errs by
``g (y + z sum(x))``, which is far more wherever the inputs do not sum to about zero.
"""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from pimsim.analog import ideal_macro, oracle
from pimsim.analog.draws import Places, uniforms
from pimsim.analog.transfer import AdcTransfer, draw_transfer, transfer_of
from pimsim.config.architecture import Accumulate, Adc
from pimsim.config.macros import Macro

GAIN = 1 / 256
"""Half a step of the top code of an 8-bit converter either way: 0.4 %."""

ROWS = 128
ZERO_POINT = 128
SIGMA_WEIGHTS = 32.0
"""8-bit weights whose range is four standard deviations."""


@cache
def operands(inputs: str) -> tuple[np.ndarray, np.ndarray]:
    """Normal weights, uniform inputs: unsigned or signed."""
    generator = np.random.default_rng(0)
    weights = np.clip(np.rint(generator.normal(0, SIGMA_WEIGHTS, (ROWS, 60))), -127, 127)
    low, high = (0, 255) if inputs == "unsigned" else (-127, 127)
    return weights.astype(int), generator.integers(low, high, (3, ROWS), endpoint=True)


def one_conversion_per_product(weights: str, inputs: str) -> Macro:
    """All slices summed in charge, all input bits at once, and a converter so fine (65,536 codes)
    that its steps do not hide a gain error."""
    return ideal_macro(
        rows=ROWS, cols=512, active_rows=ROWS, weight_bits=8, input_bits=8, weight_coding=weights,
        input_coding=inputs, bits_per_cycle=8, adc_levels=65536,
        accumulate=Accumulate(slices="charge", planes="charge"),
    )  # fmt: skip


def with_gain(table: AdcTransfer, gain: float) -> AdcTransfer:
    levels = np.rint(table.thresholds / (1 + gain)).astype(np.int64)
    return replace(table, thresholds=levels, uniform=False)


def error_ratio(macro: Macro, inputs: str, gain: float = GAIN) -> float:
    """Rms change of the product by the gain error, over the rms product."""
    weights, vectors = operands(inputs)
    table = transfer_of(macro)
    right, wrong = (
        oracle.product(weights, vectors, macro, transfer=one).values
        for one in (table, with_gain(table, gain))
    )
    product = vectors @ weights
    return math.sqrt(np.mean((wrong - right) ** 2.0) / np.mean(product**2.0))


def test_a_common_gain_error_of_0_4_percent_costs_offset_coding_16_percent():
    """And two's complement 0.4 %. Unsigned inputs, weights of a quarter of the range, 128 rows:
    g z sqrt(n) mean(x) / (rms(x) sigma_w) = 4 g sqrt(n) sqrt(3) / 2 = 15.3 %, and g of y itself."""
    offset = error_ratio(one_conversion_per_product("offset", "unsigned"), "unsigned")
    twos = error_ratio(one_conversion_per_product("twos_complement", "unsigned"), "unsigned")
    assert offset == pytest.approx(0.16, abs=0.01)
    assert twos == pytest.approx(0.004, abs=0.0005)
    estimate = GAIN * ZERO_POINT * math.sqrt(ROWS) * math.sqrt(3) / 2 / SIGMA_WEIGHTS
    assert estimate == pytest.approx(0.153, abs=0.001)
    assert offset == pytest.approx(estimate, rel=0.15)
    weights, vectors = operands("unsigned")
    product, zeros = vectors @ weights, ZERO_POINT * vectors.sum(axis=1, keepdims=True)
    exact = GAIN * math.sqrt(np.mean((product + zeros) ** 2.0) / np.mean(product**2.0))
    assert offset == pytest.approx(exact, rel=0.01)


def test_inputs_that_sum_to_zero_on_average_spring_the_trap_only_by_z_over_sigma():
    """Signed inputs: sum(x) grows as sqrt(n), too, so that g z / sigma_w = 4 g is left."""
    macro = one_conversion_per_product("offset", "twos_complement")
    assert error_ratio(macro, "signed") == pytest.approx(4 * GAIN, rel=0.4)


def test_whole_steps_hide_a_gain_error_below_half_a_step():
    """1-bit cells read bit by bit: a sum k moves by g k < 1/2 up to k = 127, so 120 rows of a
    quiet converter with one code per sum lose nothing in either coding."""
    weights, vectors = operands("unsigned")
    for coding in ("offset", "twos_complement"):
        macro = ideal_macro(rows=120, cols=512, active_rows=120, weight_bits=8, input_bits=8,
                            weight_coding=coding, input_coding="unsigned")  # fmt: skip
        table = with_gain(transfer_of(macro), GAIN)
        values = oracle.product(weights[:120], vectors[:, :120], macro, transfer=table).values
        assert np.array_equal(values, vectors[:, :120] @ weights[:120])


def test_noise_of_half_a_step_brings_the_hidden_error_back_in_the_mean():
    """Dithered, a code follows its input in the mean: again g (y + z sum(x)) and g y."""
    weights, vectors = operands("unsigned")
    weights, vectors, repeats = weights[:, :1], vectors[:1], 4000
    product = int((vectors @ weights)[0, 0])
    zeros = ZERO_POINT * int(vectors.sum())
    rows, places = np.arange(repeats), Places(groups=1, slices=8, cols=1)
    for coding, exact in (
        ("offset", GAIN * (product + zeros)),
        ("twos_complement", GAIN * product),
    ):
        macro = ideal_macro(rows=ROWS, cols=512, active_rows=ROWS, weight_bits=8, input_bits=8,
                            weight_coding=coding, input_coding="unsigned")  # fmt: skip
        table = replace(with_gain(transfer_of(macro), GAIN), sigma_lsb=np.array([0.5]))
        values = oracle.product(
            weights, np.repeat(vectors, repeats, axis=0), macro, transfer=table,
            noise=lambda g, group, h: uniforms(3, rows, places, plane=g, group=group, position=h),
        ).values  # fmt: skip
        spread = float(values.std()) / math.sqrt(repeats)
        assert abs(float(values.mean()) - product - exact) < 5 * spread + 0.02 * abs(exact)
        assert (abs(exact) > 5 * spread) == (coding == "offset")


@pytest.mark.parametrize("columns_per_adc", [1, 8])
def test_twos_complement_is_safe_only_if_its_slices_share_a_converter(columns_per_adc):
    """With a converter per slice and independent gains the slices' errors do not cancel: the error
    is sigma_g mean(x) n / 2 sqrt(sum of 4**s) over rms(y), 23 times sigma_g instead of once."""
    sigma = 0.05
    weights, vectors = operands("unsigned")[0][:, :8], operands("unsigned")[1][:2]
    macro = ideal_macro(rows=ROWS, cols=512, active_rows=ROWS, weight_bits=8, input_bits=8,
                        input_coding="unsigned", bits_per_cycle=8, adc_levels=2048)  # fmt: skip
    given = {key: value for key, value in macro.adc if value is not None}
    adc = Adc(**given | {"gain_sigma_ratio": sigma, "columns_per_adc": columns_per_adc})
    macro = macro.model_copy(update={"adc": adc})
    product = vectors @ weights
    squares = []
    for chip in range(6):
        table = draw_transfer(macro, weights.shape[1], chip)
        values = oracle.product(weights, vectors, macro, transfer=table).values
        squares.append(np.mean((values - product) ** 2.0))
    error = math.sqrt(np.mean(squares) / np.mean(product**2.0))
    apart = 127.5 * ROWS / 2 * math.sqrt(sum(4.0**s for s in range(8)))
    expected = sigma * (1 if columns_per_adc == 8 else apart / math.sqrt(np.mean(product**2.0)))
    assert error == pytest.approx(expected, rel=0.35)
