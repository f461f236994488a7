"""The crossbar product: operands in, noisy integer product, cycles and counts out.

Which question this module answers: *what does this macro, as built and with its noise, make of
``inputs @ weights``, and what did it do for it?*

:func:`program` writes a matrix into crossbars and draws their cells once: that is one chip.
:func:`mvm` drives vectors through them. :func:`dynamic` and :func:`mvm_dynamic` do the same for
operands written at run time (Q·Kᵀ, P·V), where each head has cells of its own and each sample new
contents. Matrices larger than a macro are cut into row and column blocks; their partial sums are
added digitally, exactly.

A read drives as many word lines every time: dummy rows of off cells stand in for input zeros and
for missing rows. The off current of all driven cells is therefore the same pedestal in every read,
and the converter's zero is set to it, so that a column sum counts conducting cells from 0.

Not modelled yet: variation of the dummy rows, a pedestal that moves with process, supply or
temperature, fewer dummy rows than a read needs, wire resistance, device state over time.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int, Int32, Int64
from numpy.typing import NDArray

from pimsim.analog.adc import AdcTransfer, transfer_of
from pimsim.analog.blocks import (
    CHUNK_VECTORS,
    BlockCells,
    BlockJob,
    Drives,
    Tally,
    draw_blocks,
    is_signed,
)
from pimsim.config.architecture import Macro
from pimsim.errors import ModelRangeError
from pimsim.records import ActionCounts, MacroCounts
from pimsim.registry import ZERO_SKIPPING


@dataclass(frozen=True, slots=True)
class MvmOutput:
    """What a batch of vectors made of a matrix."""

    values: Int64[np.ndarray, "batch cols"]
    service_cycles: Int32[np.ndarray, "batch groups"]
    """Reads of each vector on each row block; the same under both ``Macro.sync`` while none is
    skipped."""
    counts: ActionCounts


@dataclass(frozen=True, slots=True)
class ProgrammedCrossbar:
    """A static matrix in the cells of one chip."""

    macro: Macro
    weights: Int64[np.ndarray, "rows cols"]
    blocks: tuple[BlockCells, ...]
    transfer: AdcTransfer


@dataclass(frozen=True, slots=True)
class DynamicCrossbars:
    """Writable crossbars of one chip: one set per instance (head), contents given per product."""

    macro: Macro
    instances: int
    rows: int
    cols: int
    blocks: tuple[BlockCells, ...]
    transfer: AdcTransfer


def program(weights: Int[np.ndarray, "rows cols"], macro: Macro, key: int) -> ProgrammedCrossbar:
    """Write a matrix into crossbars, drawing the static variation of their cells.

    Parameters
    ----------
    weights
        Integers within ``macro.weights.bits`` two's complement.
    macro
        The kind of macro.
    key
        ``rng.key(seed, "chip", i, ...)``: the same key is the same piece of silicon.

    Raises
    ------
    TypeError
        If ``weights`` is not an integer array.
    ModelRangeError
        If a weight does not fit its slices.
    """
    _check_operand("weights", weights, macro.weights.bits, signed=True)
    rows, cols = weights.shape
    blocks = draw_blocks(macro, 1, rows, cols, key)
    return ProgrammedCrossbar(macro, weights.astype(np.int64), blocks, transfer_of(macro))


def mvm(
    programmed: ProgrammedCrossbar,
    inputs: Int[np.ndarray, "batch rows"],
    key: int,
    *,
    first_row: int = 0,
) -> MvmOutput:
    """Multiply vectors by a programmed matrix, bit-plane by bit-plane and read by read.

    Parameters
    ----------
    programmed
        From :func:`program`.
    inputs
        Integers within ``macro.inputs``, one vector per row.
    key
        Key of the read noise.
    first_row
        Number of the first vector within the whole run, so that splitting a batch, with
        ``first_row`` advanced, changes nothing.

    Raises
    ------
    TypeError
        If ``inputs`` is not an integer array.
    ModelRangeError
        If an input does not fit its bit-planes, or the shapes do not match.
    """
    macro = programmed.macro
    rows, cols = programmed.weights.shape
    _check_operand("inputs", inputs, macro.inputs.bits, signed=is_signed(macro))
    if inputs.shape[1] != rows:
        raise ModelRangeError(f"inputs have {inputs.shape[1]} columns, the weights {rows} rows")
    values = np.zeros((len(inputs), cols), np.int64)
    tally = Tally.empty(macro)
    for block in programmed.blocks:
        part = np.ascontiguousarray(inputs[:, block.rows], dtype=np.int32)
        out = np.zeros((len(inputs), block.on.shape[3]), np.int64)
        job = BlockJob(macro, programmed.transfer, block, rows, cols, key)
        stored = programmed.weights[None, block.rows, block.cols]
        table = job.fill_table(stored[0]) if job.table_pays(len(inputs)) else None
        if table is not None:
            tally += job.by_table(table, part, first_row, out)
        else:
            starts = np.append(np.arange(0, len(inputs), CHUNK_VECTORS), len(inputs))
            zeros = np.zeros(len(starts) - 1, np.int64)
            row_ids = np.arange(first_row, first_row + len(inputs))
            tally += job.by_rows(stored, part, Drives(starts, zeros, zeros, row_ids), out)
        values[:, block.cols] += out
    driven = _driven_word_lines(inputs, programmed.blocks, macro)
    return _output(macro, values, programmed.blocks, tally, driven)


def dynamic(macro: Macro, *, instances: int, rows: int, cols: int, key: int) -> DynamicCrossbars:
    """Set aside writable crossbars for ``instances`` matrices of (rows, cols), drawing their cells.

    Raises
    ------
    ModelRangeError
        If the macro is not writable.
    """
    if not macro.writable:
        raise ModelRangeError("operands computed at run time need a writable macro")
    blocks = draw_blocks(macro, instances, rows, cols, key)
    return DynamicCrossbars(macro, instances, rows, cols, blocks, transfer_of(macro))


def mvm_dynamic(
    crossbars: DynamicCrossbars,
    stored: Int[np.ndarray, "samples instances rows cols"],
    inputs: Int[np.ndarray, "samples instances vectors rows"],
    key: int,
    *,
    first_row: int = 0,
) -> MvmOutput:
    """Write matrices into their crossbars and multiply, for many samples on the same silicon.

    Parameters
    ----------
    crossbars
        From :func:`dynamic`.
    stored
        The operand written into the cells, one matrix per sample and instance.
    inputs
        The operand driven on the word lines.
    key
        Key of the read noise.
    first_row
        Number of the first vector within the whole run: samples before this batch, times
        instances, times vectors.

    Returns
    -------
    MvmOutput
        ``values`` of shape (samples * instances * vectors, cols).

    Raises
    ------
    TypeError, ModelRangeError
        As in :func:`mvm`.
    """
    macro = crossbars.macro
    _check_operand("stored operand", stored, macro.weights.bits, signed=True)
    _check_operand("inputs", inputs, macro.inputs.bits, signed=is_signed(macro))
    samples, instances, vectors, rows = inputs.shape
    expected = (samples, crossbars.instances, crossbars.rows, crossbars.cols)
    if stored.shape != expected or instances != crossbars.instances or rows != crossbars.rows:
        raise ModelRangeError(
            f"stored operand of shape {stored.shape} and inputs of shape {inputs.shape} do not fit "
            f"crossbars for {expected[1:]}"
        )
    flat = inputs.reshape(-1, rows)
    matrices = np.ascontiguousarray(stored.reshape(-1, rows, crossbars.cols), dtype=np.int64)
    matrix_of = np.arange(samples * instances)
    drives = Drives(
        starts=np.arange(samples * instances + 1) * vectors,
        matrix_of=matrix_of,
        instance_of=matrix_of % instances,
        row_ids=np.arange(first_row, first_row + len(flat)),
    )
    values = np.zeros((len(flat), crossbars.cols), np.int64)
    tally = Tally.empty(macro)
    for block in crossbars.blocks:
        part = np.ascontiguousarray(flat[:, block.rows], dtype=np.int32)
        out = np.zeros((len(flat), block.on.shape[3]), np.int64)
        job = BlockJob(macro, crossbars.transfer, block, rows, crossbars.cols, key)
        contents = np.ascontiguousarray(matrices[:, block.rows, block.cols])
        tally += job.by_rows(contents, part, drives, out)
        values[:, block.cols] += out
    driven = _driven_word_lines(flat, crossbars.blocks, macro)
    output = _output(macro, values, crossbars.blocks, tally, driven)
    return _with_writes(output, macro, stored, len(crossbars.blocks))


def _check_operand(name: str, values: NDArray[Any], bits: int, *, signed: bool) -> None:
    if values.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {values.dtype}; quantize them first")
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if values.size and (values.min() < low or values.max() > high):
        raise ModelRangeError(
            f"{name} span {int(values.min())} to {int(values.max())}, but {bits} "
            f"{'signed' if signed else 'unsigned'} bits hold {low} to {high}; "
            f"{'raise their bits' if signed else 'set their coding to twos_complement'}"
        )


def _driven_word_lines(inputs: NDArray[Any], blocks: tuple[BlockCells, ...], macro: Macro) -> int:
    """Ones among the input bits, once per column block that the word lines cross."""
    mask = (1 << macro.inputs.bits) - 1
    ones = np.bitwise_count(inputs.astype(np.int64) & mask)
    return sum(int(ones[:, block.rows].sum(dtype=np.int64)) for block in blocks)


def _output(
    macro: Macro,
    values: NDArray[np.int64],
    blocks: tuple[BlockCells, ...],
    tally: Tally,
    driven: int,
) -> MvmOutput:
    active, planes = macro.crossbar.active_rows, macro.inputs.bits
    dense = ZERO_SKIPPING[macro.zero_skipping.model]
    heights = sorted({(block.rows.start, block.rows.stop) for block in blocks})
    per_group = [planes * dense(stop - start, active_rows=active) for start, stop in heights]
    cycles = np.tile(np.array(per_group, np.int32), (len(values), 1))
    reads = len(values) * sum(
        planes * dense(block.rows.stop - block.rows.start, active_rows=active) for block in blocks
    )
    conversions = int(tally.histogram.sum())
    widest = max(stop - start for start, stop in heights)
    counts = MacroCounts(
        macro="",
        reads=reads,
        conversions=conversions,
        column_sum_histogram=tuple(int(n) for n in tally.histogram),
        driven_word_lines=driven,
        dummy_word_lines=reads * active - driven,
        shift_adds={macro.accumulator_bits(widest): conversions},
        saturations=tally.saturations,
    )
    return MvmOutput(values, cycles, ActionCounts("", len(values), (counts,)))


def _with_writes(output: MvmOutput, macro: Macro, stored: NDArray[Any], blocks: int) -> MvmOutput:
    """Add the cost of writing the stored operands, one word line of a macro per write cycle."""
    mask = (1 << macro.weights.bits) - 1
    ones = int(np.bitwise_count(stored.astype(np.int64) & mask).sum(dtype=np.int64))
    cells = stored.size * macro.weights.bits
    samples, instances, rows, _ = stored.shape
    col_blocks = blocks // -(-rows // macro.crossbar.rows)
    counts = replace(
        output.counts.macros[0],
        programmed_ones=ones,
        programmed_zeros=cells - ones,
        program_pulses=cells,
        row_writes=samples * instances * rows * col_blocks,
    )
    return MvmOutput(output.values, output.service_cycles, replace(output.counts, macros=(counts,)))
