"""SiLU with I-BERT's polynomial exponential: a sigmoid from one serial division.

Which question this module answers: *which integer does the SiLU unit give for an integer input?*

I-BERT has no SiLU; this is its exponential [1]_ in ``x * sigmoid(x)``, the form in which I-ViT and
I-LLM use theirs. The constants ``q_ln2``, ``q_b`` and ``q_c`` are those of
:mod:`pimsim.integer.exponential` for the input's scale ``S``, ``2.56e-5 <= S <= ln 2``.

References
----------
.. [1] S. Kim et al., I-BERT: Integer-only BERT Quantization, ICML 2021, arXiv:2101.01321.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Int

from pimsim.integer.codes import check_codes, new_rows, row_blocks
from pimsim.integer.exponential import (
    POLYNOMIAL_EXPONENTIAL_BITS,
    check_polynomial,
    polynomial_at_zero,
    polynomial_exponential,
    polynomial_operations,
    polynomial_table_bits,
)
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.sigmoid import (
    check_widths,
    sigmoid_division_cycles,
    sigmoid_operations,
    times_sigmoid,
)
from pimsim.integer.units import UnitOutput


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IBertSilu:
    """SiLU of each element, ``x * sigmoid(x)``.

    Parameters
    ----------
    q_ln2, q_b, q_c
        Constants of the input's scale, see the module's description.
    sigmoid_bits
        Fraction bits of the sigmoid, 1 to 15. [bit]
    input_bits
        Width of an input code with its sign, 2 to 16; wider values are refused. [bit]

    Raises
    ------
    ModelRangeError
        If a constant is out of range, or the three were not derived from one scale.

    Notes
    -----
    ::

        exp = polynomial_exponential(|x|), 16 bits
        out = x * round(2**sigmoid_bits * sigmoid)       scale S * 2**-sigmoid_bits

    The exponential is at most 1.9e-3 off, which leaves the sigmoid up to 8e-4 off.

    Examples
    --------
    >>> unit = IBertSilu(  # S = 0.001
    ...     q_ln2=693, q_b=2707, q_c=2792115, sigmoid_bits=15, input_bits=16)
    >>> out = unit(np.array([[-5000, -500, 0, 1000, 5000]], dtype=np.int16)).values
    >>> out >> 15  # SiLU(-0.5) = -0.189, SiLU(1) = 0.731, SiLU(5) = 4.967
    array([[ -34, -189,    0,  730, 4966]], dtype=int32)
    """

    name: ClassVar[str] = "ibert_silu"

    q_ln2: int
    q_b: int
    q_c: int
    sigmoid_bits: int
    input_bits: int

    def __post_init__(self) -> None:
        check_polynomial(q_ln2=self.q_ln2, q_b=self.q_b, q_c=self.q_c)
        check_widths(input_bits=self.input_bits, sigmoid_bits=self.sigmoid_bits)

    def __call__(self, x: Int[np.ndarray, "*rows length"]) -> UnitOutput:
        """Apply SiLU to codes of ``input_bits``.

        Returns
        -------
        UnitOutput
            int32 on the scale ``S * 2**-sigmoid_bits``; nothing saturates.

        Raises
        ------
        TypeError
            If ``x`` is not of a signed integer type.
        ModelRangeError
            If a value is wider than ``input_bits``.
        """
        check_codes("x", x, bits=self.input_bits)
        source, result, result_rows = new_rows(x, np.int32)
        at_zero = polynomial_at_zero(self.q_c)
        for block in row_blocks(*source.shape):
            codes = source[block].astype(np.int64)
            exponential = polynomial_exponential(
                np.abs(codes), q_ln2=self.q_ln2, q_b=self.q_b, q_c=self.q_c
            )
            result_rows[block] = times_sigmoid(
                codes, exponential, at_zero=at_zero, sigmoid_bits=self.sigmoid_bits
            )
        return UnitOutput(result, 0)

    @property
    def hardware(self) -> UnitHardware:
        """One pass; each lane has a serial divider."""
        distance_bits = self.input_bits + 1
        return UnitHardware(
            passes=1,
            per_element=(
                (Operation("add", distance_bits), 1),  # magnitude
                *polynomial_operations(distance_bits),
                *sigmoid_operations(
                    self.input_bits, POLYNOMIAL_EXPONENTIAL_BITS, self.sigmoid_bits
                ),
            ),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=10,
            table_bits=polynomial_table_bits(distance_bits),
            maximum_row_length=None,
            serial_cycles_per_element=sigmoid_division_cycles(self.sigmoid_bits),
        )
