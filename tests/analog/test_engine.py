"""The crossbar product against exact integers, a slow oracle and closed forms."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim import rng
from pimsim.analog import (
    blocks,
    dynamic,
    engine,
    ideal_macro,
    kernels,
    mvm,
    mvm_dynamic,
    oracle,
    program,
)
from pimsim.analog.cells import CURRENT_ONE
from pimsim.config.architecture import Macro
from pimsim.errors import ModelRangeError


def macro_of(
    *,
    rows: int = 64,
    cols: int = 512,
    active_rows: int = 8,
    bits: int = 4,
    input_bits: int | None = None,
    sigma_on: float | None = None,
    sigma_off: float | None = None,
    noise: float | None = None,
    levels: int | None = None,
    input_coding: Any = "twos_complement",
) -> Macro:
    macro = ideal_macro(
        rows=rows,
        cols=cols,
        active_rows=active_rows,
        weight_bits=bits,
        input_bits=input_bits or bits,
        input_coding=input_coding,
        adc_levels=levels,
    )
    cell = macro.crossbar.cell.model_copy(
        update={"model": "mram", "sigma_on_ratio": sigma_on, "sigma_off_ratio": sigma_off}
    )
    return macro.model_copy(
        update={
            "crossbar": macro.crossbar.model_copy(update={"cell": cell}),
            "adc": macro.adc.model_copy(update={"noise_ratio": noise}),
        }
    )


def operands(
    generator: np.random.Generator, vectors: int, rows: int, cols: int, bits: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    half = 1 << (bits - 1)
    weights = generator.integers(-half, half, (rows, cols))
    return weights, generator.integers(-half, half, (vectors, rows))


def deviations(block: blocks.BlockCells) -> tuple[np.ndarray, np.ndarray]:
    """Deviations of on and off currents of a block, in LSB."""
    on = block.on[0].astype(np.int64) - (1 << block.pack_bits)
    return on / CURRENT_ONE, block.off[0] / CURRENT_ONE


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(2, 9),
    st.integers(1, 12),
    st.integers(1, 20),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_an_ideal_macro_gives_the_integer_product(
    rows, cols, vectors, weight_bits, input_bits, active_rows, signed, seed
):
    """For every width, shape, coding and row group, ragged edges and several macros included."""
    generator = np.random.default_rng(seed)
    macro = ideal_macro(
        rows=max(16, active_rows),
        cols=max(16, weight_bits),
        active_rows=active_rows,
        weight_bits=weight_bits,
        input_bits=input_bits,
        input_coding="twos_complement" if signed else "unsigned",
    )
    half = 1 << (weight_bits - 1)
    weights = generator.integers(-half, half, (rows, cols))
    low, high = (
        (-(1 << input_bits) // 2, (1 << input_bits) // 2) if signed else (0, 1 << input_bits)
    )
    inputs = generator.integers(low, high, (vectors, rows))
    output = mvm(program(weights, macro, 1), inputs, 2)
    assert np.array_equal(output.values, inputs @ weights)
    assert output.counts.macros[0].saturations == 0


@pytest.mark.parametrize("active_rows", [3, 8, 32])
@pytest.mark.parametrize("vectors", [5, 300])
@pytest.mark.parametrize("levels", [None, 4])
def test_static_variation_equals_the_oracle_bit_for_bit(active_rows, vectors, levels):
    """Variation large enough to change codes; coarse converters saturate and have wide steps."""
    generator = np.random.default_rng(active_rows)
    macro = macro_of(active_rows=active_rows, sigma_on=0.2, sigma_off=0.1, levels=levels)
    weights, inputs = operands(generator, vectors, 50, 7)
    programmed = program(weights, macro, 5)
    output = mvm(programmed, inputs, 6)
    on, off = deviations(programmed.blocks[0])
    expected = oracle.mvm(weights, inputs, macro, on_deviation=on, off_deviation=off)
    assert np.array_equal(output.values, expected)
    assert not np.array_equal(output.values, inputs @ weights)


def test_tables_and_row_sums_draw_the_same_noise(monkeypatch):
    """The two kernels are two ways to the same integers, noise and counts included."""
    generator = np.random.default_rng(1)
    macro = macro_of(sigma_on=0.06, noise=0.02)
    weights, inputs = operands(generator, 400, 50, 9)
    programmed = program(weights, macro, 5)
    monkeypatch.setattr(blocks, "UNCERTAIN_RATIO_MAX", 1.0)
    by_table = mvm(programmed, inputs, 6)
    monkeypatch.setattr(blocks, "TABLE_READS_MIN", 1 << 60)
    by_rows = mvm(programmed, inputs, 6)
    assert np.array_equal(by_table.values, by_rows.values)
    assert by_table.counts == by_rows.counts
    assert not np.array_equal(by_rows.values, inputs @ weights)


@pytest.mark.parametrize("active_rows", [8, 64])
def test_splitting_a_batch_changes_nothing(active_rows, monkeypatch):
    generator = np.random.default_rng(2)
    macro = macro_of(active_rows=active_rows, sigma_on=0.05, noise=0.01)
    weights, inputs = operands(generator, 300, 64, 6)
    programmed = program(weights, macro, 5)
    whole = mvm(programmed, inputs, 6).values
    first, second = inputs[:7], inputs[7:]
    parts = [mvm(programmed, first, 6).values, mvm(programmed, second, 6, first_row=7).values]
    assert np.array_equal(whole, np.concatenate(parts))
    monkeypatch.setattr(blocks, "CHUNK_VECTORS", 5)
    monkeypatch.setattr(engine, "CHUNK_VECTORS", 5)
    assert np.array_equal(whole, mvm(programmed, inputs, 6).values)


def test_wide_arrays_with_huge_variation_equal_the_oracle():
    """Where 32-bit packed sums might overflow, 64 bits are used and give the same answer."""
    generator = np.random.default_rng(3)
    macro = macro_of(rows=1024, active_rows=1024, sigma_on=0.8, sigma_off=0.3)
    weights, inputs = operands(generator, 3, 1024, 4)
    programmed = program(weights, macro, 5)
    assert programmed.blocks[0].pack_bits == kernels.WIDE_PACK_BITS
    on, off = deviations(programmed.blocks[0])
    expected = oracle.mvm(weights, inputs, macro, on_deviation=on, off_deviation=off)
    assert np.array_equal(mvm(programmed, inputs, 6).values, expected)


@pytest.mark.parametrize(("ones", "noise_lsb"), [(3, 0.3), (0, 0.4), (8, 0.6), (4, 1.5)])
def test_noisy_codes_follow_the_gaussian(ones, noise_lsb):
    """Share of each code within 5 sigma of the Gaussian between its decision levels."""
    active_rows = 8
    macro = macro_of(bits=2, noise=noise_lsb / active_rows)
    samples = single_conversions(ones, macro, count=50_000)
    for code in range(active_rows + 1):
        upper = math.inf if code == active_rows else code + 0.5
        lower = -math.inf if code == 0 else code - 0.5
        expected = normal_cdf((upper - ones) / noise_lsb) - normal_cdf((lower - ones) / noise_lsb)
        tolerance = 5 * math.sqrt(expected * (1 - expected) / samples.size) + 1e-12
        assert abs(np.mean(samples == code) - expected) <= tolerance


def single_conversions(ones: int, macro: Macro, count: int) -> np.ndarray:
    """Codes of single noisy conversions, drawn as the kernels draw them."""
    from pimsim.analog.adc import transfer_of

    transfer = transfer_of(macro)
    shifted = ones * CURRENT_ONE + transfer.step // 2
    code, rest = divmod(shifted, transfer.step)
    key = np.uint64(kernels.row_key_of(np.uint64(rng.key(0, "test")), 0))
    steps = [
        kernels.noise_steps(key, counter, rest, transfer.thresholds, transfer.span)
        for counter in range(count)
    ]
    return np.clip(code + np.array(steps), 0, transfer.codes - 1)


def normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@pytest.mark.parametrize(
    ("sigma", "ones", "expected"), [(0.05, 31, 7e-2), (0.08, 8, 2.7e-2), (0.1, 15, 0.20)]
)
def test_read_errors_follow_the_closed_form(sigma, ones, expected):
    """P = 2 Q(0.5 / (sigma sqrt(n))) for n conducting cells: RAP's error model."""
    active_rows = 32
    macro = macro_of(bits=2, rows=64, cols=65536, active_rows=active_rows, sigma_on=sigma,
                     input_coding="unsigned")  # fmt: skip
    columns = 20_000
    weights = np.zeros((active_rows, columns), np.int64)
    weights[:ones] = 1
    codes = mvm(program(weights, macro, 3), np.ones((1, active_rows), np.int64), 4).values
    closed_form = 2 * (1 - normal_cdf(0.5 / (sigma * math.sqrt(ones))))
    assert closed_form == pytest.approx(expected, rel=0.06)
    wrong = float(np.mean(codes != ones))
    assert abs(wrong - closed_form) <= 5 * math.sqrt(closed_form / columns)


