"""The crossbar product against exact integers, a slow oracle and closed forms."""

import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pimsim import rng
from pimsim.analog import (
    MvmOutput,
    adding,
    chunked,
    currents,
    draws,
    dynamic,
    engine,
    ideal_macro,
    mvm,
    mvm_dynamic,
    oracle,
    packed_paths,
    paths,
    patterns,
    program,
    runtime,
)
from pimsim.analog.coding import input_range, weight_range
from pimsim.analog.packing import Packing
from pimsim.analog.transfer import draw_transfer
from pimsim.config.macros import Macro
from pimsim.errors import ModelRangeError

KEY = rng.key(0, "chip", 0, "op", "read_noise")

VARYING = {"cell": {"model": "mram", "sigma_on_ratio": 0.2, "sigma_off_ratio": 0.1}}


def changed(macro: Macro, **sections: dict[str, Any]) -> Macro:
    """The macro with some keys of its sections changed, checked as if read from a file."""
    data = macro.model_dump()
    for section, keys in sections.items():
        place = data["crossbar"]["cell"] if section == "cell" else data[section]
        place.update(keys)
    return Macro.model_validate(data)


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
    cell = {"model": "mram", "sigma_on_ratio": sigma_on, "sigma_off_ratio": sigma_off}
    return changed(macro, cell=cell, adc={"noise_ratio": noise})


