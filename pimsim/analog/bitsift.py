"""BitSift-GEMV: the ones of a bit-vector, packed into as few reads as a simple controller can.

Which question this module answers: *which word lines does each read drive, if zeros cost nothing?*

The word lines of a macro are cut into slices of ``slice_rows`` consecutive ones. A slice with
``active_rows`` ones or more is served first: each read takes its next ``active_rows`` ones. What is
left of a slice is its *residue*, fewer than ``active_rows`` ones, which the controller gates as a
whole: a read takes whole residues whose ones together are ``active_rows`` at most. Which, is the
packing:

===================== ==========================================================================
packing               a read takes
===================== ==========================================================================
first_fit             every pending residue that still fits, in the order of the slices
consecutive           pending residues in the order of the slices, until one does not fit
best_fit_decreasing   as a bin of the offline heuristic: largest residue first, each into the
                      fullest read that it fits
bound                 the next ``active_rows`` ones, slices or not: ``ceil(ones / active_rows)``
                      reads, which no controller of this kind reaches (residues 5, 5, 5, 5 need
                      four reads of 8, the bound says three)
===================== ==========================================================================

A vector without ones takes no read. Reconstruction: the paper [1]_ states the hierarchy and the
slices of 32, and describes the combination of residues in several ways; ``first_fit`` is ours.

Not modelled: the controller's own latency, which is taken as hidden behind the read before.

References
----------
.. [1] D. Yi et al., arXiv 2411.14733, 2024: BitSift-GEMV, local and global pop controllers.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int16, Int32
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError, NotFoundError, nearest

PACKINGS: Final = ("first_fit", "consecutive", "best_fit_decreasing", "bound")
"""Ways to combine residues, by name."""

SLICE_ROWS: Final = 32
"""Word lines of a slice in the paper."""

READS_MAX: Final = (1 << 15) - 1
"""Reads of a bit-vector that 16 bits number."""


@dataclass(frozen=True, slots=True)
class PackedReads:
    """Which read drives which word line."""

    reads: Int32[np.ndarray, "planes batch"]
    """Reads of each bit-vector."""
    read_of: Int16[np.ndarray, "planes batch rows"]
    """Number of the read that drives the row; -1: none, its input bit is 0."""


def pack_reads(
    digits: NDArray[np.uint8],
    *,
    active_rows: int,
    slice_rows: int = SLICE_ROWS,
    packing: str = "first_fit",
) -> PackedReads:
    """Pack the ones of bit-vectors into reads.

    Parameters
    ----------
    digits
        (planes, batch, rows) of 0 and 1.
    active_rows
        Most word lines per read.
    slice_rows
        Word lines per slice.
    packing
        One of :data:`PACKINGS`.

    Raises
    ------
    NotFoundError
        If no packing has this name.
    ModelRangeError
        If a number is less than 1, or a vector may take more than 32,767 reads.

    Examples
    --------
    >>> residues = np.zeros((1, 1, 16), np.uint8)
    >>> residues[0, 0, [0, 1, 4, 5, 6, 8, 12]] = 1  # 2, 3, 1 and 1 ones in slices of 4
    >>> {name: int(pack_reads(residues, active_rows=4, slice_rows=4, packing=name).reads[0, 0])
    ...  for name in PACKINGS}
    {'first_fit': 2, 'consecutive': 3, 'best_fit_decreasing': 2, 'bound': 2}
    """
    from pimsim.analog import kernels_bitsift as kernels

    check_packing(packing)
    reads_max(digits.shape[2], active_rows=active_rows, slice_rows=slice_rows)
    planes, batch, rows = digits.shape
    reads = np.zeros(planes * batch, np.int32)
    read_of = np.full((planes * batch, rows), -1, np.int16)
    flat = np.ascontiguousarray(digits).reshape(planes * batch, rows)
    kernels.pack(flat, active_rows, slice_rows, PACKINGS.index(packing), reads, read_of)
    return PackedReads(reads.reshape(planes, batch), read_of.reshape(digits.shape))


def check_packing(packing: str) -> None:
    """Raise if no packing has this name.

    Raises
    ------
    NotFoundError
        Naming the nearest.
    """
    if packing not in PACKINGS:
        raise NotFoundError(f"unknown packing {packing!r}{nearest(packing, PACKINGS)}")


def reads_max(rows: int, *, active_rows: int, slice_rows: int = SLICE_ROWS) -> int:
    """Most reads that any bit-vector of so many rows takes, under any packing.

    Every slice alone takes ``ceil(rows of the slice / active_rows)`` reads at most, and residues
    are combined only to save some.

    Raises
    ------
    ModelRangeError
        If a number is less than 1, or there are more than 32,767 reads.

    Examples
    --------
    >>> reads_max(1024, active_rows=8), reads_max(40, active_rows=8), reads_max(64, active_rows=64)
    (128, 5, 2)
    """
    for name, value in (("active_rows", active_rows), ("slice_rows", slice_rows)):
        if value < 1:
            raise ModelRangeError(f"{name} must be 1 or more, got {value}")
    full, rest = divmod(rows, slice_rows)
    most = full * -(-slice_rows // active_rows) + -(-rest // active_rows)
    if most > READS_MAX:
        raise ModelRangeError(
            f"{rows} rows in reads of {active_rows} may take {most} reads, more than the "
            f"{READS_MAX} that are numbered; raise active_rows"
        )
    return most
