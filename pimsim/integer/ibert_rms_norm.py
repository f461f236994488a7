"""RMS normalization: I-BERT's layer normalization without the mean and the bias.

Which question this module answers: *which integers does the RMS-norm unit give for a row of
integers?*

I-BERT has no RMSNorm; this is its integer square root and reciprocal [1]_ on ``x / rms(x) * gain``
[2]_, as in :mod:`pimsim.integer.ibert_layer_norm`. With ``S`` the real scale of the input, ``n``
the row length, and the real ``epsilon`` and ``gain`` of the layer, the constants and the output's
scale are::

    epsilon = max(1, round(real_epsilon * n / S**2))                        # < 2**46
    S_gain  = max|real_gain| / 32767
    gain    = round(real_gain / S_gain)                                      # 16 bits
    S_out   = sqrt(n) * 2**-15 * S_gain

References
----------
.. [1] S. Kim et al., I-BERT: Integer-only BERT Quantization, ICML 2021, arXiv:2101.01321,
   section 3.6 and algorithm 4; reciprocal ``2**31``: github.com/kssteven418/I-BERT (MIT).
.. [2] B. Zhang, R. Sennrich, Root Mean Square Layer Normalization, NeurIPS 2019, arXiv:1910.07467.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Int

from pimsim.integer.codes import check_constant, new_rows, row_blocks
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.row_normalization import (
    EPSILON_BITS,
    GAIN_BITS,
    LARGEST_EPSILON,
    LARGEST_INPUT_BITS,
    MAXIMUM_ROW_LENGTH,
    NORMALIZED_FRACTION_BITS,
    RECIPROCAL_EXPONENT,
    check_channels,
    check_rows,
    root_cycles,
    root_operations,
    scale_to_norm,
    square_sum_bits,
)
from pimsim.integer.square_root import integer_sqrt
from pimsim.integer.units import UnitOutput


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IBertRmsNorm:
    """RMS normalization over the last axis, with a gain per channel.

    Parameters
    ----------
    gain
        One 16-bit code per channel; its length is the row length, at most 16,384.
    epsilon
        Added to the sum of squares, 1 or more, so that a zero row divides by no zero.
    input_bits
        Width of an input code with its sign, 2 to 16; wider values are refused. [bit]

    Raises
    ------
    ModelRangeError
        If a constant is out of range.

    Notes
    -----
    ::

        root   = floor(sqrt(sum(x**2) + epsilon))         factor = floor(2**31 / root)
        normal = (x * factor + 2**15) >> 16               in [-2**15, 2**15]
        out    = normal * gain                            32 bits, scale S_out

    A zero row gives zeros. Cutting the root and the factor to integers changes a row's gain by a
    relative ``1 / root + root / 2**31`` at most.

    Examples
    --------
    >>> unit = IBertRmsNorm(gain=(16384,) * 4, epsilon=1, input_bits=16)
    >>> row = np.array([[-3000, -1000, 1000, 3000]], dtype=np.int16)
    >>> unit(row).values >> 18  # times sqrt(4), 15 + 14 fraction bits: in steps of 1/1024
    array([[-1374,  -458,   457,  1373]], dtype=int32)
    """

    name: ClassVar[str] = "ibert_rms_norm"

    gain: tuple[int, ...]
    epsilon: int
    input_bits: int

    def __post_init__(self) -> None:
        check_constant("row length", len(self.gain), smallest=1, largest=MAXIMUM_ROW_LENGTH)
        check_constant("epsilon", self.epsilon, smallest=1, largest=LARGEST_EPSILON)
        check_constant("input_bits", self.input_bits, smallest=2, largest=LARGEST_INPUT_BITS)
        check_channels("gain", self.gain, bits=GAIN_BITS)

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
        gain = np.array(self.gain, dtype=np.int64)
        for block in row_blocks(*source.shape):
            codes = source[block].astype(np.int64)
            square_sum = (codes * codes).sum(axis=-1, keepdims=True)
            scale_to_norm(codes, integer_sqrt(square_sum + self.epsilon))
            codes *= gain
            result_rows[block] = codes
        return UnitOutput(result, 0)

    @property
    def hardware(self) -> UnitHardware:
        """Two passes: sum of squares; scaling. The root and one division between them."""
        radicand_bits = square_sum_bits(self.input_bits)
        return UnitHardware(
            passes=2,
            per_element=(
                (Operation("multiply", self.input_bits), 1),  # square
                (Operation("add", radicand_bits), 1),  # running sum of squares
                (Operation("multiply", RECIPROCAL_EXPONENT + 1), 1),  # by the row's factor
                (Operation("add", RECIPROCAL_EXPONENT + 1), 1),  # rounding
                (Operation("multiply", NORMALIZED_FRACTION_BITS + 2), 1),  # by the gain
            ),
            per_row=(
                (Operation("add", radicand_bits), 1),  # epsilon
                *root_operations(radicand_bits),
            ),
            serial_cycles_per_row=root_cycles(radicand_bits),
            pipeline_depth_cycles=6,
            table_bits=len(self.gain) * GAIN_BITS + EPSILON_BITS,
            maximum_row_length=MAXIMUM_ROW_LENGTH,
        )
