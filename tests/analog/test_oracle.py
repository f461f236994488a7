"""The slow engine against exact integers and closed forms."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.analog import ideal_macro, oracle
from pimsim.analog.coding import input_range, sum_range, weight_range
from pimsim.analog.draws import Places, uniforms
from pimsim.analog.ranges import sum_histogram
from pimsim.analog.transfer import transfer_of
from pimsim.config.architecture import Accumulate, ZeroSkipping
from pimsim.config.macros import Macro
from pimsim.errors import ModelRangeError
from tests.analog.test_coding import INPUT_CODINGS, WEIGHT_CODINGS

ONE = 4096
SUMS = st.sampled_from(["digital", "charge"])


def macro_of(**changes: Any) -> Macro:
    options: dict[str, Any] = {"rows": 8, "cols": 64, "active_rows": 4, "weight_bits": 4,
                               "input_bits": 4}  # fmt: skip
    return ideal_macro(**(options | changes))


def operands(macro: Macro, seed: int, batch: int = 4, cols: int = 3) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    rows = macro.crossbar.rows
    weights = generator.integers(*weight_range(macro), (rows, cols), endpoint=True)
    return weights, generator.integers(*input_range(macro), (batch, rows), endpoint=True)


@settings(max_examples=100, deadline=None)
@given(
    coding=st.sampled_from(WEIGHT_CODINGS),
    inputs=st.sampled_from(INPUT_CODINGS),
    widths=st.tuples(st.integers(2, 6), st.integers(2, 6)),
    cell_bits=st.integers(1, 4),
    bits_per_cycle=st.integers(1, 2),
    accumulate=st.tuples(SUMS, SUMS),
    shape=st.tuples(st.integers(1, 7), st.integers(1, 3), st.integers(1, 4)),
    active_rows=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_an_ideal_macro_gives_the_integer_product(
    coding, inputs, widths, cell_bits, bits_per_cycle, accumulate, shape, active_rows, seed
):
    """For every coding, slicing, width, shape and way of summing; nothing saturates."""
    rows, cols, batch = shape
    try:
        macro = macro_of(
            rows=max(rows, active_rows), active_rows=active_rows, weight_bits=widths[0],
            input_bits=widths[1], weight_coding=coding, input_coding=inputs, cell_bits=cell_bits,
            bits_per_cycle=bits_per_cycle,
            accumulate=Accumulate(slices=accumulate[0], planes=accumulate[1]),
        )  # fmt: skip
    except ModelRangeError:  # beyond the codes that any converter has
        return
    generator = np.random.default_rng(seed)
    weights = generator.integers(*weight_range(macro), (rows, cols), endpoint=True)
    vectors = generator.integers(*input_range(macro), (batch, rows), endpoint=True)
    if macro.adc.codes > 2000:  # the oracle compares with every level
        return
    output = oracle.product(weights, vectors, macro)
    assert np.array_equal(output.values, vectors @ weights)
    assert output.saturations == 0
    assert np.array_equal(output.histogram, sum_histogram(weights, vectors, macro))


@pytest.mark.parametrize("coding", WEIGHT_CODINGS)
def test_cell_deviations_add_up_before_the_converter(coding):
    """With levels far apart a deviation is lost, with one of a whole LSB it is counted."""
    macro = macro_of(weight_coding=coding, active_rows=8)
    weights, vectors = operands(macro, 1)
    small = np.full((macro.slices, 8, 3), ONE // 17)
    assert np.array_equal(
        oracle.product(weights, vectors, macro, deviations=small).values, vectors @ weights
    )
    one = np.zeros((macro.slices, 8, 3), int)
    one[0, 2, 1] = ONE
    moved = oracle.product(weights * 0, vectors, macro, deviations=one).values
    expected = np.zeros_like(moved)
    expected[:, 1] = vectors[:, 2]
    assert np.array_equal(moved, expected)


def test_dac_nonlinearity_acts_on_every_row_in_proportion_to_its_cell():
    """Sum over rows of (level(x) - x) w, rounded: the static characteristic of the DAC."""
    macro = macro_of(input_coding="unsigned", bits_per_cycle=4, weight_bits=2, active_rows=8)
    inputs = macro.inputs.model_copy(update={"dac_inl_ratio": 0.05})
    bent = macro.model_copy(update={"inputs": inputs})
    weights = np.ones((8, 1), int)
    for level in range(16):
        values = oracle.product(weights, np.full((1, 8), level), bent).values
        bow = 0.05 * 15 * 4 * (level / 15) * (1 - level / 15)
        assert int(values[0, 0]) == math.floor(8 * (level + bow) + 0.5)


def test_each_column_is_converted_by_its_own_levels():
    """A converter whose levels lie one LSB low reads one more, from a sum of 0 to the top code."""
    macro = macro_of(weight_bits=2, input_bits=1, input_coding="unsigned", active_rows=8)
    plain = transfer_of(macro)
    both = replace(
        plain,
        thresholds=np.concatenate([plain.thresholds, plain.thresholds - ONE]),
        converter_of=np.array([[0, 1, 0], [0, 0, 0]], np.int32),
        uniform=False,
    )
    weights, vectors = np.ones((8, 3), int), np.array([[1, 1, 1, 0, 0, 0, 0, 0], [1] * 8])
    values = oracle.product(weights, vectors, macro, transfer=both).values
    assert values.tolist() == [[3, 4, 3], [8, 8, 8]]


def test_noise_follows_the_stated_sigma_by_column_sum():
    """Variance of the codes is sigma² + 1/12 at each sum, where the range is far away."""
    macro = macro_of(rows=64, active_rows=64, weight_bits=2, input_bits=1, input_coding="unsigned")
    low, high = sum_range(macro)
    sigmas = np.linspace(0.5, 2.0, high - low + 1)
    noisy = replace(transfer_of(macro), sigma_lsb=sigmas)
    rows, count = np.arange(500), 40
    for ones in (16, 32, 48):
        weights = np.zeros((64, 1), int)
        weights[:ones] = 1
        places = Places(groups=1, slices=1, cols=count)
        values = oracle.product(
            np.repeat(weights, count, axis=1), np.ones((len(rows), 64), int), macro, transfer=noisy,
            noise=lambda g, group, h, p=places: uniforms(
                7 + 11 * h, rows, p, plane=g, group=group, position=0
            ),
        ).values  # fmt: skip
        # the high slice holds zeros: its codes are noise around 0, cut off below
        variance = sigmas[ones] ** 2 + 1 / 12
        cut = 4 * _rounded_half_normal_variance(sigmas[0])
        assert float(np.var(values)) == pytest.approx(
            variance + cut, rel=5 * math.sqrt(2 / values.size)
        )


def _rounded_half_normal_variance(sigma: float) -> float:
    """Variance of max(0, round(N(0, sigma)))."""
    codes = np.arange(40)
    upper = np.array([0.5 * math.erfc(-(c + 0.5) / sigma / math.sqrt(2)) for c in codes])
    share = np.diff(upper, prepend=0.0)
    mean = float((codes * share).sum())
    return float((codes**2 * share).sum()) - mean**2


@pytest.mark.parametrize("scheme", ["none", "value", "bit"])
@pytest.mark.parametrize("inputs", INPUT_CODINGS)
def test_skipping_zeros_changes_counts_but_no_ideal_value(scheme, inputs):
    macro = macro_of(input_coding=inputs).model_copy(
        update={"zero_skipping": ZeroSkipping(model=scheme)}
    )
    weights, vectors = operands(macro, 3, batch=6)
    vectors[:, 4:] = 0
    vectors[2] = 0
    output = oracle.product(weights, vectors, macro)
    assert np.array_equal(output.values, vectors @ weights)
    assert output.reads == int(output.service_cycles.sum())
    assert output.conversions == output.reads * 3 * macro.slices
    assert int(output.histogram.sum()) == int(output.loads.sum()) == output.conversions
    dense = 6 * macro.planes * 2
    assert (output.reads == dense) == (scheme == "none")


def test_skipped_reads_are_free_of_offset():
    """A converter that reads 1 for nothing adds it to every read that takes place, only."""
    base = macro_of(input_coding="unsigned", weight_bits=2, input_bits=3, active_rows=8)
    low = transfer_of(base)
    shifted = replace(low, thresholds=low.thresholds - ONE, uniform=False)
    weights = np.zeros((8, 1), int)
    values = {}
    for scheme in ("none", "bit"):
        macro = base.model_copy(update={"zero_skipping": ZeroSkipping(model=scheme)})
        values[scheme] = int(
            oracle.product(weights, np.full((1, 8), 2), macro, transfer=shifted).values[0, 0]
        )
    assert values == {"none": (1 + 2 + 4) * (1 - 2), "bit": 2 * (1 - 2)}


def test_a_product_beyond_the_declared_accumulator_raises():
    macro = macro_of(accumulate=Accumulate(accumulator_bits=8))
    with pytest.raises(ModelRangeError, match="need 9 bits"):
        oracle.product(np.full((8, 1), -8), np.full((1, 8), 4), macro)


def test_loads_count_both_lines_of_a_pair():
    """A pair whose currents cancel feeds 0 to its converter, but both lines conduct."""
    macro = macro_of(weight_coding="differential", weight_bits=2, input_bits=1, active_rows=8,
                     input_coding="unsigned")  # fmt: skip
    output = oracle.product(np.array([[1, 0], [-1, 0]]), np.array([[1, 1]]), macro)
    low = sum_range(macro)[0]
    assert {int(i) + low: int(output.histogram[i]) for i in output.histogram.nonzero()[0]} == {0: 2}
    assert {int(i): int(output.loads[i]) for i in output.loads.nonzero()[0]} == {0: 1, 2: 1}
