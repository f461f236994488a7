"""What a chip costs: energy per action, area, leakage and time per action, each with its source."""

from pimsim.cost.adc import AdcCost, regression
from pimsim.cost.basis import CostBasis, basis_of
from pimsim.cost.chip import ChipCost, chip_cost
from pimsim.cost.citations import bibtex, run_sources
from pimsim.cost.endurance import write_notes
from pimsim.cost.parameters import Parameter, constant, family
from pimsim.cost.rollup import (
    area_breakdown_mm2,
    assumed_area_ratio,
    assumed_energy_ratio,
    energy_breakdown_uj,
    roll_up,
)
from pimsim.cost.service_times import service_times
from pimsim.cost.sourced import Sourced

__all__ = [
    "AdcCost",
    "ChipCost",
    "CostBasis",
    "Parameter",
    "Sourced",
    "area_breakdown_mm2",
    "assumed_area_ratio",
    "assumed_energy_ratio",
    "basis_of",
    "bibtex",
    "chip_cost",
    "constant",
    "energy_breakdown_uj",
    "family",
    "regression",
    "roll_up",
    "run_sources",
    "service_times",
    "write_notes",
]
