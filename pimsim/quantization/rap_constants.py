"""From real scales to the integer constants of RAP's units.

Which question this module answers: *which ten entries does VDR-Softmax have in a layer, which
mantissas does a bias have, where are keys and values cut?*

The formulas are those of the units' own modules; floating point ends here.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.integer.token_shift import BIAS_BITS
from pimsim.integer.vdr_softmax import (
    CODE_BITS,
    ENTRIES,
    RECIPROCAL_EXPONENT,
    VdrSoftmax,
)
from pimsim.quantization import constants

VDR_SMALLEST_SCALE: Final = 4.1e-4
"""The first entry of a table is for steps at least as large, where ``q_c`` has 24 bits."""
_EXP_QUADRATIC: Final = 0.35815147
_EXP_LINEAR: Final = 0.96963238
"""i-exp, I-BERT's published code; the source of the 2.70732 and 2.79211 of the units' module."""
POWER_TOLERANCE: Final = 1e-9
"""Relative deviation from a power of two that is rounding of the scales' last bits."""


def vdr_softmax(scale: float, input_bits: int) -> tuple[VdrSoftmax, float]:
    """Softmax unit for logits of step ``scale * 2**e``, and the step of its codes, whatever ``e``.

    Parameters
    ----------
    scale
        Real value of one step of a logit that no eMSB-Q has moved, ``1/sqrt(d_k)`` included.
    input_bits
        Width of a logit with its sign. [bit]

    Notes
    -----
    The first entry is ``ceil(log2(4.1e-4 / scale))``, so that its ``q_c`` has 24 bits at most; the
    tenth then stands for steps of at most 0.42, with ``q_ln2`` still 2. ``output_shift`` falls by
    exactly two per entry, which ``bit_length(q_c) - 8`` does, too, unless rounding ``q_c`` carries
    into another bit.

    Examples
    --------
    >>> unit, step = vdr_softmax(0.01, 9)
    >>> unit.first_exponent, unit.q_ln2[4], unit.q_c[4], unit.output_shift[4]
    (-4, 69, 27921, 7)
    >>> round(step * 218)  # the code of exp(0) stands for 1
    1
    """
    first = math.ceil(math.log2(VDR_SMALLEST_SCALE / scale))
    steps = [scale * 2.0 ** (first + entry) for entry in range(ENTRIES)]
    q_ln2 = tuple(round(math.log(2.0) / step) for step in steps)
    q_c = tuple(round(1.0 / (_EXP_QUADRATIC * step**2)) for step in steps)
    shift = q_c[0].bit_length() - CODE_BITS
    unit = VdrSoftmax(
        first_exponent=first,
        q_ln2=q_ln2,
        inverse=tuple(round(2**RECIPROCAL_EXPONENT / multiple) for multiple in q_ln2),
        q_b=tuple(round(_EXP_LINEAR / _EXP_QUADRATIC / step) for step in steps),
        q_c=q_c,
        output_shift=tuple(shift - 2 * entry for entry in range(ENTRIES)),
        input_bits=input_bits,
    )
    return unit, _EXP_QUADRATIC * steps[0] ** 2 * 2.0**shift


def bias_mantissas(bias: NDArray[Any], scale: float) -> tuple[tuple[int, ...], int]:
    """Write a bias as 32-bit mantissas and one shift to the left, on accumulators of ``scale``.

    Examples
    --------
    >>> bias_mantissas(np.array([1.0, -2.0]), 2.0**-33)
    ((268435456, -536870912), 5)
    """
    exact = bias.astype(np.float64) / scale
    largest = int(np.abs(np.rint(exact)).max(initial=0))
    shift = max(0, largest.bit_length() - (BIAS_BITS - 2))
    codes = np.rint(exact / 2.0**shift).astype(np.int64)
    return tuple(int(value) for value in codes), shift


def calibrated_msb(peak: float, scale: float) -> int:
    """Bits of magnitude that keys or values are cut from: those of the calibrated peak, and one.

    Examples
    --------
    >>> calibrated_msb(1000.0, 1.0)
    11
    """
    return math.ceil(peak / scale).bit_length() + 1


def datapath_msb(rows: int) -> int:
    """The same, taken literally from the width of the datapath of a sum of ``rows`` products.

    Examples
    --------
    >>> datapath_msb(1024)
    26
    """
    return (127 * 255 * rows).bit_length() + 1


def branch_ratio(ratio: float, *, power_of_two: bool) -> tuple[int, int]:
    """Multiplier and shift to the right that bring a branch to the residual stream's scale.

    Raises
    ------
    QuantizationError
        If a power of two is asked for and the ratio is none, or it is out of range.

    Examples
    --------
    >>> branch_ratio(0.125, power_of_two=True), branch_ratio(0.125, power_of_two=False)
    ((1, 3), (16384, 17))
    """
    if not power_of_two:
        return constants.dyadic(ratio)
    exponent = round(math.log2(ratio))
    if abs(ratio / 2.0**exponent - 1.0) > POWER_TOLERANCE:
        raise QuantizationError(
            f"scales differ by {ratio:.6g}, which is no power of two: more than a sum takes the "
            "branch; choose numerics.branch_scale 'dyadic'"
        )
    return 1, -exponent


def next_power(scale: float, unit: float) -> float:
    """Smallest power-of-two multiple of ``unit`` that is not below ``scale``.

    Examples
    --------
    >>> next_power(0.3, 0.1)
    0.4
    """
    return unit * 2.0 ** math.ceil(math.log2(scale / unit) - POWER_TOLERANCE)


def mean_gains(largest: NDArray[Any], step: float, *, shifted: bool) -> NDArray[Any]:
    """What a product with exponentials must be multiplied by on average, head by head.

    Parameters
    ----------
    largest
        Largest probability of each row of the float softmax, (heads, rows): one over the sum ``Z``
        of exponentials over that of the maximum.
    step
        Real value of a code of VDR-Softmax.
    shifted
        Whether the leading one of the sum of codes is taken out already.

    Returns
    -------
    ndarray
        (heads,): the mean of ``1 / Z``, or of ``2**k * step / Z`` with ``k`` as in
        :mod:`pimsim.integer.vdr_normalize`.

    Examples
    --------
    >>> mean_gains(np.array([[1.0, 0.5]]), 1 / 128, shifted=False).tolist()
    [0.75]
    >>> mean_gains(np.array([[1.0, 0.3]]), 1 / 128, shifted=True).tolist()
    [0.8]
    """
    inverse = largest.astype(np.float64)
    if not shifted:
        return np.asarray(inverse.mean(axis=-1))
    places = np.floor(np.log2(1.0 / (inverse * step)))
    return np.asarray((2.0**places * step * inverse).mean(axis=-1))
