"""ShiftGELU and its SiLU: a sigmoid from shifts and one serial division.

Which question this module answers: *which integer do I-ViT's activation units give for an integer
input?*

``GELU(x) ≈ x * sigmoid(1.702 x)`` (at most 0.020 off) and ``SiLU(x) = x * sigmoid(x)`` with the
sigmoid from the shift exponential of :mod:`pimsim.integer.exponential` (I-ViT, section 3.4 [1]_).
For an input with the real scale ``S`` the one constant is the code of 1 in the sigmoid's argument::

    one = floor(1 / (1.702 * S))     # GELU
    one = floor(1 / S)               # SiLU

between 1 and 65,535: ``S >= 1.53e-5`` for SiLU, ``S >= 8.97e-6`` for GELU. SiLU is not in the
paper; it is the same unit without the factor.

References
----------
.. [1] Z. Li, Q. Gu, I-ViT: Integer-only Quantization for Efficient Vision Transformer Inference,
   ICCV 2023, arXiv:2207.01405; 23 halvings: github.com/zkkli/I-ViT (Apache-2.0).
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Int

from pimsim.integer.codes import check_codes, check_constant, new_rows, row_blocks
from pimsim.integer.exponential import (
    LARGEST_ONE,
    shift_at_zero,
    shift_exponential,
    shift_operations,
    shift_table_bits,
)
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.sigmoid import (
    check_widths,
    sigmoid_division_cycles,
    sigmoid_operations,
    times_sigmoid,
)
from pimsim.integer.units import UnitOutput

HALVINGS: Final = 23
"""The authors' ``n`` of the exponential in ShiftGELU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShiftSigmoidProduct:
    """``x * sigmoid(x / one)`` of each element; the functions differ in ``one`` alone."""

    one: int
    sigmoid_bits: int
    input_bits: int

    def __post_init__(self) -> None:
        check_constant("one", self.one, smallest=1, largest=LARGEST_ONE)
        check_widths(input_bits=self.input_bits, sigmoid_bits=self.sigmoid_bits)

    def __call__(self, x: Int[np.ndarray, "*rows length"]) -> UnitOutput:
        """Apply the function to codes of ``input_bits``.

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
        for block in row_blocks(*source.shape):
            codes = source[block].astype(np.int64)
            result_rows[block] = times_sigmoid(
                codes,
                shift_exponential(np.abs(codes), one=self.one, halvings=HALVINGS),
                at_zero=shift_at_zero(self.one, HALVINGS),
                sigmoid_bits=self.sigmoid_bits,
            )
        return UnitOutput(result, 0)

    @property
    def hardware(self) -> UnitHardware:
        """One pass; each lane has a serial divider."""
        return UnitHardware(
            passes=1,
            per_element=(
                (Operation("add", self.input_bits + 1), 1),  # magnitude
                *shift_operations(self.input_bits + 1, HALVINGS),
                *sigmoid_operations(self.input_bits, HALVINGS + 1, self.sigmoid_bits),
            ),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=9,
            table_bits=shift_table_bits(self.input_bits + 1),
            maximum_row_length=None,
            serial_cycles_per_element=sigmoid_division_cycles(self.sigmoid_bits),
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IVitGelu(_ShiftSigmoidProduct):
    """GELU of each element, as ``x * sigmoid(1.702 x)``.

    Parameters
    ----------
    one
        Code of ``1 / 1.702``, see the module's description; 1 to 65,535.
    sigmoid_bits
        Fraction bits of the sigmoid, 1 to 15; the paper's 8-bit output has 7. [bit]
    input_bits
        Width of an input code with its sign, 2 to 16; wider values are refused. [bit]

    Raises
    ------
    ModelRangeError
        If a constant is out of range.

    Notes
    -----
    ::

        exp = shift_exponential(|x|), 24 bits
        out = x * round(2**sigmoid_bits * sigmoid)       scale S * 2**-sigmoid_bits

    Deviations from the authors' code: the exponentials are those of ``-|x|`` in place of the
    distance to the row's maximum (see :mod:`pimsim.integer.sigmoid`), and the sigmoid is one
    rounded division in place of a truncated product with ``floor((2**31 - 1) / sum)``.

    Examples
    --------
    >>> unit = IVitGelu(one=587, sigmoid_bits=15, input_bits=16)  # S = 0.001
    >>> out = unit(np.array([[-5000, -500, 0, 1000, 5000]], dtype=np.int16)).values
    >>> out >> 15  # GELU(-0.5) = -0.154, GELU(1) = 0.841
    array([[  -2, -154,    0,  837, 4998]], dtype=int32)
    """

    name: ClassVar[str] = "ivit_gelu"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IVitSilu(_ShiftSigmoidProduct):
    """SiLU of each element, ``x * sigmoid(x)``.

    Parameters
    ----------
    one
        Code of 1, see the module's description; 1 to 65,535.
    sigmoid_bits
        Fraction bits of the sigmoid, 1 to 15. [bit]
    input_bits
        Width of an input code with its sign, 2 to 16; wider values are refused. [bit]

    Raises
    ------
    ModelRangeError
        If a constant is out of range.

    Notes
    -----
    As :class:`IVitGelu`. The shift exponential is up to 0.044 off, which leaves the sigmoid, and
    SiLU too, up to 0.015 off; :class:`pimsim.integer.IBertSilu` is an order of magnitude nearer.

    Examples
    --------
    >>> unit = IVitSilu(one=1000, sigmoid_bits=15, input_bits=16)  # S = 0.001
    >>> out = unit(np.array([[-5000, -500, 0, 1000, 5000]], dtype=np.int16)).values
    >>> out >> 15  # SiLU(-0.5) = -0.189, SiLU(1) = 0.731
    array([[ -36, -196,    0,  719, 4964]], dtype=int32)
    """

    name: ClassVar[str] = "ivit_silu"
