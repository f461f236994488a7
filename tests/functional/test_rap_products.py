"""RAP's operands on crossbars: 9-bit weights, sign + 8 and unsigned drives, wide keys, values."""

import numpy as np
import pytest

from pimsim.functional import AnalogEngine, IdealEngine, execute
from pimsim.mapping import map_workload
from pimsim.quantization import quantize
from tests.mapping.test_unsigned_operands import chip
from tests.quantization.traced import transformer_block

CODINGS = ("twos_complement", "sign_magnitude")


def runs(architecture):
    """The same graph on exact products and on the crossbars of a chip."""
    workload = transformer_block()
    mapped = map_workload(quantize(workload, architecture), architecture, {"batch": 1})
    engines = IdealEngine(), AnalogEngine(dict(architecture.macros), 0, 0)
    return [execute(mapped, workload.samples.evaluation, engine) for engine in engines]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("normalization", ["reciprocal_lut", "paper"])
def test_crossbars_whose_reads_do_not_err_give_the_integer_graph(coding, normalization):
    """Half an LSB is six standard deviations of eight cells: every read is right."""
    architecture = chip(
        f"macros.mram.inputs.coding={coding}", f"macros.sram.inputs.coding={coding}",
        f"numerics.normalization={normalization}",
    )  # fmt: skip
    ideal, analog = runs(architecture)
    assert np.array_equal(ideal.outputs["head:out"], analog.outputs["head:out"])
    assert [op.units for op in ideal.counts] == [op.units for op in analog.counts]


@pytest.mark.parametrize(("coding", "planes"), [("twos_complement", 9), ("sign_magnitude", 16)])
def test_reads_and_conversions_follow_the_operands(coding, planes):
    """6 samples, 6 tokens, 2 heads of depth 4, one group of 8 rows; all columns are converted."""
    architecture = chip(
        f"macros.mram.inputs.coding={coding}", f"macros.sram.inputs.coding={coding}"
    )
    _, analog = runs(architecture)
    counts = {op.op: op.macros[0] for op in analog.counts if op.macros}
    vectors = 6 * 6
    assert counts["attn.q"].reads == vectors * planes
    assert counts["attn.q"].conversions == vectors * planes * 8 * 9
    assert counts["attn.logits"].reads == vectors * 2 * planes
    assert counts["attn.logits"].conversions == vectors * 2 * planes * 6 * 16
    assert counts["attn.context"].reads == vectors * 2 * 8
    assert counts["attn.context"].conversions == vectors * 2 * 8 * 4 * 16


def test_a_chip_whose_reads_err_still_answers():
    """Sums beyond the widest exact one have a spare bit in every unit that takes them."""
    architecture = chip(
        "macros.mram.crossbar.cell.sigma_on_ratio=0.3",
        "macros.sram.crossbar.cell.sigma_on_ratio=0.3",
    )
    ideal, analog = runs(architecture)
    assert not np.array_equal(ideal.outputs["head:out"], analog.outputs["head:out"])
    assert np.isfinite(analog.outputs["head:out"]).all()
