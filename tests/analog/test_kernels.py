"""Noise draws of the kernels: independent of each other, each belonging to one conversion."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pimsim import rng
from pimsim.analog import draws, dynamic, ideal_macro, kernels, mvm, mvm_dynamic, program
from pimsim.analog.draws import Places
from pimsim.analog.patterns import table_pays
from pimsim.config.macros import Macro

KEY = rng.key(0, "chip", 0, "op", "read_noise")


def uniforms(key: int, rows: int, counters: int) -> NDArray[np.float64]:
    """Draws of ``counters`` columns for some vectors, centred, of variance 1."""
    places = Places(groups=1, slices=1, cols=counters)
    drawn = draws.uniforms(key, np.arange(rows), places, plane=0, group=0, position=0)
    return (drawn / 2.0**53 - 0.5) * np.sqrt(12)


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Correlation of two arrays of unit variance, in standard deviations of its own error."""
    return float((a * b).mean() * np.sqrt(a.size))


def test_the_kernels_hash_as_the_definition_says():
    """Heads, tails and their places, for a product of several planes, groups, slices and words."""
    places = Places(groups=3, slices=2, cols=11)
    row_key = np.uint64(kernels.row_key_of(np.uint64(KEY), 5))
    tail_key = np.uint64(kernels.tail_key_of(row_key))
    words = np.zeros(places.words, np.uint64)
    for plane, group, position in [(0, 0, 0), (1, 2, 1), (4, 1, 0)]:
        first = places.first_word(plane, group, position)
        kernels.draw_heads(row_key, first, words)
        heads = words.view(np.uint16)
        found = [
            int(kernels.whole_draw(heads[c], tail_key, 4 * first + c)) for c in range(places.cols)
        ]
        drawn = draws.uniforms(
            KEY, np.array([5]), places, plane=plane, group=group, position=position
        )
        assert found == drawn[0].tolist()


def test_no_two_conversions_share_a_draw():
    places = Places(groups=3, slices=2, cols=11)
    everything = [
        draws.uniforms(KEY, np.arange(4), places, plane=plane, group=group, position=position)
        for plane in range(2)
        for group in range(3)
        for position in range(2)
    ]
    assert len(np.unique(np.array(everything))) == 4 * 11 * 2 * 3 * 2


@pytest.mark.parametrize("sigma", [0.0, 0.003, 1.7])
def test_compiled_and_plain_thresholds_of_noise_agree(sigma):
    """To one part in 2**50, that of the libraries' error functions."""
    distances = np.array([-9000, -4096, -100, -1, 0, 1, 5, 300, 4096, 20_000])
    plain = draws.first_uniform_reaching(distances, sigma)
    compiled = [int(kernels.first_draw_reaching(int(d), sigma * 4096)) for d in distances]
    assert np.abs(plain.astype(np.float64) - np.array(compiled, np.float64)).max() <= 8


def test_draws_are_uniform_and_uncorrelated():
    """Moments, neighbours, other vectors, other chips and seeds: all within 5 sigma of chance.

    Lags stand for the next column, slice, row group and bit-plane of a macro of 8 slices of 8 to
    64 columns.
    """
    drawn = uniforms(KEY, 400, 4096)
    others = {
        "chip": uniforms(rng.key(0, "chip", 1, "op", "read_noise"), 400, 4096),
        "seed": uniforms(rng.key(1, "chip", 0, "op", "read_noise"), 400, 4096),
        "next key": uniforms(KEY + 1, 400, 4096),
    }
    count = drawn.size
    assert abs(drawn.mean()) < 5 / np.sqrt(count)
    assert abs((drawn**2).mean() - 1) < 5 * np.sqrt(0.8 / count)  # kurtosis of a uniform: 1.8
    assert abs((drawn**4).mean() - 1.8) < 5 * np.sqrt((9 - 1.8**2) / count)
    energy = (drawn**2 - 1) / np.sqrt(0.8)
    for lag in (1, 8, 64, 512):
        assert abs(correlation(drawn[:, lag:], drawn[:, :-lag])) < 5, lag
        assert abs(correlation(energy[:, lag:], energy[:, :-lag])) < 5, lag
    for lag in (1, 17, 68):
        assert abs(correlation(drawn[lag:], drawn[:-lag])) < 5, lag
    for name, other in others.items():
        assert abs(correlation(drawn, other)) < 5, name
        assert abs(correlation(drawn[1:], other[:-1])) < 5, name


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
    for levels, pays in ((9, True), (10, False)):
        macro = ideal_macro(
            rows=65536, cols=16, active_rows=8, weight_bits=16, input_bits=16, adc_levels=levels
        )
        block = program(np.zeros((65536, 1), np.int64), macro, 1).blocks[0]
        assert table_pays(block, 1000) is pays
