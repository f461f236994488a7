"""The compiled hot loops: word lines, column sums, converter, shift-and-add.

Which question this module answers: *how are billions of conversions done in seconds, and give the
same integers on any number of threads?*

Everything is integer arithmetic on exact fixed-point currents, and every noise draw is a hash of
(key, row, bit-plane, row group, slice, column), so chunking, order and threads cannot matter.

Two kernels give the same numbers:

* :func:`sum_rows` adds the currents of the driven rows, then converts: any macro.
* :func:`build_table` and :func:`look_up` serve reads of at most eight rows. Eight rows take only
  256 input patterns, so all conversions of a row group can be done once per chip, shift-and-add
  over the slices included; a read is then one table row. Reads whose code noise could change are
  flagged in the table and converted afresh, draw by draw.

A current is packed with its ideal count in one integer, ``count << F | deviation``, so one addition
per cell tracks both the column sum and the histogram of ideal sums.
"""

from collections.abc import Callable
from typing import Any, Final, cast

import numba
import numpy as np

from pimsim.analog.cells import CURRENT_ONE

PACK_BITS: Final = 20
"""Bits of a 32-bit packed current for the deviation [2**-12 LSB]: up to 128 LSB either way."""

WIDE_PACK_BITS: Final = 40
"""The same for 64-bit packed currents, used where 32 bits might overflow."""

TABLE_ROWS: Final = 8
"""Largest row group that :func:`build_table` enumerates: one byte of input bits."""

Kernel = Callable[..., Any]

_ONE: Final = np.int64(CURRENT_ONE)
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)


def compiled(*, parallel: bool = False) -> Callable[[Kernel], Kernel]:
    """Compile with numba, cached on disk where a cache folder can be written.

    No fastmath: reordering floating-point sums would make results depend on the processor.
    """

    def decorate(function: Kernel) -> Kernel:
        try:
            return cast(Kernel, numba.njit(cache=True, nogil=True, parallel=parallel)(function))
        except RuntimeError:  # no folder for the cache: compile in every process
            return cast(Kernel, numba.njit(nogil=True, parallel=parallel)(function))

    return decorate


