"""The compiled path of packed reads that rarely err.

Which question this module answers: *how are column sums of rows from anywhere counted without
looking at every one of them?*

Cells are bits, 512 columns to a line of 64 bytes. The eight lines of a read are added by carry-save
adders, so that a few lines mark the columns by the bits of their sums, and their ones give the
histogram. What the deviations of a read can come to is bounded for 16 columns at once; where a
bound leaves the margin the rounded deviations are added, 64 columns at once, and only where such a
sum leaves it, too, is a conversion done by the definition.
"""

from typing import Final

import numba
import numpy as np

from pimsim.analog import kernels
from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.kernels import compiled
from pimsim.analog.kernels_currents import convert_one
from pimsim.analog.margins import LINE_LANES

if kernels.COMPILED:
    from pimsim.analog.intrinsics import lowest_bit
    from pimsim.analog.intrinsics_packed import add_columns, beyond_in_block, next_beyond

_BLOCKS: Final = 8
_BLOCK_LANES: Final = 64
_LIST_BYTES: Final = 16
_ONE: Final = np.int64(CURRENT_ONE)


@compiled(parallel=True)
def screen(
    reads, starts, stops, rows_of, cells, bounds, bound_limit, coarse, limit, digits, deviations,
    jobs, first_matrix, row_ids, plane_weights, slice_weights, place, row_of, levels, outcomes,
    bins, origin, shift, sigma, sigma_step, quantiles, key, out, seen,
):  # fmt: skip
    """Count all conversions, and correct ``out`` where one does not give its count.

    Parameters
    ----------
    reads, starts, stops, rows_of
        As :class:`pimsim.analog.read_lists.ReadLists`.
    cells
        (matrices, lines, rows + 1, 8): cells as 64-bit words; the last row holds none.
    bounds, bound_limit
        (instances, lines, rows + 1, 64): most that any of 16 columns of a line deviates up, then
        down, and the sum up to which no code can change; empty where none can change at all.
    coarse, limit
        (digits, instances, lines, rows + 1, 512): rounded deviations of cells that hold 0 and 1, or
        of cells as they are, and the sum of them, either way, up to which no code can change.
    digits, deviations
        (slices, matrices, rows, cols), and (digits, instances, slices, rows, cols): cells and their
        exact deviations.
    jobs
        (jobs, 3): matrix, first vector, last vector + 1.
    first_matrix
        Number of the first matrix, on which its instance depends.
    place
        First column, columns of the whole matrix, first read, all reads.
    row_of ... key
        As for :func:`pimsim.analog.kernels_currents.convert_currents`.
    out
        (vectors, cols): the integer product, corrected here.
    seen
        (jobs, 9): conversions by count, those of 0 left out; empty where none are to be counted.

    Returns
    -------
    Saturations beyond those of the counts.
    """
    planes = reads.shape[0]
    slices, cols = row_of.shape
    lines, line_bytes = cells.shape[1], 64 * cells.shape[2]
    words, noisy = (place[1] + 3) // 4, quantiles.size > 0
    screened, instances, last_digit = bounds.size > 0, bounds.shape[0], coarse.shape[0] - 1
    counted, lost = seen.shape[0] > 0, np.zeros(len(jobs), np.int64)
    for job in numba.prange(len(jobs)):
        matrix, own_seen, flags = jobs[job, 0], np.zeros((8, 8), np.int64), np.zeros(1, np.uint64)
        # addresses, taken once: asking an array for its own costs as much as counting a read
        lists_at, seen_at = np.uintp(rows_of.ctypes.data), np.uintp(own_seen.ctypes.data)
        cells_at = np.uintp(cells.ctypes.data) + np.uintp(matrix * lines * line_bytes)
        bounds_at, off_at, on_at = np.uintp(0), np.uintp(0), np.uintp(0)
        flags_at, instance = np.uintp(flags.ctypes.data), 0
        if screened:
            instance = (first_matrix + matrix) % instances
            bounds_at = np.uintp(bounds.ctypes.data) + np.uintp(instance * lines * line_bytes)
            off_at = np.uintp(coarse.ctypes.data) + np.uintp(8 * instance * lines * line_bytes)
            on_at = off_at + np.uintp(8 * last_digit * instances * lines * line_bytes)
        vector, last = jobs[job, 1], jobs[job, 2]
        while vector < last:
            first_vector, first_list, total = vector, starts[vector], np.int64(0)
            while vector < last and starts[vector] == first_list + total:
                total += stops[vector] - starts[vector]
                vector += 1
            own_at = lists_at + np.uintp(_LIST_BYTES * first_list)
            for line in range(lines):
                line_at = np.uintp(line * line_bytes)
                if counted:
                    add_columns(cells_at + line_at, own_at, total, seen_at)
                if not screened:
                    continue
                found = next_beyond(bounds_at + line_at, own_at, 0, total, bound_limit, flags_at)
                at_vector, at_plane, passed = first_vector, 0, np.int64(0)
                while found < total:
                    while passed + reads[at_plane, at_vector] <= found:
                        passed += reads[at_plane, at_vector]
                        at_plane += 1
                        if at_plane == planes:
                            at_plane = 0
                            at_vector += 1
                    list_at = own_at + np.uintp(_LIST_BYTES * found)
                    members = rows_of[first_list + found]
                    for block in range(_BLOCKS):
                        if (flags[0] >> np.uint64(4 * block)) & np.uint64(0xF0000000F) == 0:
                            continue
                        block_at = np.uintp(8 * line * line_bytes + _BLOCK_LANES * block)
                        beyond = beyond_in_block(
                            cells_at + line_at + np.uintp(8 * block), off_at + block_at,
                            on_at + block_at, list_at, limit,
                        )  # fmt: skip
                        while beyond:
                            lane = line * LINE_LANES + _BLOCK_LANES * block
                            lane += lowest_bit(np.int64(beyond))
                            beyond &= beyond - np.uint64(1)
                            s, c = lane // cols, lane % cols
                            ideal, rest = np.int64(0), np.int64(0)
                            for row in members:
                                if row < digits.shape[2]:
                                    digit = digits[s, matrix, row, c]
                                    ideal += digit
                                    rest += deviations[
                                        min(np.int64(digit), last_digit), instance, s, row, c
                                    ]
                            row_key = kernels.row_key_of(key, row_ids[at_vector])
                            read = at_plane * place[3] + place[2] + found - passed
                            column, head = place[0] + c, np.uint64(0)
                            own_word, own = (read * slices + s) * words, row_of[s, c]
                            if noisy:
                                drawn = kernels.head_of(row_key, own_word + (column >> 2))
                                head = (drawn >> np.uint64(16 * (column & 3))) & np.uint64(0xFFFF)
                            interval = convert_one(
                                ideal * _ONE + rest, sigma[ideal * sigma_step], np.int64(head),
                                kernels.tail_key_of(row_key), 4 * own_word + column, noisy,
                                levels[own], bins[own], origin, shift, quantiles,
                            )  # fmt: skip
                            result = np.int64(outcomes[own, interval])
                            usual = kernels.interval_of(
                                ideal * _ONE, levels[own], bins[own], origin, shift
                            )
                            lost[job] += (result & 1) - np.int64(outcomes[own, usual] & 1)
                            out[at_vector, c] += (
                                plane_weights[at_plane] * slice_weights[s] * ((result >> 1) - ideal)
                            )
                    found = next_beyond(
                        bounds_at + line_at, own_at, found + 1, total, bound_limit, flags_at
                    )
        if counted:
            by_count(own_seen.sum(axis=1), seen[job])
    return lost.sum()


@compiled()
def by_count(marked, seen):
    """Turn columns by the bits of their sums into columns by sum: inclusion and exclusion."""
    one, two, four, eight, both, outer, upper, every = marked
    seen[8] = eight
    seen[7] = every
    seen[6] = upper - every
    seen[5] = outer - every
    seen[4] = four - outer - upper + every
    seen[3] = both - every
    seen[2] = two - both - upper + every
    seen[1] = one - both - outer + every
