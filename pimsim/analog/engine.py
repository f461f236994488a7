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

Not modelled: variation of the dummy rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from jaxtyping import Int, Int32, Int64
from numpy.typing import NDArray

from pimsim.analog import paths
from pimsim.analog.action_counts import (
    all_reads,
    macro_counts,
    reads_kept,
    reads_of,
    row_blocks,
    service_cycles,
    with_writes,
)
from pimsim.analog.blocks import Block, Product, program_blocks, reserve_blocks
from pimsim.analog.coding import (
    check_accumulator,
    correction,
    encode_inputs,
    encode_weights,
)
from pimsim.analog.drives import Drive, Tally
from pimsim.analog.zero_skipping import packed_reads
from pimsim.config.macros import Macro
from pimsim.config.pvt import Pvt
from pimsim.errors import ModelRangeError
from pimsim.records import ActionCounts

CHUNK_DIGITS: Final = 1 << 25
"""Digits of inputs held at once, which bounds memory; results do not depend on it."""


@dataclass(frozen=True, slots=True)
class MvmOutput:
    """What a batch of vectors made of a matrix."""

    values: Int64[np.ndarray, "batch cols"]
    service_cycles: Int32[np.ndarray, "batch groups"]
    """How long each vector keeps each row block busy, in reads. Under ``Macro.sync`` ``vector`` a
    block takes its own reads; under ``plane`` all take those of the slowest in every input cycle,
    unless nothing is skipped, where each block simply has its own number."""
    vector_reads: Int64[np.ndarray, " batch"]
    """Macro reads of each vector, summed over all blocks. Without skipping, and under ``sync``
    ``vector``, also its cycles summed over them."""
    counts: ActionCounts
    _reads: Callable[[], NDArray[np.bool_]]

    def read_cycles(self) -> NDArray[np.bool_]:
        """Which reads took place: (batch, planes, row groups of all row blocks).

        Computed afresh on request: for a large model it is billions of entries.
        """
        return self._reads()


@dataclass(frozen=True, slots=True)
class ProgrammedCrossbar:
    """A static matrix in the cells of one chip."""

    macro: Macro
    product: Product
    blocks: tuple[Block, ...]
    program_pulses: int
    """Pulses that programming took; one per cell where it does not count them."""


@dataclass(frozen=True, slots=True)
class DynamicCrossbars:
    """Writable crossbars of one chip: one set per instance (head), contents given per product."""

    macro: Macro
    product: Product
    instances: int
    blocks: tuple[Block, ...]


def program(
    weights: Int[np.ndarray, "rows cols"],
    macro: Macro,
    key: int,
    *,
    pvt: Pvt | None = None,
    converters: int | None = None,
) -> ProgrammedCrossbar:
    """Write a matrix into crossbars, drawing the static variation of cells and converters.

    Parameters
    ----------
    weights
        Integers that fit ``macro.weights``.
    macro
        The kind of macro.
    key
        ``rng.key(seed, "chip", i, ...)``: the same key is the same piece of silicon.
    pvt
        Operating point of the run; ``None``: nominal.
    converters
        Key of the converters, where rows of other matrices share them; ``None``: ``key``.

    Raises
    ------
    TypeError
        If ``weights`` is not an integer array.
    ModelRangeError
        If a weight does not fit its slices, the array is not a matrix, or a model is used outside
        its range.
    """
    if weights.ndim != 2:
        raise ModelRangeError(f"weights must be a matrix, got an array of shape {weights.shape}")
    product = Product(macro, *weights.shape)
    digits = encode_weights(weights, macro).digits
    blocks, pulses = program_blocks(
        product, digits, key, pvt, key if converters is None else converters
    )
    return ProgrammedCrossbar(macro, product, blocks, pulses)


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
        Integers that fit ``macro.inputs``, one vector per row.
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
        If an input does not fit its bit-planes, the shapes do not match, or a product does not fit
        the declared accumulator.
    """
    rows = programmed.product.rows
    if inputs.ndim != 2 or inputs.shape[1] != rows:
        raise ModelRangeError(
            f"inputs of shape {inputs.shape} do not fit weights of {rows} rows; (batch, {rows}) "
            "is needed"
        )
    return _run(programmed.product, programmed.blocks, inputs, None, key=key, first_row=first_row)


def dynamic(
    macro: Macro,
    *,
    instances: int,
    rows: int,
    cols: int,
    key: int,
    pvt: Pvt | None = None,
    converters: int | None = None,
) -> DynamicCrossbars:
    """Set aside writable crossbars for ``instances`` matrices of (rows, cols), drawing their cells.

    Parameters
    ----------
    macro, key, pvt, converters
        As for :func:`program`.
    instances
        Sets of crossbars, such as attention heads.
    rows, cols
        Shape of each matrix.

    Raises
    ------
    ModelRangeError
        If the macro is not writable, or a model is used outside its range.
    """
    if not macro.writable:
        raise ModelRangeError("operands computed at run time need a writable macro")
    product = Product(macro, rows, cols)
    silicon = key if converters is None else converters
    blocks = reserve_blocks(product, instances, key, pvt, silicon)
    return DynamicCrossbars(macro, product, instances, blocks)


def mvm_dynamic(
    crossbars: DynamicCrossbars,
    stored: Int[np.ndarray, "samples instances rows cols"],
    inputs: Int[np.ndarray, "samples instances vectors rows"],
    key: int,
    *,
    first_row: int = 0,
    fresh: NDArray[np.bool_] | None = None,
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
    fresh
        (instances, rows, cols), true where an element is written; the others are in their cells
        from earlier steps, whose counts hold their writing. All are written when absent.

    Returns
    -------
    MvmOutput
        ``values`` of shape (samples * instances * vectors, cols).

    Raises
    ------
    TypeError, ModelRangeError
        As in :func:`mvm`.
    """
    macro, product = crossbars.macro, crossbars.product
    expected = (crossbars.instances, product.rows, product.cols)
    if (
        stored.ndim != 4
        or inputs.ndim != 4
        or stored.shape[1:] != expected
        or inputs.shape[:2] != stored.shape[:2]
        or inputs.shape[3] != product.rows
    ):
        raise ModelRangeError(
            f"stored operand of shape {stored.shape} and inputs of shape {inputs.shape} do not fit "
            f"crossbars for {expected}"
        )
    digits = encode_weights(stored.reshape(-1, *expected[1:]), macro).digits
    flat = inputs.reshape(-1, product.rows)
    output = _run(product, crossbars.blocks, flat, digits, key=key, first_row=first_row)
    return replace(output, counts=with_writes(output.counts, product, digits, fresh))


