"""The compiled path for anything: column sums of currents, from wherever, are converted.

Which question this module answers: *which codes do these column sums give, and what do they add?*

A column sum is packed with its ideal value in one number, ``ideal * 2**pack_bits + rest``, so that
one sum computes both. It arrives from a matrix product, or rows of cells are added here: with bits
as inputs that is faster, as half of the rows or more stay out.

The first bits of a conversion's draw bound its noise from both sides; only where a decision level
lies between the bounds is the draw completed and compared.
"""

from typing import Final

import numba
import numpy as np

from pimsim.analog import kernels
from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.converter_tables import QUANTILE_BITS
from pimsim.analog.kernels import compiled

if kernels.COMPILED:
    from pimsim.analog.intrinsics import add_rows, look_up_currents, lowest_bit

TILE_VECTORS: Final = 16
"""Vectors whose column sums are added together, part of the cells by part, and held at once."""

_ONE: Final = np.int64(CURRENT_ONE)


@compiled()
def unpack(found, pack_bits, ideals, currents):
    """Split packed sums into ideal sums and currents, all in 32 bits."""
    half = (np.int32(1) << np.int32(pack_bits)) >> np.int32(1)
    for c in range(ideals.size):
        ideal = (found[c] + half) >> np.int32(pack_bits)
        ideals[c] = ideal
        currents[c] = ideal * np.int32(_ONE) + (found[c] - (ideal << np.int32(pack_bits)))


@compiled()
def tally(ideals, lowest, seen):
    """Count conversions by ideal sum; or pairs of neighbours, in half as many steps."""
    for c in range(ideals.size):
        seen[ideals[c] - lowest] += 1


@compiled()
def convert_one(
    current, rms, head, tail_key, counter, noisy, levels, bins, origin, shift, quantiles
):  # fmt: skip
    """Interval of one conversion, by the definition."""
    if not noisy:
        return kernels.interval_of(current, levels, bins, origin, shift)
    place = head >> (16 - QUANTILE_BITS)
    low = current + np.int64(np.floor(rms * quantiles[place])) - 1
    high = current + np.int64(np.floor(rms * quantiles[place + 1])) + 1
    first = kernels.interval_of(low, levels, bins, origin, shift)
    last = first
    while last < levels.size and levels[last] <= high:
        last += 1
    if first == last:
        return first
    draw = kernels.whole_draw(head, tail_key, counter)
    return kernels.noisy_interval(current, rms, first, last, levels, draw)


@compiled()
def draw_line(row_key, word, words, lead, hashes, drawn, heads, slices, cols):
    """First bits of the draws of all slices of one read, slice after slice.

    ``drawn`` is ``hashes`` in 16-bit pieces.
    """
    for s in range(slices):
        kernels.draw_heads(row_key, word + s * words, hashes)
        for c in range(cols):
            heads[s * cols + c] = drawn[lead + c]


@compiled()
def list_by_read(read_of, starts, offsets):
    """Sort the driven rows by read: offsets of their cells, and where those of each read start."""
    starts[:] = 0
    for row in range(read_of.size):
        if read_of[row] >= 0:
            starts[read_of[row] + 1] += 1
    for read in range(starts.size - 1):
        starts[read + 1] += starts[read]
    for row in range(read_of.size):
        if read_of[row] >= 0:
            offsets[starts[read_of[row]]] = 256 * row
            starts[read_of[row]] += 1
    for read in range(starts.size - 1, 0, -1):
        starts[read] = starts[read - 1]
    starts[0] = 0