@compiled()
def mix(value):
    """Scramble 64 bits: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


@compiled()
def steps_of(uniform, rest, thresholds, span):
    """Number of codes that noise adds, for one uniform number; most often none."""
    if thresholds[rest, span - 1] <= uniform < thresholds[rest, span]:
        return np.int64(0)
    steps = np.int64(-span)
    for index in range(2 * span):
        if uniform < thresholds[rest, index]:
            break
        steps += 1
    return steps


@compiled()
def noise_steps(row_key, counter, rest, thresholds, span):
    """Draw by how many codes noise moves a conversion whose rest is ``rest``.

    ``row_key`` stands for key and input row, ``counter`` for plane, group, slice and column.
    """
    uniform = mix(np.uint64(row_key) + np.uint64(counter) * _GOLDEN) >> np.uint64(11)
    return steps_of(uniform, rest, thresholds, span)


@compiled()
def row_key_of(key, row):
    """Key of one input row: mixing twice keeps rows and counters from meeting."""
    return mix(mix(np.uint64(key)) + np.uint64(row) * _GOLDEN)


@compiled()
def current_of(packed, pack_bits):
    """Split a packed sum into (ideal count, column current [2**-12 LSB])."""
    count = (packed + (np.int64(1) << (pack_bits - 1))) >> pack_bits
    return count, count * _ONE + (packed - (count << pack_bits))


@compiled(parallel=True)
def build_table(
    packed, group_rows, slice_weights, step, lsb_per_code, top, certain_from, certain_to
):
    """Convert every input pattern of every row group once.

    ``packed`` (rows, slices, cols) holds packed currents, read in groups of ``group_rows`` rows.
    Returns ``table`` (groups, patterns, cols) int32, shift-and-add over slices included;
    ``uncertain`` and ``saturated`` (groups, patterns); ``histogram`` (groups, patterns, sums).
    """
    rows, slices, cols = packed.shape
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
        for s in range(slices):
            for c in range(cols):
                total = np.int64(0)
                for row in range(size):
                    if (pattern >> row) & 1:
                        total += packed[first + row, s, c]
                count, current = current_of(total, PACK_BITS)
                shifted = current + step // 2
                code = shifted // step
                rest = shifted - code * step
                if rest < certain_from or rest >= certain_to:
                    uncertain[group, pattern] = True
                if code > top or code < 0:
                    saturated[group, pattern] += 1
                    code = min(max(code, 0), top)
                histogram[group, pattern, count] += 1
                table[group, pattern, c] += np.int32(slice_weights[s] * lsb_per_code * code)
    return table, uncertain, saturated, histogram


@compiled(parallel=True)
def look_up(
    inputs, first_row, plane_weights, packed, group_rows, first_group, groups_total,
    first_col, cols_total, table, uncertain, saturated, slice_weights,
    step, lsb_per_code, top, thresholds, span, key, out, chunk,
):  # fmt: skip
    """Multiply by table look-up; adds into ``out`` (vectors, cols).

    Returns how often each group saw each pattern (groups, patterns), and the saturations.
    """
    vectors = inputs.shape[0]
    rows, slices, cols = packed.shape
    planes = plane_weights.shape[0]
    groups = table.shape[0]
    chunks = (vectors + chunk - 1) // chunk
    seen = np.zeros((chunks, groups, table.shape[1]), np.int64)
    clipped = np.zeros(chunks, np.int64)
    for block in numba.prange(chunks):
        sums = np.zeros(cols, np.int32)
        for vector in range(block * chunk, min(vectors, (block + 1) * chunk)):
            row_key = row_key_of(key, first_row + vector)
            for p in range(planes):
                sums[:] = 0
                for group in range(groups):
                    base = group * group_rows
                    size = min(group_rows, rows - base)
                    pattern = np.int64(0)
                    for row in range(size):
                        pattern |= ((np.int64(inputs[vector, base + row]) >> p) & 1) << row
                    seen[block, group, pattern] += 1
                    if not uncertain[group, pattern]:
                        clipped[block] += saturated[group, pattern]
                        for c in range(cols):
                            sums[c] += table[group, pattern, c]
                        continue
                    for s in range(slices):
                        read = (p * groups_total + first_group + group) * slices + s
                        counter = read * cols_total + first_col
                        for c in range(cols):
                            total = np.int64(0)
                            for row in range(size):
                                if (pattern >> row) & 1:
                                    total += packed[base + row, s, c]
                            shifted = current_of(total, PACK_BITS)[1] + step // 2
                            code = shifted // step
                            rest = shifted - code * step
                            code += noise_steps(row_key, counter + c, rest, thresholds, span)
                            if code > top or code < 0:
                                clipped[block] += 1
                                code = min(max(code, 0), top)
                            sums[c] += np.int32(slice_weights[s] * lsb_per_code * code)
                for c in range(cols):
                    out[vector, c] += plane_weights[p] * np.int64(sums[c])
    return seen.sum(axis=0), clipped.sum()


@compiled(parallel=True)
def sum_rows(
    inputs, starts, matrix_of, instance_of, row_ids, plane_weights, stored, on, off, pack_bits,
    group_rows, first_group, groups_total, first_col, cols_total, slice_weights,
    step, step_shift, lsb_per_code, top, certain_from, certain_to, thresholds, span, key, out,
):  # fmt: skip
    """Multiply by adding the currents of the driven rows; adds into ``out`` (vectors, cols).

    Job ``j`` drives the vectors ``starts[j] .. starts[j + 1]`` of ``inputs`` (vectors, rows) onto
    matrix ``stored[matrix_of[j]]`` (rows, cols), held in cells whose packed currents are
    ``on[instance_of[j]]`` (rows, slices, cols) where a bit is set and ``off`` elsewhere. A step
    that is a power of two is divided by with ``step_shift``; any other has ``step_shift = -1``.

    Returns (histogram of ideal sums, saturations).
    """
    jobs = starts.shape[0] - 1
    rows, slices, cols = on.shape[1], on.shape[2], on.shape[3]
    planes = plane_weights.shape[0]
    groups = (rows + group_rows - 1) // group_rows
    histogram = np.zeros((jobs, group_rows + 1), np.int64)
    clipped = np.zeros(jobs, np.int64)
    # A uniform number between these leaves the code as it is; two narrow tables stay in cache.
    lower = thresholds[:, max(span - 1, 0)].copy() if span else np.zeros(1, np.uint64)
    upper = thresholds[:, span].copy() if span else np.zeros(1, np.uint64)
    for job in numba.prange(jobs):
        matrix, instance = matrix_of[job], instance_of[job]
        cells = np.empty((rows, slices * cols), on.dtype)
        for row in range(rows):
            for s in range(slices):
                for c in range(cols):
                    if (stored[matrix, row, c] >> s) & 1:
                        cells[row, s * cols + c] = on[instance, row, s, c]
                    else:
                        cells[row, s * cols + c] = off[instance, row, s, c]
        sums = np.zeros(slices * cols, on.dtype)
        counts = np.zeros(slices * cols, np.int64)
        codes = np.zeros(slices * cols, np.int64)
        rests = np.zeros(slices * cols, np.int64)
        uniforms = np.zeros(slices * cols, np.uint64)
        moved = np.zeros(slices * cols, np.bool_)
        seen = np.zeros(group_rows + 1, np.int64)
        lost = np.int64(0)
        for vector in range(starts[job], starts[job + 1]):
            row_key = row_key_of(key, row_ids[vector])
            for p in range(planes):
                for group in range(groups):
                    sums[:] = 0
                    base = group * group_rows
                    for row in range(base, min(rows, base + group_rows)):
                        if (np.int64(inputs[vector, row]) >> p) & 1:
                            for k in range(slices * cols):
                                sums[k] += cells[row, k]
                    doubtful = False
                    for k in range(slices * cols):
                        counts[k], current = current_of(np.int64(sums[k]), pack_bits)
                        shifted = current + step // 2
                        code = shifted >> step_shift if step_shift >= 0 else shifted // step
                        rest = shifted - code * step
                        codes[k] = code
                        rests[k] = rest
                        doubtful |= (rest < certain_from) | (rest >= certain_to)
                    for k in range(slices * cols):
                        seen[counts[k]] += 1
                    if doubtful:
                        read = (p * groups_total + first_group + group) * slices * cols_total
                        for s in range(slices):
                            counter = read + s * cols_total + first_col
                            for c in range(cols):
                                drawn = mix(row_key + np.uint64(counter + c) * _GOLDEN)
                                uniforms[s * cols + c] = drawn >> np.uint64(11)
                        for k in range(slices * cols):
                            rest = rests[k]
                            moved[k] = (uniforms[k] < lower[rest]) | (uniforms[k] >= upper[rest])
                        for k in range(slices * cols):
                            if moved[k]:
                                codes[k] += steps_of(uniforms[k], rests[k], thresholds, span)
                    for s in range(slices):
                        weight = plane_weights[p] * slice_weights[s] * lsb_per_code
                        for c in range(cols):
                            code = codes[s * cols + c]
                            held = min(max(code, 0), top)
                            lost += held != code
                            out[vector, c] += weight * held
        histogram[job] = seen
        clipped[job] = lost
    return histogram.sum(axis=0), clipped.sum()
