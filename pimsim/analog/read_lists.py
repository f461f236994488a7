"""Packed reads as lists of the rows that each drives.

Which question this module answers: *which rows belong to each packed read, in the form in which
reads of few rows are counted fastest?*

:class:`pimsim.analog.bitsift.PackedReads` says of each row which read drives it. A read of at most
eight rows is better told by its rows: they are what is added. Both are the same reads under the
same numbers.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int32, Int64, UInt16
from numpy.typing import NDArray

from pimsim.analog.bitsift import PACKINGS, SLICE_ROWS, PackedReads, check_packing, reads_max
from pimsim.analog.margins import LISTED_ROWS_MAX, READ_ROWS_MAX
from pimsim.errors import ModelRangeError

_JOB_VECTORS: Final = 128
"""Vectors of one parallel job; results do not depend on it."""


@dataclass(frozen=True, slots=True)
class ReadLists:
    """The rows of every packed read, plane after plane of one vector after another."""

    reads: Int32[np.ndarray, "planes batch"]
    """Reads of each bit-vector."""
    starts: Int64[np.ndarray, " batch"]
    """First list of each vector."""
    stops: Int64[np.ndarray, " batch"]
    """List after the last of each vector; between vectors there may be lists of none."""
    rows_of: UInt16[np.ndarray, "lists 8"]

    def of(self, vectors: slice) -> "ReadLists":
        """Those of some vectors."""
        return ReadLists(
            self.reads[:, vectors], self.starts[vectors], self.stops[vectors], self.rows_of
        )


def list_reads(
    digits: NDArray[np.uint8],
    *,
    active_rows: int,
    slice_rows: int = SLICE_ROWS,
    packing: str = "first_fit",
) -> ReadLists:
    """Pack the ones of bit-vectors into reads of at most eight rows, and list these.

    Needs compiled kernels; parameters are those of :func:`pimsim.analog.bitsift.pack_reads`.

    Raises
    ------
    NotFoundError
        If no packing has this name.
    ModelRangeError
        As :func:`pimsim.analog.bitsift.pack_reads`, or if lists hold or number too few rows.

    Examples
    --------
    >>> lists = list_reads(np.array([[[1, 1, 0, 1]]], np.uint8), active_rows=2)
    >>> lists.rows_of[lists.starts[0] : lists.stops[0]].tolist()
    [[0, 1, 4, 4, 4, 4, 4, 4], [3, 4, 4, 4, 4, 4, 4, 4]]
    """
    from pimsim.analog import kernels_lists as kernels

    check_packing(packing)
    planes, batch, rows = digits.shape
    most = reads_max(rows, active_rows=active_rows, slice_rows=slice_rows)
    _check_listable(rows, active_rows)
    if packing == "bound":
        packing, slice_rows = "first_fit", max(1, rows)  # one slice: nothing has to be combined
    slice_rows = min(slice_rows, max(1, rows))
    # No two reads of residues that follow each other would fit one read together.
    most = min(most, 2 * (rows // active_rows) + 2)
    spare = slice_rows // active_rows + -(-rows // slice_rows) + 1
    capacity = min(_JOB_VECTORS, max(1, batch)) * planes * most + spare
    jobs = -(-batch // _JOB_VECTORS)
    reads = np.zeros((planes, batch), np.int32)
    starts, stops = np.zeros(batch, np.int64), np.zeros(batch, np.int64)
    rows_of = np.empty((jobs * capacity, READ_ROWS_MAX), np.uint16)
    kernels.list_reads(
        np.ascontiguousarray(digits), active_rows, slice_rows, PACKINGS.index(packing),
        _JOB_VECTORS, capacity, _PLACES, reads, starts, stops, rows_of,
    )  # fmt: skip
    return ReadLists(reads, starts, stops, rows_of)


def _check_listable(rows: int, active_rows: int) -> None:
    if active_rows > READ_ROWS_MAX:
        raise ModelRangeError(
            f"a list holds {READ_ROWS_MAX} rows, and active_rows is {active_rows}"
        )
    if rows > LISTED_ROWS_MAX:
        raise ModelRangeError(f"lists number {LISTED_ROWS_MAX} rows at most, got {rows}")


def lists_of(packed: PackedReads) -> ReadLists:
    """The same reads, of at most eight rows, as lists.

    Examples
    --------
    >>> packed = PackedReads(np.array([[2]], np.int32), np.array([[[0, 1, -1, 0]]], np.int16))
    >>> lists_of(packed).rows_of.tolist()
    [[0, 3, 4, 4, 4, 4, 4, 4], [1, 4, 4, 4, 4, 4, 4, 4]]
    """
    rows = packed.read_of.shape[2]
    totals = packed.reads.sum(axis=0, dtype=np.int64)
    stops = np.cumsum(totals)
    first_of = (stops - totals) + np.cumsum(packed.reads, axis=0) - packed.reads
    plane, vector, row = np.nonzero(packed.read_of >= 0)
    number = first_of[plane, vector] + packed.read_of[plane, vector, row]
    order = np.argsort(number, kind="stable")  # rows of a read stay in order
    own = number[order]
    rows_of = np.full((int(totals.sum()), READ_ROWS_MAX), rows, np.uint16)
    rows_of[own, np.arange(len(own)) - np.searchsorted(own, own)] = row[order]
    return ReadLists(packed.reads, stops - totals, stops, rows_of)


def _places() -> NDArray[np.uint16]:
    """Positions of the ones of every byte, one after another: (256, 8)."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    byte, place = np.nonzero(bits)
    places = np.zeros((256, READ_ROWS_MAX), np.uint16)
    places[byte, np.cumsum(bits, axis=1)[byte, place] - 1] = place
    return places


_PLACES: Final = _places()
