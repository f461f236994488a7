"""The leading one of a group, then one shift: rescaling by powers of two without a scale.

Which question this module answers: *which few bits of a group of integers are kept, and by how many
places were they moved?*

RAP's eMSB-Q, QRazor's SDR and QuaRTZ's leading-zero suppression are one operation: find the highest
bit that any member of a group occupies, and shift all members so that it becomes the highest of the
kept bits. They differ in settings:

=====================  ==================  ==================  ====================
setting                :func:`emsb_q`      :func:`qrazor_sdr`  :func:`quartz_lzs`
=====================  ==================  ==================  ====================
coding                 two's complement    sign, magnitude     sign, magnitude
group                  a row (a token)     8 to 128            16 or 32
kept magnitude bits    8 (INT8+1)          3                   3
rounding               truncate            half up             truncate
overflow               clamp               floor               floor
leading one            effective or fixed  effective           effective
=====================  ==================  ==================  ====================

Not modelled: the encoding of the shift beside the codes (3 bits a group for 8-bit words).

References
----------
.. [1] D. Yi et al., FLARE: FP-Less PTQ and Low-ENOB ADC Based AMS-PiM for Error-Resilient, Fast,
   and Efficient Transformer Acceleration, arXiv:2411.14733, section on eMSB-Q. That negative
   members enter the OR as ``~x``, that codes are clamped to ``±(2**Q - 1)``, and rounding, are a
   reconstruction.
.. [2] D. Lee, S. Choi, I. J. Chang, QRazor: Reliable and Effortless 4-bit LLM Quantization by
   Significant Data Razoring, arXiv:2501.13331; settings as in github.com/dnotitia/qllm-infer
   (Apache-2.0), lib/qrazor.
.. [3] D. Kim, D. Lee, I. J. Chang, S.-H. Bae, QuaRTZ, arXiv:2509.26436. That the 4-bit window holds
   the sign and three bits of magnitude, cut and not rounded, is our reading.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple, final

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import (
    ACCUMULATOR_BITS,
    check_codes,
    check_constant,
    signed_dtype,
)
from pimsim.integer.hardware import Operation, OperationCounts, UnitHardware
from pimsim.integer.units import UnitOutput

LARGEST_KEPT_BITS: Final = 31
LARGEST_GROUP: Final = 1 << 20

Coding = Literal["twos_complement", "sign_magnitude", "unsigned"]
GroupRounding = Literal["truncate", "half_up"]
Overflow = Literal["clamp", "floor"]


class GroupCodes(NamedTuple):
    """Kept bits of a tensor, and how far each group was shifted."""

    values: Int[np.ndarray, "*shape"]
    """Codes of the operand's shape; ``values << shifts`` is what they stand for."""
    shifts: Int[np.ndarray, "*groups"]
    """Places by which each group was moved right, int8; the grouped axis has one per group."""
    saturations: int
    """Elements whose rounded code lay outside the range."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LeadingOneShift:
    """Keep the bits below the leading one of each group.

    Parameters
    ----------
    input_bits
        Width of an input code with its sign, 2 to 48; wider values are refused. [bit]
    kept_bits
        Bits of magnitude that are kept, 1 to 31; a signed code has one more. [bit]
    group_size
        Members of a group along the grouped axis, the last group may be shorter; ``None``: all of
        the axis.
    coding
        ``"twos_complement"``: shifts round towards minus infinity; ``"sign_magnitude"``: they act
        on the magnitude; ``"unsigned"``: no negative inputs.
    rounding
        ``"truncate"``, or ``"half_up"``: half a step is added before the shift, to the magnitude
        where the coding has one.
    overflow
        ``"clamp"``: codes end at ``±(2**kept_bits - 1)``; ``"floor"``: where rounding would leave
        the range, the bits are cut instead, and two's complement codes reach ``-2**kept_bits``.
    msb_bits
        ``None``: the leading one is looked for (effective MSB); else bits of magnitude that are
        taken for granted (fixed MSB), so that all groups share one shift, and larger values
        saturate. [bit]

    Raises
    ------
    ModelRangeError
        If a setting is out of range.

    Notes
    -----
    With ``m`` the OR over the group of ``x`` (two's complement: ``~x`` where negative; sign and
    magnitude: ``|x|``)::

        p     = bit_length(m)  or  msb_bits
        shift = max(0, p - kept_bits)
        code  = (x + half) >> shift,   half = 2**(shift - 1) for half_up and shift > 0, else 0

    Without saturation ``0 <= x - code * 2**shift < 2**shift`` for truncation in two's complement,
    and ``|x - code * 2**shift| <= 2**(shift - 1)`` for rounding; a code that saturated under an
    effective MSB is at most ``2**shift`` off.

    Examples
    --------
    >>> unit = qrazor_sdr(input_bits=8, group_size=4)
    >>> unit.encode(np.array([[100, -90, 3, 8, 1, -2, 0, 3]], dtype=np.int8))
    GroupCodes(values=array([[ 6, -6,  0,  1,  1, -2,  0,  3]], dtype=int8), shifts=array([[4, 0]], dtype=int8), saturations=0)
    """  # noqa: E501  the value in the example is one line

    name: ClassVar[str] = "leading_one_shift"

    input_bits: int
    kept_bits: int
    group_size: int | None
    coding: Coding
    rounding: GroupRounding
    overflow: Overflow
    msb_bits: int | None = None

    def __post_init__(self) -> None:
        check_constant("input_bits", self.input_bits, smallest=2, largest=ACCUMULATOR_BITS)
        check_constant("kept_bits", self.kept_bits, smallest=1, largest=LARGEST_KEPT_BITS)
        if self.group_size is not None:
            check_constant("group_size", self.group_size, smallest=1, largest=LARGEST_GROUP)
        if self.msb_bits is not None:
            check_constant("msb_bits", self.msb_bits, smallest=1, largest=ACCUMULATOR_BITS)
        for name, value, allowed in (
            ("coding", self.coding, ("twos_complement", "sign_magnitude", "unsigned")),
            ("rounding", self.rounding, ("truncate", "half_up")),
            ("overflow", self.overflow, ("clamp", "floor")),
        ):
            if value not in allowed:
                raise ModelRangeError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")

    def __call__(self, x: Int[np.ndarray, "*rows length"]) -> UnitOutput:
        """Return the codes alone; see :meth:`encode`."""
        encoded = self.encode(x)
        return UnitOutput(encoded.values, encoded.saturations)

    def encode(self, x: Int[np.ndarray, "*shape"], *, axis: int = -1) -> GroupCodes:
        """Keep the leading bits of each group along ``axis``.

        Parameters
        ----------
        x
            Codes of ``input_bits``.
        axis
            Axis along which groups lie; every other index has groups of its own.

        Returns
        -------
        GroupCodes
            Codes in the smallest signed type for ``kept_bits + 1``, shifts with one entry for each
            group, and the number of saturations.

        Raises
        ------
        TypeError
            If ``x`` is not of a signed integer type.
        ModelRangeError
            If a value is wider than ``input_bits``, or negative under unsigned coding.
        """
        check_codes("x", x, bits=self.input_bits)
        if self.coding == "unsigned" and x.size and int(x.min()) < 0:
            raise ModelRangeError(f"x must not be negative under unsigned coding, got {x.min()}")
        moved = np.moveaxis(x, axis, -1)
        members = _in_groups(moved, self.group_size)
        shifts = self._shifts(members)
        codes, saturations = self._shifted(members, shifts[..., np.newaxis])
        flat = codes.reshape(*moved.shape[:-1], codes.shape[-2] * codes.shape[-1])
        flat = flat[..., : moved.shape[-1]]
        values = flat.astype(signed_dtype(self.kept_bits + 1))
        return GroupCodes(
            np.ascontiguousarray(np.moveaxis(values, -1, axis)),
            np.ascontiguousarray(np.moveaxis(shifts.astype(np.int8), -1, axis)),
            saturations,
        )

    def decode(self, encoded: GroupCodes, *, axis: int = -1) -> NDArray[np.int64]:
        """Return what the codes stand for, as int64 on the input's scale."""
        values = np.moveaxis(encoded.values.astype(np.int64), axis, -1)
        shifts = np.moveaxis(encoded.shifts.astype(np.int64), axis, -1)
        size = self.group_size or values.shape[-1]
        places = np.repeat(shifts, size, axis=-1)[..., : values.shape[-1]]
        return np.moveaxis(values << places, -1, axis)

    def _shifts(self, members: NDArray[np.int64]) -> NDArray[np.int64]:
        """One shift for each group."""
        if self.msb_bits is not None:
            fixed = max(0, self.msb_bits - self.kept_bits)
            return np.full(members.shape[:-1], fixed, dtype=np.int64)
        occupied = members ^ (members >> 63) if self.coding != "sign_magnitude" else np.abs(members)
        lengths = bit_lengths(np.bitwise_or.reduce(occupied, axis=-1))
        return np.maximum(lengths - self.kept_bits, 0)

    def _shifted(
        self, members: NDArray[np.int64], shifts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], int]:
        """Codes of all members, and how many rounded codes lay outside the range."""
        by_magnitude = self.coding == "sign_magnitude"
        operand = np.abs(members) if by_magnitude else members
        offset = (np.int64(1) << shifts) >> 1 if self.rounding == "half_up" else np.int64(0)
        rounded = (operand + offset) >> shifts
        largest = (1 << self.kept_bits) - 1
        deepest = self.overflow == "floor" and self.coding == "twos_complement"
        smallest = -largest - 1 if deepest else -largest
        codes = np.clip(rounded, smallest, largest)
        saturations = int(np.count_nonzero(codes != rounded))
        return (np.sign(members) * codes if by_magnitude else codes), saturations

    @property
    def hardware(self) -> UnitHardware:
        """OR of the members, leading-one detector, shifter; a group waits in registers meanwhile.

        A two-input OR and a leading-one detector are counted as comparisons of their width, which
        they do not exceed. A row that is one group streams twice.
        """
        detector: OperationCounts = ()
        search: OperationCounts = ()
        if self.msb_bits is None:
            search = ((Operation("compare", self.input_bits), 1),)  # OR
            detector = ((Operation("compare", self.input_bits), 1),)
        whole_row = self.group_size is None
        negations = 2 if self.coding == "sign_magnitude" else 0
        additions = negations + (1 if self.rounding == "half_up" else 0)
        return UnitHardware(
            passes=2 if whole_row and search else 1,
            per_element=(
                *search,
                *(((Operation("add", self.input_bits), additions),) if additions else ()),
                (Operation("shift", self.input_bits), 1),
                (Operation("compare", self.kept_bits + 2), 2),  # limits
            ),
            per_row=detector if whole_row else (),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=4,
            table_bits=0,
            maximum_row_length=None,
            group_size=self.group_size or 1,
            per_group=() if whole_row else detector,
        )


