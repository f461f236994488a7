"""RAP's scheme through every pass: values, counts, time and cost."""

import pytest

from pimsim.simulate import simulate
from tests.mapping.test_unsigned_operands import chip


@pytest.fixture(scope="module", params=["twos_complement", "sign_magnitude"])
def result(request):
    codings = [f"macros.{name}.inputs.coding={request.param}" for name in ("mram", "sram")]
    return simulate(chip(*codings), "vit_digits", samples=2, chips=1, compare=())


def test_it_runs_through_every_pass(result):
    """The run itself compares the reads of both passes and the bits moved of three."""
    assert result.scheme == "rap_int8p1"
    assert result.accuracy.agreement_ratio == 1.0
    assert result.accuracy.analog == (result.accuracy.integer,)
    assert result.energy_uj > 0
    assert result.latency_us > 0


def test_every_attention_layer_normalizes_after_the_product(result):
    names = [op.op for op in result.counts]
    for layer in range(4):
        stem = f"blocks.{layer}.attention"
        assert f"{stem}.matmul_1.normalize" in names
        assert f"{stem}.softmax" in names


def test_products_of_exponentials_are_read_in_eight_planes(result):
    """17 tokens, 4 heads, three groups of 8 rows, 2 samples; 8 planes whatever signs would take."""
    macros = {op.op: op.macros[0] for op in result.counts if op.macros}
    assert macros["blocks.0.attention.matmul_1"].reads == 2 * 17 * 4 * 3 * 8
