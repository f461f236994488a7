"""The compiled path of packed reads that rarely err.

Which question this module answers: *how are column sums of rows from anywhere counted without
looking at every one of them?*

Cells are bits, 64 columns to a word. The eight words of a read are added by carry-save adders, so
that a few words mark the columns of each count, and their ones are the histogram. Deviations,
rounded to 8 bits, are added 64 columns at once; only where a sum leaves the margin is a conversion
done by the definition.
"""

from typing import Final

import numba
import numpy as np

from pimsim.analog import kernels
from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.kernels import compiled
from pimsim.analog.kernels_currents import convert_one

if kernels.COMPILED:
    from pimsim.analog.intrinsics import count_read_rows, leaves_margin

READ_ROWS: Final = 8
"""Rows of a read, those of no cells included."""

_ONE: Final = np.int64(CURRENT_ONE)


@compiled()
def by_read(read_of, reads, rows_of, filled):
    """List the rows of each read; fills ``rows_of`` (reads, 8), with the row beyond the last."""
    for read in range(reads):
        filled[read] = 0
        for place in range(READ_ROWS):
            rows_of[read, place] = read_of.size
    for row in range(read_of.size):
        read = read_of[row]
        if read >= 0:
            rows_of[read, filled[read]] = row
            filled[read] += 1


@compiled(parallel=True)
def screen(
    read_of, reads, bits, coarse, limit, digits, deviations, jobs, row_ids, plane_weights,
    slice_weights, place, row_of, levels, outcomes, bins, origin, shift, sigma, sigma_step,
    quantiles, key, out, seen,
):  # fmt: skip
    """Count all conversions, and correct ``out`` where one does not give its count.

    Parameters
    ----------
    read_of, reads
        (vectors, planes, rows) and (vectors, planes), as :class:`pimsim.analog.bitsift.PackedReads`
        with the axes swapped.
    bits
        (matrices, rows + 1, words): cells, 64 columns of cells to a word; words are a multiple of
        8, the last row holds none.
    coarse
        (matrices, rows + 1, lanes): deviations in 8 bits, lanes a multiple of 64; empty where none
        can change a code.
    limit
        Sum of them, either way, up to which every code is the count.
    digits, deviations
        (slices, matrices, rows, cols): cells and their exact deviations.
    jobs
        (jobs, 3): matrix, first vector, last vector + 1.
    place
        First column, columns of the whole matrix, first read, all reads.
    row_of ... key
        As for :func:`pimsim.analog.kernels_currents.convert_currents`.
    out
        (vectors, cols): the integer product, corrected here.
    seen
        (jobs, 9): conversions by count, those of 0 left out.

    Returns
    -------
    Saturations beyond those of the counts.
    """
    planes, rows = read_of.shape[1], read_of.shape[2]
    slices, cols = row_of.shape
    words, noisy = (place[1] + 3) // 4, quantiles.size > 0
    screened, bits_line, coarse_line = coarse.size > 0, 8 * bits.shape[2], coarse.shape[2]
    lost = np.zeros(len(jobs), np.int64)
    for job in numba.prange(len(jobs)):
        matrix, own_seen = jobs[job, 0], np.zeros((READ_ROWS, READ_ROWS), np.int64)
        rows_of, filled = np.zeros((rows, READ_ROWS), np.int64), np.zeros(rows, np.int64)
        # addresses, taken once: asking an array for its own costs as much as counting a read
        rows_at, seen_at = np.uintp(rows_of.ctypes.data), np.uintp(own_seen.ctypes.data)
        bits_at = np.uintp(bits.ctypes.data) + np.uintp(matrix * bits_line * (rows + 1))
        coarse_at = np.uintp(coarse.ctypes.data) + np.uintp(matrix * coarse_line * (rows + 1))
        for vector in range(jobs[job, 1], jobs[job, 2]):
            row_key = kernels.row_key_of(key, row_ids[vector])
            tail_key = kernels.tail_key_of(row_key)
            for p in range(planes):
                by_read(read_of[vector, p], reads[vector, p], rows_of, filled)
                for read in range(reads[vector, p]):
                    read_at = rows_at + np.uintp(8 * READ_ROWS * read)
                    count_read_rows(bits_at, read_at, bits_line, bits.shape[2], seen_at)
                    if not screened or not leaves_margin(
                        coarse_at, read_at, coarse_line, coarse_line, limit
                    ):
                        continue
                    word = (p * place[3] + place[2] + read) * slices * words
                    for lane in range(slices * cols):
                        rounded = np.int64(0)
                        for row in rows_of[read]:
                            rounded += coarse[matrix, row, lane]
                        if abs(rounded) <= limit:
                            continue
                        s, c = lane // cols, lane % cols
                        ideal, rest = np.int64(0), np.int64(0)
                        for row in rows_of[read]:
                            if row < rows:
                                ideal += digits[s, matrix, row, c]
                                rest += deviations[s, matrix, row, c]
                        column, head = place[0] + c, np.uint64(0)
                        own_word, own = word + s * words, row_of[s, c]
                        if noisy:
                            drawn = kernels.head_of(row_key, own_word + (column >> 2))
                            head = (drawn >> np.uint64(16 * (column & 3))) & np.uint64(0xFFFF)
                        interval = convert_one(
                            ideal * _ONE + rest, sigma[ideal * sigma_step], np.int64(head),
                            tail_key, 4 * own_word + column, noisy, levels[own], bins[own],
                            origin, shift, quantiles,
                        )  # fmt: skip
                        found = np.int64(outcomes[own, interval])
                        usual = kernels.interval_of(
                            ideal * _ONE, levels[own], bins[own], origin, shift
                        )
                        lost[job] += (found & 1) - np.int64(outcomes[own, usual] & 1)
                        out[vector, c] += (
                            plane_weights[p] * slice_weights[s] * ((found >> 1) - ideal)
                        )
        seen[job, 1:] += own_seen.sum(axis=1)
    return lost.sum()
