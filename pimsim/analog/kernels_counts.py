"""The compiled path for equal cells: column sums as counts of common ones.

Which question this module answers: *how are several billion conversions per second done on one
processor?*

Input and weight bits are packed by eight rows to a byte, columns side by side, so that one vector
instruction each ANDs, counts and adds 64 columns. Counts are turned into codes by a table, with
noise by a table of the count and the first bits of the draw; the rare draws that these leave open
are completed and compared exactly.
"""

from typing import Final

import numba
import numpy as np

from pimsim.analog import kernels
from pimsim.analog.kernels import compiled

if kernels.COMPILED:
    from pimsim.analog.intrinsics import count_narrow, count_wide, look_up_codes, lowest_bit

PIECE_BYTES: Final = 31
"""Bytes of rows that are counted in 8 bits: 248 ones at most."""

PAIRS: Final = 1 << 16
"""Pairs of 8-bit counts."""

CLIP: Final = 0
"""The code is the count, up to a top."""
TABLE: Final = 1
"""The code is looked up."""
DRAW: Final = 2
"""The code is drawn."""


@compiled()
def count_read(inputs, weights, counts, lanes, length):
    """Count common ones of at most ``PIECE_BYTES`` bytes of rows; all but numbers are addresses."""
    lane = 0
    while lane + 256 <= lanes:
        count_wide(inputs, weights + np.uintp(lane), counts + np.uintp(lane), lanes, length)
        lane += 256
    while lane < lanes:
        count_narrow(inputs, weights + np.uintp(lane), counts + np.uintp(lane), lanes, length)
        lane += 64


@compiled()
def widen(ones, counts, first):
    """Add counts of 8 bits to counts of 16 bits, or start with them."""
    if first:
        for k in range(ones.size):
            counts[k] = ones[k]
    else:
        for k in range(ones.size):
            counts[k] += ones[k]


@compiled()
def tally(counts, seen):
    """Count columns by their count; or pairs of neighbouring columns, in half as many steps."""
    for k in range(counts.size):
        seen[counts[k]] += np.uint32(1)


@compiled()
def add_clipped(counts, top, sums):
    """Convert by clipping: the fastest table."""
    for k in range(counts.size):
        sums[k] += np.int32(min(counts[k], top))


@compiled()
def add_looked_up(lanes, counts, bases, table, sums):
    """Convert by table; returns the saturations. All but numbers are addresses."""
    found = np.int64(0)
    for k in range(0, lanes, 16):
        own, base, total = (
            counts + np.uintp(2 * k), bases + np.uintp(4 * k), sums + np.uintp(4 * k),
        )  # fmt: skip
        found += look_up_codes(own, own, base, table, total, 0)
    return found >> 32


@compiled()
def complete(count, head, tail_key, counter, row, counts_per_row, first, reached, outcomes):
    """Outcome of a conversion that the first bits of its draw leave open."""
    place = np.int64(row) * counts_per_row + np.int64(count)
    draw = kernels.whole_draw(head, tail_key, counter)
    interval = first[place]
    for k in range(reached.shape[1]):
        if reached[place, k] > draw:
            break
        interval += 1
    return outcomes[row, interval]


