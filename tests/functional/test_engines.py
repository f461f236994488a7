"""Who computes the products: exact integers, or the crossbars of one chip."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pimsim.analog import ideal_macro
from pimsim.config.architecture import Architecture
from pimsim.errors import ModelRangeError, SimulationError
from pimsim.functional import AnalogEngine, IdealEngine, execute
from pimsim.functional.engines import exact_matmul
from tests.quantization.traced import (
    CONVENTIONAL,
    RAP,
    Traced,
    mapped,
    run_ideal,
    shapes_only,
    transformer_block,
)


def with_macros(architecture: Architecture, **changes: dict[str, Any]) -> Architecture:
    """Change keys of the cells and converters of every macro."""
    macros = {}
    for name, macro in architecture.macros.items():
        cell = macro.crossbar.cell.model_copy(update=changes.get("cell", {}))
        crossbar = macro.crossbar.model_copy(update={"cell": cell, **changes.get("crossbar", {})})
        adc = macro.adc.model_copy(update=changes.get("adc", {}))
        macros[name] = macro.model_copy(update={"crossbar": crossbar, "adc": adc})
    return architecture.model_copy(update={"macros": macros})


def without_errors(architecture: Architecture) -> Architecture:
    """No variation, no noise, one code for every sum."""
    cell = {"model": "ideal", "sigma_on_ratio": None, "sigma_off_ratio": None}
    made = with_macros(architecture, cell=cell)
    macros = {
        name: macro.model_copy(
            update={
                "adc": macro.adc.model_copy(
                    update={
                        "noise_ratio": None,
                        "bits": None,
                        "levels": macro.crossbar.active_rows + 1,
                    }
                )
            }
        )
        for name, macro in made.macros.items()
    }
    return made.model_copy(update={"macros": macros})


def outputs_of(architecture: Architecture, workload, engine=None, chip: int = 0) -> np.ndarray:
    placed = mapped(workload, architecture)
    engine = AnalogEngine(architecture.macros, 0, chip) if engine is None else engine
    return execute(placed, workload.samples.evaluation, engine).outputs["head:out"]


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_a_chip_without_errors_gives_exactly_the_integer_result(architecture):
    """Bit-serial reads, slices, row groups, blocks and signs all cancel out."""
    workload = transformer_block()
    perfect = without_errors(architecture)
    ideal = run_ideal(workload, perfect).outputs["head:out"]
    assert np.array_equal(outputs_of(perfect, workload), ideal)


def test_small_crossbars_without_errors_give_exactly_the_integer_result():
    """Matrices cut into row and column blocks, rows that are no multiple of the group."""
    small = ideal_macro(rows=5, cols=24, active_rows=3, weight_bits=8, input_bits=8)
    macros = {"mram": small.model_copy(update={"writable": False, "write": None}), "sram": small}
    tile = RAP.tile.model_copy(update={"macros": {"mram": 72, "sram": 512}})
    perfect = RAP.model_copy(update={"macros": macros, "tile": tile})
    workload = transformer_block(tokens=7, width=16)
    assert np.array_equal(
        outputs_of(perfect, workload), run_ideal(workload, perfect).outputs["head:out"]
    )


def test_ten_times_the_noise_visibly_breaks_the_answers():
    workload = transformer_block(evaluation=32, width=16)
    exact = run_ideal(workload).outputs["head:out"]
    power = float(np.square(exact).sum())

    def error(factor: float) -> float:
        cells = RAP.macros["mram"].crossbar.cell.sigma_on_ratio * factor
        noisy = with_macros(
            RAP, cell={"sigma_on_ratio": cells}, adc={"noise_ratio": 0.0004 * factor}
        )
        return float(np.square(outputs_of(noisy, workload) - exact).sum()) / power

    assert error(1.0) < 0.01
    assert error(10.0) > 0.1


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_a_chip_whose_actions_are_not_counted_answers_alike(architecture):
    """Static and dynamic products alike; nothing is counted, not even as zero."""
    workload = transformer_block(evaluation=4, width=16)
    placed = mapped(workload, architecture)
    counted, alone = (
        execute(
            placed,
            workload.samples.evaluation,
            AnalogEngine(architecture.macros, 0, 1, counted=counted),
        )
        for counted in (True, False)
    )
    assert np.array_equal(counted.outputs["head:out"], alone.outputs["head:out"])
    assert all(not counts.macros for counts in alone.counts)
    assert not alone.service_cycles
    assert not alone.token_reads


def test_chips_differ_and_come_back_by_number():
    workload = transformer_block(width=16)
    noisy = with_macros(RAP, cell={"sigma_on_ratio": 0.2})
    first, again, second = (outputs_of(noisy, workload, chip=chip) for chip in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    other_seed = AnalogEngine(noisy.macros, 1, 0)
    assert not np.array_equal(outputs_of(noisy, workload, other_seed), first)


def test_a_chip_keeps_its_cells_and_draws_its_noise_anew():
    """Two samples with equal inputs get equal sums, unless converters are noisy."""
    traced = Traced()
    x = np.repeat(np.linspace(-1, 1, 16, dtype=np.float32)[None], 2, axis=0)
    workload = traced.build(traced.linear("head", traced.input("x", 16), 200), evaluation={"x": x})
    still = with_macros(RAP, cell={"sigma_on_ratio": 0.1}, adc={"noise_ratio": None})
    outputs = outputs_of(still, workload)
    assert np.array_equal(outputs[0], outputs[1])
    noisy = with_macros(RAP, cell={"sigma_on_ratio": 0.1}, adc={"noise_ratio": 0.02})
    outputs = outputs_of(noisy, workload)
    assert not np.array_equal(outputs[0], outputs[1])


@pytest.mark.parametrize("largest", [127, 2**29])
def test_exact_products_are_exact(largest):
    """Through the floating-point unit where that is exact, by integers where it is not."""
    generator = np.random.default_rng(0)
    a, b = generator.integers(-largest, largest, (2, 6, 6))
    expected = a.astype(object) @ b.astype(object)
    assert np.array_equal(exact_matmul(a, b), expected.astype(np.int64))
    assert exact_matmul(a, b).dtype == np.int64


@pytest.mark.parametrize("engine", [IdealEngine(), AnalogEngine(RAP.macros, 0, 0)])
def test_a_product_without_weights_cannot_run(engine):
    workload = transformer_block()
    placed = mapped(shapes_only(workload), RAP)
    product = next(op for op in placed.ops if op.op.kind == "static_product")
    with pytest.raises(SimulationError, match=r"^op 'embed' has no weights to multiply with$"):
        engine.static(product, np.zeros((1, 8), np.int64), 0)


def test_a_product_without_macros_cannot_run_on_a_chip():
    workload = transformer_block()
    product = replace(mapped(workload, RAP).op("embed"), placement=None)
    with pytest.raises(SimulationError, match=r"^op 'embed' has no macros$"):
        AnalogEngine(RAP.macros, 0, 0).static(product, np.zeros((1, 8), np.int64), 0)


def test_what_a_macro_cannot_take_is_told_with_operation_and_macro():
    unsigned = RAP.macros["mram"].inputs.model_copy(update={"coding": "unsigned"})
    mram = RAP.macros["mram"].model_copy(update={"inputs": unsigned})
    engine = AnalogEngine({**RAP.macros, "mram": mram}, 0, 0)
    product = mapped(transformer_block(), RAP).op("embed")
    driven = np.full((1, product.placement.rows), -1)
    message = r"^op 'embed' in macros\.mram: inputs span -1 to -1, .* hold 0 to 255; raise"
    with pytest.raises(ModelRangeError, match=message):
        engine.static(product, driven, 0)
