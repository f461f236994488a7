"""Packed reads that rarely err: screened, they are the same integers and counts."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.analog import draws, dynamic, mvm, mvm_dynamic, mvm_values, oracle, program
from pimsim.analog.bitsift import PACKINGS
from pimsim.analog.coding import encode_weights, weight_range
from tests.analog.test_engine import (
    KEY,
    bitsift,
    by_oracle,
    changed,
    counted,
    fitting,
    macro_of,
)


def drawn_macro(draw):
    """Cells and noise for which some conversions are looked at, none or all; several lines."""
    return changed(
        macro_of(
            rows=draw(st.integers(9, 80)),
            cols=draw(st.sampled_from([60, 600, 1500])),
            active_rows=draw(st.sampled_from([3, 7, 8])),
            bits=draw(st.sampled_from([3, 6])),
            sigma_on=draw(st.sampled_from([None, 0.01, 0.04, 0.055, 0.065, 0.08])),
            sigma_off=draw(st.sampled_from([None, 0.01])),
            noise=draw(st.sampled_from([None, 0.0005, 0.003])),
            input_coding=draw(st.sampled_from(["twos_complement", "sign_magnitude"])),
        ),
        zero_skipping=bitsift(draw(st.integers(1, 40)), draw(st.sampled_from(PACKINGS))),
    )


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_packed_products_equal_the_oracle_bit_for_bit(data):
    macro, draw = drawn_macro(data.draw), data.draw
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, cols = draw(st.integers(1, 60)), draw(st.sampled_from([1, 40, 110]))
    weights, inputs = fitting(macro, generator, draw(st.integers(1, 6)), rows, cols)
    programmed = program(weights, macro, 5)
    output = mvm(programmed, inputs, KEY, first_row=3)
    values, counts = by_oracle(programmed, weights, inputs, 5, first_row=3)
    assert np.array_equal(output.values, values)
    assert counted(output) == counts
    assert np.array_equal(mvm_values(programmed, inputs, KEY, first_row=3), values)


def head_by_oracle(crossbars, stored, inputs, head: int, first_row: int):
    """Values and histogram of one sample's head, with its deviations at these contents."""
    values, histogram = np.zeros((len(inputs), stored.shape[1]), np.int64), 0
    digits, rows = (
        encode_weights(stored, crossbars.macro).digits,
        first_row + np.arange(len(inputs)),
    )
    for block in crossbars.blocks:
        own, held = None, digits[:, block.rows, block.cols]
        if block.deviations is not None:
            table = block.deviations[:, head]
            own = np.where(held == 1, table[1], table[0])

        def noise(plane: int, group: int, position: int, block: Any = block) -> np.ndarray:
            return draws.uniforms(
                KEY, rows, crossbars.product.places, plane=plane,
                group=block.first_group + group, position=position,
            )[:, block.cols]  # fmt: skip

        part = oracle.product(
            stored[block.rows, block.cols], inputs[:, block.rows], crossbars.macro,
            deviations=own, noise=noise if block.tables.noisy else None,
        )  # fmt: skip
        values[:, block.cols] += part.values
        histogram = histogram + part.histogram
    return values, histogram


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_packed_products_of_written_operands_equal_the_oracle(data):
    """Every head of every sample by itself, with the deviations of its cells at their contents."""
    macro, draw = drawn_macro(data.draw), data.draw
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples, heads, vectors = 2, 3, 4
    rows, cols = draw(st.integers(1, 60)), draw(st.sampled_from([1, 7, 60]))
    low, high = weight_range(macro)
    stored = generator.integers(low, high + 1, (samples, heads, rows, cols))
    _, inputs = fitting(macro, generator, samples * heads * vectors, rows, 1)
    inputs = inputs.reshape(samples, heads, vectors, rows)
    crossbars = dynamic(macro, instances=heads, rows=rows, cols=cols, key=5)
    together = mvm_dynamic(crossbars, stored, inputs, KEY)
    by_head = together.values.reshape(samples, heads, vectors, cols)
    histogram = np.zeros(len(together.counts.macros[0].column_sum_histogram), np.int64)
    for sample, head in np.ndindex(samples, heads):
        first = (sample * heads + head) * vectors
        values, own = head_by_oracle(
            crossbars, stored[sample, head], inputs[sample, head], head, first
        )
        assert np.array_equal(by_head[sample, head], values)
        histogram += own
    assert together.counts.macros[0].column_sum_histogram == tuple(histogram.tolist())