def emsb_q(
    *,
    input_bits: int,
    kept_bits: int = 8,
    rounding: GroupRounding = "truncate",
    msb_bits: int | None = None,
    unsigned: bool = False,
) -> LeadingOneShift:
    """RAP's eMSB-Q: sign and ``kept_bits`` from the leading one of a whole row [1]_.

    Parameters
    ----------
    input_bits
        Width of the accumulators. [bit]
    kept_bits
        The paper's Q. [bit]
    rounding
        ``"truncate"`` (the paper's arithmetic shift) or ``"half_up"``.
    msb_bits
        Fixed MSB, as for keys and values; ``None``: the effective one. [bit]
    unsigned
        Operand without sign, as after softmax.

    References
    ----------
    .. [1] D. Yi et al., FLARE, arXiv:2411.14733.

    Examples
    --------
    >>> unit = emsb_q(input_bits=32)
    >>> unit.encode(np.array([[70000, -300, 255, -1]], dtype=np.int32)).values
    array([[136,  -1,   0,  -1]], dtype=int16)
    """
    return LeadingOneShift(
        input_bits=input_bits,
        kept_bits=kept_bits,
        group_size=None,
        coding="unsigned" if unsigned else "twos_complement",
        rounding=rounding,
        overflow="clamp",
        msb_bits=msb_bits,
    )


