"""Whole products: nothing depends on how they are cut, and values alone are the same values."""

import numpy as np
import pytest

from pimsim.analog import (
    chunked,
    dynamic,
    mvm,
    mvm_dynamic,
    mvm_dynamic_values,
    mvm_values,
    paths,
    program,
)
from pimsim.analog.coding import input_range, weight_range
from pimsim.errors import ModelRangeError
from tests.analog.test_engine import KEY, MACROS, changed, fitting, macro_of

WRITTEN = [name for name, macro in MACROS.items() if macro.weights.coding != "differential"]


def written(name: str, instances: int = 3):
    """Three samples of operands for heads with cells of their own."""
    macro, generator = MACROS[name], np.random.default_rng(4)
    low, high = weight_range(macro)
    stored = generator.integers(low, high + 1, (3, instances, 75, 5))
    low, high = input_range(macro)
    inputs = generator.integers(low, high + 1, (3, instances, 4, 75))
    inputs[generator.random(inputs.shape) < 0.5] = 0
    return dynamic(macro, instances=instances, rows=75, cols=5, key=9), stored, inputs


@pytest.mark.parametrize("name", MACROS)
def test_values_alone_are_the_same_values(name):
    """Of static operands on several blocks, whether their codes may be wrong or not."""
    macro = MACROS[name]
    weights, inputs = fitting(macro, np.random.default_rng(1), 40, 90, 11)
    programmed = program(weights, macro, 5)
    alone = mvm_values(programmed, inputs, KEY, first_row=11)
    assert np.array_equal(alone, mvm(programmed, inputs, KEY, first_row=11).values)
    if name.startswith("lossless"):
        assert not any(paths.may_err(block) for block in programmed.blocks)


@pytest.mark.parametrize("name", WRITTEN)
def test_values_alone_of_dynamic_operands_are_the_same_values(name):
    crossbars, stored, inputs = written(name)
    alone = mvm_dynamic_values(crossbars, stored, inputs, KEY, first_row=7)
    assert np.array_equal(alone, mvm_dynamic(crossbars, stored, inputs, KEY, first_row=7).values)


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "wide groups"])
@pytest.mark.parametrize("digits", [500, 4000, 7000])
def test_heads_keep_their_cells_wherever_samples_are_cut(name, digits, monkeypatch):
    """Chunks of one, some and all heads of a sample and more: each head has its own cells."""
    crossbars, stored, inputs = written(name)
    whole = mvm_dynamic(crossbars, stored, inputs, KEY)
    monkeypatch.setattr(chunked, "CHUNK_DIGITS", digits)
    monkeypatch.setattr("pimsim.analog.screening._CELLS_MAX", 4000)
    parts = mvm_dynamic(crossbars, stored, inputs, KEY)
    assert np.array_equal(whole.values, parts.values)
    assert whole.counts == parts.counts
    assert np.array_equal(whole.values, mvm_dynamic_values(crossbars, stored, inputs, KEY))


def test_values_alone_refuse_what_counted_products_refuse():
    macro = changed(macro_of(), accumulate={"accumulator_bits": 8})
    programmed = program(np.full((40, 2), 7), macro, 1)
    with pytest.raises(ModelRangeError, match="need 12 bits, but"):
        mvm_values(programmed, np.full((1, 40), 7), 2)
    with pytest.raises(ModelRangeError, match="inputs span -9 to -9, but"):
        mvm_values(programmed, np.full((1, 40), -9), 2)
    with pytest.raises(TypeError, match="inputs must be integers"):
        mvm_values(programmed, np.ones((1, 40)), 2)
    with pytest.raises(ModelRangeError, match="do not fit weights of 40 rows"):
        mvm_values(programmed, np.ones((1, 4), int), 2)
    crossbars = dynamic(macro, instances=1, rows=4, cols=2, key=1)
    with pytest.raises(ModelRangeError, match="do not fit"):
        mvm_dynamic_values(crossbars, np.ones((1, 1, 5, 2), int), np.ones((1, 1, 1, 5), int), 2)
