"""Mapping: weight matrices onto macros, everything else onto tiles and buffers, movement in bits.

Which question this package answers: *does the workload fit the chip, and what lies where?*
"""

from pimsim.mapping.mapped import Block, MappedOp, MappedWorkload, Placement, UnitUse
from pimsim.mapping.mapper import map_workload

__all__ = ["Block", "MappedOp", "MappedWorkload", "Placement", "UnitUse", "map_workload"]
