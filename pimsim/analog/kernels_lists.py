"""The compiled packing of reads of at most eight rows, as lists.

Which question this module answers: *how are the rows of millions of packed reads listed in a few
nanoseconds each?*

The same packings as in :mod:`pimsim.analog.kernels_bitsift`, written out as the rows of each read.
Ones are listed eight rows at a time by a table of the positions in a byte. A read that a slice
fills is a piece of its list, copied as it is; pieces are copied without asking how many there are,
as what is too much is overwritten by what follows.
"""

from typing import Final

import numba
import numpy as np

from pimsim.analog import kernels
from pimsim.analog.kernels import compiled
from pimsim.analog.kernels_bitsift import BEST_FIT, FIRST_FIT, best_fit, consecutive
from pimsim.analog.margins import READ_ROWS_MAX

if kernels.COMPILED:
    from pimsim.analog.intrinsics import lowest_bit
    from pimsim.analog.intrinsics_packed import copy_rows, fill_rows, list_ones

_UNCONDITIONAL_MAX: Final = 8
"""Pieces of a slice up to which copying all is faster than asking how many there are."""

_WORD_BINS: Final = 16
_ONES: Final = np.uint64(0x1111111111111111)
_EIGHTS: Final = np.uint64(0x8888888888888888)


@compiled(parallel=True)
def list_reads(
    digits, active_rows, slice_rows, packing, job_vectors, capacity, places, reads, starts, stops,
    rows_of,
):  # fmt: skip
    """List the rows of every read; fills ``reads``, ``starts``, ``stops`` and ``rows_of``.

    Parameters
    ----------
    digits
        (planes, vectors, rows) of 0 and 1.
    active_rows, slice_rows
        Most word lines per read, at most 8; word lines per slice.
    packing
        Position in :data:`pimsim.analog.bitsift.PACKINGS`.
    job_vectors, capacity
        Vectors of a parallel job, and lists set aside for each.
    places
        (256, 8): positions of the ones of a byte.
    reads
        (planes, vectors): reads of each.
    starts, stops
        (vectors): first list of each vector, and the one after its last.
    rows_of
        (jobs * capacity, 8): the lists, plane after plane of each vector, filled up with the row
        beyond the last.
    """
    planes, vectors, rows = digits.shape
    slices = (rows + slice_rows - 1) // slice_rows
    largest = min(slice_rows, rows)
    rest = np.arange(largest + 1) % active_rows
    pieces = largest // active_rows
    for job in numba.prange((vectors + job_vectors - 1) // job_vectors):
        # room for a whole list after the last one, and for pieces that are too much
        ones = np.zeros(rows + active_rows * pieces + 2 * READ_ROWS_MAX, np.uint16)
        ends, residues = np.zeros(slices + 1, np.int64), np.zeros(slices, np.int64)
        numbered, filled = np.zeros(slices, np.int64), np.zeros(slices, np.int64)
        rooms = np.zeros(slices // _WORD_BINS + 1, np.uint64)
        wide_rooms = np.zeros(slices, np.int64)
        ones_at, lists_at = np.uintp(ones.ctypes.data), np.uintp(rows_of.ctypes.data)
        digits_at, places_at = np.uintp(digits.ctypes.data), np.uintp(places.ctypes.data)
        done = job * capacity
        for vector in range(job * job_vectors, min(vectors, (job + 1) * job_vectors)):
            starts[vector] = done
            for p in range(planes):
                own_at = digits_at + np.uintp((p * vectors + vector) * rows)
                found = find_ones(
                    digits[p, vector], own_at, places_at, slice_rows, ones, ones_at, ends
                )
                first = done
                if found == 0:
                    reads[p, vector] = 0
                    continue
                for index in range(slices):
                    count = ends[index + 1] - ends[index]
                    residues[index] = rest[count]
                    full = (count - residues[index]) // active_rows
                    times = pieces if pieces <= _UNCONDITIONAL_MAX else full
                    for k in range(times):
                        target = lists_at + np.uintp(16 * (done + k))
                        source = ones_at + np.uintp(2 * (ends[index] + k * active_rows))
                        fill_rows(rows, target)
                        copy_rows(source, active_rows, target)
                    done += full
                if slices == 1:
                    if residues[0] > 0:
                        target = lists_at + np.uintp(16 * done)
                        fill_rows(rows, target)
                        copy_rows(
                            ones_at + np.uintp(2 * (found - residues[0])), residues[0], target
                        )
                        done += 1
                    reads[p, vector] = done - first
                    continue
                for index in range(slices):
                    filled[index] = 0
                    fill_rows(rows, lists_at + np.uintp(16 * (done + index)))
                if packing == FIRST_FIT:
                    opened = first_fit(residues, numbered, rooms, active_rows)
                else:
                    numbered[:] = -1
                    if packing == BEST_FIT:
                        opened = best_fit(residues, numbered, wide_rooms, active_rows, 0)
                    else:
                        opened = consecutive(residues, numbered, active_rows, 0)
                for index in range(slices):
                    own, size = max(0, numbered[index]), residues[index]
                    copy_rows(
                        ones_at + np.uintp(2 * (ends[index + 1] - size)), size,
                        lists_at + np.uintp(16 * (done + own) + 2 * filled[own]),
                    )  # fmt: skip
                    filled[own] += size
                done += opened
                reads[p, vector] = done - first
            stops[vector] = done


@compiled()
def find_ones(digits, digits_at, places_at, slice_rows, ones, ones_at, ends):
    """List the rows that hold ones, and where the list stands at the ends of slices."""
    found, row = np.int64(0), 0
    for index in range(ends.size - 1):
        stop = min(row + slice_rows, digits.size)
        while row + READ_ROWS_MAX <= stop:
            found += list_ones(
                digits_at + np.uintp(row), places_at, row, ones_at + np.uintp(2 * found)
            )
            row += READ_ROWS_MAX
        while row < stop:
            ones[found] = row
            found += np.int64(digits[row])
            row += 1
        ends[index + 1] = found
    return found


@compiled()
def first_fit(residues, numbered, rooms, active_rows):
    """Each residue, in order, into the first read that it fits; return the reads so far.

    That is what scanning the pending residues for one read after the other comes to. ``rooms``
    holds what is left of 16 reads in 4 bits each: those with room for a residue are found at once.
    """
    rooms[:] = _ONES * np.uint64(active_rows)
    opened = 0
    for index in range(residues.size):
        size = residues[index]
        if size == 0:
            numbered[index] = 0
            continue
        missing = _ONES * np.uint64(READ_ROWS_MAX - size)
        word = 0
        fitting = (rooms[0] + missing) & _EIGHTS
        while fitting == 0:
            word += 1
            fitting = (rooms[word] + missing) & _EIGHTS
        place = lowest_bit(np.int64(fitting)) - 3
        rooms[word] -= np.uint64(size) << np.uint64(place)
        own = word * _WORD_BINS + (place >> 2)
        numbered[index] = own
        opened = max(opened, own + 1)
    return opened
