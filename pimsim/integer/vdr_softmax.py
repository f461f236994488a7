"""VDR-Softmax: exponentials of logits that carry a power of two, by ten sets of coefficients.

Which question this module answers: *which 8-bit codes does RAP's softmax unit give for a row of
logits whose scale is known up to a power of two only?*

A logit stands for ``code * C * 2**e``: ``C`` is the static scale of the layer, with ``1/sqrt(d_k)``
in it, and ``e`` the sum of the places by which eMSB-Q moved the token on its way to the logits. So
the base of the exponential changes from token to token (*variable dynamic range*, [1]_), and ``e``
picks one of ten entries of a table. With ``S = C * 2**e`` an entry is, in 10 bytes::

    q_ln2        = round(ln 2 / S)          2 bytes, at least 2
    inverse      = round(2**16 / q_ln2)     2 bytes: the division by q_ln2 as a multiplication
    q_b          = round(2.70732 / S)       2 bytes
    q_c          = round(2.79211 / S**2)    3 bytes, below 2**24
    output_shift = bit_length(q_c) - 8      1 byte, signed

with I-BERT's second-order polynomial [2]_, so that ``q_c`` is the exponential of 0. Since ``q_c``
falls by four from entry to entry, ``2 * e + output_shift`` is the same for all of them, and codes
have one static scale: they carry no exponent.

The codes are exponentials over that of the row's maximum, *not* normalized: the largest is always
128 to 255. :mod:`pimsim.integer.vdr_normalize` takes the sum of a row, which this unit returns
beside the codes, out of the product with the values.

Reconstruction: the paper's algorithm 1 as printed subtracts where it must add (``r <- x_sub - Q -
l``), shifts the wrong way (``r_EXP = r_POLY << Q``) and divides by ``l``. The reciprocal, the ten
entries, what happens beyond them, rounding, and the static ``2 * e + output_shift`` are ours.

References
----------
.. [1] D. Yi et al., FLARE, arXiv:2411.14733, algorithm 1 and the section on VDR-Softmax.
.. [2] S. Kim et al., I-BERT: Integer-only BERT Quantization, ICML 2021, arXiv:2101.01321;
   coefficients: github.com/kssteven418/I-BERT (MIT).
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import check_codes, check_constant, new_rows, row_blocks, signed_dtype
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.softmax_rows import Keep, distances_to_maximum, keep_rows
from pimsim.integer.units import RowCodes, UnitOutput

CODE_BITS: Final = 8
"""Width of a code, which is unsigned. [bit]"""
ENTRIES: Final = 10
ENTRY_BYTES: Final = 10
RECIPROCAL_EXPONENT: Final = 16
LARGEST_DISTANCE: Final = (1 << 16) - 1
"""Up to here the multiplication by a reciprocal errs by one multiple at most."""
LARGEST_PLACES: Final = 16
"""``2 * Q_I``, twice the width of a logit's magnitude: farther right nothing is left of ``q_c``."""
LARGEST_INPUT_BITS: Final = 32
DISTANCE_BITS: Final = 17
"""Width of a distance with its sign. [bit]"""
LARGEST_EXPONENT: Final = 127
MAXIMUM_ROW_LENGTH: Final = 65_536
SUM_BITS: Final = CODE_BITS + 17
"""Width of the sum of a row of the longest length, as a signed number. [bit]"""
_POLYNOMIAL_BITS: Final = 25


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VdrSoftmax:
    """Exponentials over the row's largest one, of logits with a power of two per row.

    Parameters
    ----------
    first_exponent
        ``e`` of the first entry; the others follow one by one.
    q_ln2, inverse, q_b, q_c, output_shift
        Ten constants each, see the module's description.
    input_bits
        Width of a logit with its sign, 2 to 32; wider values are refused. [bit]

    Raises
    ------
    ModelRangeError
        If a constant does not fit its bytes, or an entry is no falling exponential.

    Notes
    -----
    With ``x`` the distance to the row's maximum, 0 or negative, and the entry of the row's ``e``::

        z    = (-x * inverse) >> 16, corrected by at most one so that
        r    = x + z * q_ln2 lies in (-q_ln2, 0]
        exp  = (r * (r + q_b) + q_c) >> min(z, 16)
        code = exp shifted right by output_shift (left, if negative), rounded half up, at most 255

    Below the table ``x`` is shifted right by the missing places before this, above it left. Above,
    one step of a logit is more than 0.41 in the exponent: such rows are counted. ``-x`` ends at
    65,535, where every code is 0. Masked elements have code 0.

    Examples
    --------
    >>> unit = VdrSoftmax(  # C = 0.01 and e from -4 up
    ...     first_exponent=-4,
    ...     q_ln2=(1109, 555, 277, 139, 69, 35, 17, 9, 4, 2),
    ...     inverse=(59, 118, 237, 471, 950, 1872, 3855, 7282, 16384, 32768),
    ...     q_b=(4332, 2166, 1083, 541, 271, 135, 68, 34, 17, 8),
    ...     q_c=(7147802, 1786950, 446738, 111684, 27921, 6980, 1745, 436, 109, 27),
    ...     output_shift=(15, 13, 11, 9, 7, 5, 3, 1, -1, -3), input_bits=9)
    >>> unit(np.array([[0, 0, -110]], dtype=np.int16)).values  # 1, 1, 0.333
    array([[218, 218,  72]], dtype=int16)
    """

    name: ClassVar[str] = "vdr_softmax"

    first_exponent: int
    q_ln2: tuple[int, ...]
    inverse: tuple[int, ...]
    q_b: tuple[int, ...]
    q_c: tuple[int, ...]
    output_shift: tuple[int, ...]
    input_bits: int

    def __post_init__(self) -> None:
        check_constant("input_bits", self.input_bits, smallest=2, largest=LARGEST_INPUT_BITS)
        check_constant("first_exponent", self.first_exponent, smallest=-127, largest=127)
        for name, smallest, largest in (
            ("q_ln2", 2, (1 << 16) - 1),
            ("inverse", 1, (1 << 16) - 1),
            ("q_b", 1, (1 << 16) - 1),
            ("q_c", 1, (1 << 24) - 1),
            ("output_shift", -128, 127),
        ):
            column: tuple[int, ...] = getattr(self, name)
            if len(column) != ENTRIES:
                raise ModelRangeError(f"{name} must have {ENTRIES} entries, got {len(column)}")
            for entry, value in enumerate(column):
                check_constant(f"{name}[{entry}]", value, smallest=smallest, largest=largest)
        for entry in range(ENTRIES):
            self._check_entry(entry)

    def _check_entry(self, entry: int) -> None:
        """Refuse an entry whose polynomial is not a positive, falling exponential."""
        q_ln2, q_b, q_c = self.q_ln2[entry], self.q_b[entry], self.q_c[entry]
        farthest = 1 - q_ln2
        if farthest * (farthest + q_b) + q_c <= 0 or 2 * farthest + q_b < 0:
            raise ModelRangeError(
                f"entry {entry} is no falling exponential: q_ln2 {q_ln2}, q_b {q_b}, q_c {q_c}; "
                "derive all three from one scale"
            )
        if abs((1 << RECIPROCAL_EXPONENT) - self.inverse[entry] * q_ln2) > q_ln2:
            raise ModelRangeError(
                f"inverse[{entry}] {self.inverse[entry]} is not 2**16 / q_ln2 = 2**16 / "
                f"{q_ln2}, rounded"
            )

    def __call__(
        self,
        logits: Int[np.ndarray, "*rows length"],
        keep: Bool[np.ndarray, "..."] | None = None,
        exponents: Int[np.ndarray, "..."] | None = None,
    ) -> UnitOutput:
        """Return the codes without the sums of the rows; see :meth:`encode`."""
        encoded = self.encode(logits, keep, exponents)
        return UnitOutput(encoded.values, encoded.saturations)

    def encode(
        self,
        logits: Int[np.ndarray, "*rows length"],
        keep: Bool[np.ndarray, "..."] | None = None,
        exponents: Int[np.ndarray, "..."] | None = None,
    ) -> RowCodes:
        """Turn rows of logits into rows of exponentials.

        Parameters
        ----------
        logits
            Codes of ``input_bits``; rows of at most 65,536 elements along the last axis.
        keep
            ``False`` where an element is masked: it gets code 0. Broadcast; default: all kept.
        exponents
            ``e`` of each row, (..., 1), broadcast to the rows; 0 when absent.

        Returns
        -------
        RowCodes
            Codes 0 to 255 as int16, their sums (..., 1) as int32, and how many codes were limited
            to 255 plus how many rows lay above the table.

        Raises
        ------
        TypeError
            If ``logits`` or ``exponents`` are not of a signed integer type, or ``keep`` not
            boolean.
        ModelRangeError
            If a row is too long, or a value wider than declared.
        """
        check_codes("logits", logits, bits=self.input_bits)
        length = logits.shape[-1]
        if length > MAXIMUM_ROW_LENGTH:
            raise ModelRangeError(
                f"a softmax row must have at most {MAXIMUM_ROW_LENGTH} elements, got {length}"
            )
        rows_shape = (*logits.shape[:-1], 1)
        places = np.zeros((1,), np.int8) if exponents is None else exponents
        check_codes("exponents", places, bits=LARGEST_EXPONENT.bit_length() + 1)
        places = np.broadcast_to(places, rows_shape).reshape(-1, 1).astype(np.int64)
        source, result, result_rows = new_rows(logits, signed_dtype(CODE_BITS + 1))
        kept = None if keep is None else keep_rows(keep, logits.shape)
        saturations = 0
        for block in row_blocks(*source.shape):
            mask = None if kept is None else kept[block]
            saturations += self._work(source[block], places[block], mask, result_rows[block])
        sums = result_rows.sum(axis=-1, dtype=np.int32).reshape(rows_shape)
        return RowCodes(result, sums, saturations)

    def _work(
        self, logits: np.ndarray, exponents: NDArray[np.int64], keep: Keep, result: np.ndarray
    ) -> int:
        entry = np.clip(exponents - self.first_exponent, 0, ENTRIES - 1)
        excess = exponents - self.first_exponent - entry  # places beyond the table's ends
        x = -distances_to_maximum(logits, keep)
        x >>= np.minimum(np.maximum(-excess, 0), LARGEST_INPUT_BITS + 1)
        np.maximum(x, -LARGEST_DISTANCE, out=x)
        x <<= np.minimum(np.maximum(excess, 0), DISTANCE_BITS)
        np.maximum(x, -LARGEST_DISTANCE, out=x)
        exponentials = self._exponentials(x, entry)
        shift = np.array(self.output_shift, dtype=np.int64)[entry]
        right, left = np.maximum(shift, 0), np.maximum(-shift, 0)
        exponentials += (np.int64(1) << right) >> 1
        exponentials >>= right
        exponentials <<= left
        if keep is not None:
            exponentials *= keep
        largest = (1 << CODE_BITS) - 1
        saturations = int(np.count_nonzero(exponentials > largest))
        np.minimum(exponentials, largest, out=exponentials)
        result[...] = exponentials
        return saturations + int(np.count_nonzero(excess > 0))

    def _exponentials(self, x: NDArray[np.int64], entry: NDArray[np.int64]) -> NDArray[np.int64]:
        """``q_c * exp`` of distances, 0 or negative, with the entry of each row."""
        q_ln2, inverse, q_b, q_c = (
            np.array(column, dtype=np.int64)[entry]
            for column in (self.q_ln2, self.inverse, self.q_b, self.q_c)
        )
        z = (-x * inverse) >> RECIPROCAL_EXPONENT
        rest = x + z * q_ln2
        correction = (rest <= -q_ln2).astype(np.int64) - (rest > 0)
        z += correction
        rest += correction * q_ln2
        value: NDArray[np.int64] = rest + q_b
        value *= rest
        value += q_c
        value >>= np.minimum(z, LARGEST_PLACES)
        return value

    @property
    def hardware(self) -> UnitHardware:
        """Two passes: maximum; exponentials with their sum. The table is read once per row."""
        distance_bits = DISTANCE_BITS
        places_bits = LARGEST_EXPONENT.bit_length() + 1
        return UnitHardware(
            passes=2,
            per_element=(
                (Operation("compare", self.input_bits), 1),  # running maximum
                (Operation("add", self.input_bits + 1), 1),  # distance
                (Operation("shift", distance_bits), 1),  # beyond the table
                (Operation("multiply", distance_bits), 2),  # by the reciprocal, z times ln 2
                (Operation("add", distance_bits), 1),  # rest
                (Operation("compare", distance_bits), 2),  # is it in range
                (Operation("add", distance_bits), 1),  # correction
                (Operation("add", distance_bits), 1),  # rest plus b
                (Operation("multiply", distance_bits), 1),
                (Operation("add", _POLYNOMIAL_BITS), 1),  # plus c
                (Operation("shift", _POLYNOMIAL_BITS), 2),  # by z, to the code
                (Operation("add", _POLYNOMIAL_BITS), 1),  # rounding
                (Operation("compare", CODE_BITS + 1), 1),  # limit
                (Operation("add", SUM_BITS), 1),  # running sum
            ),
            per_row=(
                (Operation("add", places_bits), 1),  # entry of the table
                (Operation("compare", places_bits), 2),  # its ends
                (Operation("lookup", 8 * ENTRY_BYTES), 1),
            ),
            serial_cycles_per_row=1,
            pipeline_depth_cycles=10,
            table_bits=8 * ENTRIES * ENTRY_BYTES,
            maximum_row_length=MAXIMUM_ROW_LENGTH,
        )
