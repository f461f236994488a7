"""A quantized graph without a chip: the values of a perfect one, for any scheme."""

import numpy as np
import pytest

from pimsim.errors import SimulationError
from pimsim.functional import run_exact
from pimsim.functional.exact import exact_product
from pimsim.quantization import quantize
from pimsim.quantization.quantized import QuantizedOp
from tests.quantization.traced import CONVENTIONAL, RAP, run_ideal, transformer_block


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_the_values_are_those_of_a_perfect_chip(architecture):
    workload = transformer_block(tokens="seq", seq=(2, 9), sample_seq=4)
    expected = run_ideal(workload, architecture, seq=4).outputs["head:out"]
    quantized = quantize(workload, architecture)
    found = run_exact(quantized, workload.samples.evaluation, {"seq": 4})["head:out"]
    assert np.array_equal(found, expected)


def test_every_operation_is_seen_in_order():
    workload, seen = transformer_block(), []
    quantized = quantize(workload, RAP)
    run_exact(
        quantized, workload.samples.evaluation, {},
        observe=lambda op, values, saturations: seen.append(op.name),
    )  # fmt: skip
    assert seen == [op.name for op in quantized.ops]


def test_a_product_without_weights_is_told():
    op = QuantizedOp("p", "static_product", "p", ("x",), "y", rows=2, cols=2)
    with pytest.raises(SimulationError, match="op 'p' has no weights"):
        exact_product(op, [np.ones((1, 2), np.int8)])
