"""Products whose operands share shifts in groups: group by group on the crossbars.

Which question this module answers: *what comes out of macros that never mix two groups in one read,
and what does putting the groups together take?*

Every group of rows is a small product of its own: its reads drive only rows of the group, at most
``active_rows`` at once, and dummy rows top them up as ever. The sum of the group leaves the macro's
shift-and-add, is shifted left once by the sum of the driven and the stored group's shifts, and is
added to the wide accumulator of its column. So is each part of a group that reaches over several
macros. On exact products this equals the product of the shifted codes as wide integers, bit for
bit (:mod:`pimsim.integer.group_product`).

Counted beside the reads, for every group and column of every vector: a shift-and-add of the wide
accumulator's width, and where both operands have shifts one of their width, which stands for the
addition of the two and costs a little more than one. Cells are drawn group by group; the converters
of a column are those of the macro, the same for all of its groups.

Not modelled: reading the shifts of static weights from where they lie; how far from the drivers a
group lies (each counts as nearest, where wires have resistance), and faults of whole lines that all
groups of a macro share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.coding import check_accumulator
from pimsim.config.architecture import Macro
from pimsim.errors import SimulationError
from pimsim.functional.counts import add_counts, with_shift_adds
from pimsim.functional.engines import ProductEngine, ProductOutput
from pimsim.mapping.mapped import MappedOp, Piece, Placement
from pimsim.mapping.widths import accumulator_bits, macro_in_use
from pimsim.quantization.quantized import QuantizedOp

Values = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Operands:
    """Operands of a product with groups, and the shift of each group; ``None``: one has none."""

    driven: Values
    """(..., vectors, rows)"""
    stored: Values | None
    """(..., rows, cols) of a dynamic product; ``None``: the operation has its weights."""
    driven_shifts: Values | None
    """(..., vectors, groups)"""
    stored_shifts: Values | None
    """(..., groups, cols), static or dynamic"""

    def places(self, group: int) -> Values | int:
        """Places by which the sums of a group are shifted, (..., vectors, cols)."""
        places: Values | int = 0
        if self.driven_shifts is not None:
            places = places + self.driven_shifts[..., group, np.newaxis].astype(np.int64)
        if self.stored_shifts is not None:
            places = places + self.stored_shifts[..., np.newaxis, group, :].astype(np.int64)
        return places


def with_shifts(
    op: QuantizedOp, driven: Values, stored: Values | None, found: Sequence[Values]
) -> Operands | None:
    """Put the shifts of a product beside its operands; ``None`` if it has no groups.

    Parameters
    ----------
    op
        A product.
    driven, stored
        Its operands, leading axes reshaped.
    found
        All its inputs as the graph has them.
    """
    if op.groups is None:
        return None
    by_name = dict(zip(op.inputs, found, strict=True))
    driven_shifts, stored_shifts = None, op.groups.weights
    if op.groups.driven is not None:
        shifts = by_name[op.groups.driven]
        driven_shifts = shifts.reshape(*driven.shape[:-1], shifts.shape[-1])
    if op.groups.stored is not None and stored is not None:
        shifts = by_name[op.groups.stored]
        stored_shifts = shifts.reshape(*stored.shape[:-2], *shifts.shape[-2:])
    return Operands(driven, stored, driven_shifts, stored_shifts)


def by_groups(
    engine: ProductEngine, macros: Mapping[str, Macro], mapped: MappedOp, operands: Operands, *,
    first_vector: int,
) -> ProductOutput:  # fmt: skip
    """Multiply group by group.

    Parameters
    ----------
    engine
        Computes the product of each group.
    macros
        Kinds of macros by name.
    mapped
        A product with groups.
    operands
        Codes and shifts.
    first_vector
        Number of the first vector within the run.

    Raises
    ------
    ModelRangeError
        If a sum does not fit the accumulator that the macro declares.
    """
    placement = mapped.placement
    if placement is None:
        raise SimulationError(f"op {mapped.op.name!r} has no macros")
    total, parts = np.zeros((), np.int64), []
    for piece in placement.pieces:
        part = part_of(mapped, placement, piece)
        output = _multiply(engine, part, operands, piece, first_vector)
        sums = output.values.reshape(*operands.driven.shape[:-1], -1)
        total = total + (sums << operands.places(piece.group))
        parts.append(replace(output, values=sums[:0]))
    counts = [part.counts for part in parts if part.counts is not None]
    macro = macros[placement.macro]
    check_accumulator(total, macro)
    if not counts:
        return ProductOutput(total, None, None)
    longest = max(piece.stop - piece.start for piece in placement.pieces)
    width = macro_in_use(macro, placement).accumulator_bits(longest)
    together = reduce(add_counts, counts)
    together = replace(together, shift_adds={width: sum(together.shift_adds.values())})
    together = with_shift_adds(together, recombination(mapped, macro, outputs=total.size))
    reads = [part.vector_reads for part in parts if part.vector_reads is not None]
    return ProductOutput(
        total, together, _cycles(parts, placement, macro), np.sum(reads, axis=0, dtype=np.int64)
    )


def _multiply(
    engine: ProductEngine, part: MappedOp, operands: Operands, piece: Piece, first_vector: int
) -> ProductOutput:
    rows = slice(piece.start, piece.stop)
    driven = np.ascontiguousarray(operands.driven[..., rows])
    if operands.stored is None:
        return engine.static(part, driven, first_vector)
    return engine.dynamic(
        part, driven, np.ascontiguousarray(operands.stored[..., rows, :]), first_vector
    )


def _cycles(
    parts: Sequence[ProductOutput], placement: Placement, macro: Macro
) -> NDArray[np.int32]:
    """Reads of each vector on each row block, one group after another, (vectors, row blocks).

    Where row blocks wait for each other after every bit-plane, each group of one block waits for
    the group of the same number in the others.
    """
    blocks, pieces = len(placement.row_blocks), placement.pieces
    if macro.zero_skipping.model == "none" or macro.sync == "vector":
        own = [np.zeros(0, np.int32)] * blocks
        for piece, part in zip(pieces, parts, strict=True):
            if part.service_cycles is not None:
                cycles = part.service_cycles.sum(axis=1, dtype=np.int32)
                before = own[piece.row_block]
                own[piece.row_block] = cycles if not before.size else before + cycles
        return np.stack(own, axis=1)
    slowest: dict[int, NDArray[np.int64]] = {}
    for piece, part in zip(pieces, parts, strict=True):
        if part.read_cycles is not None:
            planes = part.read_cycles().sum(axis=2)
            turn = pieces.index(piece) - _first_of(pieces, piece.row_block)
            slowest[turn] = np.maximum(slowest.get(turn, 0), planes)
    together = sum(planes.sum(axis=1) for planes in slowest.values())
    return np.repeat(np.asarray(together, np.int32)[:, np.newaxis], blocks, axis=1)


def _first_of(pieces: Sequence[Piece], row_block: int) -> int:
    return next(index for index, piece in enumerate(pieces) if piece.row_block == row_block)


def part_of(mapped: MappedOp, placement: Placement, piece: Piece) -> MappedOp:
    """The product of one group as an operation of its own, on the macros that hold the group."""
    op, length = mapped.op, piece.stop - piece.start
    start, stop = placement.row_blocks[piece.row_block]
    blocks = tuple(
        replace(block, row_start=0, row_stop=length)
        for block in placement.blocks
        if (block.row_start, block.row_stop) == (start, stop)
    )
    rows = slice(piece.start, piece.stop)
    return replace(
        mapped,
        op=replace(
            op,
            name=f"{op.name}[{piece.start}:{piece.stop}]",
            rows=length,
            weights=None if op.weights is None else op.weights[rows],
            groups=None,
        ),
        placement=replace(
            placement,
            rows=length,
            blocks=blocks,
            group=None,
            shift_places=0,
            shared_macros=f"{op.name}[{start}:{stop}]",
            fresh=None if placement.fresh is None else placement.fresh[:, rows],
        ),
    )


def recombination(mapped: MappedOp, macro: Macro, *, outputs: int) -> dict[int, int]:
    """Steps that put groups together: width [bit] → shift-and-add steps.

    Parameters
    ----------
    mapped
        A product.
    macro
        Its kind of macro, as in the architecture file.
    outputs
        Elements of the product.
    """
    placement, groups = mapped.placement, mapped.op.groups
    if placement is None or groups is None:
        return {}
    steps = outputs * len(placement.pieces)
    found = {accumulator_bits(macro, placement): steps}
    if groups.driven_max and groups.stored_max:
        width = groups.places.bit_length()
        found[width] = found.get(width, 0) + steps
    return found
