"""Softermax: a softmax to base 2, in low-precision fixed point, with an online maximum.

Which question this module answers: *which integer codes does the Softermax unit give for a row of
integer logits?*

Softermax [1]_ takes powers of two, rounds the maximum up to an integer, so that renormalizing is a
shift, and updates maximum and sum window by window in one pass. It was published for networks that
are tuned for base 2; here ``log2(e)`` is part of the input's rescaling, so that the function is the
ordinary softmax. For logits with the real scale ``S`` (``1/sqrt(d_k)`` folded in) the constants are
a dyadic ratio::

    multiplier / 2**shift = S * log2(e) * 2**fraction_bits     # 15-bit multiplier

Powers of two and the reciprocal are piecewise linear: chords through ``2**(j/4)`` and through
``8 / (8 + j)``, either at most 0.4 % of the value off. Chords and segment counts are ours.

References
----------
.. [1] J. R. Stevens et al., Softermax: Hardware/Software Co-Design of an Efficient Softmax for
   Transformers, DAC 2021, arXiv:2103.09301. Published widths, which we quote without having checked
   them against the paper: logits Q(6,2), powers Q(1,15), sum Q(10,6), reciprocal and result Q(1,7).
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray

from pimsim.integer.codes import check_constant, signed_range
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.leading_one import bit_lengths
from pimsim.integer.requantize import LARGEST_SHIFT, MULTIPLIER_BITS
from pimsim.integer.softmax_rows import (
    Keep,
    Rounding,
    check_widths,
    softmax_rows,
)
from pimsim.integer.units import UnitOutput

POWER_FRACTION_BITS: Final = 15
"""Fraction bits of an unnormalized power, at most 1. [bit]"""
QUARTER_POWERS: Final = (32768, 38968, 46341, 55109, 65536)
"""``2**(j/4)`` in units of ``2**-15``."""
SUM_INTEGER_BITS: Final = 17
MAXIMUM_ROW_LENGTH: Final = 65_536
_SEGMENT_BITS: Final = 2
_RECIPROCAL_SEGMENT_BITS: Final = 3
_LARGEST_HALVINGS: Final = 62


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Softermax:
    """Softmax over the last axis, on integer logits.

    Parameters
    ----------
    multiplier, shift
        Dyadic ratio of the logits' step to that of base-2 exponents: 15 bits, and 0 to 62.
    input_bits
        Width of a logit with its sign, 2 to 32; wider values are refused. [bit]
    integer_bits, fraction_bits
        Fixed point of an exponent, the sign among the integer bits, 2 to 12 and 2 to 12; logits
        beyond saturate. Published: 6 and 2. [bit]
    sum_fraction_bits
        Fraction bits of the running sum, 1 to 15; what a window adds is cut to them. Published: 6.
        [bit]
    reciprocal_bits
        Fraction bits of the reciprocal, 3 to 15. Published: 7. [bit]
    window
        Elements whose maximum and sum are formed together, 1 to 65,536; the number of lanes.
    output_bits
        Codes run from 0 to ``2**output_bits - 1`` and stand for multiples of exactly
        ``2**-output_bits``; 1 to 15. Published: 7. [bit]
    rounding
        ``"truncate"`` or ``"half_up"``.

    Raises
    ------
    ModelRangeError
        If a constant is out of range.

    Notes
    -----
    With exponents ``x = saturate(round(logit * multiplier / 2**shift))``, window by window::

        m'    = max(m, ceil(max(x)))
        power = 2**(x - m'), truncated to 15 fraction bits, 0 where masked
        sum   = (sum >> (m' - m)) + sum of power, truncated
        m     = m'

    and in a second pass ``code = floor or round((power >> (m_end - m)) * reciprocal(sum))``. The
    largest power lies in (1/2, 1], so the sum is at least 1/2, unless all is masked.

    Examples
    --------
    >>> unit = Softermax(  # S = 0.01
    ...     multiplier=30253, shift=13, input_bits=16, integer_bits=8, fraction_bits=8,
    ...     sum_fraction_bits=15, reciprocal_bits=15, window=64, output_bits=8)
    >>> unit(np.array([[0, 0, -110]], dtype=np.int16)).values  # 0.429, 0.429, 0.143
    array([[109, 109,  36]], dtype=int16)
    """

    name: ClassVar[str] = "softermax"

    multiplier: int
    shift: int
    input_bits: int
    integer_bits: int
    fraction_bits: int
    sum_fraction_bits: int
    reciprocal_bits: int
    window: int
    output_bits: int
    rounding: Rounding = "truncate"

    def __post_init__(self) -> None:
        for name, value, smallest, largest in (
            ("multiplier", self.multiplier, 1, (1 << MULTIPLIER_BITS) - 1),
            ("shift", self.shift, 0, LARGEST_SHIFT),
            ("integer_bits", self.integer_bits, 2, 12),
            ("fraction_bits", self.fraction_bits, _SEGMENT_BITS, 12),
            ("sum_fraction_bits", self.sum_fraction_bits, 1, POWER_FRACTION_BITS),
            ("reciprocal_bits", self.reciprocal_bits, _RECIPROCAL_SEGMENT_BITS, 15),
            ("window", self.window, 1, MAXIMUM_ROW_LENGTH),
        ):
            check_constant(name, value, smallest=smallest, largest=largest)
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
            Codes in ``[0, 2**output_bits - 1]``: int8 for up to 7 bits, else int16. An element
            whose exponent saturates counts as a saturation too.

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
        exact = logits.astype(np.int64) * self.multiplier
        exact += (1 << self.shift) >> 1
        exact >>= self.shift
        exponents = np.clip(exact, *signed_range(self.integer_bits + self.fraction_bits))
        saturated = exponents != exact
        if keep is not None:
            saturated &= keep
        powers, total = self._unnormalized(exponents, keep)
        inverse, halvings = _reciprocal(total, self.reciprocal_bits)
        powers *= inverse
        halvings += POWER_FRACTION_BITS - self.sum_fraction_bits
        halvings += self.reciprocal_bits - self.output_bits
        np.maximum(halvings, 0, out=halvings)  # negative only where a whole row is masked
        if self.rounding == "half_up":
            powers += (np.int64(1) << halvings) >> 1
        powers >>= halvings
        saturated |= powers >= 1 << self.output_bits
        result[...] = np.minimum(powers, (1 << self.output_bits) - 1)
        return int(np.count_nonzero(saturated))

    def _unnormalized(
        self, exponents: NDArray[np.int64], keep: Keep
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Powers below the row's maximum, and their sum, which are formed window by window."""
        rows, length = exponents.shape
        lowest = signed_range(self.integer_bits + self.fraction_bits)[0]
        maximum = np.full((rows, 1), lowest >> self.fraction_bits, dtype=np.int64)
        total = np.zeros((rows, 1), dtype=np.int64)
        powers = np.empty_like(exponents)
        known = np.empty((rows, length), dtype=np.int64)  # the maximum when a power was formed
        for start in range(0, length, self.window):
            part = slice(start, min(start + self.window, length))
            here = exponents[:, part]
            kept = np.full_like(here, True, dtype=np.bool_) if keep is None else keep[:, part]
            top = here.max(axis=-1, keepdims=True, where=kept, initial=lowest)
            now = np.maximum(maximum, -(-top >> self.fraction_bits))
            raised = self._power_of_two((now << self.fraction_bits) - here) * kept
            total >>= np.minimum(now - maximum, _LARGEST_HALVINGS)
            added = raised.sum(axis=-1, keepdims=True)
            total += added >> (POWER_FRACTION_BITS - self.sum_fraction_bits)
            powers[:, part], known[:, part], maximum = raised, now, now
        powers >>= np.minimum(maximum - known, _LARGEST_HALVINGS)
        return powers, total

    def _power_of_two(self, distance: NDArray[np.int64]) -> NDArray[np.int64]:
        """``2**-distance`` by chords, truncated to 15 fraction bits; masked ones are any value."""
        np.maximum(distance, 0, out=distance)  # a masked exponent may lie above the maximum
        halvings = -(-distance >> self.fraction_bits)
        fraction = (halvings << self.fraction_bits) - distance
        segment_places = self.fraction_bits - _SEGMENT_BITS
        ends = np.array(QUARTER_POWERS, dtype=np.int64)
        index = fraction >> segment_places
        rest = fraction & ((1 << segment_places) - 1)
        raised: NDArray[np.int64] = ends[index + 1] - ends[index]
        raised *= rest
        raised >>= segment_places
        raised += ends[index]
        raised >>= np.minimum(halvings, _LARGEST_HALVINGS)
        return raised

    @property
    def hardware(self) -> UnitHardware:
        """Two passes: powers with maximum and sum; normalization. No division."""
        exponent_bits = self.integer_bits + self.fraction_bits
        product_bits = self.input_bits + MULTIPLIER_BITS
        power_bits = POWER_FRACTION_BITS + 2
        sum_bits = SUM_INTEGER_BITS + self.sum_fraction_bits
        result_bits = power_bits + self.reciprocal_bits
        rounder = () if self.rounding == "truncate" else ((Operation("add", result_bits), 1),)
        return UnitHardware(
            passes=2,
            per_element=(
                (Operation("multiply", max(self.input_bits, MULTIPLIER_BITS + 1)), 1),
                (Operation("add", product_bits), 1),  # rounding
                (Operation("shift", product_bits), 1),
                (Operation("compare", product_bits), 2),  # saturation
                (Operation("compare", exponent_bits), 1),  # maximum of the window
                (Operation("add", exponent_bits + 1), 1),  # distance
                (Operation("lookup", power_bits), 2),  # start and rise of the chord
                (Operation("multiply", power_bits), 1),
                (Operation("add", power_bits), 1),
                (Operation("shift", power_bits), 2),  # by the distance, and to the last maximum
                (Operation("add", sum_bits), 1),  # sum of the window
                (Operation("multiply", power_bits), 1),  # by the reciprocal
                *rounder,
                (Operation("shift", result_bits), 1),
                (Operation("compare", self.output_bits + 1), 1),  # saturation
            ),
            per_row=(
                (Operation("compare", sum_bits), 1),  # leading one of the sum
                (Operation("shift", sum_bits), 1),
                (Operation("lookup", self.reciprocal_bits + 1), 2),
                (Operation("multiply", self.reciprocal_bits + 1), 1),
                (Operation("add", self.reciprocal_bits + 1), 1),
            ),
            serial_cycles_per_row=4,
            pipeline_depth_cycles=11,
            table_bits=len(QUARTER_POWERS) * power_bits
            + ((1 << _RECIPROCAL_SEGMENT_BITS) + 1) * (self.reciprocal_bits + 1)
            + MULTIPLIER_BITS
            + LARGEST_SHIFT.bit_length(),
            maximum_row_length=MAXIMUM_ROW_LENGTH,
            group_size=self.window,
            per_group=(
                (Operation("compare", exponent_bits), 1),  # maximum so far
                (Operation("shift", sum_bits), 1),  # sum so far
                (Operation("add", sum_bits), 1),
            ),
        )


def _reciprocal(total: NDArray[np.int64], bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``2**bits / mantissa`` by chords, and the exponent of ``total = mantissa * 2**exponent``."""
    positive = np.maximum(total, 1)  # a row that is masked throughout
    exponent = bit_lengths(positive) - 1
    fraction_places = 32  # exact: sums have no more bits
    fraction = (positive << (fraction_places - exponent)) - (1 << fraction_places)
    places = fraction_places - _RECIPROCAL_SEGMENT_BITS
    segments = 1 << _RECIPROCAL_SEGMENT_BITS
    ends = np.array(
        [
            ((segments << (bits + 1)) + segments + end) // (2 * (segments + end))
            for end in range(segments + 1)
        ],
        dtype=np.int64,
    )
    index = fraction >> places
    rest = fraction & ((1 << places) - 1)
    return ends[index] - ((ends[index] - ends[index + 1]) * rest >> places), exponent
