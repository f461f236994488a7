"""From real scales to the integer constants of the units.

Which question this module answers: *which integers make a unit compute what the real formula says?*

Floating point ends here: scales become multipliers, shifts and polynomial coefficients at compile
time, and the chip sees only those integers. The formulas are those of the units' own modules.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.integer.ibert_gelu import IBertGelu
from pimsim.integer.ibert_layer_norm import IBertLayerNorm
from pimsim.integer.ibert_softmax import IBertSoftmax
from pimsim.integer.requantize import Constants

SOFTMAX_OUTPUT_BITS: Final = 15
"""Fine codes, of which the 8 below the calibrated peak become the next operand. [bit]"""
SOFTMAX_SMALLEST_SCALE: Final = 3e-5
"""Below it the constant ``q_c`` of the exponential would need more than 32 bits."""
GELU_SMALLEST_SCALE: Final = 4.1e-5
"""Below it the constant ``q_c`` of the error function would need more than 32 bits."""
_NEGLIGIBLE_RATIO: Final = 2.0**-24
"""A channel whose weights are below this share of the matrix's largest is coded as if at it."""
_EXP_QUADRATIC: Final = 0.35815147
_EXP_LINEAR: Final = 0.96963238
"""i-exp, I-BERT's published code: 0.35815147 p² + 0.96963238 p + 1 on (-ln 2, 0]."""
_ERF_QUADRATIC: Final = 0.2888
_ERF_CLIP: Final = 1.769
"""i-erf, I-BERT section 3.4: -0.2888 (min(|x|, 1.769) - 1.769)² + 1."""


def dyadic(ratio: float) -> tuple[int, int]:
    """Write a positive ratio as ``multiplier / 2**shift`` with a 15-bit multiplier.

    Raises
    ------
    QuantizationError
        If the ratio is outside ``(2**-47, 2**14)``.

    Examples
    --------
    >>> dyadic(0.5)
    (16384, 15)
    """
    if not 2.0**-47 < ratio < 2.0**14:
        raise QuantizationError(
            f"scales differ by {ratio:.3g}, outside what a 15-bit multiplier and a shift can "
            "express; a tensor of the calibration samples is probably all but zero"
        )
    shift = 14 - math.floor(math.log2(ratio))
    multiplier = round(ratio * 2.0**shift)
    if multiplier == 1 << 15:
        return 1 << 14, shift - 1
    return multiplier, shift


def largest_bias(accumulator_bits: int) -> int:
    """Largest code of a bias: it leaves the products of an accumulator as much again.

    Examples
    --------
    >>> largest_bias(32) == 1 << 30
    True
    """
    return 1 << (accumulator_bits - 2)


def dyadic_per_channel(ratios: NDArray[Any]) -> tuple[Constants, Constants]:
    """Write a ratio per output channel as multipliers and shifts; a single one as plain numbers."""
    pairs = [dyadic(float(ratio)) for ratio in ratios]
    if len(pairs) == 1:
        return pairs[0]
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def quantize_weights(
    weights: NDArray[Any],
    bits: int,
    *,
    smallest: float | NDArray[Any] = 0.0,
    per_channel: bool = True,
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Code a (rows, cols) matrix symmetrically with one scale per column (output channel).

    Parameters
    ----------
    weights
        Real weights.
    bits
        Width of a code with its sign. [bit]
    smallest
        Scales are no smaller than this: one bound, or one per column. A column of all but zero
        weights would else have a scale on which its bias does not fit the accumulator.
    per_channel
        Whether each column has a scale of its own; else all have the largest one.

    Returns
    -------
    tuple
        Codes in ``±(2**(bits - 1) - 1)`` and the scale of each column.
    """
    peaks = np.abs(weights.astype(np.float64)).max(axis=0)
    peaks = np.maximum(peaks, peaks.max() * _NEGLIGIBLE_RATIO)
    scales = np.where(peaks > 0, peaks, 1.0) / ((1 << (bits - 1)) - 1)
    scales = np.maximum(scales, smallest)
    if not per_channel:
        scales = np.full_like(scales, scales.max())
    return np.rint(weights / scales).astype(np.int64), scales


def ibert_softmax(scale: float, input_bits: int) -> IBertSoftmax:
    """Softmax unit for logits whose step is ``scale``."""
    return IBertSoftmax(
        q_ln2=math.floor(math.log(2.0) / scale),
        q_b=math.floor(_EXP_LINEAR / _EXP_QUADRATIC / scale),
        q_c=math.floor(1.0 / (_EXP_QUADRATIC * scale**2)),
        input_bits=input_bits,
        output_bits=SOFTMAX_OUTPUT_BITS,
        rounding="half_up",
    )


def ibert_gelu(scale: float, input_bits: int) -> tuple[IBertGelu, float]:
    """GELU unit for inputs whose step is ``scale``, and the step of its output."""
    unit = IBertGelu(
        q_clip=math.floor(_ERF_CLIP * math.sqrt(2.0) / scale),
        q_c=math.floor(2.0 / (_ERF_QUADRATIC * scale**2)),
        input_bits=input_bits,
    )
    return unit, scale / (2 * unit.one)


def ibert_layer_norm(
    scale: float, input_bits: int, gain: NDArray[Any], bias: NDArray[Any], epsilon: float
) -> tuple[IBertLayerNorm, float]:
    """LayerNorm unit for inputs whose step is ``scale``, and the step of its output."""
    length = len(gain)
    gain_scale = max(
        float(np.abs(gain).max()) / 32767,
        float(np.abs(bias).max()) * 2**15 / (math.sqrt(length) * (2**30 - 1)),
    )
    gain_scale = gain_scale or 1.0  # gain and bias all zero
    output_scale = math.sqrt(length) * 2.0**-15 * gain_scale
    unit = IBertLayerNorm(
        gain=tuple(np.rint(gain.astype(np.float64) / gain_scale).astype(int).tolist()),
        bias=tuple(np.rint(bias.astype(np.float64) / output_scale).astype(int).tolist()),
        epsilon=max(1, round(epsilon * length / scale**2)),
        input_bits=input_bits,
    )
    return unit, output_scale
