"""Bit-exact integer units: integers in, integers out, and no float anywhere.

Which question this package answers: *which integers does the chip's digital arithmetic give, bit
for bit, and what work is that?*

Each unit is a frozen object built from integer constants, which :mod:`pimsim.quantization` derives
from real scales by the formulas in the unit's module.
"""

from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.ibert_gelu import IBertGelu
from pimsim.integer.ibert_layer_norm import IBertLayerNorm
from pimsim.integer.ibert_softmax import IBertSoftmax
from pimsim.integer.requantize import DyadicAdd, DyadicRequantize, add_requantized, requantize
from pimsim.integer.square_root import integer_sqrt
from pimsim.integer.units import IntegerUnit, UnitOutput

__all__ = [
    "DyadicAdd",
    "DyadicRequantize",
    "IBertGelu",
    "IBertLayerNorm",
    "IBertSoftmax",
    "IntegerUnit",
    "Operation",
    "UnitHardware",
    "UnitOutput",
    "add_requantized",
    "integer_sqrt",
    "requantize",
]
