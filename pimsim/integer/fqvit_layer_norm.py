"""Layer normalization on power-of-two factors: channels of different size share one scale.

Which question this module answers: *which integers does FQ-ViT's layer-norm unit give for a row of
integers whose channels were quantized with different powers of two?*

Power-of-two factors [1]_ give channel ``c`` the scale ``S * 2**alpha_c``, with ``alpha_c`` in 0 to
3, so that small channels keep their bits next to large ones. The unit undoes them with a shift,
takes mean and deviation of the row in one pass, and applies gain over deviation as an 8-bit
mantissa and a shift. With ``n`` the row length::

    epsilon = max(1, round(real_epsilon * n**2 / S**2))                     # < 2**60
    S_gain  = max(max|real_gain| / 32767,
                  max|real_bias| * 2**15 / (n * (2**30 - 1)))
    gain    = round(real_gain / S_gain)                                      # 16 bits
    S_out   = n * 2**-15 * S_gain
    bias    = round(real_bias / S_out)                                       # 31 bits

References
----------
.. [1] Y. Lin et al., FQ-ViT: Post-Training Quantization for Fully Quantized Vision Transformer,
   IJCAI 2022, arXiv:2111.13824, section 3.2; statistics and mantissa: github.com/megvii-research/
   FQ-ViT (Apache-2.0).
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from pimsim.integer.codes import check_constant, new_rows, row_blocks
from pimsim.integer.hardware import Operation, UnitHardware, division_cycles
from pimsim.integer.leading_one import bit_lengths
from pimsim.integer.row_normalization import (
    BIAS_BITS,
    GAIN_BITS,
    LARGEST_INPUT_BITS,
    check_affine,
    check_rows,
    subtract_mean,
)
from pimsim.integer.square_root import NEWTON_STEPS, integer_sqrt
from pimsim.integer.units import UnitOutput

LARGEST_ALPHA: Final = 3
MANTISSA_BITS: Final = 8
"""Bits of ``gain / deviation`` that are kept. [bit]"""
FACTOR_EXPONENT: Final = 44
"""The row's factor is ``floor(2**44 / root)``; times a 16-bit gain it fits 60 bits."""
OUTPUT_FRACTION_BITS: Final = 15
MAXIMUM_ROW_LENGTH: Final = 4096
"""So that ``n * sum(x**2)`` of 19-bit codes and epsilon stay below 2**62."""
LARGEST_EPSILON: Final = (1 << 60) - 1
_LENGTH_BITS: Final = 12
_EPSILON_BITS: Final = 60
_ALPHA_BITS: Final = 2


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FqVitLayerNorm:
    """Layer normalization over the last axis, with a power-of-two factor per channel.

    Parameters
    ----------
    alpha
        Exponent of each channel's factor, 0 to 3; its length is the row length, at most 4,096.
    gain
        One 16-bit code per channel.
    bias
        One 31-bit code per channel, on the output's scale.
    epsilon
        Added to the radicand, 1 or more, so that a constant row divides by no zero.
    input_bits
        Width of an input code with its sign, 2 to 16; wider values are refused. [bit]

    Raises
    ------
    ModelRangeError
        If a constant is out of range.
    ValueError
        If ``alpha``, ``gain`` and ``bias`` differ in length.

    Notes
    -----
    ::

        u      = x << alpha
        mean   = floor((sum(u) + floor(n / 2)) / n)       y = u - mean
        root   = floor(sqrt(n * sum(u**2) - sum(u)**2 + epsilon))           # n times the deviation
        a      = |gain| * floor(2**44 / root)             m = leading 8 bits of a, truncated
        out    = sign(gain) * round_half_up(y * m * 2**shift / 2**29) + bias

    with ``shift`` what ``m`` left out of ``a``. A constant row gives ``bias``. Truncating to eight
    bits lets the gain fall short by up to 1/128. Deviations from the authors' code: ``a`` is
    formed from integers, and the mean is rounded before it is subtracted, where they fold ``mean *
    a`` into a bias of the row in floating point.

    Examples
    --------
    >>> unit = FqVitLayerNorm(
    ...     alpha=(0, 0, 1, 2), gain=(16384,) * 4, bias=(0,) * 4, epsilon=1, input_bits=16)
    >>> row = np.array([[-3000, -1000, 500, 750]], dtype=np.int16)  # -3000, -1000, 1000, 3000
    >>> unit(row).values >> 17  # times 4, 15 + 14 fraction bits: in steps of 1/1024
    array([[-1372,  -458,   457,  1371]], dtype=int32)
    """

    name: ClassVar[str] = "fqvit_layer_norm"

    alpha: tuple[int, ...]
    gain: tuple[int, ...]
    bias: tuple[int, ...]
    epsilon: int
    input_bits: int

    def __post_init__(self) -> None:
        if len(self.alpha) != len(self.gain):
            raise ValueError(
                f"alpha and gain must have one code per channel each, got {len(self.alpha)} and "
                f"{len(self.gain)}"
            )
        check_affine(self.gain, self.bias, maximum_row_length=MAXIMUM_ROW_LENGTH)
        for channel, exponent in enumerate(self.alpha):
            check_constant(f"alpha[{channel}]", exponent, smallest=0, largest=LARGEST_ALPHA)
        check_constant("epsilon", self.epsilon, smallest=1, largest=LARGEST_EPSILON)
        check_constant("input_bits", self.input_bits, smallest=2, largest=LARGEST_INPUT_BITS)

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
        check_rows(x, bits=self.input_bits, length=len(self.gain))
        source, result, result_rows = new_rows(x, np.int32)
        bias = np.array(self.bias, dtype=np.int64)
        for block in row_blocks(*source.shape):
            normal = self._normalize(source[block].astype(np.int64))
            normal += bias
            result_rows[block] = normal
        return UnitOutput(result, 0)

    def _normalize(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Gain times the centred row over its deviation."""
        gain = np.array(self.gain, dtype=np.int64)
        codes <<= np.array(self.alpha, dtype=np.int64)
        total = codes.sum(axis=-1, keepdims=True)
        radicand = (codes * codes).sum(axis=-1, keepdims=True) * codes.shape[-1]
        radicand -= total * total
        radicand += self.epsilon
        subtract_mean(codes)
        scaled = np.abs(gain) * ((1 << FACTOR_EXPONENT) // integer_sqrt(radicand))
        left_out = np.maximum(bit_lengths(scaled) - MANTISSA_BITS, 0)
        codes *= scaled >> left_out
        # The product is moved by what the mantissa left out, then to the output's fraction bits.
        places = left_out - (FACTOR_EXPONENT - OUTPUT_FRACTION_BITS)
        codes <<= np.maximum(places, 0)
        right = np.maximum(-places, 0)
        codes += (np.int64(1) << right) >> 1
        codes >>= right
        codes *= np.sign(gain)
        return codes

    @property
    def hardware(self) -> UnitHardware:
        """Two passes: both sums; scaling. Divisions and the root between them."""
        code_bits = self.input_bits + LARGEST_ALPHA
        sum_bits = code_bits + _LENGTH_BITS
        radicand_bits = max(2 * sum_bits, _EPSILON_BITS + 1)
        root_bits = (radicand_bits + 1) // 2
        product_bits = code_bits + 1 + MANTISSA_BITS
        factor_bits = FACTOR_EXPONENT + 1
        return UnitHardware(
            passes=2,
            per_element=(
                (Operation("shift", code_bits), 1),  # by alpha
                (Operation("add", sum_bits), 1),  # running sum
                (Operation("multiply", code_bits), 1),  # square
                (Operation("add", sum_bits + code_bits), 1),  # running sum of squares
                (Operation("add", code_bits + 1), 1),  # minus the mean
                (Operation("multiply", factor_bits), 1),  # gain times the row's factor
                (Operation("compare", factor_bits + GAIN_BITS), 1),  # leading one
                (Operation("shift", factor_bits + GAIN_BITS), 1),  # mantissa
                (Operation("multiply", code_bits + 1), 1),  # by the mantissa
                (Operation("shift", max(product_bits, BIAS_BITS + 1)), 1),
                (Operation("add", BIAS_BITS + 1), 3),  # rounding, sign, bias
            ),
            per_row=(
                (Operation("add", sum_bits), 1),  # half the length
                (Operation("divide", sum_bits), 1),  # mean
                (Operation("multiply", sum_bits + code_bits), 1),  # n * sum of squares
                (Operation("multiply", sum_bits), 1),  # square of the sum
                (Operation("add", radicand_bits), 2),
                (Operation("divide", radicand_bits), NEWTON_STEPS),
                (Operation("add", root_bits + 1), NEWTON_STEPS),
                (Operation("compare", root_bits + 1), NEWTON_STEPS),
                (Operation("divide", factor_bits), 1),
            ),
            serial_cycles_per_row=2
            + division_cycles(code_bits + 1)
            + NEWTON_STEPS * (division_cycles(root_bits) + 1)
            + division_cycles(factor_bits),
            pipeline_depth_cycles=11,
            table_bits=len(self.gain) * (GAIN_BITS + BIAS_BITS + _ALPHA_BITS) + _EPSILON_BITS,
            maximum_row_length=MAXIMUM_ROW_LENGTH,
        )
