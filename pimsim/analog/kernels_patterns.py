"""The compiled path for cells that vary, with at most eight rows per read.

Which question this module answers: *how do tables of all input patterns replace conversions?*

Eight rows take only 256 input patterns, so all conversions of a row group are done once per chip,
shift-and-add over the slices included; a read is then one table row. Reads whose code noise could
change are flagged in the table and converted afresh, draw by draw.
"""

from typing import Final

import numba
import numpy as np

from pimsim.analog import kernels
from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.kernels import compiled

TABLE_ROWS: Final = 8
"""Largest row group whose patterns are enumerated: one byte of input bits."""

_ONE: Final = np.int64(CURRENT_ONE)


@compiled(parallel=True)
def build_table(
    digits, deviations, group_rows, slice_weights, row_of, levels, outcomes, bins, origin, shift,
    reach,
):  # fmt: skip
    """Convert every input pattern of every row group once.

    Parameters
    ----------
    digits, deviations
        (slices, rows, cols): contents of the cells, and by how much their currents miss them.
    reach
        Noise is never larger than this, either way. [2**-12 LSB]

    Returns
    -------
    (groups, patterns, cols) int32, what the codes of all slices stand for;
    (groups, patterns): whether noise could change a code; saturations;
    (groups, patterns, sums): conversions by ideal sum.
    """
    slices, rows, cols = digits.shape
    groups = (rows + group_rows - 1) // group_rows
    patterns = 1 << group_rows
    table = np.zeros((groups, patterns, cols), np.int32)
    uncertain = np.zeros((groups, patterns), np.bool_)
    saturated = np.zeros((groups, patterns), np.int64)
    histogram = np.zeros((groups, patterns, group_rows + 1), np.int64)
    for index in numba.prange(groups * patterns):
        group = index // patterns
        pattern = index % patterns
        first = group * group_rows
        size = min(group_rows, rows - first)
        if pattern >> size:
            continue  # drives rows that do not exist
        ideal, rest = np.zeros(cols, np.int64), np.zeros(cols, np.int64)
        for s in range(slices):
            ideal[:] = 0
            rest[:] = 0
            for row in range(size):
                if (pattern >> row) & 1:
                    for c in range(cols):
                        ideal[c] += digits[s, first + row, c]
                        rest[c] += deviations[s, first + row, c]
            for c in range(cols):
                converter = row_of[s, c]
                current = ideal[c] * _ONE + rest[c]
                own, own_bins = levels[converter], bins[converter]
                interval = kernels.interval_of(current - reach, own, own_bins, origin, shift)
                if interval < own.size and own[interval] <= current + reach:
                    uncertain[group, pattern] = True
                outcome = outcomes[converter, interval]
                saturated[group, pattern] += outcome & 1
                histogram[group, pattern, ideal[c]] += 1
                table[group, pattern, c] += np.int32(slice_weights[s] * (outcome >> 1))
    return table, uncertain, saturated, histogram


@compiled(parallel=True)
def look_up(
    inputs, kept, row_ids, plane_weights, digits, deviations, group_rows, place, table, uncertain,
    saturated, slice_weights, row_of, levels, outcomes, sigma, sigma_step, reach, key, chunk, out,
    seen,
):  # fmt: skip
    """Multiply by table look-up; adds into ``out`` (vectors, cols) and ``seen``.

    Parameters
    ----------
    inputs
        (vectors, planes, groups): input bits of each row group, row ``r`` in bit ``r``.
    kept
        (vectors, planes, groups), or empty where every read takes place.
    place
        First column, columns of the whole matrix, first row group, all row groups.
    chunk
        Vectors per parallel job; results do not depend on it.
    seen
        (jobs, groups, patterns): how often each group saw each pattern.

    Returns
    -------
    Saturations.
    """
    vectors, planes, groups = inputs.shape
    slices, rows, cols = digits.shape
    words, all_kept = (place[1] + 3) // 4, kept.size == 0
    lost = np.zeros(seen.shape[0], np.int64)
    for job in numba.prange(seen.shape[0]):
        sums = np.zeros(cols, np.int32)
        hashes = np.zeros(cols // 4 + 2, np.uint64)
        lead = place[0] & 3
        heads = hashes.view(np.uint16)[lead : lead + cols]
        for vector in range(job * chunk, min(vectors, (job + 1) * chunk)):
            row_key = kernels.row_key_of(key, row_ids[vector])
            tail_key = kernels.tail_key_of(row_key)
            own_out = out[vector]
            for p in range(planes):
                sums[:] = 0
                for group in range(groups):
                    if not all_kept and not kept[vector, p, group]:
                        continue
                    pattern = np.int64(inputs[vector, p, group])
                    seen[job, group, pattern] += 1
                    if not uncertain[group, pattern]:
                        lost[job] += saturated[group, pattern]
                        line = table[group, pattern]
                        for c in range(cols):
                            sums[c] += line[c]
                        continue
                    base = group * group_rows
                    size = min(group_rows, rows - base)
                    for s in range(slices):
                        read = (p * place[3] + place[2] + group) * slices + s
                        word = read * words + (place[0] >> 2)
                        kernels.draw_heads(row_key, word, hashes)
                        for c in range(cols):
                            ideal, rest = np.int64(0), np.int64(0)
                            for row in range(size):
                                if (pattern >> row) & 1:
                                    ideal += digits[s, base + row, c]
                                    rest += deviations[s, base + row, c]
                            current = ideal * _ONE + rest
                            own = levels[row_of[s, c]]
                            low = np.int64(0)
                            while low < own.size and own[low] <= current - reach:
                                low += 1
                            high = low
                            while high < own.size and own[high] <= current + reach:
                                high += 1
                            if low != high:
                                draw = kernels.whole_draw(heads[c], tail_key, 4 * word + lead + c)
                                low = kernels.noisy_interval(
                                    current, sigma[ideal * sigma_step], low, high, own, draw
                                )
                            outcome = outcomes[row_of[s, c], low]
                            lost[job] += outcome & 1
                            sums[c] += np.int32(slice_weights[s] * (outcome >> 1))
                for c in range(cols):
                    own_out[c] += plane_weights[p] * np.int64(sums[c])
    return lost.sum()
