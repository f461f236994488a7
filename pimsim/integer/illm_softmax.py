"""Clipped softmax: eight bits of distance below the maximum, and a shift exponential.

Which question this module answers: *which integer codes does I-LLM's softmax unit give for a row of
integer logits?*

DI-ClippedSoftmax [1]_ keeps the distance of a logit to its row's maximum up to 15 and codes it with
8 bits, so that the exponential has 256 arguments; DI-Exp takes ``log2(e)`` as 369/256 and ``2**-f``
on one octave as ``1 - f/2``. For logits with the real scale ``S`` (``1/sqrt(d_k)`` folded in) the
constants are the dyadic ratio of the two steps::

    multiplier / 2**shift = S * 256 / 15          # 15-bit multiplier, see pimsim.integer.requantize

References
----------
.. [1] X. Hu et al., I-LLM: Efficient Integer-Only Inference for Fully-Quantized Low-Bit Large
   Language Models, arXiv:2405.17849, section on DI-ClippedSoftmax: clip 15, 8-bit codes; 369/256
   and the 16-bit fraction as in a re-implementation, order of rounding ours.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Bool, Int

from pimsim.integer.codes import check_constant
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.requantize import LARGEST_SHIFT, MULTIPLIER_BITS
from pimsim.integer.softmax_rows import (
    Keep,
    Rounding,
    check_widths,
    distances_to_maximum,
    factor_cycles,
    normalization_operations,
    normalize_by_factor,
    softmax_rows,
)
from pimsim.integer.units import UnitOutput

CLIP: Final = 15
"""Distances above it count as the last code's."""
DISTANCE_CODES: Final = 256
LOG2_E_256THS: Final = 369
"""``log2(e)`` in 256ths."""
FRACTION_BITS: Final = 16
"""exp(0) is ``2**16``. [bit]"""
STEP_EXPONENT: Final = CLIP * LOG2_E_256THS
"""``log2(e) * 15 / 256``, the exponent of one distance code, in units of ``2**-16``."""
FACTOR_EXPONENT: Final = 32
MAXIMUM_ROW_LENGTH: Final = 65_535
"""So many exponentials of at most 2**16 sum to less than 2**32."""
_FACTOR_BITS: Final = FACTOR_EXPONENT - FRACTION_BITS + 2


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ILlmSoftmax:
    """Softmax over the last axis, on integer logits.

    Parameters
    ----------
    multiplier, shift
        Dyadic ratio of the logits' step to 15/256: 15 bits, and 0 to 62.
    input_bits
        Width of a logit with its sign, 2 to 32; wider values are refused. [bit]
    output_bits
        Codes run from 0 to ``2**output_bits - 1`` and stand for multiples of exactly
        ``2**-output_bits``; 1 to 15; the paper has 8. [bit]
    rounding
        ``"truncate"`` or ``"half_up"``.

    Raises
    ------
    ModelRangeError
        If a constant is out of range.

    Notes
    -----
    With ``d`` the distance to the row's maximum::

        k   = min(255, round(d * multiplier / 2**shift))
        y   = k * 15 * 369                               # distance * log2(e), 16 fraction bits
        exp = floor((2**17 - y mod 2**16) / 2**(1 + floor(y / 2**16)))
        f   = floor(2**32 / sum(exp))
        code = floor or round(exp * f / 2**(32 - output_bits))

    Deviation from the paper: one reciprocal per row in place of a division per element.

    Examples
    --------
    >>> unit = ILlmSoftmax(multiplier=22370, shift=17, input_bits=16, output_bits=8)  # S = 0.01
    >>> unit(np.array([[0, 0, -110]], dtype=np.int16)).values  # 0.429, 0.429, 0.143
    array([[108, 108,  38]], dtype=int16)
    """

    name: ClassVar[str] = "illm_softmax"

    multiplier: int
    shift: int
    input_bits: int
    output_bits: int
    rounding: Rounding = "truncate"

    def __post_init__(self) -> None:
        check_constant(
            "multiplier", self.multiplier, smallest=1, largest=(1 << MULTIPLIER_BITS) - 1
        )
        check_constant("shift", self.shift, smallest=0, largest=LARGEST_SHIFT)
        check_widths(
            input_bits=self.input_bits, output_bits=self.output_bits, rounding=self.rounding
        )

    def __call__(
        self,
        logits: Int[np.ndarray, "*rows length"],
        keep: Bool[np.ndarray, "..."] | None = None,
    ) -> UnitOutput:
        """Turn rows of logits into rows of probability codes.

        Parameters
        ----------
        logits
            Codes of ``input_bits``; rows of at most 65,535 elements along the last axis.
        keep
            ``False`` where an element is masked: it gets code 0 and no part in the sum; a row
            without any kept element is all 0. Broadcast to the logits' shape; default: all kept.

        Returns
        -------
        UnitOutput
            Codes in ``[0, 2**output_bits - 1]``: int8 for up to 7 bits, else int16.

        Raises
        ------
        TypeError
            If ``logits`` is not of a signed integer type, or ``keep`` not boolean.
        ModelRangeError
            If a row is too long, or a logit wider than ``input_bits``.
        """
        return softmax_rows(
            logits, keep, self._work, input_bits=self.input_bits,
            code_bits=self.output_bits + 1, maximum_row_length=MAXIMUM_ROW_LENGTH,
        )  # fmt: skip

    def _work(self, logits: np.ndarray, keep: Keep, result: np.ndarray) -> int:
        exponent = distances_to_maximum(logits, keep)
        exponent *= self.multiplier
        exponent += (1 << self.shift) >> 1
        exponent >>= self.shift
        np.minimum(exponent, DISTANCE_CODES - 1, out=exponent)
        exponent *= STEP_EXPONENT
        exponentials = (2 << FRACTION_BITS) - (exponent & ((1 << FRACTION_BITS) - 1))
        exponentials >>= 1 + (exponent >> FRACTION_BITS)
        if keep is not None:
            exponentials *= keep
        return normalize_by_factor(
            exponentials, result, numerator=1 << FACTOR_EXPONENT, factor_exponent=FACTOR_EXPONENT,
            output_bits=self.output_bits, rounding=self.rounding,
        )  # fmt: skip

    @property
    def hardware(self) -> UnitHardware:
        """Three passes: maximum; exponentials and their sum; normalization."""
        distance_bits = self.input_bits + 1
        product_bits = distance_bits + MULTIPLIER_BITS
        exponent_bits = (DISTANCE_CODES * STEP_EXPONENT).bit_length()
        return UnitHardware(
            passes=3,
            per_element=(
                (Operation("compare", self.input_bits), 1),  # running maximum
                (Operation("add", distance_bits), 1),  # distance
                (Operation("multiply", max(distance_bits, MULTIPLIER_BITS + 1)), 1),
                (Operation("add", product_bits), 1),  # rounding
                (Operation("shift", product_bits), 1),
                (Operation("compare", product_bits), 1),  # clip
                (Operation("multiply", STEP_EXPONENT.bit_length()), 1),  # by 15 * 369
                (Operation("add", exponent_bits), 1),  # 1 - f/2
                (Operation("shift", FRACTION_BITS + 1), 1),
                *normalization_operations(
                    factor_exponent=FACTOR_EXPONENT,
                    factor_bits=_FACTOR_BITS,
                    output_bits=self.output_bits,
                    rounding=self.rounding,
                ),
            ),
            per_row=((Operation("divide", FACTOR_EXPONENT + 1), 1),),
            serial_cycles_per_row=factor_cycles(_FACTOR_BITS),
            pipeline_depth_cycles=9,
            table_bits=MULTIPLIER_BITS + LARGEST_SHIFT.bit_length(),
            maximum_row_length=MAXIMUM_ROW_LENGTH,
        )
