"""Constants of each integer unit from real scales.

Which question this module answers: *which integers make this unit compute what the real formula
says, and what is one step of its output?*

One function per unit, under its name in :data:`pimsim.registry.UNITS`; each returns the unit with
the real value of one step of its output. The formulas are those of the units' own modules.
:mod:`pimsim.quantization.unit_constants` chooses among them by role and name.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.integer.fqvit_layer_norm import FqVitLayerNorm
from pimsim.integer.fqvit_softmax import FqVitSoftmax
from pimsim.integer.ibert_rms_norm import IBertRmsNorm
from pimsim.integer.ibert_silu import IBertSilu
from pimsim.integer.illm_softmax import ILlmSoftmax
from pimsim.integer.ivit_activations import IVitGelu, IVitSilu
from pimsim.integer.ivit_layer_norm import IVitLayerNorm
from pimsim.integer.ivit_softmax import IVitSoftmax
from pimsim.integer.requantize import DyadicRequantize
from pimsim.integer.shift_requantize import ShiftRequantize
from pimsim.integer.softermax import Softermax
from pimsim.integer.table_activation import TableGelu, TableSilu
from pimsim.integer.table_rotary import TableRotary
from pimsim.integer.units import IntegerUnit
from pimsim.quantization import constants

Made = tuple[IntegerUnit, float]
"""A unit, and the real value of one step of its output."""

SIGMOID_BITS: Final = 15
GELU_SLOPE: Final = 1.702
"""``GELU(x) ≈ x * sigmoid(1.702 x)``, at most 0.020 off: D. Hendrycks, K. Gimpel, Gaussian Error
Linear Units, arXiv:1606.08415."""
ROTARY_FRACTION_BITS: Final = 14
TABLE_INDEX_BITS: Final = 9
"""512 intervals: an eighth of 1 each on codes that reach 32."""
TABLE_FRACTION_BITS: Final = 4
"""Bits by which a table's entries are finer than its input."""
SOFTERMAX_BITS: Final = 15
"""Fraction bits of Softermax's sum and reciprocal; the paper's 6 and 7 ask for a tuned network."""
SOFTERMAX_FRACTION_BITS: Final = 8
SOFTERMAX_WINDOW: Final = 64


def _polynomial(scale: float) -> dict[str, int]:
    softmax_unit = constants.ibert_softmax(scale, 16)
    return {"q_ln2": softmax_unit.q_ln2, "q_b": softmax_unit.q_b, "q_c": softmax_unit.q_c}


def ibert_softmax(scale: float, input_bits: int) -> Made:
    unit = constants.ibert_softmax(scale, input_bits)
    return unit, 2.0**-unit.output_bits


def ivit_softmax(scale: float, input_bits: int) -> Made:
    unit = IVitSoftmax(
        one=math.floor(1.0 / scale),
        input_bits=input_bits,
        output_bits=constants.SOFTMAX_OUTPUT_BITS,
        rounding="half_up",
    )
    return unit, 2.0**-unit.output_bits


def illm_softmax(scale: float, input_bits: int) -> Made:
    multiplier, shift = constants.dyadic(scale * 256 / 15)
    unit = ILlmSoftmax(
        multiplier=multiplier,
        shift=shift,
        input_bits=input_bits,
        output_bits=constants.SOFTMAX_OUTPUT_BITS,
        rounding="half_up",
    )
    return unit, 2.0**-unit.output_bits


def fqvit_softmax(scale: float, input_bits: int) -> Made:
    unit = FqVitSoftmax(**_polynomial(scale), input_bits=input_bits, form="linear")
    return unit, 2.0**-unit.output_bits


def softermax(scale: float, input_bits: int) -> Made:
    step = scale * math.log2(math.e)
    multiplier, shift = constants.dyadic(step * 2.0**SOFTERMAX_FRACTION_BITS)
    reach_bits = math.ceil(math.log2(step)) + input_bits
    unit = Softermax(
        multiplier=multiplier,
        shift=shift,
        input_bits=input_bits,
        integer_bits=min(max(reach_bits, 2), 12),
        fraction_bits=SOFTERMAX_FRACTION_BITS,
        sum_fraction_bits=SOFTERMAX_BITS,
        reciprocal_bits=SOFTERMAX_BITS,
        window=SOFTERMAX_WINDOW,
        output_bits=constants.SOFTMAX_OUTPUT_BITS,
        rounding="half_up",
    )
    return unit, 2.0**-unit.output_bits


def ibert_gelu(scale: float, input_bits: int) -> Made:
    return constants.ibert_gelu(scale, input_bits)


def ivit_gelu(scale: float, input_bits: int) -> Made:
    one = math.floor(1.0 / (GELU_SLOPE * scale))
    unit = IVitGelu(one=one, sigmoid_bits=SIGMOID_BITS, input_bits=input_bits)
    return unit, scale * 2.0**-SIGMOID_BITS