def test_error_variance_follows_cells_and_converter():
    """Variance of one column sum: k sigma_on² + (n - k) sigma_off² + sigma_adc² + 1/12 LSB²."""
    rows, on_rows, columns = 64, 40, 20_000
    sigma_on, sigma_off, sigma_adc = 0.2, 0.1, 1.2
    macro = macro_of(
        rows=rows,
        cols=65536,
        active_rows=rows,
        bits=2,
        input_bits=1,
        sigma_on=sigma_on,
        sigma_off=sigma_off,
        noise=sigma_adc / rows,
        input_coding="unsigned",
    )
    weights = np.zeros((rows, columns), np.int64)
    weights[:on_rows] = 1
    values = mvm(program(weights, macro, 3), np.ones((1, rows), np.int64), 4).values
    # value = low slice code - 2 * high slice code; the high slice holds zeros only and clips at 0.
    off_variance = rows * sigma_off**2 + sigma_adc**2
    error = values.ravel() - on_rows
    low = on_rows * sigma_on**2 + (rows - on_rows) * sigma_off**2 + sigma_adc**2 + 1 / 12
    clipped = 4 * rounded_half_normal_variance(math.sqrt(off_variance))
    assert float(np.var(error)) == pytest.approx(low + clipped, rel=5 * math.sqrt(2 / columns))


