"""I-LayerNorm: layer normalization with ten Newton steps from a fixed start.

Which question this module answers: *which integers does I-ViT's layer-norm unit give for a row of
integers?*

It differs from I-BERT's (:mod:`pimsim.integer.ibert_layer_norm`) in the square root, ten steps from
``2**16`` whatever the row [1]_, and has no epsilon. Constants and the output's scale are::

    S_gain = max(max|real_gain| / 32767,
                 max|real_bias| * 2**15 / (sqrt(n) * (2**30 - 1)))
    gain   = round(real_gain / S_gain)                                      # 16 bits
    S_out  = sqrt(n) * 2**-15 * S_gain
    bias   = round(real_bias / S_out)                                       # 31 bits

References
----------
.. [1] Z. Li, Q. Gu, I-ViT: Integer-only Quantization for Efficient Vision Transformer Inference,
   ICCV 2023, arXiv:2207.01405, section 3.5; steps and start: github.com/zkkli/I-ViT (Apache-2.0).
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Int

from pimsim.integer.codes import check_constant, new_rows, row_blocks
from pimsim.integer.hardware import Operation, UnitHardware, division_cycles
from pimsim.integer.row_normalization import (
    BIAS_BITS,
    GAIN_BITS,
    LARGEST_INPUT_BITS,
    LENGTH_BITS,
    MAXIMUM_ROW_LENGTH,
    NORMALIZED_FRACTION_BITS,
    RECIPROCAL_EXPONENT,
    check_affine,
    check_rows,
    root_cycles,
    root_operations,
    scale_to_norm,
    square_sum_bits,
    subtract_mean,
)
from pimsim.integer.square_root import FIXED_START_STEPS, fixed_start_sqrt
from pimsim.integer.units import UnitOutput


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IVitLayerNorm:
    """Layer normalization over the last axis, with gain and bias per channel.

    Parameters
    ----------
    gain
        One 16-bit code per channel; its length is the row length, at most 16,384.
    bias
        One 31-bit code per channel, on the output's scale.
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
        root   = fixed_start_sqrt(sum(y**2))              factor = floor((2**31 - 1) / root)
        normal = (y * factor + 2**15) >> 16
        out    = normal * gain + bias                     32 bits, scale S_out

    Ten steps reach no root below 64, so rows whose sum of squares is below about ``2**15`` come out
    too small; a constant row gives ``bias``. Deviations from the authors' code: the normalized
    value is rounded to 15 fraction bits (there 30, floored), and the gain is applied, where the
    authors fold it into a scale per channel.

    Examples
    --------
    >>> unit = IVitLayerNorm(gain=(16384,) * 4, bias=(0,) * 4, input_bits=16)
    >>> row = np.array([[-3000, -1000, 1000, 3000]], dtype=np.int16)
    >>> unit(row).values >> 18  # times sqrt(4), 15 + 14 fraction bits: in steps of 1/1024
    array([[-1374,  -458,   457,  1373]], dtype=int32)
    """

    name: ClassVar[str] = "ivit_layer_norm"

    gain: tuple[int, ...]
    bias: tuple[int, ...]
    input_bits: int

    def __post_init__(self) -> None:
        check_affine(self.gain, self.bias, maximum_row_length=MAXIMUM_ROW_LENGTH)
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
        gain = np.array(self.gain, dtype=np.int64)
        bias = np.array(self.bias, dtype=np.int64)
        for block in row_blocks(*source.shape):
            codes = source[block].astype(np.int64)
            subtract_mean(codes)
            root = fixed_start_sqrt((codes * codes).sum(axis=-1, keepdims=True))
            scale_to_norm(codes, root, numerator=(1 << RECIPROCAL_EXPONENT) - 1)
            codes *= gain
            codes += bias
            result_rows[block] = codes
        return UnitOutput(result, 0)

    @property
    def hardware(self) -> UnitHardware:
        """Three passes: sum; centring and sum of squares; scaling. Divisions between them."""
        centred_bits = self.input_bits + 1
        sum_bits = self.input_bits + LENGTH_BITS
        radicand_bits = square_sum_bits(centred_bits)
        return UnitHardware(
            passes=3,
            per_element=(
                (Operation("add", sum_bits), 1),  # running sum
                (Operation("add", centred_bits), 1),  # minus the mean
                (Operation("multiply", centred_bits), 1),  # square
                (Operation("add", radicand_bits), 1),  # running sum of squares
                (Operation("multiply", RECIPROCAL_EXPONENT + 1), 1),  # by the row's factor
                (Operation("add", RECIPROCAL_EXPONENT + 1), 1),  # rounding
                (Operation("multiply", NORMALIZED_FRACTION_BITS + 2), 1),  # by the gain
                (Operation("add", BIAS_BITS + 1), 1),  # plus the bias
            ),
            per_row=(
                (Operation("add", sum_bits), 1),  # half the length
                (Operation("divide", sum_bits), 1),  # mean
                *root_operations(radicand_bits, steps=FIXED_START_STEPS),
            ),
            serial_cycles_per_row=division_cycles(centred_bits)
            + root_cycles(radicand_bits, steps=FIXED_START_STEPS),
            pipeline_depth_cycles=8,
            table_bits=len(self.gain) * (GAIN_BITS + BIAS_BITS),
            maximum_row_length=MAXIMUM_ROW_LENGTH,
        )
