"""A tile of RAP has operators for all that its graph asks of them."""

from dataclasses import replace

import pytest

from pimsim.config import load_architecture
from pimsim.cost.digital import operations
from pimsim.cost.groups import widest_accumulator_bits
from pimsim.cost.technology import OperatingPoint
from pimsim.cost.unit_hardware import built_hardware, unit_area_um2
from pimsim.quantization import quantize
from tests.quantization.test_rap_int8p1 import chip, post_norm_block
from tests.quantization.traced import transformer_block


@pytest.mark.parametrize("block", [transformer_block, post_norm_block])
@pytest.mark.parametrize(
    "settings", [{}, {"normalization": "shift", "branch_scale": "pow2"}], ids=str
)
def test_the_built_units_are_wide_enough_for_every_operation(block, settings):
    architecture = chip(**settings)
    built = {
        "requantize": built_hardware(
            "emsb_q", accumulator_bits=widest_accumulator_bits(architecture)
        ),
        "softmax": built_hardware("vdr_softmax"),
    }
    for op in quantize(block(), architecture).ops:
        if op.function not in built:
            continue
        unit = built[op.function]
        widest: dict[str, int] = {}
        for operation, _ in unit.per_element:
            widest[operation.kind] = max(operation.width_bits, widest.get(operation.kind, 0))
        for operation, _ in op.hardware.per_element:
            assert operation.width_bits <= widest[operation.kind], (op.name, operation)
        # A bias is a row of constants, as many as the layer has outputs; it is no part of the unit.
        if not op.name.endswith(("q.requantize", "k.requantize", "v.requantize", "o.requantize")):
            assert op.hardware.table_bits <= max(unit.table_bits, 4096), op.name


def test_accumulators_of_the_scheme_are_wider_than_those_of_plain_integers():
    assert widest_accumulator_bits(chip()) == 48
    assert widest_accumulator_bits(load_architecture("rap_int8")) == 32


def test_normalization_by_a_table_takes_its_multiplier_and_its_storage():
    """Without the 256 bytes and the widest multiplier the unit would be smaller."""
    costs, whole = operations(OperatingPoint(28.0)), built_hardware("emsb_q", accumulator_bits=48)
    assert whole.table_bits >= 256 * 8
    without = replace(
        whole,
        table_bits=0,
        per_element=tuple(pair for pair in whole.per_element if pair[0].kind != "multiply"),
    )
    assert unit_area_um2(whole, 64, costs).value > 1.2 * unit_area_um2(without, 64, costs).value


def test_shifting_costs_less_energy_than_multiplying():
    """One requantization of queries: by eMSB-Q, and by a 15-bit multiplier."""
    costs = operations(OperatingPoint(28.0))

    def energy_pj(architecture):
        op = next(
            op for op in quantize(transformer_block(), architecture).ops
            if op.name == "attn.q.requantize"
        )  # fmt: skip
        return sum(
            costs.operation(operation.kind, operation.width_bits).energy_pj.value * count
            for operation, count in op.hardware.operations(8).items()
        )

    assert energy_pj(chip()) < 0.6 * energy_pj(load_architecture("rap_int8"))
