"""Analog crossbars: integers in, integers out, with everything that happens in between.

Which question this package answers: *what does a column of memory cells and its converter make of
this integer product?* Arrays in, arrays out; no graph, no clock, no joules.
"""

from pimsim.analog.chunked import MvmOutput
from pimsim.analog.engine import (
    DynamicCrossbars,
    ProgrammedCrossbar,
    dynamic,
    mvm,
    mvm_dynamic,
    mvm_dynamic_values,
    mvm_values,
    program,
)
from pimsim.analog.macros import ideal_macro

__all__ = [
    "DynamicCrossbars",
    "MvmOutput",
    "ProgrammedCrossbar",
    "dynamic",
    "ideal_macro",
    "mvm",
    "mvm_dynamic",
    "mvm_dynamic_values",
    "mvm_values",
    "program",
]
