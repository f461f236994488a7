"""I-BERT softmax: a polynomial exponential, one division per row, unsigned codes.

Which question this module answers: *which integer codes does the softmax unit give for a row of
integer logits?*

The distance of each logit to its row's maximum is split into ``z`` multiples of ln 2 and a rest,
``exp(p)`` of the rest is a second-order polynomial, and ``2**-z`` is a shift (I-BERT, algorithms 2
and 3 [1]_). For logits with the real scale ``S`` (``1/sqrt(d_k)`` folded in) the constants are::

    q_ln2 = floor(ln(2) / S)
    q_b   = floor((0.96963238 / 0.35815147) / S)
    q_c   = floor(1 / (0.35815147 * S**2))

with the coefficients of the authors' code, ``exp(p) ≈ 0.35815147 p**2 + 0.96963238 p + 1`` on
``(-ln 2, 0]``, at most 1.9e-3 off. ``q_c < 2**32`` asks for ``S >= 2.56e-5``, ``q_ln2 >= 1`` for
``S <= ln 2``.

References
----------
.. [1] S. Kim et al., I-BERT: Integer-only BERT Quantization, ICML 2021, arXiv:2101.01321;
   coefficients and widths: github.com/kssteven418/I-BERT (MIT).
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Bool, Int

from pimsim.integer.exponential import (
    POLYNOMIAL_EXPONENTIAL_BITS,
    check_polynomial,
    polynomial_exponential,
    polynomial_operations,
    polynomial_table_bits,
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

FACTOR_EXPONENT: Final = 32
"""The row's factor is ``floor(2**32 / sum)``."""
MAXIMUM_ROW_LENGTH: Final = 65_536
"""So many 16-bit exponentials sum to less than 2**32."""
_FACTOR_BITS: Final = FACTOR_EXPONENT - POLYNOMIAL_EXPONENTIAL_BITS + 2


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IBertSoftmax:
    """Softmax over the last axis, on integer logits.

    Parameters
    ----------
    q_ln2, q_b, q_c
        Constants of the logits' scale, see the module's description.
    input_bits
        Width of a logit with its sign, 2 to 32; wider values are refused. [bit]
    output_bits
        Codes run from 0 to ``2**output_bits - 1`` and stand for multiples of exactly
        ``2**-output_bits``; 1 to 15. The paper has 8; 7 fits a signed 8-bit operand. [bit]
    rounding
        ``"truncate"`` as in the paper, or ``"half_up"``: truncation loses half a code per element
        on average, which adds up over a row.

    Raises
    ------
    ModelRangeError
        If a constant is out of range, or the exponentials would not be positive and fall with
        distance.

    Notes
    -----
    With ``d`` the distance to the row's maximum, limited to ``30 * q_ln2``::

        z   = floor(d / q_ln2)              r = z * q_ln2 - d, in (-q_ln2, 0]
        exp = (r * (r + q_b) + q_c) / 2**z, aligned so that exp(0) has 16 bits, truncated
        f   = floor(2**32 / sum(exp))       code = floor or round(exp * f / 2**(32 - output_bits))

    Deviations from the authors' code: ``q_ln2`` rounds down (as in the paper; their code rounds
    up), and the exponential comes to 16 bits by a static shift by ``bit_length(q_c) - 16`` in place
    of a dyadic multiplication, which the division by the sum makes irrelevant.

    The factor is cut to an integer, so a code may be up to ``2**(output_bits - 16)`` too small
    before its own rounding. The code ``2**output_bits`` (one element holds the whole row) is
    stored as ``2**output_bits - 1`` and counted as a saturation.

    Examples
    --------
    >>> unit = IBertSoftmax(q_ln2=69, q_b=270, q_c=27921, input_bits=16, output_bits=8)  # S = 0.01
    >>> unit(np.array([[0, 0, -110]], dtype=np.int16)).values  # 0.429, 0.429, 0.143
    array([[109, 109,  36]], dtype=int16)
    """

    name: ClassVar[str] = "ibert_softmax"

    q_ln2: int
    q_b: int
    q_c: int
    input_bits: int
    output_bits: int
    rounding: Rounding = "truncate"

    def __post_init__(self) -> None:
        check_polynomial(q_ln2=self.q_ln2, q_b=self.q_b, q_c=self.q_c)
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
            Codes of ``input_bits``; rows of at most 65,536 elements along the last axis.
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
        exponentials = polynomial_exponential(
            distances_to_maximum(logits, keep), q_ln2=self.q_ln2, q_b=self.q_b, q_c=self.q_c
        )
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
        return UnitHardware(
            passes=3,
            per_element=(
                (Operation("compare", self.input_bits), 1),  # running maximum
                (Operation("add", distance_bits), 1),  # distance
                *polynomial_operations(distance_bits),
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
            table_bits=polynomial_table_bits(distance_bits),
            maximum_row_length=MAXIMUM_ROW_LENGTH,
        )