def qrazor_sdr(*, input_bits: int = 8, group_size: int = 16, kept_bits: int = 3) -> LeadingOneShift:
    """QRazor's significant data razoring: 4-bit codes of 8- or 16-bit words [1]_.

    With ``b`` the bit length of the group's maximum the step is ``2**(b - 3)``, codes are rounded
    half away from zero, and 8 becomes 7 (the authors' code rounds ties to even).

    References
    ----------
    .. [1] D. Lee, S. Choi, I. J. Chang, QRazor, arXiv:2501.13331.
    """
    return LeadingOneShift(
        input_bits=input_bits,
        kept_bits=kept_bits,
        group_size=group_size,
        coding="sign_magnitude",
        rounding="half_up",
        overflow="floor",
    )


def quartz_lzs(*, input_bits: int = 8, group_size: int = 16, kept_bits: int = 3) -> LeadingOneShift:
    """QuaRTZ's leading-zero suppression: the window below a block's highest bit [1]_.

    References
    ----------
    .. [1] D. Kim, D. Lee, I. J. Chang, S.-H. Bae, QuaRTZ, arXiv:2509.26436.
    """
    return LeadingOneShift(
        input_bits=input_bits,
        kept_bits=kept_bits,
        group_size=group_size,
        coding="sign_magnitude",
        rounding="truncate",
        overflow="floor",
    )


def _in_groups(rows: np.ndarray, group_size: int | None) -> NDArray[np.int64]:
    """Cut the last axis into groups, the last one filled up with zeros, which change nothing."""
    length = rows.shape[-1]
    size = length if group_size is None else group_size
    groups = -(-length // size)
    padded = np.zeros((*rows.shape[:-1], groups * size), dtype=np.int64)
    padded[..., :length] = rows
    return padded.reshape(*rows.shape[:-1], groups, size)


def bit_lengths(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bit length of each value, which is in ``[0, 2**62)``: one more than its leading one.

    Examples
    --------
    >>> bit_lengths(np.array([0, 1, 7, 8]))
    array([0, 1, 3, 4])
    """
    powers = np.left_shift(np.int64(1), np.arange(62, dtype=np.int64))
    return np.searchsorted(powers, values, side="right").astype(np.int64)
