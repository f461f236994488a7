"""Bit-exact integer units: integers in, integers out, and no float anywhere.

Which question this package answers: *which integers does the chip's digital arithmetic give, bit
for bit, and what work is that?*

Each unit is a frozen object built from integer constants, which :mod:`pimsim.quantization` derives
from real scales by the formulas in the unit's module.
"""

from pimsim.integer.fqvit_layer_norm import FqVitLayerNorm
from pimsim.integer.fqvit_softmax import FqVitSoftmax, LogShiftProduct
from pimsim.integer.group_product import GroupShiftProduct
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.ibert_gelu import IBertGelu
from pimsim.integer.ibert_layer_norm import IBertLayerNorm
from pimsim.integer.ibert_rms_norm import IBertRmsNorm
from pimsim.integer.ibert_silu import IBertSilu
from pimsim.integer.ibert_softmax import IBertSoftmax
from pimsim.integer.illm_softmax import ILlmSoftmax
from pimsim.integer.ivit_activations import IVitGelu, IVitSilu
from pimsim.integer.ivit_layer_norm import IVitLayerNorm
from pimsim.integer.ivit_softmax import IVitSoftmax
from pimsim.integer.leading_one import (
    GroupCodes,
    LeadingOneShift,
    emsb_q,
    qrazor_sdr,
    quartz_lzs,
)
from pimsim.integer.multiply import DyadicMultiply
from pimsim.integer.rectify import Rectify
from pimsim.integer.requantize import DyadicAdd, DyadicRequantize, add_requantized, requantize
from pimsim.integer.shift_requantize import ShiftRequantize
from pimsim.integer.softermax import Softermax
from pimsim.integer.square_root import fixed_start_sqrt, integer_sqrt
from pimsim.integer.table_activation import TableGelu, TableSilu
from pimsim.integer.table_rotary import TableRotary
from pimsim.integer.token_shift import BiasedShift, ScaledAdd
from pimsim.integer.units import IntegerUnit, RowCodes, UnitOutput
from pimsim.integer.vdr_normalize import VdrNormalize
from pimsim.integer.vdr_softmax import VdrSoftmax

__all__ = [
    "BiasedShift",
    "DyadicAdd",
    "DyadicMultiply",
    "DyadicRequantize",
    "FqVitLayerNorm",
    "FqVitSoftmax",
    "GroupCodes",
    "GroupShiftProduct",
    "IBertGelu",
    "IBertLayerNorm",
    "IBertRmsNorm",
    "IBertSilu",
    "IBertSoftmax",
    "ILlmSoftmax",
    "IVitGelu",
    "IVitLayerNorm",
    "IVitSilu",
    "IVitSoftmax",
    "IntegerUnit",
    "LeadingOneShift",
    "LogShiftProduct",
    "Operation",
    "Rectify",
    "RowCodes",
    "ScaledAdd",
    "ShiftRequantize",
    "Softermax",
    "TableGelu",
    "TableRotary",
    "TableSilu",
    "UnitHardware",
    "UnitOutput",
    "VdrNormalize",
    "VdrSoftmax",
    "add_requantized",
    "emsb_q",
    "fixed_start_sqrt",
    "integer_sqrt",
    "qrazor_sdr",
    "quartz_lzs",
    "requantize",
]
