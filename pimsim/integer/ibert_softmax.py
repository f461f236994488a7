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
from typing import Any, ClassVar, Final, Literal, final

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import check_codes, check_constant, new_rows, row_blocks, signed_dtype
from pimsim.integer.hardware import Operation, UnitHardware, division_cycles
from pimsim.integer.units import UnitOutput

EXPONENTIAL_BITS: Final = 16
"""Width of an exponential before the row's sum; exp(0) uses all of it. [bit]"""
LARGEST_HALVINGS: Final = 30
"""Distances above 30 ln 2 count as 30 ln 2, where the 16-bit exponential is 0."""
FACTOR_EXPONENT: Final = 32
"""The row's factor is ``floor(2**32 / sum)``."""
MAXIMUM_ROW_LENGTH: Final = 65_536
"""So many 16-bit exponentials sum to less than 2**32."""
_POLYNOMIAL_BITS: Final = 32
_FACTOR_BITS: Final = FACTOR_EXPONENT - EXPONENTIAL_BITS + 2
_LARGEST_OUTPUT_BITS: Final = 15

Rounding = Literal["truncate", "half_up"]


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
        check_constant("q_c", self.q_c, smallest=1, largest=(1 << _POLYNOMIAL_BITS) - 1)
        check_constant("q_b", self.q_b, smallest=1, largest=self.q_c)
        # The polynomial is lowest q_b / 2 below the maximum; up to there it falls with distance.
        check_constant("q_ln2", self.q_ln2, smallest=1, largest=self.q_b // 2)
        check_constant("input_bits", self.input_bits, smallest=2, largest=32)
        check_constant("output_bits", self.output_bits, smallest=1, largest=_LARGEST_OUTPUT_BITS)
        if self.rounding not in ("truncate", "half_up"):
            raise ModelRangeError(
                f"rounding must be 'truncate' or 'half_up', got {self.rounding!r}"
            )
        if (self.q_ln2 - 1) * (self.q_b - self.q_ln2 + 1) >= self.q_c:
            raise ModelRangeError(
                f"q_ln2 {self.q_ln2}, q_b {self.q_b} and q_c {self.q_c} give an exponential "
                "of 0 or less; derive all three from one scale"
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
        check_codes("logits", logits, bits=self.input_bits)
        length = logits.shape[-1]
        if length > MAXIMUM_ROW_LENGTH:
            raise ModelRangeError(
                f"a softmax row must have at most {MAXIMUM_ROW_LENGTH} elements, got {length}"
            )
        source, result, result_rows = new_rows(logits, signed_dtype(self.output_bits + 1))
        kept = None if keep is None else _keep_rows(keep, logits.shape)
        saturations = 0
        for block in row_blocks(*source.shape):
            exponentials = self._exponentials(source[block], None if kept is None else kept[block])
            saturations += self._normalize(exponentials, result_rows[block])
        return UnitOutput(result, saturations)

    def _exponentials(
        self, logits: np.ndarray, keep: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Exponentials of the distance to the row's maximum, 16 bits, 0 where masked."""
        if keep is None:
            maxima = logits.max(axis=-1, keepdims=True)
        else:
            lowest = np.iinfo(logits.dtype).min
            maxima = logits.max(axis=-1, keepdims=True, where=keep, initial=lowest)
        distance = np.subtract(maxima, logits, dtype=np.int64)
        # A masked logit may lie above the maximum of the kept ones.
        np.clip(distance, 0, LARGEST_HALVINGS * self.q_ln2, out=distance)
        halvings = distance // self.q_ln2
        rest = halvings * self.q_ln2
        rest -= distance
        polynomial: NDArray[np.int64] = rest + self.q_b
        polynomial *= rest
        polynomial += self.q_c
        excess_bits = self.q_c.bit_length() - EXPONENTIAL_BITS
        if excess_bits > 0:
            halvings += excess_bits
        else:
            polynomial <<= -excess_bits
        polynomial >>= halvings
        if keep is not None:
            polynomial *= keep
        return polynomial

    def _normalize(self, exponentials: NDArray[np.int64], result: np.ndarray) -> int:
        """Scale each row to sum to one, store the codes, return how many saturated."""
        total = exponentials.sum(axis=-1, keepdims=True)
        np.maximum(total, 1, out=total)  # a row that is masked throughout
        exponentials *= (1 << FACTOR_EXPONENT) // total
        places = FACTOR_EXPONENT - self.output_bits
        if self.rounding == "half_up":
            exponentials += 1 << (places - 1)
        exponentials >>= places
        largest = (1 << self.output_bits) - 1
        saturations = int(np.count_nonzero(exponentials > largest))
        np.minimum(exponentials, largest, out=exponentials)
        result[...] = exponentials
        return saturations

    @property
    def hardware(self) -> UnitHardware:
        """Three passes: maximum; exponentials and their sum; normalization."""
        distance_bits = self.input_bits + 1
        return UnitHardware(
            passes=3,
            per_element=(
                (Operation("compare", self.input_bits), 1),  # running maximum
                (Operation("add", distance_bits), 2),  # distance, rest
                (Operation("compare", distance_bits), 1),  # limit of 30 halvings
                (Operation("multiply", distance_bits), 2),  # by 1 / q_ln2, and back by q_ln2
                (Operation("add", _POLYNOMIAL_BITS), 2),  # + q_b, + q_c
                (Operation("multiply", _POLYNOMIAL_BITS), 1),  # r (r + q_b)
                (Operation("shift", _POLYNOMIAL_BITS), 1),  # by z and the static alignment
                (Operation("add", FACTOR_EXPONENT), 1),  # running sum
                (Operation("multiply", _FACTOR_BITS), 1),  # by the row's factor
                *self._rounding_operations(),
                (Operation("compare", self.output_bits + 1), 1),  # saturation
            ),
            per_row=((Operation("divide", FACTOR_EXPONENT + 1), 1),),
            serial_cycles_per_row=division_cycles(_FACTOR_BITS),
            pipeline_depth_cycles=9,
            table_bits=2 * distance_bits + 2 * _POLYNOMIAL_BITS,  # q_ln2, 1 / q_ln2, q_b, q_c
            maximum_row_length=MAXIMUM_ROW_LENGTH,
        )

    def _rounding_operations(self) -> tuple[tuple[Operation, int], ...]:
        if self.rounding == "truncate":
            return ()
        return ((Operation("add", FACTOR_EXPONENT + 1), 1),)


def _keep_rows(keep: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if not isinstance(keep, np.ndarray) or keep.dtype != np.bool_:
        found = keep.dtype if isinstance(keep, np.ndarray) else type(keep).__name__
        raise TypeError(f"keep must be a boolean NumPy array, got {found}")
    return np.broadcast_to(keep, shape).reshape(-1, shape[-1])
