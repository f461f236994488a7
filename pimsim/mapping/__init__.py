"""Mapping: weight matrices onto macros, everything else onto tiles and buffers, movement in bits.

Which question this package answers: *does the workload fit the chip, and what lies where?*
"""

from pimsim.mapping.endurance import endurance_years, programmings_per_inference
from pimsim.mapping.mapped import (
    Block,
    Home,
    MappedOp,
    MappedWorkload,
    Need,
    Placement,
    UnitUse,
)
from pimsim.mapping.mapper import map_workload

__all__ = [
    "Block",
    "Home",
    "MappedOp",
    "MappedWorkload",
    "Need",
    "Placement",
    "UnitUse",
    "endurance_years",
    "map_workload",
    "programmings_per_inference",
]
