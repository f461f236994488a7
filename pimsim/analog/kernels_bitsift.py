"""The compiled packing of reads.

Which question this module answers: *how is the controller of a thousand word lines played through
for millions of bit-vectors?*

The rules are those of :mod:`pimsim.analog.bitsift`; without a compiler they run as plain Python.
"""

from typing import Final

import numba
import numpy as np

from pimsim.analog.kernels import compiled

FIRST_FIT: Final = 0
CONSECUTIVE: Final = 1
BEST_FIT: Final = 2
BOUND: Final = 3

JOB_VECTORS: Final = 256
"""Bit-vectors of one parallel job, which share its scratch."""


@compiled(parallel=True)
def pack(digits, active_rows, slice_rows, packing, reads, read_of):
    """Number the read of every one; fills ``reads`` and ``read_of``.

    Parameters
    ----------
    digits
        (vectors, rows) of 0 and 1.
    active_rows, slice_rows
        Most word lines per read; word lines per slice.
    packing
        Position in :data:`pimsim.analog.bitsift.PACKINGS`.
    reads
        (vectors): reads of each.
    read_of
        (vectors, rows): number of the read of each row, -1 on entry.
    """
    rows = digits.shape[1]
    slices = (rows + slice_rows - 1) // slice_rows
    jobs = (len(digits) + JOB_VECTORS - 1) // JOB_VECTORS
    for job in numba.prange(jobs):
        ones, ends = np.zeros(rows + 1, np.int64), np.zeros(slices, np.int64)
        residues, numbered = np.zeros(slices, np.int64), np.zeros(slices, np.int64)
        rooms = np.zeros(slices, np.int64)
        for vector in range(job * JOB_VECTORS, min(len(digits), (job + 1) * JOB_VECTORS)):
            numbers = read_of[vector]
            find_ones(digits[vector], slice_rows, ones, ends)
            if packing == BOUND:
                found = ends[slices - 1] if slices else 0
                reads[vector] = number(ones, 0, found, active_rows, 0, numbers)
                continue
            done, start = 0, 0
            for index in range(slices):
                residues[index] = (ends[index] - start) % active_rows
                numbered[index] = -1
                done = number(
                    ones, start, ends[index] - residues[index], active_rows, done, numbers
                )
                start = ends[index]
            if packing == FIRST_FIT:
                done = first_fit(residues, numbered, active_rows, done)
            elif packing == CONSECUTIVE:
                done = consecutive(residues, numbered, active_rows, done)
            else:
                done = best_fit(residues, numbered, rooms, active_rows, done)
            for index in range(slices):
                for place in range(ends[index] - residues[index], ends[index]):
                    numbers[ones[place]] = numbered[index]
            reads[vector] = done


@compiled()
def find_ones(bits, slice_rows, ones, ends):
    """List the rows that hold ones, and where the list stands at the end of each slice."""
    found, row = 0, 0
    for index in range(ends.size):
        for _ in range(min(slice_rows, bits.size - row)):
            ones[found] = row
            found += np.int64(bits[row] != 0)
            row += 1
        ends[index] = found


@compiled()
def number(ones, start, end, active_rows, done, numbers):
    """Read the next ``active_rows`` ones each time; return the reads so far."""
    for first in range(start, end, active_rows):
        for place in range(first, min(first + active_rows, end)):
            numbers[ones[place]] = done
        done += 1
    return done


@compiled()
def first_fit(residues, numbered, active_rows, done):
    """Scan the pending residues for each read; return the reads so far."""
    pending = 0
    for index in range(residues.size):
        pending += residues[index] > 0
    first = 0
    while pending:
        while numbered[first] >= 0 or residues[first] == 0:
            first += 1
        room = active_rows
        for index in range(first, residues.size):
            if numbered[index] < 0 and 0 < residues[index] <= room:
                numbered[index] = done
                room -= residues[index]
                pending -= 1
                if room == 0:
                    break
        done += 1
    return done


@compiled()
def consecutive(residues, numbered, active_rows, done):
    """Take residues in order until one does not fit; return the reads so far."""
    room = 0
    for index in range(residues.size):
        if residues[index] == 0:
            continue
        if residues[index] > room:
            done += 1
            room = active_rows
        numbered[index] = done - 1
        room -= residues[index]
    return done


@compiled()
def best_fit(residues, numbered, rooms, active_rows, done):
    """Largest residue first, each into the fullest read that it fits; return the reads so far."""
    opened = 0
    for size in range(residues.max() if residues.size else 0, 0, -1):
        for index in range(residues.size):
            if residues[index] != size:
                continue
            best = -1
            for read in range(opened):
                if rooms[read] >= size and (best < 0 or rooms[read] < rooms[best]):
                    best = read
            if best < 0:
                best = opened
                rooms[best] = active_rows
                opened += 1
            rooms[best] -= size
            numbered[index] = done + best
    return done + opened