def rounded_half_normal_variance(sigma: float) -> float:
    """Variance of max(0, round(N(0, sigma)))."""
    codes = np.arange(0, 40)
    upper = np.array([normal_cdf((code + 0.5) / sigma) for code in codes])
    share = np.diff(upper, prepend=0.0)
    mean = float((codes * share).sum())
    return float((codes**2 * share).sum()) - mean**2


def test_counts_are_exact():
    """Reads, conversions, driven lines and the histogram of ideal sums, by direct counting."""
    generator = np.random.default_rng(4)
    macro = macro_of(rows=32, cols=16, active_rows=5, sigma_on=0.02)
    weights, inputs = operands(generator, 6, 45, 9)
    output = mvm(program(weights, macro, 1), inputs, 2)
    counts = output.counts.macros[0]
    histogram = np.zeros(6, int)
    for plane in range(4):
        bits = (inputs >> plane) & 1
        for position in range(4):
            cells = (weights >> position) & 1
            for block in (range(32), range(32, 45)):
                for first in range(block.start, block.stop, 5):
                    group = slice(first, min(first + 5, block.stop))
                    sums = bits[:, group] @ cells[group]
                    histogram += np.bincount(sums.ravel(), minlength=6)
    groups, column_blocks = 7 + 3, 3
    assert counts.column_sum_histogram == tuple(histogram)
    assert counts.conversions == 6 * 4 * groups * 9 * 4
    assert counts.reads == 6 * 4 * groups * column_blocks
    ones = sum(int(((inputs >> plane) & 1).sum()) for plane in range(4))
    assert counts.driven_word_lines == ones * column_blocks
    assert counts.dummy_word_lines == counts.reads * 5 - counts.driven_word_lines
    assert output.service_cycles.tolist() == [[4 * 7, 4 * 3]] * 6


def test_a_sum_beyond_the_top_code_saturates_and_is_counted():
    macro = macro_of(levels=8, bits=2, input_coding="unsigned")
    weights = np.ones((8, 3), np.int64)
    output = mvm(program(weights, macro, 1), np.ones((1, 8), np.int64), 2)
    assert output.values.tolist() == [[7, 7, 7]]
    assert output.counts.macros[0].saturations == 3