def _run(
    product: Product,
    blocks: tuple[Block, ...],
    inputs: NDArray[Any],
    stored: NDArray[np.uint8] | None,
    *,
    key: int,
    first_row: int,
) -> MvmOutput:
    """Multiply chunk by chunk and block by block, and count what that takes."""
    macro, matrices = product.macro, 1 if stored is None else stored.shape[1]
    values = np.zeros((len(inputs), product.cols), np.int64)
    per_plane = np.zeros((len(row_blocks(product)), macro.planes, len(inputs)), np.int32)
    tally, driven = Tally.empty(macro), 0
    for own, vectors in _chunks(product, matrices, len(inputs)):
        digits = encode_inputs(inputs[vectors], macro).digits
        row_ids = np.arange(first_row + vectors.start, first_row + vectors.stop)
        contents = None if stored is None else stored[:, own]
        own_reads = per_plane[:, :, vectors]
        tally += _multiply(
            blocks, digits, contents, key=key, row_ids=row_ids, out=values[vectors], reads=own_reads
        )
        driven += int(np.count_nonzero(digits != 0))
    values -= correction(inputs, macro)[:, None]
    check_accumulator(values, macro)
    counts = macro_counts(product, len(inputs), per_plane, driven, tally)
    cycles = service_cycles(per_plane, macro)
    reads = per_plane.sum(axis=(0, 1), dtype=np.int64) * -(-product.cols // macro.logical_cols)
    return MvmOutput(values, cycles, reads, counts, lambda: all_reads(product, inputs))


def _chunks(product: Product, matrices: int, vectors: int) -> Iterator[tuple[slice, slice]]:
    """Cut vectors into chunks of bounded memory; whole matrices where there are several."""
    most = max(1, CHUNK_DIGITS // (product.macro.planes * product.rows))
    if matrices == 1:
        for first in range(0, vectors, most):
            yield slice(0, 1), slice(first, min(first + most, vectors))
        return
    each = vectors // matrices if matrices else 0
    together = max(1, most // max(1, each))
    for first in range(0, matrices, together):
        last = min(first + together, matrices)
        yield slice(first, last), slice(first * each, last * each)


def _multiply(
    blocks: tuple[Block, ...],
    digits: NDArray[np.uint8],
    stored: NDArray[np.uint8] | None,
    *,
    key: int,
    row_ids: NDArray[np.int64],
    out: NDArray[np.int64],
    reads: NDArray[np.int32],
) -> Tally:
    """Drive one chunk of vectors into every block; adds into ``out``.

    ``reads`` (row blocks, planes, vectors) is filled.
    """
    macro = blocks[0].product.macro
    tally, drive, row_block = Tally.empty(macro), None, 0
    for block in blocks:
        if drive is None or block.cols.start == 0:
            own = np.ascontiguousarray(digits[:, :, block.rows])
            matrices = 1 if stored is None else stored.shape[1]
            drive = Drive(own, reads_kept(own, macro), row_ids, matrices, packed_reads(own, macro))
            reads[row_block] = reads_of(drive, macro)
            row_block += 1
        contents = None if stored is None else stored[:, :, block.rows, block.cols]
        part = np.zeros((len(out), block.width), np.int64)
        tally += paths.multiply(block, drive, contents, key=key, out=part)
        out[:, block.cols] += part
    return tally