@compiled(parallel=True)
def convert_currents(
    packed, inputs, cells, jobs, group_rows, by_read, pack_bits, kept, row_ids, plane_weights,
    slice_weights, place, row_of, levels, outcomes, bins, origin, shift, sigma, sigma_step,
    quantiles, entries, bases, grid, lows, highs, key, out, seen, pairs_seen,
):  # fmt: skip
    """Convert column sums, given or to be added; adds into ``out``, ``seen`` and ``pairs_seen``.

    Parameters
    ----------
    packed
        (vectors, plane conversions, slice conversions * cols): column sums of one row group, whole
        numbers, ``ideal * 2**pack_bits + rest``. Empty where ``cells`` are to be added.
    inputs, cells
        (vectors, planes, rows) input bits, and (matrices, parts, rows, 64) packed cells, 64 of the
        slices * cols in each part; their sums fit 32 bits. Empty where ``packed`` is given.
    jobs
        (jobs, 3): matrix, first vector, last vector + 1.
    group_rows
        Rows per read of ``cells``.
    by_read
        Whether reads take rows from anywhere: ``inputs`` then holds the read of each row, -1 where
        it is not driven, and there are as many groups as reads in ``kept``.
    kept
        (vectors, plane conversions, row groups), or empty where every conversion takes place; with
        ``by_read``, (vectors, planes, most reads).
    row_ids
        Vector → its number within the whole run.
    place
        First column, columns of the whole matrix, first row group, all row groups, lowest ideal
        sum.
    row_of
        (slice conversions * cols): converter of each column.
    levels ... sigma_step
        :class:`~pimsim.analog.converter_tables.ConverterTables`.
    quantiles
        Bounds of the standard Gaussian; empty without noise.
    entries ... highs
        :class:`~pimsim.analog.converter_tables.CurrentTables`, with ``bases`` the first entry of
        each column, rounded up to a multiple of 16 by columns of which every entry is 0. Empty
        ``entries``: columns are converted one by one.
    seen
        (threads, sums): conversions by ideal sum, counted from the lowest.
    pairs_seen
        (threads, 65536): pairs of ideal sums instead, where they fit 8 bits; else (threads, 0). An
        odd last column has a partner of 0.

    Returns
    -------
    Saturations.
    """
    adding, planes, lanes = cells.size > 0, plane_weights.size, row_of.size
    slices, cols = slice_weights.size, lanes // slice_weights.size
    words, lowest, lead = (place[1] + 3) // 4, place[4], place[0] & 3
    noisy, fast, all_kept = quantiles.size > 0, entries.size > 0, kept.size == 0
    rows, parts = cells.shape[2], (lanes + 63) // 64
    groups = (rows + group_rows - 1) // group_rows if adding else 1
    listed = group_rows
    if by_read:
        groups, listed = kept.shape[2], rows
    half = (np.int64(1) << pack_bits) >> 1
    reads, stride = TILE_VECTORS * planes, 64 * parts
    lost = np.zeros(len(jobs), np.int64)
    for job in numba.prange(len(jobs)):
        hashes, heads = np.zeros(cols // 4 + 2, np.uint64), np.zeros(lanes + 15, np.uint16)
        ideals, currents = np.zeros(lanes, np.int32), np.zeros(lanes + 15, np.int32)
        values, sums = np.zeros(lanes + 15, np.int32), np.zeros((reads, stride), np.int32)
        narrow = np.zeros(lanes + (lanes & 1), np.uint8)
        offsets = np.zeros((reads, listed + 1), np.int64)
        driven, begins = np.zeros(reads, np.int64), np.zeros(reads, np.int64)
        starts = np.zeros((reads, groups + 1 if by_read else 0), np.int64)
        drawn, pairs = hashes.view(np.uint16), narrow.view(np.uint16)
        own_seen, own_pairs = seen[numba.get_thread_id()], pairs_seen[numba.get_thread_id()]
        # addresses, taken once: asking an array for its own costs as much as some conversions
        sums_at, offsets_at = np.uintp(sums.ctypes.data), np.uintp(offsets.ctypes.data)
        currents_at, heads_at = np.uintp(currents.ctypes.data), np.uintp(heads.ctypes.data)
        lows_at, highs_at = np.uintp(lows.ctypes.data), np.uintp(highs.ctypes.data)
        bases_at, entries_at = np.uintp(bases.ctypes.data), np.uintp(entries.ctypes.data)
        grid_at, values_at = np.uintp(grid.ctypes.data), np.uintp(values.ctypes.data)
        cells_at = np.uintp(cells.ctypes.data) + np.uintp(256 * jobs[job, 0] * parts * rows)
        saturated, tiles = np.int64(0), (jobs[job, 2] - jobs[job, 1] + TILE_VECTORS - 1)
        for step in range(tiles // TILE_VECTORS * groups):
            tile, group = step // groups, step % groups
            begin = jobs[job, 1] + tile * TILE_VECTORS
            end = min(jobs[job, 2], begin + TILE_VECTORS)
            if by_read:
                if group == 0:
                    for vector in range(begin, end):
                        for p in range(planes):
                            read = (vector - begin) * planes + p
                            list_by_read(inputs[vector, p], starts[read], offsets[read])
                for read in range((end - begin) * planes):
                    begins[read] = starts[read, group]
                    driven[read] = starts[read, group + 1] - begins[read]
            elif adding:
                first = group * group_rows
                for vector in range(begin, end):
                    for p in range(planes):
                        read, count = (vector - begin) * planes + p, 0
                        for row in range(first, min(rows, first + group_rows)):
                            offsets[read, count] = 256 * row
                            count += inputs[vector, p, row]
                        driven[read] = count
            if adding:
                for part in range(parts):
                    part_at = cells_at + np.uintp(256 * part * rows)
                    for read in range((end - begin) * planes):
                        add_rows(
                            part_at,
                            offsets_at + np.uintp(8 * (read * (listed + 1) + begins[read])),
                            driven[read],
                            sums_at + np.uintp(4 * (read * stride + 64 * part)),
                        )
            elif fast:
                for vector in range(begin, end):
                    for p in range(planes):
                        line = sums[(vector - begin) * planes + p]
                        for c in range(lanes):
                            line[c] = np.int32(packed[vector, p, c])
            for vector in range(begin, end):
                row_key = kernels.row_key_of(key, row_ids[vector])
                tail_key = kernels.tail_key_of(row_key)
                own_out = out[vector]
                for p in range(planes):
                    if not all_kept and not kept[vector, p, group]:
                        continue
                    line = sums[(vector - begin) * planes + p]
                    word = (
                        (p * place[3] + place[2] + group) * slices * words + (place[0] >> 2)
                    )  # fmt: skip
                    if noisy:
                        draw_line(row_key, word, words, lead, hashes, drawn, heads, slices, cols)
                    if fast:
                        unpack(line, pack_bits, ideals, currents)
                        if own_pairs.size:
                            for c in range(lanes):
                                narrow[c] = np.uint8(ideals[c])
                            tally(pairs, 0, own_pairs)
                        else:
                            tally(ideals, lowest, own_seen)
                    for start in range(0, lanes, 16):
                        undecided = (np.int64(1) << min(16, lanes - start)) - 1
                        if fast:
                            narrow_at, wide_at = np.uintp(2 * start), np.uintp(4 * start)
                            outcome = look_up_currents(
                                currents_at + wide_at, heads_at + narrow_at, lows_at, highs_at,
                                bases_at + wide_at, entries_at, grid_at, values_at + wide_at,
                            )  # fmt: skip
                            undecided &= outcome
                            saturated += outcome >> 32
                        while undecided:
                            lane = start + lowest_bit(undecided)
                            undecided &= undecided - 1
                            number = np.int64(line[lane])
                            if not adding:
                                number = np.int64(packed[vector, p, lane])
                            ideal = (number + half) >> pack_bits
                            if not fast:
                                own_seen[ideal - lowest] += 1
                            s, row = lane // cols, row_of[lane]
                            interval = convert_one(
                                ideal * _ONE + (number - (ideal << pack_bits)),
                                sigma[(ideal - lowest) * sigma_step], heads[lane], tail_key,
                                4 * (word + s * words) + lead + lane - s * cols, noisy,
                                levels[row], bins[row], origin, shift, quantiles,
                            )  # fmt: skip
                            outcome = np.int64(outcomes[row, interval])
                            saturated += outcome & 1
                            values[lane] = outcome >> 1
                    for s in range(slices):
                        weight, at = plane_weights[p] * slice_weights[s], s * cols
                        for c in range(cols):
                            own_out[c] += weight * np.int64(values[at + c])
        lost[job] = saturated
    return lost.sum()
