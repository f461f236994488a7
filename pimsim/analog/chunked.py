"""A product chunk by chunk and block by block, and what it takes.

Which question this module answers: *how is a whole product put together from its blocks in bounded
memory?*
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Int32, Int64
from numpy.typing import NDArray

from pimsim.analog import paths
from pimsim.analog.action_counts import (
    all_reads,
    macro_counts,
    reads_kept,
    reads_of,
    row_blocks,
    service_cycles,
)
from pimsim.analog.blocks import Block, Product
from pimsim.analog.coding import check_accumulator, check_inputs, correction, encode_inputs
from pimsim.analog.drives import Drive, Tally
from pimsim.analog.lossless import integer_product
from pimsim.analog.packed_inputs import packed_inputs
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
class Operands:
    """Vectors that are driven through some blocks, and what these hold."""

    inputs: NDArray[Any]
    """(vectors, rows)."""
    stored: NDArray[np.uint8] | None
    """Contents written at run time, (slices, matrices, rows, cols); ``None``: the blocks' own."""
    row_ids: NDArray[np.int64]
    """Number of each vector within the whole run."""
    first_matrix: int = 0
    """Number of the first matrix within the whole product."""

    @property
    def matrices(self) -> int:
        """Stored matrices that take equal shares of the vectors, in order."""
        return 1 if self.stored is None else int(self.stored.shape[1])

    def contents(self, block: Block) -> NDArray[np.uint8] | None:
        """What is written into a block; ``None``: its own contents."""
        return None if self.stored is None else self.stored[:, :, block.rows, block.cols]

    def chunks(self, product: Product) -> "Iterator[tuple[slice, Operands]]":
        """Cut into chunks of bounded memory, whole matrices where there are several."""
        vectors = len(self.inputs)
        most = max(1, CHUNK_DIGITS // (product.macro.planes * product.rows))
        if self.stored is None or self.matrices == 1:
            for first in range(0, vectors, most):
                own = slice(first, min(first + most, vectors))
                yield own, Operands(self.inputs[own], self.stored, self.row_ids[own])
            return
        each = vectors // self.matrices if self.matrices else 0
        together = max(1, most // max(1, each))
        for first in range(0, self.matrices, together):
            last = min(first + together, self.matrices)
            own = slice(first * each, last * each)
            yield (
                own,
                Operands(self.inputs[own], self.stored[:, first:last], self.row_ids[own], first),
            )


def counted_product(
    product: Product, blocks: tuple[Block, ...], operands: Operands, key: int
) -> MvmOutput:
    """Multiply, and count what that takes."""
    macro, inputs = product.macro, operands.inputs
    values = np.zeros((len(inputs), product.cols), np.int64)
    per_plane = np.zeros((len(row_blocks(product)), macro.planes, len(inputs)), np.int32)
    tally, driven = Tally.empty(macro), 0
    for vectors, chunk in operands.chunks(product):
        digits = encode_inputs(chunk.inputs, macro).digits
        driven += int(np.count_nonzero(digits))
        for row_block, rows in enumerate(row_blocks(product)):
            drive = _drive(digits[:, :, rows], chunk, rows, product, counted=True)
            tally += _multiply(blocks, drive, chunk, rows, key=key, out=values[vectors])
            # known by now in the form that was needed
            per_plane[row_block, :, vectors] = reads_of(drive, macro)
    values -= correction(inputs, macro)[:, None]
    check_accumulator(values, macro)
    counts = macro_counts(product, len(inputs), per_plane, driven, tally)
    cycles = service_cycles(per_plane, macro)
    reads = per_plane.sum(axis=(0, 1), dtype=np.int64) * -(-product.cols // macro.logical_cols)
    return MvmOutput(values, cycles, reads, counts, lambda: all_reads(product, inputs))


def product_values(
    product: Product, blocks: tuple[Block, ...], operands: Operands, key: int
) -> NDArray[np.int64]:
    """Multiply only: the values of :func:`counted_product`."""
    macro, inputs = product.macro, operands.inputs
    values = np.zeros((len(inputs), product.cols), np.int64)
    errs = any(paths.may_err(block) for block in blocks)
    for vectors, chunk in operands.chunks(product):
        if not errs:
            check_inputs(chunk.inputs, macro)
            for block in blocks:
                contents = chunk.contents(block)
                held = block.contents[:, None] if contents is None else contents
                values[vectors, block.cols] += integer_product(
                    block, chunk.inputs[:, block.rows], held
                )
            continue
        digits = encode_inputs(chunk.inputs, macro).digits
        for rows in row_blocks(product):
            drive = _drive(digits[:, :, rows], chunk, rows, product, counted=False)
            _multiply(blocks, drive, chunk, rows, key=key, out=values[vectors])
    values -= correction(inputs, macro)[:, None]
    check_accumulator(values, macro)
    return values


def _drive(
    digits: NDArray[np.uint8], chunk: Operands, rows: slice, product: Product, *, counted: bool
) -> Drive:
    own, macro = np.ascontiguousarray(digits), product.macro
    return Drive(
        own, chunk.inputs[:, rows], reads_kept(own, macro), chunk.row_ids, chunk.matrices,
        packed_inputs(own, macro), chunk.first_matrix, counted,
    )  # fmt: skip


def _multiply(
    blocks: tuple[Block, ...],
    drive: Drive,
    chunk: Operands,
    rows: slice,
    *,
    key: int,
    out: NDArray[np.int64],
) -> Tally:
    """Drive vectors into every block of some rows; adds into ``out`` (vectors, cols)."""
    tally = Tally.empty(blocks[0].product.macro)
    for block in blocks:
        if block.rows == rows:
            part = np.zeros((len(out), block.width), np.int64)
            tally += paths.multiply(block, drive, chunk.contents(block), key=key, out=part)
            out[:, block.cols] += part
    return tally