def test_dynamic_operands_use_one_silicon_for_all_samples():
    """Each head has cells of its own; the same contents give the same result in every sample."""
    generator = np.random.default_rng(5)
    macro = macro_of(active_rows=8, sigma_on=0.2)
    stored = np.broadcast_to(generator.integers(-8, 8, (1, 2, 20, 6)), (3, 2, 20, 6))
    inputs = np.broadcast_to(generator.integers(-8, 8, (1, 2, 4, 20)), (3, 2, 4, 20))
    crossbars = dynamic(macro, instances=2, rows=20, cols=6, key=1)
    values = mvm_dynamic(crossbars, stored, inputs, 2).values.reshape(3, 2, 4, 6)
    assert np.array_equal(values[0], values[1])
    assert np.array_equal(values[0], values[2])
    assert not np.array_equal(values[0], (inputs @ stored)[0])


def test_dynamic_products_are_exact_without_noise_and_count_their_writes():
    generator = np.random.default_rng(6)
    macro = macro_of(rows=16, cols=16, active_rows=8)
    stored = generator.integers(-8, 8, (3, 2, 20, 6))
    inputs = generator.integers(-8, 8, (3, 2, 4, 20))
    output = mvm_dynamic(dynamic(macro, instances=2, rows=20, cols=6, key=1), stored, inputs, 2)
    assert np.array_equal(output.values.reshape(3, 2, 4, 6), inputs @ stored)
    counts = output.counts.macros[0]
    ones = sum(int(((stored >> bit) & 1).sum()) for bit in range(4))
    assert (counts.programmed_ones, counts.programmed_zeros) == (ones, stored.size * 4 - ones)
    assert counts.row_writes == 3 * 2 * 20 * 2  # two column blocks of four columns each


def test_keys_are_chips_and_noise():
    generator = np.random.default_rng(7)
    macro = macro_of(sigma_on=0.1, noise=0.05)
    weights, inputs = operands(generator, 4, 40, 5)
    chip = program(weights, macro, rng.key(0, "chip", 0))
    again = program(weights, macro, rng.key(0, "chip", 0))
    other = program(weights, macro, rng.key(0, "chip", 1))
    assert np.array_equal(mvm(chip, inputs, 3).values, mvm(again, inputs, 3).values)
    assert not np.array_equal(mvm(chip, inputs, 3).values, mvm(other, inputs, 3).values)
    assert not np.array_equal(mvm(chip, inputs, 3).values, mvm(chip, inputs, 4).values)


@pytest.mark.parametrize(
    ("weights", "inputs", "error", "message"),
    [
        (np.ones((4, 2)), np.ones((1, 4), int), TypeError, "weights must be integers, got float64"),
        (
            np.full((4, 2), 8),
            np.ones((1, 4), int),
            ModelRangeError,
            "weights span 8 to 8, but 4 si",
        ),
        (np.ones((4, 2), int), np.full((1, 4), -9), ModelRangeError, "inputs span -9 to -9, but 4"),
        (np.ones((4, 2), int), np.ones((1, 4)), TypeError, "inputs must be integers, got float64"),
        (np.ones((4, 2), int), np.ones((1, 5), int), ModelRangeError, "inputs have 5 columns"),
    ],
)
def test_operands_that_do_not_fit_are_refused(weights, inputs, error, message):
    with pytest.raises(error, match=message):
        mvm(program(weights, macro_of(), 1), inputs, 2)


def test_dynamic_operands_need_writable_cells_and_matching_shapes():
    macro = macro_of()
    read_only = macro.model_copy(update={"writable": False, "write": None})
    with pytest.raises(ModelRangeError, match="writable macro"):
        dynamic(read_only, instances=1, rows=4, cols=2, key=1)
    crossbars = dynamic(macro, instances=1, rows=4, cols=2, key=1)
    with pytest.raises(ModelRangeError, match="do not fit"):
        mvm_dynamic(crossbars, np.ones((1, 1, 5, 2), int), np.ones((1, 1, 1, 5), int), 2)
