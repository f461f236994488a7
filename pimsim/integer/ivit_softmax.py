"""Shiftmax: a softmax whose exponential is shifts and a straight line.

Which question this module answers: *which integer codes does I-ViT's softmax unit give for a row of
integer logits?*

The exponential of each logit's distance to its row's maximum is the shift form of
:mod:`pimsim.integer.exponential` with 15 halvings (I-ViT, section 3.3 [1]_). For logits with the
real scale ``S`` (``1/sqrt(d_k)`` folded in) the one constant is ``one = floor(1 / S)``, between 1
and 65,535: ``S >= 1.53e-5``.

References
----------
.. [1] Z. Li, Q. Gu, I-ViT: Integer-only Quantization for Efficient Vision Transformer Inference,
   ICCV 2023, arXiv:2207.01405, algorithm 1; constants: github.com/zkkli/I-ViT (Apache-2.0).
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Bool, Int

from pimsim.integer.codes import check_constant
from pimsim.integer.exponential import (
    LARGEST_ONE,
    shift_exponential,
    shift_operations,
    shift_table_bits,
)
from pimsim.integer.hardware import Operation, UnitHardware
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

HALVINGS: Final = 15
"""The authors' ``n`` of the exponential in Shiftmax."""
FACTOR_EXPONENT: Final = 31
"""The row's factor is ``floor((2**31 - 1) / sum)``."""
MAXIMUM_ROW_LENGTH: Final = 32_768
"""So many 16-bit exponentials sum to less than 2**31."""
_FACTOR_BITS: Final = FACTOR_EXPONENT - HALVINGS + 1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IVitSoftmax:
    """Softmax over the last axis, on integer logits.

    Parameters
    ----------
    one
        Code of 1 on the logits' scale, 1 to 65,535.
    input_bits
        Width of a logit with its sign, 2 to 32; wider values are refused. [bit]
    output_bits
        Codes run from 0 to ``2**output_bits - 1`` and stand for multiples of exactly
        ``2**-output_bits``; 1 to 15. The paper's 8-bit output, with its sign, has 7. [bit]
    rounding
        ``"truncate"`` as in the paper, or ``"half_up"``.

    Raises
    ------
    ModelRangeError
        If a constant is out of range.

    Notes
    -----
    ::

        exp = shift_exponential(distance to the maximum), 16 bits
        f   = floor((2**31 - 1) / sum(exp))
        code = floor or round(exp * f / 2**(31 - output_bits))

    The exponential never falls below ``2**-15`` of exp(0), so far elements keep a share of that
    size each. Deviation from the authors' code: exponentials come to 16 bits by a static shift,
    which the division by the sum makes irrelevant but for their own rounding; unshifted, their sum
    would outgrow 31 bits, where the authors clamp it.

    Examples
    --------
    >>> unit = IVitSoftmax(one=100, input_bits=16, output_bits=8)  # S = 0.01
    >>> unit(np.array([[0, 0, -110]], dtype=np.int16)).values  # 0.429, 0.429, 0.143
    array([[108, 108,  38]], dtype=int16)
    """

    name: ClassVar[str] = "ivit_softmax"

    one: int
    input_bits: int
    output_bits: int
    rounding: Rounding = "truncate"

    def __post_init__(self) -> None:
        check_constant("one", self.one, smallest=1, largest=LARGEST_ONE)
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
            Codes of ``input_bits``; rows of at most 32,768 elements along the last axis.
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
        distance = distances_to_maximum(logits, keep)
        exponentials = shift_exponential(distance, one=self.one, halvings=HALVINGS)
        if keep is not None:
            exponentials *= keep
        return normalize_by_factor(
            exponentials, result, numerator=(1 << FACTOR_EXPONENT) - 1,
            factor_exponent=FACTOR_EXPONENT, output_bits=self.output_bits, rounding=self.rounding,
        )  # fmt: skip

    @property
    def hardware(self) -> UnitHardware:
        """Three passes: maximum; exponentials and their sum; normalization."""
        distance_bits = self.input_bits + 1
        return UnitHardware(
            passes=3,
            per_element=(
                (Operation("compare", self.input_bits), 1),  # running maximum
                (Operation("add", distance_bits), 1),  # distance
                *shift_operations(distance_bits, HALVINGS),
                *normalization_operations(
                    factor_exponent=FACTOR_EXPONENT,
                    factor_bits=_FACTOR_BITS,
                    output_bits=self.output_bits,
                    rounding=self.rounding,
                ),
            ),
            per_row=((Operation("divide", FACTOR_EXPONENT + 1), 1),),
            serial_cycles_per_row=factor_cycles(_FACTOR_BITS),
            pipeline_depth_cycles=8,
            table_bits=shift_table_bits(distance_bits),
            maximum_row_length=MAXIMUM_ROW_LENGTH,
        )
