"""I-BERT layer normalization: integer mean, integer square root, one reciprocal per row.

Which question this module answers: *which integers does the layer-norm unit give for a row of
integers?*

With ``S`` the real scale of the input, ``n`` the row length, and the real ``epsilon``, ``gain`` and
``bias`` of the layer, the constants and the output's scale are::

    epsilon = max(1, round(real_epsilon * n / S**2))                        # < 2**46
    S_gain  = max(max|real_gain| / 32767,
                  max|real_bias| * 2**15 / (sqrt(n) * (2**30 - 1)))
    gain    = round(real_gain / S_gain)                                      # 16 bits
    S_out   = sqrt(n) * 2**-15 * S_gain
    bias    = round(real_bias / S_out)                                       # 31 bits

The second term of ``S_gain`` is larger only where a bias is thousands of times the largest gain.

References
----------
.. [1] S. Kim et al., I-BERT: Integer-only BERT Quantization, ICML 2021, arXiv:2101.01321,
   section 3.6 and algorithm 4; reciprocal ``2**31``: github.com/kssteven418/I-BERT (MIT).
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from pimsim.integer.codes import (
    check_codes,
    check_constant,
    new_rows,
    row_blocks,
    signed_range,
)
from pimsim.integer.hardware import Operation, UnitHardware, division_cycles
from pimsim.integer.square_root import NEWTON_STEPS, integer_sqrt
from pimsim.integer.units import UnitOutput

NORMALIZED_FRACTION_BITS: Final = 15
"""``(x - mean) / sqrt(sum of squares)`` is kept as a multiple of ``2**-15``. [bit]"""
RECIPROCAL_EXPONENT: Final = 31
"""The row's factor is ``floor(2**31 / root)``."""
MAXIMUM_ROW_LENGTH: Final = 1 << 14
GAIN_BITS: Final = 16
BIAS_BITS: Final = 31
"""One below 32, so that product and bias sum to 32 bits. [bit]"""
LARGEST_EPSILON: Final = (1 << 46) - 1
_LARGEST_INPUT_BITS: Final = 16
_LENGTH_BITS: Final = 14
_EPSILON_BITS: Final = 46


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IBertLayerNorm:
    """Layer normalization over the last axis, with gain and bias per channel.

    Parameters
    ----------
    gain
        One 16-bit code per channel; its length is the row length, at most 16,384.
    bias
        One 31-bit code per channel, on the output's scale.
    epsilon
        Added to the sum of squares, 1 or more, so that a constant row divides by no zero.
    input_bits
        Width of an input code with its sign, 2 to 16; wider values are refused. [bit]

    Raises
    ------
    ModelRangeError
        If a constant is out of range.
    ValueError
        If ``gain`` and ``bias`` differ in length.

    Notes
    -----
    ::

        mean   = floor((sum(x) + floor(n / 2)) / n)       y = x - mean
        root   = floor(sqrt(sum(y**2) + epsilon))         factor = floor(2**31 / root)
        normal = (y * factor + 2**15) >> 16               in [-2**15, 2**15]
        out    = normal * gain + bias                     32 bits, scale S_out

    The sum of squares is not divided by ``n``; ``sqrt(n)`` is part of the scale instead. A constant
    row gives ``bias``. Deviations from the authors' code: the sum of squares is as wide as it needs
    to be (47 bits) in place of a calibrated right shift, and the normalized value is rounded to 15
    fraction bits before gain and bias.

    Cutting the root and the factor to integers changes a row's gain by a relative ``1 / root +
    root / 2**31`` at most; rounding the mean moves a row by half an input code.

    Examples
    --------
    >>> unit = IBertLayerNorm(gain=(16384,) * 4, bias=(0,) * 4, epsilon=1, input_bits=16)
    >>> row = np.array([[-3000, -1000, 1000, 3000]], dtype=np.int16)
    >>> unit(row).values >> 18  # times sqrt(4), 15 + 14 fraction bits: in steps of 1/1024
    array([[-1374,  -458,   457,  1373]], dtype=int32)
    """

    name: ClassVar[str] = "ibert_layer_norm"

    gain: tuple[int, ...]
    bias: tuple[int, ...]
    epsilon: int
    input_bits: int

    def __post_init__(self) -> None:
        if len(self.gain) != len(self.bias):
            raise ValueError(
                f"gain and bias must have one code per channel each, got {len(self.gain)} and "
                f"{len(self.bias)}"
            )
        check_constant("row length", len(self.gain), smallest=1, largest=MAXIMUM_ROW_LENGTH)
        check_constant("epsilon", self.epsilon, smallest=1, largest=LARGEST_EPSILON)
        check_constant("input_bits", self.input_bits, smallest=2, largest=_LARGEST_INPUT_BITS)
        for name, constants, bits in (
            ("gain", self.gain, GAIN_BITS),
            ("bias", self.bias, BIAS_BITS),
        ):
            smallest, largest = signed_range(bits)
            for channel, value in enumerate(constants):
                check_constant(f"{name}[{channel}]", value, smallest=smallest, largest=largest)

    def __call__(self, x: Int[np.ndarray, "*rows length"]) -> UnitOutput:
        """Normalize rows of codes of ``input_bits``.

        Returns
        -------
        UnitOutput
            int32 on the scale ``S_out``; nothing saturates.

        Raises
        ------
        TypeError
            If ``x`` is not of a signed integer type.
        ValueError
            If the rows' length is not that of ``gain``.
        ModelRangeError
            If a value is wider than ``input_bits``.
        """
        check_codes("x", x, bits=self.input_bits)
        if x.shape[-1] != len(self.gain):
            raise ValueError(f"rows must have {len(self.gain)} elements, got shape {x.shape}")
        source, result, result_rows = new_rows(x, np.int32)
        gain = np.array(self.gain, dtype=np.int64)
        bias = np.array(self.bias, dtype=np.int64)
        for block in row_blocks(*source.shape):
            normal = self._normalize(source[block].astype(np.int64))
            normal *= gain
            normal += bias
            result_rows[block] = normal
        return UnitOutput(result, 0)

    def _normalize(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Centre and scale each row in place, to 15 fraction bits."""
        length = codes.shape[-1]
        total = codes.sum(axis=-1, keepdims=True)
        codes -= (total + (length >> 1)) // length
        root = integer_sqrt((codes * codes).sum(axis=-1, keepdims=True) + self.epsilon)
        codes *= (1 << RECIPROCAL_EXPONENT) // root
        places = RECIPROCAL_EXPONENT - NORMALIZED_FRACTION_BITS
        codes += 1 << (places - 1)
        codes >>= places
        return codes

    @property
    def hardware(self) -> UnitHardware:
        """Three passes: sum; centring and sum of squares; scaling. Divisions between them."""
        centred_bits = self.input_bits + 1
        sum_bits = self.input_bits + _LENGTH_BITS
        square_sum_bits = 2 * centred_bits + _LENGTH_BITS
        root_bits = (square_sum_bits + 1) // 2
        normal_bits = NORMALIZED_FRACTION_BITS + 2
        newton_cycles = NEWTON_STEPS * (division_cycles(root_bits) + 1)
        return UnitHardware(
            passes=3,
            per_element=(
                (Operation("add", sum_bits), 1),  # running sum
                (Operation("add", centred_bits), 1),  # minus the mean
                (Operation("multiply", centred_bits), 1),  # square
                (Operation("add", square_sum_bits), 1),  # running sum of squares
                (Operation("multiply", RECIPROCAL_EXPONENT + 1), 1),  # by the row's factor
                (Operation("add", RECIPROCAL_EXPONENT + 1), 1),  # rounding
                (Operation("multiply", normal_bits), 1),  # by the gain
                (Operation("add", BIAS_BITS + 1), 1),  # plus the bias
            ),
            per_row=(
                (Operation("add", sum_bits), 1),  # half the length
                (Operation("divide", sum_bits), 1),  # mean
                (Operation("add", square_sum_bits), 1),  # epsilon
                (Operation("divide", square_sum_bits), NEWTON_STEPS),
                (Operation("add", root_bits + 1), NEWTON_STEPS),
                (Operation("compare", root_bits + 1), NEWTON_STEPS),
                (Operation("divide", RECIPROCAL_EXPONENT + 1), 1),  # 1 / root
            ),
            serial_cycles_per_row=division_cycles(centred_bits)
            + newton_cycles
            + division_cycles(RECIPROCAL_EXPONENT + 1),
            pipeline_depth_cycles=8,
            table_bits=len(self.gain) * (GAIN_BITS + BIAS_BITS) + _EPSILON_BITS,
            maximum_row_length=MAXIMUM_ROW_LENGTH,
        )
