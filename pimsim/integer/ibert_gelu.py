"""I-BERT GELU: the error function as a clipped parabola, one multiplication, no division.

Which question this module answers: *which integer does the GELU unit give for an integer input?*

``GELU(x) = x / 2 * (1 + erf(x / sqrt(2)))`` with ``erf(u) ≈ sgn(u) (1 - 0.2888 (min(|u|, 1.769) -
1.769)**2)`` (I-BERT, equation 8 and algorithm 2 [1]_). For an input with the real scale ``S`` the
constants are::

    q_clip = floor(1.769 * sqrt(2) / S)
    q_c    = floor(2 / (0.2888 * S**2))

in which ``q_c`` is the code of 1 on the scale of the squares. ``q_c < 2**32`` asks for
``S >= 4.02e-5``.

``S`` must be fine: squares are cut by ``shift`` bits so that the code of 1 has 15 bits (a fixed 14
bits in the authors' code, which leaves nothing of ``q_c`` on 8-bit inputs). Give the unit 16-bit
codes.

References
----------
.. [1] S. Kim et al., I-BERT: Integer-only BERT Quantization, ICML 2021, arXiv:2101.01321;
   coefficients and the extra shift: github.com/kssteven418/I-BERT (MIT).
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Int

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import check_codes, check_constant, new_rows, row_blocks
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.units import UnitOutput

ERF_BITS: Final = 15
"""Bits of the error function's code; 1 uses all of them unless ``q_c`` has fewer. [bit]"""
_SQUARE_BITS: Final = 32
_SHIFT_REGISTER_BITS: Final = 5


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IBertGelu:
    """GELU of each element.

    Parameters
    ----------
    q_clip, q_c
        Constants of the input's scale, see the module's description.
    input_bits
        Width of an input code with its sign, 2 to 16; wider values are refused. [bit]

    Raises
    ------
    ModelRangeError
        If a constant is out of range, or the two were not derived from one scale.

    Notes
    -----
    ::

        t   = (q_c - (min(|x|, q_clip) - q_clip)**2) >> shift
        out = x * (one + sgn(x) * t)

    with ``shift = max(0, bit_length(q_c) - 15)`` and ``one = q_c >> shift``. The real scale of
    ``out`` is ``S / (2 * one)``: far right of zero ``t = one``, hence GELU is the identity, and far
    left it is 0, both exactly.

    The approximation itself is at most 1.8e-2 off on [-4, 4] (8.2e-3 rms), most of it near zero,
    where the parabola makes ``erf`` jump by ``±0.096``. The sign is applied after the cut, so
    ``out(x) - out(-x) = 2 * one * x``.

    Examples
    --------
    >>> unit = IBertGelu(q_clip=2501, q_c=6925207, input_bits=16)  # S = 0.001
    >>> unit.one
    27051
    >>> out = unit(np.array([[-5000, -500, 0, 1000, 5000]], dtype=np.int16)).values
    >>> out // (2 * unit.one)  # GELU(-0.5) = -0.154, GELU(1) = 0.841
    array([[   0, -145,    0,  837, 5000]], dtype=int32)
    """

    name: ClassVar[str] = "ibert_gelu"

    q_clip: int
    q_c: int
    input_bits: int

    def __post_init__(self) -> None:
        check_constant("q_c", self.q_c, smallest=1, largest=(1 << _SQUARE_BITS) - 1)
        check_constant("q_clip", self.q_clip, smallest=1, largest=(1 << _SQUARE_BITS // 2) - 1)
        check_constant("input_bits", self.input_bits, smallest=2, largest=16)
        if self.q_clip**2 > self.q_c:
            raise ModelRangeError(
                f"q_clip {self.q_clip} squared exceeds q_c {self.q_c}, so erf would change its "
                "sign; derive both from one scale"
            )

    @property
    def shift(self) -> int:
        """Bits cut from the squares."""
        return max(0, self.q_c.bit_length() - ERF_BITS)

    @property
    def one(self) -> int:
        """Code of ``erf = 1``; the output's real scale is the input's divided by ``2 * one``."""
        return self.q_c >> self.shift

    def __call__(self, x: Int[np.ndarray, "*rows length"]) -> UnitOutput:
        """Apply GELU to codes of ``input_bits``.

        Returns
        -------
        UnitOutput
            int32 on the scale ``S / (2 * one)``; nothing saturates.

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
            erf = np.abs(codes)
            np.minimum(erf, self.q_clip, out=erf)
            erf -= self.q_clip
            erf *= erf
            np.subtract(self.q_c, erf, out=erf)
            erf >>= self.shift
            erf *= np.sign(codes)
            erf += self.one
            erf *= codes
            result_rows[block] = erf
        return UnitOutput(result, 0)

    @property
    def hardware(self) -> UnitHardware:
        """One pass of element-wise work; no table, no division."""
        erf_bits = ERF_BITS + 2
        return UnitHardware(
            passes=1,
            per_element=(
                (Operation("add", self.input_bits + 1), 2),  # magnitude, minus q_clip
                (Operation("compare", self.input_bits + 1), 1),  # limit q_clip
                (Operation("multiply", self.input_bits + 1), 1),  # square
                (Operation("add", _SQUARE_BITS), 1),  # q_c - square
                (Operation("shift", _SQUARE_BITS), 1),
                (Operation("add", erf_bits), 2),  # sign, plus one
                (Operation("multiply", erf_bits), 1),  # by x
            ),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=7,
            table_bits=_SQUARE_BITS // 2 + _SQUARE_BITS + _SHIFT_REGISTER_BITS,
            maximum_row_length=None,
        )
