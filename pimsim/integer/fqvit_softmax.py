"""Log-int-softmax: 4-bit logarithms of probabilities, and products that are shifts.

Which question this module answers: *which logarithm does FQ-ViT's softmax unit give each element of
a row of integer logits, and what is its product with the values?*

FQ-ViT [1]_ codes a probability by ``k = round(log2(sum / exp))`` in 4 bits, with I-BERT's integer
exponential (:mod:`pimsim.integer.exponential`, whose constants the unit takes), so that P·V needs
no multiplier: each value is shifted by ``15 - k`` and added.

References
----------
.. [1] Y. Lin et al., FQ-ViT: Post-Training Quantization for Fully Quantized Vision Transformer,
   IJCAI 2022, arXiv:2111.13824, section 3.3; rounding: github.com/megvii-research/FQ-ViT
   (Apache-2.0).
"""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, final

import numpy as np
from jaxtyping import Bool, Int

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import check_codes, check_constant
from pimsim.integer.exponential import (
    POLYNOMIAL_EXPONENTIAL_BITS,
    check_polynomial,
    polynomial_exponential,
    polynomial_operations,
    polynomial_table_bits,
)
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.softmax_rows import (
    LARGEST_INPUT_BITS,
    Keep,
    distances_to_maximum,
    softmax_rows,
    store_limited,
)
from pimsim.integer.units import UnitOutput

LOG_BITS: Final = 4
LARGEST_LOG: Final = (1 << LOG_BITS) - 1
NOTHING: Final = -1
"""Logarithm code of an element without any probability: a flag beside the four bits."""
MAXIMUM_ROW_LENGTH: Final = 65_536
"""So many 16-bit exponentials sum to less than 2**32."""
_SUM_BITS: Final = 32