@compiled(parallel=True)
def count_and_convert(
    inputs, weights, kept, jobs, row_ids, plane_weights, slice_weights, lane_rows, lane_pads,
    place, mode, top, entries, counts_per_row, head_bits, first, reached, outcomes, flush_reads,
    key, out, seen,
):  # fmt: skip
    """Multiply by counting; adds into ``out`` (vectors, cols), and into ``seen``.

    Parameters
    ----------
    inputs
        (vectors, planes, groups, bytes): input bits.
    weights
        (matrices, lane blocks, groups * bytes, lanes): weight bits. Lane ``s * width + c`` of block
        ``b`` is slice ``s`` of column ``(first column rounded down to a multiple of 4) + b * width
        + c`` of the whole matrix.
    kept
        (vectors, planes, groups), or empty where every read takes place.
    jobs
        (jobs, 4): matrix, lane block, first vector, last vector + 1.
    row_ids
        Vector → its number within the whole run.
    lane_rows, lane_pads
        (lane blocks, lanes): converter of each lane; whether the lane stands for no column.
    place
        ``width``, first column, columns of the whole matrix, first row group, all row groups.
    mode
        ``CLIP``, ``TABLE`` or ``DRAW``.
    top
        Highest code in mode ``CLIP``.
    entries ... outcomes
        :class:`~pimsim.analog.converter_tables.CountTables`.
    flush_reads
        Reads whose values surely fit 32 bits together.
    seen
        (threads, 65536): pairs of counts, where they fit 8 bits; else (threads, counts).

    Returns
    -------
    Saturations; only counted in the modes ``TABLE`` and ``DRAW``.
    """
    planes, groups, group_bytes = inputs.shape[1], inputs.shape[2], inputs.shape[3]
    lanes, slices = weights.shape[3], slice_weights.size
    width, first_col, words = place[0], place[1], (place[2] + 3) // 4
    all_kept = kept.size == 0
    widened = mode != CLIP or group_bytes > PIECE_BYTES
    lost = np.zeros(len(jobs), np.int64)
    for job in numba.prange(len(jobs)):
        block, cells = jobs[job, 1], weights[jobs[job, 0], jobs[job, 1]]
        ones, counts = np.zeros(lanes, np.uint8), np.zeros(lanes, np.uint16)
        sums, totals = np.zeros(lanes, np.int32), np.zeros(lanes, np.int64)
        hashes = np.zeros(lanes // 4, np.uint64)
        heads, rows = hashes.view(np.uint16), lane_rows[block]
        bases = np.zeros(lanes, np.uint32)
        for k in range(lanes):
            bases[k] = np.uint32((rows[k] * counts_per_row) << head_bits)
        pads = np.flatnonzero(lane_pads[block])
        own_seen = seen[numba.get_thread_id()]
        pairs = ones.view(np.uint16)
        in_pairs = own_seen.size == PAIRS
        # addresses, taken once: asking an array for its own costs as much as counting a read
        ones_at, counts_at = np.uintp(ones.ctypes.data), np.uintp(counts.ctypes.data)
        heads_at, bases_at = np.uintp(heads.ctypes.data), np.uintp(bases.ctypes.data)
        entries_at, sums_at = np.uintp(entries.ctypes.data), np.uintp(sums.ctypes.data)
        inputs_at, cells_at = np.uintp(inputs.ctypes.data), np.uintp(cells.ctypes.data)
        begin = (first_col & ~3) + block * width  # column of lane 0
        saturated = np.int64(0)
        for vector in range(jobs[job, 2], jobs[job, 3]):
            row_key = kernels.row_key_of(key, row_ids[vector])
            tail_key = kernels.tail_key_of(row_key)
            for p in range(planes):
                waiting = 0
                for group in range(groups):
                    if not all_kept and not kept[vector, p, group]:
                        continue
                    drive = inputs_at + np.uintp(
                        ((vector * planes + p) * groups + group) * group_bytes
                    )
                    place_at = cells_at + np.uintp(group * group_bytes * lanes)
                    for done in range(0, group_bytes, PIECE_BYTES):
                        length = min(PIECE_BYTES, group_bytes - done)
                        part = place_at + np.uintp(done * lanes)
                        count_read(drive + np.uintp(done), part, ones_at, lanes, length)
                        if widened:
                            widen(ones, counts, done == 0)
                    if widened:
                        for k in pads:
                            counts[k] = counts_per_row - 1
                    if in_pairs:
                        tally(pairs, own_seen)
                    else:
                        tally(counts, own_seen)
                    if mode == CLIP and widened:
                        add_clipped(counts, top, sums)
                    elif mode == CLIP:
                        add_clipped(ones, np.uint8(min(top, 255)), sums)
                    elif mode == TABLE:
                        saturated += add_looked_up(lanes, counts_at, bases_at, entries_at, sums_at)
                    elif mode == DRAW:
                        read = (p * place[4] + place[3] + group) * slices
                        word = read * words + (begin >> 2)
                        for s in range(slices):
                            at, own = s * width // 4, word + s * words
                            for k in range(width // 4):
                                hashes[at + k] = kernels.head_of(row_key, own + k)
                        for start in range(0, lanes, 64):
                            undecided = np.int64(0)
                            for part in range(4):
                                k = start + 16 * part
                                found = look_up_codes(
                                    counts_at + np.uintp(2 * k), heads_at + np.uintp(2 * k),
                                    bases_at + np.uintp(4 * k), entries_at,
                                    sums_at + np.uintp(4 * k), head_bits,
                                )  # fmt: skip
                                saturated += found >> 32
                                undecided |= (found & 0xFFFF) << (16 * part)
                            while undecided:
                                lane = start + lowest_bit(undecided)
                                undecided &= undecided - 1
                                s = lane // width
                                outcome = complete(
                                    counts[lane], heads[lane], tail_key,
                                    4 * (word + s * words) + lane - s * width, rows[lane],
                                    counts_per_row, first, reached, outcomes,
                                )  # fmt: skip
                                sums[lane] += outcome >> 1
                                saturated += outcome & 1
                    waiting += 1
                    if waiting == flush_reads:
                        add_plane(plane_weights[p], sums, totals)
                        waiting = 0
                if waiting:
                    add_plane(plane_weights[p], sums, totals)
            add_slices(slice_weights, totals, width, out[vector], begin - first_col)
        lost[job] = saturated
    return lost.sum()


@compiled()
def add_slices(weights, totals, width, out, begin):
    """Shift and add the slices of one vector, and start afresh."""
    low, high = max(0, -begin), min(width, out.size - begin)
    target = out[begin + low : begin + high]
    for s in range(weights.size):
        part = totals[s * width + low : s * width + high]
        for c in range(target.size):
            target[c] += weights[s] * part[c]
    totals[:] = 0


@compiled()
def add_plane(weight, sums, totals):
    """Shift and add what the codes of one plane stand for, and start afresh."""
    for k in range(sums.size):
        totals[k] += weight * np.int64(sums[k])
        sums[k] = 0
