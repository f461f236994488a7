"""Products of two activations on a chip whose cells cannot take them: exact, counted, timed."""

import numpy as np
import pytest

from pimsim.config import load_architecture, workload_path
from pimsim.errors import MappingError
from pimsim.functional import AnalogEngine, IdealEngine, estimate, execute
from pimsim.integer.digital_mac import mac_hardware
from pimsim.mapping import map_workload
from pimsim.quantization import calibrate, quantize
from pimsim.timing.plan import declared_unit_cycles
from pimsim.workload.files import load

SAMPLES = 2


@pytest.fixture(scope="module")
def workload():
    return load(workload_path("vit_digits"), values=True)


@pytest.fixture(scope="module")
def mapped(workload):
    chip = load_architecture("isaac")
    return map_workload(quantize(workload, chip, calibrate(workload)), chip, {"batch": 1})


def dynamic(mapped):
    return [op for op in mapped.ops if op.op.kind == "dynamic_product"]


def test_every_product_of_two_activations_goes_to_the_array(mapped):
    assert dynamic(mapped)
    for op in dynamic(mapped):
        assert op.placement is None
        assert op.unit is not None
        assert op.unit.function == "mac_array"
        assert op.op.hardware == mac_hardware(8)


def test_it_counts_one_row_for_each_output_as_long_as_the_reduction(mapped, workload):
    inputs = {name: values[:SAMPLES] for name, values in workload.samples.evaluation.items()}
    run = execute(mapped, inputs, IdealEngine())
    counts = {one.op: one for one in run.counts}
    macs = 0
    for op in dynamic(mapped):
        (unit,) = counts[op.op.name].units
        assert counts[op.op.name].macros == ()
        assert unit.function == "mac_array"
        assert unit.invocations_by_length == {op.unit.length: SAMPLES * op.unit.rows}
        macs += op.unit.length * op.unit.rows
    assert macs == 4 * 2 * 17 * 17 * 64  # 4 layers, QK^T and PV of 17 tokens and 64 channels


def test_an_analog_chip_multiplies_them_exactly(mapped, workload):
    """Same as ideal where the crossbars are: ISAAC's have no variation, but saturate."""
    chip = mapped.architecture
    inputs = {name: values[:SAMPLES] for name, values in workload.samples.evaluation.items()}
    ideal = execute(mapped, inputs, IdealEngine())
    analog = execute(mapped, inputs, AnalogEngine(chip.macros, 0, 0, chip.pvt))
    clipped = sum(macro.saturations for one in analog.counts for macro in one.macros)
    same = all(np.array_equal(analog.outputs[name], ideal.outputs[name]) for name in ideal.outputs)
    assert same or clipped
    assert not any(
        one.macros for one in analog.counts if one.op in {op.op.name for op in dynamic(mapped)}
    )


def test_shapes_alone_give_the_same_counts(mapped):
    counts = {one.op: one for one in estimate(mapped).counts}
    for op in dynamic(mapped):
        (unit,) = counts[op.op.name].units
        assert unit.invocations_by_length == {op.unit.length: op.unit.rows}


def test_operands_that_share_shifts_in_groups_are_refused(workload):
    chip = load_architecture("isaac", overrides=["numerics.scheme=qrazor_w4a4"])
    quantized = quantize(workload, chip, calibrate(workload))
    with pytest.raises(MappingError, match=r"MAC array .*'qrazor_w4a4'"):
        map_workload(quantized, chip, {"batch": 1})


def test_short_reductions_share_the_lanes(mapped):
    for op in dynamic(mapped):
        cycles = declared_unit_cycles(op, mapped.architecture)
        assert cycles.per_row == 1
        assert cycles.rows_at_once == 492 // op.unit.length
