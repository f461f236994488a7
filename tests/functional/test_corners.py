"""Corners and cell physics reach the products of a chip, and are the same for all of it."""

import numpy as np
import pytest

from pimsim.config.architecture import Architecture
from pimsim.config.cells import Drift, Faults, Programming
from pimsim.config.pvt import Pvt
from pimsim.functional import AnalogEngine, execute
from tests.quantization.traced import RAP, mapped, run_ideal, transformer_block

NOMINAL = Pvt(process="tt", supply_v=0.9, temperature_degc=25.0)
WORST = Pvt(process="ss", supply_v=0.81, temperature_degc=125.0)
WORKLOAD = transformer_block(width=16)
EXACT = run_ideal(WORKLOAD).outputs["head:out"]


def changed(cell=None, adc=None) -> Architecture:
    """RAP with other keys of its static macro."""
    macro = RAP.macros["mram"]
    crossbar = macro.crossbar.model_copy(
        update={"cell": macro.crossbar.cell.model_copy(update=cell or {})}
    )
    own = macro.model_copy(
        update={"crossbar": crossbar, "adc": macro.adc.model_copy(update=adc or {})}
    )
    return RAP.model_copy(update={"macros": {**RAP.macros, "mram": own}})


def outputs(architecture: Architecture, pvt: Pvt | None, chip: int = 0) -> np.ndarray:
    engine = AnalogEngine(architecture.macros, 0, chip, pvt)
    return execute(mapped(WORKLOAD, architecture), WORKLOAD.samples.evaluation, engine).outputs[
        "head:out"
    ]


def error(found: np.ndarray) -> float:
    return float(np.square(found - EXACT).sum() / np.square(EXACT).sum())


def test_the_nominal_corner_is_no_corner():
    assert np.array_equal(outputs(RAP, NOMINAL), outputs(RAP, None))


def test_the_worst_corner_breaks_a_fixed_reference_and_spares_a_replica():
    fixed = changed(adc={"reference": "fixed", "tracking_ratio": None, "trim": "none"})
    replica = changed(adc={"reference": "replica", "tracking_ratio": 0.95, "trim": "none"})
    at_fixed, at_replica = error(outputs(fixed, WORST)), error(outputs(replica, WORST))
    assert at_fixed > 0.1
    assert at_replica < at_fixed / 10


def test_the_spread_of_chips_is_drawn_from_seed_and_chip():
    fixed = changed(adc={"reference": "fixed", "tracking_ratio": None, "trim": "none"})
    spread = Pvt(process="ss", supply_v=0.9, temperature_degc=25.0, die_sigma_v=0.02)
    first, again, second = (outputs(fixed, spread, chip) for chip in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    "cell",
    [
        {"faults": Faults(stuck_at_one_ratio=0.05)},
        {"model": "pcm", "drift": Drift(model="pcm_doped_gst", age_s=1e6)},
        {"model": "reram", "programming": Programming(model="reram_wan2022")},
    ],
    ids=["faults", "drift", "programming"],
)
def test_cell_physics_reach_the_answers(cell):
    assert error(outputs(RAP, None)) < error(outputs(changed(cell), None))