def operands(
    generator: np.random.Generator, vectors: int, rows: int, cols: int, bits: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    half = 1 << (bits - 1)
    weights = generator.integers(-half, half, (rows, cols))
    return weights, generator.integers(-half, half, (vectors, rows))


def fitting(
    macro: Macro, generator: np.random.Generator, vectors: int, rows: int, cols: int
) -> tuple[np.ndarray, np.ndarray]:
    """Operands over the whole range of the macro's codings, with some zeros among the inputs."""
    low, high = weight_range(macro)
    weights = generator.integers(low, high + 1, (rows, cols))
    low, high = input_range(macro)
    inputs = generator.integers(low, high + 1, (vectors, rows))
    inputs[generator.random(inputs.shape) < 0.4] = 0
    return weights, inputs


def by_oracle(
    programmed: engine.ProgrammedCrossbar,
    weights: np.ndarray,
    inputs: np.ndarray,
    silicon: int,
    first_row: int = 0,
) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Values and counts of the whole product, macro by macro."""
    macro, rows = programmed.macro, np.arange(first_row, first_row + len(inputs))
    values = np.zeros((len(inputs), weights.shape[1]), np.int64)
    loads: Any = 0
    totals = np.zeros(3, np.int64)
    for block in programmed.blocks:
        place = rng.key(silicon, "converters", block.rows.start, block.cols.start)
        transfer = draw_transfer(macro, block.width, place)

        def noise(plane: int, group: int, position: int, block: Any = block) -> np.ndarray:
            drawn = draws.uniforms(
                KEY, rows, programmed.product.places, plane=plane,
                group=block.first_group + group, position=position,
            )  # fmt: skip
            return drawn[:, block.cols]

        part = oracle.product(
            weights[block.rows, block.cols],
            inputs[:, block.rows],
            macro,
            deviations=block.deviations,
            transfer=transfer,
            noise=noise if transfer.sigma_lsb.any() else None,
        )
        values[:, block.cols] += part.values
        loads = loads + part.loads
        totals += (part.reads, part.conversions, part.saturations)
    return values, (tuple(loads), *totals.tolist())


def counted(output: MvmOutput) -> tuple[Any, ...]:
    counts = output.counts.macros[0]
    return (
        counts.column_sum_histogram, counts.reads, counts.conversions, counts.saturations
    )  # fmt: skip


def all_by_currents(
    programmed: engine.ProgrammedCrossbar, inputs: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> MvmOutput:
    """The same product with every block on the path of matrix products."""
    with monkeypatch.context() as patch:
        patch.setattr(
            paths, "multiply",
            lambda block, drive, stored, *, key, out: currents.by_currents(
                block, drive, stored, key=key, out=out
            )
            if drive.packed is None
            else packed_paths.by_read_currents(
                block, drive, drive.packed.by_row, stored, key=key, out=out
            ),
        )  # fmt: skip
        return mvm(programmed, inputs, KEY)


# Exactness


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_an_ideal_macro_gives_the_integer_product(data):
    """For every coding, width, slicing, shape and row group, ragged edges included."""
    draw = data.draw
    weight_bits, input_bits = draw(st.integers(2, 10)), draw(st.integers(2, 12))
    macro = ideal_macro(
        rows=draw(st.integers(16, 40)),
        cols=draw(st.integers(20, 70)),
        active_rows=draw(st.integers(1, 16)),
        weight_bits=weight_bits,
        input_bits=input_bits,
        weight_coding=draw(
            st.sampled_from(["twos_complement", "sign_magnitude", "differential", "offset"])
        ),
        input_coding=draw(st.sampled_from(["twos_complement", "sign_magnitude", "unsigned"])),
        cell_bits=draw(st.integers(1, 4)),
        bits_per_cycle=draw(st.integers(1, min(8, input_bits))),
    )
    if draw(st.booleans()):
        macro = changed(macro, zero_skipping={"model": draw(st.sampled_from(["value", "bit"]))})
    elif macro.inputs.bits_per_cycle == 1 and draw(st.booleans()):
        macro = changed(macro, zero_skipping=bitsift(draw(st.integers(1, 12))))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights, inputs = fitting(
        macro, generator, draw(st.integers(1, 5)), draw(st.integers(1, 60)), draw(st.integers(1, 9))
    )
    output = mvm(program(weights, macro, 1), inputs, 2)
    assert np.array_equal(output.values, inputs @ weights)
    assert output.counts.macros[0].saturations == 0


def bitsift(slice_rows: int = 8, packing: str = "first_fit") -> dict[str, Any]:
    return {"model": "bitsift", "slice_rows": slice_rows, "packing": packing}


MACROS = {
    "lossless, packed": changed(macro_of(active_rows=8), zero_skipping=bitsift()),
    "lossless, packed, cells vary": changed(
        macro_of(active_rows=8, sigma_on=0.01, noise=1e-4), zero_skipping=bitsift()
    ),
    "packed, screened": changed(
        macro_of(active_rows=8, sigma_on=0.065, sigma_off=0.01), zero_skipping=bitsift(32)
    ),
    "packed, screened, noise": changed(
        macro_of(active_rows=7, sigma_on=0.065, noise=0.0005), zero_skipping=bitsift(5),
        adc={"comparator_offset_ratio": 0.001},
    ),
    "packed, cells vary": changed(
        macro_of(active_rows=8, sigma_on=0.2, sigma_off=0.1), zero_skipping=bitsift()
    ),
    "packed, cells vary, noise": changed(
        macro_of(active_rows=12, sigma_on=0.1, noise=0.02, levels=20),
        zero_skipping=bitsift(packing="best_fit_decreasing"),
    ),
    "packed, noise": changed(
        macro_of(active_rows=5, noise=0.05), zero_skipping=bitsift(packing="consecutive")
    ),
    "packed, charge over slices": changed(
        macro_of(active_rows=16, sigma_on=0.1, noise=0.01, levels=256),
        accumulate={"slices": "charge"}, zero_skipping=bitsift(packing="bound"),
    ),
    "lossless": macro_of(active_rows=8, sigma_on=0.005),
    "lossless, bits skipped": changed(macro_of(active_rows=3), zero_skipping={"model": "bit"}),
    "cells vary, many rows": macro_of(active_rows=32, sigma_on=0.2, sigma_off=0.1),
    "cells vary, patterns": macro_of(active_rows=8, sigma_on=0.2, sigma_off=0.1),
    "wide groups": macro_of(rows=600, active_rows=300, levels=64),
    "coarse": macro_of(active_rows=32, levels=5),
    "clipped": changed(
        macro_of(active_rows=32, levels=8), adc={"range": "clipped", "clip_ratio": 0.2}
    ),
    "noise": macro_of(active_rows=32, noise=0.02),
    "noise, patterns": macro_of(active_rows=5, sigma_on=0.1, noise=0.005),
    "cells vary, noise": macro_of(active_rows=32, sigma_on=0.1, noise=0.02, levels=20),
    "cells with read noise": changed(
        macro_of(active_rows=16, sigma_on=0.05),
        cell={"read_noise": {"sigma_on_ratio": 0.1, "sigma_off_ratio": 0.02}},
    ),
    "own converters": changed(
        macro_of(active_rows=32), adc={"gain_sigma_ratio": 0.03, "offset_sigma_ratio": 0.02}
    ),
    "own noisy converters": changed(
        macro_of(active_rows=32, noise=0.02), adc={"gain_sigma_ratio": 0.03, "columns_per_adc": 8}
    ),
    "bowed converter": changed(macro_of(active_rows=32), adc={"inl_ratio": 0.05}),
    "shuffled comparators": changed(
        macro_of(active_rows=16, noise=0.02), adc={"comparator_offset_ratio": 0.05}
    ),
    "bits skipped": changed(
        macro_of(active_rows=4, noise=0.05), zero_skipping={"model": "bit"}, adc={"levels": 40}
    ),
    "values skipped": changed(
        macro_of(active_rows=6, sigma_on=0.2), zero_skipping={"model": "value"}
    ),
    "charge over slices": changed(
        macro_of(active_rows=16, sigma_on=0.1, noise=0.01, levels=256),
        accumulate={"slices": "charge"},
    ),
    "charge over planes": changed(
        macro_of(active_rows=16, noise=0.01, levels=256), accumulate={"planes": "charge"}
    ),
    "pairs": changed(
        macro_of(active_rows=16, sigma_on=0.1, noise=0.01), weights={"coding": "differential"}
    ),
    "several bits": changed(
        macro_of(active_rows=16, bits=6, noise=0.01, levels=64), cell={"bits": 2},
        inputs={"bits_per_cycle": 3},
    ),
    "bowed drives": changed(
        macro_of(active_rows=16, bits=6, sigma_on=0.05), cell={"bits": 3},
        inputs={"bits_per_cycle": 4, "dac_inl_ratio": 0.04},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MACROS)
def test_the_engine_equals_the_oracle_bit_for_bit(name):
    """Values and counts, noise included, on several row and column blocks with ragged edges."""
    macro = MACROS[name]
    generator = np.random.default_rng(1)
    vectors, rows = (
        (150, 90) if "patterns" in name else (7, 90 if macro.crossbar.rows < 100 else 700)
    )
    macro = macro.model_copy(update={"crossbar": macro.crossbar.model_copy(update={"cols": 61})})
    weights, inputs = fitting(macro, generator, vectors, rows, 23)
    programmed = program(weights, macro, 5)
    output = mvm(programmed, inputs, KEY, first_row=11)
    values, counts = by_oracle(programmed, weights, inputs, 5, first_row=11)
    assert np.array_equal(output.values, values)
    assert counted(output) == counts
    assert np.array_equal(output.values, inputs @ weights) == name.startswith("lossless")


@pytest.mark.parametrize("name", MACROS)
def test_all_paths_agree(name, monkeypatch):
    """The fast paths, the path of matrix products and NumPy alone: the same integers and counts."""
    macro = MACROS[name]
    generator = np.random.default_rng(2)
    weights, inputs = fitting(macro, generator, 160, 70, 11)
    programmed = program(weights, macro, 5)
    monkeypatch.setattr(patterns, "UNCERTAIN_RATIO_MAX", 1.0)
    fast = mvm(programmed, inputs, KEY)
    monkeypatch.setattr(paths, "is_lossless", lambda block: False)
    looked_at = mvm(programmed, inputs, KEY)
    slow = all_by_currents(programmed, inputs, monkeypatch)
    monkeypatch.setattr("pimsim.analog.conversion.compiled_kernels", lambda: False)
    plain = all_by_currents(programmed, inputs, monkeypatch)
    for other in (looked_at, slow, plain):
        assert np.array_equal(fast.values, other.values)
        assert fast.counts == other.counts


@pytest.mark.parametrize("name", [name for name in MACROS if "packed" in name])
def test_packed_reads_are_screened_where_they_rarely_err(name):
    macro = MACROS[name]
    weights, _ = fitting(macro, np.random.default_rng(1), 1, 90, 23)
    screened = program(weights, macro, 5).blocks[0].screen is not None
    assert screened == ("screened" in name or "lossless" in name)


def test_the_paths_are_the_ones_meant():
    """Equal cells are counted; small variation of few rows, too; large variation is not."""
    generator = np.random.default_rng(3)
    weights, _ = operands(generator, 1, 64, 5)
    still = {
        name: program(weights, macro, 1).blocks[0]
        for name, macro in {
            "equal": macro_of(),
            "small": macro_of(sigma_on=0.01),
            "large": macro_of(sigma_on=0.2),
            "noisy": macro_of(noise=0.02),
            "hardly noisy": macro_of(noise=1e-4),
        }.items()
    }
    assert {name for name, block in still.items() if block.counted is not None} == {
        "equal", "small", "noisy", "hardly noisy",
    }  # fmt: skip
    assert {name for name, block in still.items() if not block.quiet} == {"noisy"}
    assert patterns.table_pays(still["large"], 1000)
    assert not patterns.table_pays(still["large"], 10)


def test_a_product_beyond_float32_is_still_exact():
    """1,024 rows of wide digits with huge variation need float64; much more would raise."""
    generator = np.random.default_rng(3)
    macro = macro_of(rows=1024, active_rows=1024, sigma_on=0.8, sigma_off=0.3)
    weights, inputs = operands(generator, 3, 1024, 4)
    programmed = program(weights, macro, 5)
    assert Packing.of(programmed.blocks[0]).dtype is np.float64
    values, counts = by_oracle(programmed, weights, inputs, 5)
    output = mvm(programmed, inputs, KEY)
    assert np.array_equal(output.values, values)
    assert counted(output) == counts


@pytest.mark.parametrize(
    "name",
    ["noise", "noise, patterns", "cells vary, noise", "pairs", "packed, screened, noise",
     "packed, cells vary, noise"],
)  # fmt: skip
def test_batch_chunks_and_threads_change_nothing(name, monkeypatch):
    macro = MACROS[name]
    generator = np.random.default_rng(2)
    weights, inputs = fitting(macro, generator, 300, 70, 9)
    programmed = program(weights, macro, 5)
    whole = mvm(programmed, inputs, KEY).values
    parts = [mvm(programmed, inputs[:7], KEY), mvm(programmed, inputs[7:], KEY, first_row=7)]
    assert np.array_equal(whole, np.concatenate([part.values for part in parts]))
    monkeypatch.setattr(patterns, "CHUNK_VECTORS", 5)
    monkeypatch.setattr(currents, "CHUNK_ELEMENTS", 1000)
    monkeypatch.setattr(adding, "CELLS_MAX", 1)
    monkeypatch.setattr(adding, "LANES_MAX", 20)
    monkeypatch.setattr("pimsim.analog.screening._CELLS_MAX", 1)
    monkeypatch.setattr(chunked, "CHUNK_DIGITS", 30_000)
    monkeypatch.setattr("pimsim.analog.counting.CONVERSIONS_MAX", 10_000)
    before = runtime.set_threads(1)
    try:
        assert np.array_equal(whole, mvm(programmed, inputs, KEY).values)
    finally:
        runtime.set_threads(before)


def test_more_threads_than_there_are_is_an_error():
    with pytest.raises(ModelRangeError, match="threads must be 1 to"):
        runtime.set_threads(0)


# Noise and variation against closed forms


def normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@pytest.mark.parametrize(
    ("ones", "noise_lsb", "sigma_on"),
    [(3, 0.3, None), (0, 0.4, None), (8, 0.6, None), (4, 1.5, None), (4, 0.5, 0.01)],
)
def test_noisy_codes_follow_the_gaussian(ones, noise_lsb, sigma_on):
    """Chi-square of the codes of 65,536 conversions against the Gaussian between decision levels.

    Without variation the codes are drawn from tables by count, with it from currents.
    """
    active_rows, columns, vectors = 8, 32, 1024
    macro = macro_of(
        bits=2, active_rows=active_rows, noise=noise_lsb / active_rows, sigma_on=sigma_on,
        input_coding="unsigned", input_bits=1,
    )  # fmt: skip
    weights = np.zeros((active_rows, columns), np.int64)
    weights[:ones] = -1  # both slices hold ones
    programmed = program(weights, macro, 3)
    block = programmed.blocks[0]
    assert (block.counted is None) == (sigma_on is not None)
    values = mvm(programmed, np.ones((vectors, active_rows), np.int64), KEY).values
    # The value is low - 2 high, each a code 0 .. 8; equal values come from several pairs of codes.
    shifts = np.zeros((2, columns))
    if block.deviations is not None:
        shifts = block.deviations.sum(axis=1) / 4096
    expected = np.zeros(3 * active_rows + 1)
    for column in range(columns):
        share = [code_shares(ones + shifts[s, column], noise_lsb, active_rows) for s in range(2)]
        for low in range(active_rows + 1):
            for high in range(active_rows + 1):
                expected[low - 2 * high + 2 * active_rows] += share[0][low] * share[1][high]
    seen = np.bincount((values + 2 * active_rows).ravel(), minlength=len(expected))
    expected *= vectors
    enough = expected > 10
    rest = [seen[~enough].sum(), expected[~enough].sum()]
    statistic = float(((seen - expected)[enough] ** 2 / expected[enough]).sum())
    if rest[1] > 0:
        statistic += (rest[0] - rest[1]) ** 2 / max(rest[1], 1.0)
    assert stats.chi2.sf(statistic, int(enough.sum())) > 1e-4


def code_shares(current: float, sigma: float, top: int) -> np.ndarray:
    """Probability of each code of a converter that clips at 0 and ``top``."""
    upper = [normal_cdf((code + 0.5 - current) / sigma) for code in range(top)]
    return np.diff([0.0, *upper, 1.0])


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


# Counts and operands


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


def test_resident_elements_are_not_counted_as_written():
    generator = np.random.default_rng(6)
    macro = macro_of(rows=16, cols=16, active_rows=8)
    stored = generator.integers(-8, 8, (3, 2, 20, 6))
    inputs = generator.integers(-8, 8, (3, 2, 1, 20))
    fresh = np.zeros((2, 20, 6), np.bool_)
    fresh[:, 19] = True
    output = mvm_dynamic(
        dynamic(macro, instances=2, rows=20, cols=6, key=1), stored, inputs, 2, fresh=fresh
    )
    assert np.array_equal(output.values.reshape(3, 2, 1, 6), inputs @ stored)
    counts = output.counts.macros[0]
    assert counts.programmed_ones + counts.programmed_zeros == 3 * 2 * 6 * 4
    assert counts.row_writes == 3 * 2 * 2  # one word line in each of two column blocks


@pytest.mark.parametrize(
    "name",
    [
        "lossless",
        "lossless, bits skipped",
        "coarse",
        "noise",
        "cells vary, noise",
        "lossless, packed",
        "packed, screened",
        "packed, screened, noise",
        "packed, cells vary",
        "packed, charge over slices",
    ],
)
def test_paths_agree_on_dynamic_operands(name, monkeypatch):
    """Values and counts of many matrices in turn, with every block on the path of products, too."""
    macro = MACROS[name]
    generator = np.random.default_rng(4)
    low, high = weight_range(macro)
    stored = generator.integers(low, high + 1, (3, 2, 75, 5))
    inputs = generator.integers(low, high + 1, (3, 2, 4, 75)) * generator.integers(
        0, 2, (3, 2, 4, 75)
    )
    crossbars = dynamic(macro, instances=2, rows=75, cols=5, key=9)
    fast = mvm_dynamic(crossbars, stored, inputs, KEY)
    monkeypatch.setattr(paths, "is_lossless", lambda block: False)
    counted_instead = mvm_dynamic(crossbars, stored, inputs, KEY)
    monkeypatch.setattr(paths, "compiled_kernels", lambda: False)
    monkeypatch.setattr("pimsim.analog.conversion.compiled_kernels", lambda: False)
    monkeypatch.setattr(currents, "CHUNK_ELEMENTS", 500)
    monkeypatch.setattr(chunked, "CHUNK_DIGITS", 3000)
    for other in (counted_instead, mvm_dynamic(crossbars, stored, inputs, KEY)):
        assert np.array_equal(fast.values, other.values)
        assert fast.counts == other.counts


@pytest.mark.parametrize("name", ["cells vary, many rows", "noise", "cells vary, noise"])
def test_dynamic_operands_equal_programmed_ones_with_the_same_deviations(name):
    """A crossbar written at run time gives what the oracle makes of its cells at their contents."""
    macro = MACROS[name]
    generator = np.random.default_rng(8)
    low, high = weight_range(macro)
    stored = generator.integers(low, high + 1, (2, 3, 40, 6))
    inputs = generator.integers(low, high + 1, (2, 3, 5, 40))
    crossbars = dynamic(macro, instances=3, rows=40, cols=6, key=9)
    values = mvm_dynamic(crossbars, stored, inputs, KEY, first_row=30).values.reshape(2, 3, 5, 6)
    block = crossbars.blocks[0]
    digits = engine.encode_weights(stored, macro).digits
    for sample in range(2):
        for head in range(3):
            own = None
            if block.deviations is not None:
                table = block.deviations[:, head]
                own = np.where(digits[:, sample, head] == 1, table[1], table[0])
            rows = 30 + (sample * 3 + head) * 5 + np.arange(5)

            def noise(plane: int, group: int, position: int, rows: Any = rows) -> np.ndarray:
                return draws.uniforms(
                    KEY, rows, crossbars.product.places, plane=plane, group=group,
                    position=position,
                )  # fmt: skip

            expected = oracle.product(
                stored[sample, head], inputs[sample, head], macro, deviations=own,
                noise=noise if block.tables.noisy else None,
            ).values  # fmt: skip
            assert np.array_equal(values[sample, head], expected)


@pytest.mark.parametrize("scheme", ["none", "value", "bit", "bitsift"])
@pytest.mark.parametrize("sync", ["plane", "vector"])
def test_service_cycles_follow_the_reads_that_take_place(scheme, sync):
    """``vector``: own reads; ``plane``: in every input cycle all wait for the slowest block."""
    generator = np.random.default_rng(9)
    macro = changed(macro_of(rows=32, active_rows=4), zero_skipping={"model": scheme})
    macro = macro.model_copy(update={"sync": sync})
    weights, inputs = operands(generator, 6, 45, 9)
    inputs[generator.random(inputs.shape) < 0.7] = 0
    inputs[:, 8:16] = 0
    output = mvm(program(weights, macro, 1), inputs, 2)
    reads = output.read_cycles()
    assert reads.shape == (6, 4, 8 + 4)
    assert reads.sum() == output.counts.macros[0].reads
    per_plane = np.stack([reads[:, :, :8].sum(axis=2), reads[:, :, 8:].sum(axis=2)])
    if scheme == "none" or sync == "vector":
        expected = per_plane.sum(axis=2).T
    else:
        expected = np.tile(per_plane.max(axis=0).sum(axis=1)[:, None], 2)
    assert np.array_equal(output.service_cycles, expected)
    if scheme != "none":
        assert reads.sum() < 6 * 4 * 12


@pytest.mark.parametrize(
    ("weights", "inputs", "error", "message"),
    [
        (np.ones((4, 2)), np.ones((1, 4), int), TypeError, "weights must be integers, got float64"),
        (np.full((4, 2), 8), np.ones((1, 4), int), ModelRangeError, "weights span 8 to 8, but"),
        (np.ones((4, 2), int), np.full((1, 4), -9), ModelRangeError, "inputs span -9 to -9, but"),
        (np.ones((4, 2), int), np.ones((1, 4)), TypeError, "inputs must be integers, got float64"),
        (np.ones((4, 2), int), np.full((1, 4), np.nan), TypeError, "inputs must be integers"),
        (
            np.ones((4, 2), int),
            np.ones((1, 5), int),
            ModelRangeError,
            "do not fit weights of 4 row",
        ),
        (np.ones((4, 2), int), np.ones(4, int), ModelRangeError, "do not fit weights of 4 rows"),
        (np.ones(4, int), np.ones((1, 4), int), ModelRangeError, "weights must be a matrix"),
    ],
)
def test_operands_that_do_not_fit_are_refused(weights, inputs, error, message):
    with pytest.raises(error, match=message):
        mvm(program(weights, macro_of(), 1), inputs, 2)


def test_an_accumulator_that_overflows_is_an_error():
    macro = changed(macro_of(), accumulate={"accumulator_bits": 8})
    weights, inputs = np.full((40, 2), 7), np.full((1, 40), 7)
    with pytest.raises(ModelRangeError, match="need 12 bits, but"):
        mvm(program(weights, macro, 1), inputs, 2)


def test_dynamic_operands_need_writable_cells_and_matching_shapes():
    macro = macro_of()
    read_only = macro.model_copy(update={"writable": False, "write": None})
    with pytest.raises(ModelRangeError, match="writable macro"):
        dynamic(read_only, instances=1, rows=4, cols=2, key=1)
    crossbars = dynamic(macro, instances=1, rows=4, cols=2, key=1)
    with pytest.raises(ModelRangeError, match="do not fit"):
        mvm_dynamic(crossbars, np.ones((1, 1, 5, 2), int), np.ones((1, 1, 1, 5), int), 2)


def test_an_empty_batch_is_an_empty_product():
    output = mvm(program(np.ones((4, 2), int), macro_of(), 1), np.ones((0, 4), int), 2)
    assert output.values.shape == (0, 2)
    assert output.counts.macros[0].conversions == 0


@pytest.mark.parametrize("name", [name for name in MACROS if "packed" in name])
def test_inputs_that_are_all_zero_take_no_packed_read(name):
    """Nothing is read or converted, with an odd number of bit lines, too; nor on one row block."""
    macro = changed(MACROS[name], weights={"bits": 5})
    weights, inputs = fitting(macro, np.random.default_rng(6), 3, 70, 11)
    programmed = program(weights, macro, 5)
    nothing = mvm(programmed, np.zeros_like(inputs), KEY)
    assert not nothing.values.any()
    assert sum(counted(nothing)[0]) == nothing.counts.macros[0].reads == 0
    inputs[:, : macro.crossbar.rows] = 0
    values, counts = by_oracle(programmed, weights, inputs, 5)
    output = mvm(programmed, inputs, KEY)
    assert np.array_equal(output.values, values)
    assert counted(output) == counts


# Without compiled kernels

SCRIPT = """
import logging, sys
import numpy as np
logging.basicConfig(format="%(message)s", stream=sys.stdout)
from pimsim.analog import ideal_macro, mvm, program
macro = ideal_macro(rows=16, cols=64, active_rows=8, weight_bits=4, input_bits=4)
macro = macro.model_copy(update={"adc": macro.adc.model_copy(update={"noise_ratio": 0.05})})
generator = np.random.default_rng(0)
programmed = program(generator.integers(-8, 8, (20, 5)), macro, 1)
inputs = generator.integers(-8, 8, (3, 20))
for _ in range(2):
    values = mvm(programmed, inputs, 2).values
print(values.tolist())
"""


def in_a_process(**environment: str) -> list[str]:
    """Lines printed by the script under these environment variables."""
    variables = {**os.environ, **environment}
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=variables, capture_output=True, text=True, check=True
    )
    return found.stdout.splitlines()


def test_without_compiling_numpy_gives_the_same_and_says_so_once():
    compiled, plain = in_a_process(), in_a_process(NUMBA_DISABLE_JIT="1")
    assert len(compiled) == 1
    assert plain[1:] == compiled
    assert plain[0].endswith("NUMBA_DISABLE_JIT is set")


def test_a_cache_that_cannot_be_written_is_no_reason_to_compile_every_time(tmp_path):
    """Nothing to write to: numba's own folder is a file, as are the package's and the user's."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    lines = in_a_process(
        NUMBA_CACHE_DIR=str(blocked / "cache"),
        NUMBA_CACHE_LOCATOR_CLASSES="UserProvidedCacheLocator",
    )
    assert lines[1:] == in_a_process()
    assert "no folder can be written" in lines[0]
