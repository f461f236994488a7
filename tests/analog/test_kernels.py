"""Noise draws of the compiled kernels: independent of each other, each belonging to one read."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pimsim import rng
from pimsim.analog import blocks, dynamic, ideal_macro, kernels, mvm, mvm_dynamic, program
from pimsim.analog.adc import transfer_of
from pimsim.config.architecture import Macro

GOLDEN, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
KEY = rng.key(0, "chip", 0, "op", "read_noise")


def mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser, written out once more for whole arrays."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(MIX_1)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(MIX_2)
    return value ^ (value >> np.uint64(31))


def uniforms(key: int, rows: int, counters: int) -> NDArray[np.float64]:
    """Draws behind conversions ``counters`` of vectors ``rows``, centred, of variance 1."""
    row_keys = mix(
        mix(np.array([key], np.uint64)) + np.arange(rows, dtype=np.uint64) * np.uint64(GOLDEN)
    )
    states = row_keys[:, None] + np.arange(counters, dtype=np.uint64) * np.uint64(GOLDEN)
    return ((mix(states) >> np.uint64(11)) / 2.0**53 - 0.5) * np.sqrt(12)


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Correlation of two arrays of unit variance, in standard deviations of its own error."""
    return float((a * b).mean() * np.sqrt(a.size))


def test_the_array_form_of_the_hash_is_the_kernels_hash():
    with np.errstate(over="ignore"):
        expected = mix(mix(np.array([KEY], np.uint64)) + np.uint64(5) * np.uint64(GOLDEN))
    assert int(kernels.row_key_of(np.uint64(KEY), 5)) == int(expected[0])


def test_draws_are_uniform_and_uncorrelated():
    """Moments, neighbours, other vectors, other chips and seeds: all within 5 sigma of chance.

    Lags stand for the next column, slice, row group and bit-plane of a macro of 8 slices of 8 to
    64 columns.
    """
    with np.errstate(over="ignore"):
        draws = uniforms(KEY, 400, 4096)
        others = {
            "chip": uniforms(rng.key(0, "chip", 1, "op", "read_noise"), 400, 4096),
            "seed": uniforms(rng.key(1, "chip", 0, "op", "read_noise"), 400, 4096),
            "next key": uniforms(KEY + 1, 400, 4096),
        }
    count = draws.size
    assert abs(draws.mean()) < 5 / np.sqrt(count)
    assert abs((draws**2).mean() - 1) < 5 * np.sqrt(0.8 / count)  # kurtosis of a uniform: 1.8
    assert abs((draws**4).mean() - 1.8) < 5 * np.sqrt((9 - 1.8**2) / count)
    energy = (draws**2 - 1) / np.sqrt(0.8)
    for lag in (1, 8, 64, 512):
        assert abs(correlation(draws[:, lag:], draws[:, :-lag])) < 5, lag
        assert abs(correlation(energy[:, lag:], energy[:, :-lag])) < 5, lag
    for lag in (1, 17, 68):
        assert abs(correlation(draws[lag:], draws[:-lag])) < 5, lag
    for name, other in others.items():
        assert abs(correlation(draws, other)) < 5, name
        assert abs(correlation(draws[1:], other[:-1])) < 5, name


def noisy_macro(*, rows: int, cols: int, bits: int = 2, levels: int = 41) -> Macro:
    """Converters with 2 LSB of noise; an empty column sum of 0 is cut off below."""
    macro = ideal_macro(
        rows=rows, cols=cols, active_rows=4, weight_bits=bits, input_bits=2,
        input_coding="unsigned", adc_levels=levels,
    )  # fmt: skip
    noise_ratio = 2.0 / (levels - 1)
    return macro.model_copy(
        update={"adc": macro.adc.model_copy(update={"noise_ratio": noise_ratio})}
    )


@pytest.mark.parametrize(("rows", "parts"), [(4, 1), (8, 2), (16, 4)])
@pytest.mark.parametrize("height", [4, 16])
def test_noise_of_row_blocks_and_row_groups_adds_as_variance(rows, parts, height):
    """A draw used twice would add as amplitude: four times the variance for twice the reads."""
    macro = noisy_macro(rows=height, cols=64)
    weights, inputs = np.zeros((rows, 32), np.int64), np.zeros((1500, rows), np.int64)
    values = mvm(program(weights, macro, 1), inputs, KEY).values
    # Planes weigh 1 and 2, slices 1 and -2: (1 + 4) (1 + 4) variances of max(0, round(N(0, 2))).
    codes = np.maximum(0, np.rint(np.random.default_rng(0).normal(0, 2, 400_000)))
    expected = parts * 25 * float(codes.var())
    assert float(values.var()) == pytest.approx(expected, rel=0.04)


def test_noise_of_columns_column_blocks_and_heads_is_uncorrelated():
    """Four column blocks of one matrix, and three heads with equal contents."""
    static = noisy_macro(rows=8, cols=16)
    inputs = np.zeros((4000, 8), np.int64)
    by_column = mvm(program(np.zeros((8, 32), np.int64), static, 1), inputs, KEY).values
    crossbars = dynamic(static, instances=3, rows=8, cols=2, key=1)
    stored = np.zeros((4000, 3, 8, 2), np.int64)
    by_head = mvm_dynamic(crossbars, stored, np.zeros((4000, 3, 1, 8), np.int64), KEY).values
    for series in (by_column, by_head.reshape(4000, 6)):
        table = np.corrcoef(series.T)
        strongest = np.abs(table[np.triu_indices_from(table, 1)]).max()
        assert strongest < 5 / np.sqrt(len(series))


def test_a_table_is_used_only_where_its_sums_surely_fit_32_bits():
    """65,536 rows of 16-bit weights reach -2**31 with 9 codes; with 10 they might wrap around."""
    fitting, wide = (
        ideal_macro(
            rows=65536, cols=16, active_rows=8, weight_bits=16, input_bits=16, adc_levels=levels
        )
        for levels in (9, 10)
    )
    for macro, pays in ((fitting, True), (wide, False)):
        block = program(np.zeros((65536, 1), np.int64), macro, 1).blocks[0]
        job = blocks.BlockJob(macro, transfer_of(macro), block, 65536, 1, KEY)
        assert job.table_pays(1000) is pays