def table_gelu(scale: float, input_bits: int) -> Made:
    def gelu_of(x: float) -> float:
        return x / 2 * (1 + math.erf(x / math.sqrt(2)))

    table, output_bits = _entries(gelu_of, scale, input_bits)
    unit = TableGelu(table=table, input_bits=input_bits, output_bits=output_bits)
    return unit, scale * 2.0**-TABLE_FRACTION_BITS


def table_silu(scale: float, input_bits: int) -> Made:
    def silu_of(x: float) -> float:
        return x * (1 / (1 + math.exp(-x)) if x >= 0 else 1 - 1 / (1 + math.exp(x)))

    table, output_bits = _entries(silu_of, scale, input_bits)
    unit = TableSilu(table=table, input_bits=input_bits, output_bits=output_bits)
    return unit, scale * 2.0**-TABLE_FRACTION_BITS


def _entries(
    function: Callable[[float], float], scale: float, input_bits: int
) -> tuple[tuple[int, ...], int]:
    """Entries of a table, and their width; a function no larger than its argument fits it."""
    places = max(0, input_bits - TABLE_INDEX_BITS)
    half = 1 << (input_bits - 1)
    entries = tuple(
        round(function(scale * code) * 2.0**TABLE_FRACTION_BITS / scale)
        for code in range(-half, half + 1, 1 << places)
    )
    return entries, input_bits + TABLE_FRACTION_BITS + 1


def ivit_silu(scale: float, input_bits: int) -> Made:
    one = math.floor(1.0 / scale)
    unit = IVitSilu(one=one, sigmoid_bits=SIGMOID_BITS, input_bits=input_bits)
    return unit, scale * 2.0**-SIGMOID_BITS


def ibert_silu(scale: float, input_bits: int) -> Made:
    unit = IBertSilu(**_polynomial(scale), sigmoid_bits=SIGMOID_BITS, input_bits=input_bits)
    return unit, scale * 2.0**-SIGMOID_BITS


def ibert_layer_norm(
    scale: float, input_bits: int, gain: NDArray[Any], bias: NDArray[Any], epsilon: float
) -> Made:
    return constants.ibert_layer_norm(scale, input_bits, gain, bias, epsilon)


def ivit_layer_norm(
    scale: float, input_bits: int, gain: NDArray[Any], bias: NDArray[Any], epsilon: float
) -> Made:
    unit, step = constants.ibert_layer_norm(scale, input_bits, gain, bias, epsilon)
    return IVitLayerNorm(gain=unit.gain, bias=unit.bias, input_bits=input_bits), step


def fqvit_layer_norm(
    scale: float, input_bits: int, gain: NDArray[Any], bias: NDArray[Any], epsilon: float
) -> Made:
    length = len(gain)
    gain_scale = max(
        float(np.abs(gain).max()) / 32767,
        float(np.abs(bias).max()) * 2.0**15 / (length * (2.0**30 - 1)),
    )
    gain_scale = gain_scale or 1.0  # gain and bias all zero
    step = length * 2.0**-15 * gain_scale
    unit = FqVitLayerNorm(
        alpha=(0,) * length,
        gain=tuple(np.rint(gain.astype(np.float64) / gain_scale).astype(int).tolist()),
        bias=tuple(np.rint(bias.astype(np.float64) / step).astype(int).tolist()),
        epsilon=max(1, round(epsilon * length**2 / scale**2)),
        input_bits=input_bits,
    )
    return unit, step


def ibert_rms_norm(scale: float, input_bits: int, gain: NDArray[Any], epsilon: float) -> Made:
    real = gain.astype(np.float64)
    gain_scale = float(np.abs(real).max()) / 32767 or 1.0  # gains all zero
    unit = IBertRmsNorm(
        gain=tuple(np.rint(real / gain_scale).astype(int).tolist()),
        epsilon=max(1, round(epsilon * len(gain) / scale**2)),
        input_bits=input_bits,
    )
    return unit, math.sqrt(len(gain)) * 2.0**-15 * gain_scale


def table_rotary(positions: int, length: int, input_bits: int) -> Made:
    unit = TableRotary(
        positions=positions,
        length=length,
        fraction_bits=ROTARY_FRACTION_BITS,
        input_bits=input_bits,
        output_bits=input_bits,
    )
    return unit, 2.0**-ROTARY_FRACTION_BITS


def dyadic_requantize(ratio: float, input_bits: int, output_bits: int) -> Made:
    multiplier, shift = constants.dyadic(ratio)
    unit = DyadicRequantize(
        multiplier=multiplier, shift=shift, input_bits=input_bits, output_bits=output_bits
    )
    return unit, multiplier * 2.0**-shift


def shift_requantize(ratio: float, input_bits: int, output_bits: int) -> Made:
    shift = -round(math.log2(ratio)) if ratio > 0 else -1
    if not 0 <= shift <= 62:
        raise QuantizationError(
            f"a requantization by {ratio:.3g} is no shift to the right by 0 to 62 places; a "
            "power-of-two rescaling can only make steps coarser"
        )
    unit = ShiftRequantize(shift=shift, input_bits=input_bits, output_bits=output_bits)
    return unit, 2.0**-shift