Form = Literal["log2", "linear"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FqVitSoftmax:
    """Softmax over the last axis, on integer logits, rounded to powers of two.

    Parameters
    ----------
    q_ln2, q_b, q_c
        Constants of the logits' scale, see the module's description.
    input_bits
        Width of a logit with its sign, 2 to 32; wider values are refused. [bit]
    form
        ``"log2"``: code ``k`` in [0, 15] stands for ``2**-k``, and -1 for nothing. ``"linear"``:
        code ``2**(15 - k)`` for a multiplying P·V, in multiples of ``2**-15``; ``2**15`` is stored
        as ``2**15 - 1`` and counted as a saturation.

    Raises
    ------
    ModelRangeError
        If a constant is out of range, or the three were not derived from one scale.

    Notes
    -----
    ::

        q = round(sum(exp) / exp)
        k = floor(log2(q)), plus one where q >= 1.5 * 2**floor(log2(q))

    and nothing where ``exp`` is 0 or ``k`` above 15. Ties of the quotient round up (in the authors'
    code to even). Hardware needs no divider for it: ``q >= t`` is ``2 * sum >= (2 * t - 1) * exp``,
    with ``t`` = 2, 3, 6, 12, ... for ``k`` = 1, 2, 3, 4, ..., of which the leading ones of both
    sides leave two to try.

    ``2**-k`` lies between 5/8 and 3/2 of the probability, which is 1/3 off at most (2/3 becomes 1).

    Examples
    --------
    >>> unit = FqVitSoftmax(q_ln2=69, q_b=270, q_c=27921, input_bits=16)  # S = 0.01
    >>> unit(np.array([[0, 0, -110, -900, -3000]], dtype=np.int16)).values
    array([[ 1,  1,  3, 14, -1]], dtype=int8)
    """

    name: ClassVar[str] = "fqvit_softmax"

    q_ln2: int
    q_b: int
    q_c: int
    input_bits: int
    form: Form = "log2"

    def __post_init__(self) -> None:
        check_polynomial(q_ln2=self.q_ln2, q_b=self.q_b, q_c=self.q_c)
        check_constant("input_bits", self.input_bits, smallest=2, largest=LARGEST_INPUT_BITS)
        if self.form not in ("log2", "linear"):
            raise ModelRangeError(f"form must be 'log2' or 'linear', got {self.form!r}")

    @property
    def output_bits(self) -> int:
        """Bits of a code beside its sign (or the flag of nothing). [bit]"""
        return LOG_BITS if self.form == "log2" else LARGEST_LOG

    def __call__(
        self,
        logits: Int[np.ndarray, "*rows length"],
        keep: Bool[np.ndarray, "..."] | None = None,
    ) -> UnitOutput:
        """Turn rows of logits into rows of codes.

        Parameters
        ----------
        logits
            Codes of ``input_bits``; rows of at most 65,536 elements along the last axis.
        keep
            ``False`` where an element is masked: it gets no probability and no part in the sum.
            Broadcast to the logits' shape; default: all kept.

        Returns
        -------
        UnitOutput
            int8 logarithms, or int16 codes.

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
        twice = 2 * exponentials.sum(axis=-1, keepdims=True)
        logarithm = np.zeros_like(exponentials)
        for k in range(1, LARGEST_LOG + 2):
            threshold = 2 if k == 1 else 3 << (k - 2)
            logarithm += twice >= (2 * threshold - 1) * exponentials
        nothing = (exponentials == 0) | (logarithm > LARGEST_LOG)
        if self.form == "log2":
            result[...] = np.where(nothing, NOTHING, logarithm)
            return 0
        codes = np.left_shift(1, LARGEST_LOG - np.minimum(logarithm, LARGEST_LOG))
        codes[nothing] = 0
        return store_limited(codes, result, output_bits=self.output_bits)

    @property
    def hardware(self) -> UnitHardware:
        """Three passes: maximum; exponentials and their sum; logarithms. No division."""
        distance_bits = self.input_bits + 1
        return UnitHardware(
            passes=3,
            per_element=(
                (Operation("compare", self.input_bits), 1),  # running maximum
                (Operation("add", distance_bits), 1),  # distance
                *polynomial_operations(distance_bits),
                (Operation("add", _SUM_BITS), 1),  # running sum
                (Operation("compare", POLYNOMIAL_EXPONENTIAL_BITS), 1),  # leading one
                (Operation("add", POLYNOMIAL_EXPONENTIAL_BITS + 2), 1),  # 3 * exp
                (Operation("shift", _SUM_BITS + 1), 2),  # to the two thresholds
                (Operation("add", _SUM_BITS + 1), 2),  # minus exp
                (Operation("compare", _SUM_BITS + 1), 2),
            ),
            per_row=((Operation("compare", _SUM_BITS), 1),),  # leading one of the sum
            serial_cycles_per_row=1,
            pipeline_depth_cycles=10,
            table_bits=polynomial_table_bits(distance_bits),
            maximum_row_length=MAXIMUM_ROW_LENGTH,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LogShiftProduct:
    """P·V on logarithm codes: shifts and additions.

    Parameters
    ----------
    value_bits
        Width of a value with its sign, 2 to 16. [bit]
    maximum_row_length
        Longest sum, up to 1,048,576.

    Raises
    ------
    ModelRangeError
        If a setting is out of range.

    Notes
    -----
    ``out = sum of v << (15 - k)`` over the elements whose code is not -1, on the scale of the
    values times ``2**-15``: equal to the product with the linear codes, bit for bit.

    Examples
    --------
    >>> unit = LogShiftProduct(value_bits=8, maximum_row_length=1024)
    >>> unit(np.array([[1, 2, -1]], np.int8), np.array([[100], [-20], [7]], np.int8))
    array([[1474560]])
    """

    name: ClassVar[str] = "fqvit_log_product"

    value_bits: int
    maximum_row_length: int

    def __post_init__(self) -> None:
        check_constant("value_bits", self.value_bits, smallest=2, largest=16)
        check_constant("maximum_row_length", self.maximum_row_length, smallest=1, largest=1 << 20)

    @property
    def accumulator_bits(self) -> int:
        """Width of the accumulator with its sign. [bit]"""
        return self.value_bits + LARGEST_LOG + self.maximum_row_length.bit_length()

    def __call__(
        self, logs: Int[np.ndarray, "*rows length"], values: Int[np.ndarray, "*rows length cols"]
    ) -> Int[np.ndarray, "*rows cols"]:
        """Multiply rows of probabilities, given by their logarithms, by a matrix of values.

        Returns
        -------
        ndarray
            int64 on the scale of the values times ``2**-15``.

        Raises
        ------
        TypeError
            If an operand is not of a signed integer type.
        ModelRangeError
            If a code is out of range, or rows are longer than ``maximum_row_length``.
        """
        check_codes("logs", logs, bits=LOG_BITS + 1)
        check_codes("values", values, bits=self.value_bits)
        if logs.size and int(logs.min()) < NOTHING:
            raise ModelRangeError(f"logs must be in [-1, {LARGEST_LOG}], got {logs.min()}")
        if logs.shape[-1] > self.maximum_row_length:
            raise ModelRangeError(
                f"rows must have at most {self.maximum_row_length} elements, got {logs.shape[-1]}"
            )
        # A shifted value is its product with a power of two, here only to sum them in one call.
        linear = np.left_shift(1, LARGEST_LOG - logs.astype(np.int64)) * (logs != NOTHING)
        return np.asarray(linear @ values.astype(np.int64))

    @property
    def hardware(self) -> UnitHardware:
        """Work for one element of the result, whose sum is the row."""
        return UnitHardware(
            passes=1,
            per_element=(
                (Operation("shift", self.value_bits + LARGEST_LOG), 1),
                (Operation("add", self.accumulator_bits), 1),
            ),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=2,
            table_bits=0,
            maximum_row_length=self.maximum_row_length,
        )
