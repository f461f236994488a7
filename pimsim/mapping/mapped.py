"""The mapped workload: which macro holds what, and where everything else lives.

Which question this module answers: *where on the chip does each operation run, and how many bits
move for it?*

Mapping decides and knows no values; the functional and the timing pass execute it and decide
nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.mapping.labels import distinct
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.records import MovedBits

MEMORY: Final = "memory"
"""The off-chip memory; it has no port of its own to the network but the global buffer's."""

Place = int | Literal["memory"] | None
"""Where bits lie: in the buffer of a tile, by its number; in the global buffer, ``None``; or in the
off-chip memory."""

Spill = Literal["global_buffer", "memory"]
"""Where an output is kept that the buffer of its home tile has no room for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one macro whose products are summed before anything else happens to the sum."""

    start: int
    stop: int
    group: int
    """Which group of the operand; 0 where there are none."""
    row_block: int
    """Which of the placement's row blocks."""


def pieces_of(start: int, stop: int, group: int | None, *, row_block: int = 0) -> tuple[Piece, ...]:
    """Cut a range of rows where a group ends.

    Examples
    --------
    >>> [(piece.start, piece.stop, piece.group) for piece in pieces_of(8, 20, 6)]
    [(8, 12, 1), (12, 18, 2), (18, 20, 3)]
    """
    if group is None:
        return (Piece(start, stop, 0, row_block),)
    return tuple(
        Piece(max(start, index * group), min(stop, (index + 1) * group), index, row_block)
        for index in range(start // group, -(-stop // group))
    )


def dealt(vectors: int, copies: int, copy: int) -> int:
    """How many vectors a copy gets when they are dealt out in turn.

    Examples
    --------
    >>> [dealt(8, 3, copy) for copy in range(3)]
    [3, 3, 2]
    """
    return (vectors - copy + copies - 1) // copies


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of one operand in one macro; all slices of its columns lie side by side there."""

    tile: int
    macro: int
    """Index among the tile's macros of the placement's kind."""
    instance: int
    """Which matrix: the head of a dynamic operand, 0 for static weights."""
    row_start: int
    row_stop: int
    col_start: int
    col_stop: int


@dataclass(frozen=True, slots=True)
class Placement:
    """The macros that execute one product."""

    macro: str
    """Name in ``Architecture.macros``."""
    rows: int
    """Reduction length of the product."""
    cols: int
    instances: int
    """Matrices that work side by side: heads of a dynamic product, 1 for static weights; heads of
    all samples where a part of the operand is resident."""
    blocks: tuple[Block, ...]
    """Ordered by instance, then row start, then column start."""
    input_vectors: int
    """Vectors driven onto each instance during one inference."""
    driven_bits: int | None = None
    """Width of the driven operand; ``None``: that of the macro's inputs. [bit]"""
    driven_signed: bool = True
    """Whether the driven operand has a sign."""
    stored_bits: int | None = None
    """Width of the stored operand; ``None``: that of the macro's weights. [bit]"""
    group: int | None = None
    """Rows whose products are summed before they are shifted together; ``None``: no shifts."""
    shift_places: int = 0
    """Farthest that a sum of a group is shifted. [bit]"""
    shared_macros: str | None = None
    """Name of the macros, where other rows of theirs are placed under another name."""
    fresh: NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)
    """(instances, rows, cols) of an operand of which earlier steps have left a part in the cells:
    true where an element is written in this inference. ``None``: a dynamic operand is written
    whole. Every sample of a batch then has instances of its own."""
    copies: int = 1
    """Replicas of static weights; vectors are dealt out to them in turn. ``blocks`` holds those of
    the first copy, ``replicas`` the others'."""
    replicas: tuple[tuple[Block, ...], ...] = ()
    """Blocks of each further copy, in the order of ``blocks``."""
    macros_per_pass: int | None = None
    """Of an operand that the macros cannot hold at once: how many macros it has. Block ``n`` is
    written in pass ``n // macros_per_pass``, and in every pass all vectors are driven onto the
    blocks of that pass. ``None``: all blocks have macros of their own, one pass."""

    @property
    def passes(self) -> int:
        """How often the macros are filled with parts of one matrix, one after another."""
        return 1 if self.macros_per_pass is None else -(-len(self.blocks) // self.macros_per_pass)

    @property
    def all_blocks(self) -> tuple[Block, ...]:
        """Blocks of all copies."""
        return (*self.blocks, *(block for copy in self.replicas for block in copy))

    @property
    def macros_used(self) -> int:
        """Macros that hold something, copies included."""
        if self.macros_per_pass is not None:
            return min(self.macros_per_pass, len(self.blocks))
        return len(self.blocks) * self.copies

    @property
    def elements_held(self) -> int:
        """Elements that lie in the macros at once, copies included; in passes, of the fullest."""
        size = self.macros_per_pass or len(self.blocks)
        areas = [
            (block.row_stop - block.row_start) * (block.col_stop - block.col_start)
            for block in self.blocks
        ]
        parts = (sum(areas[start : start + size]) for start in range(0, len(areas), size))
        return max(parts) * self.copies

    def vectors_of(self, copy: int) -> int:
        """How many of ``input_vectors`` are dealt to a copy, which has number 0 if the first."""
        return dealt(self.input_vectors, self.copies, copy)

    def written(self, block: Block) -> tuple[int, int]:
        """Rows and elements of a block that are written per matrix, if the operand is dynamic."""
        rows, cols = block.row_stop - block.row_start, block.col_stop - block.col_start
        if self.fresh is None:
            return rows, rows * cols
        rectangle = slice(block.row_start, block.row_stop), slice(block.col_start, block.col_stop)
        part = distinct(self.fresh[block.instance][rectangle])  # the others are like these
        rows_alike, elements_alike = rows // part.shape[0], rows * cols // part.size
        return int(part.any(axis=1).sum()) * rows_alike, int(part.sum()) * elements_alike

    @property
    def row_blocks(self) -> tuple[tuple[int, int], ...]:
        """Distinct (start, stop) row ranges, in order: the groups of ``service_cycles``."""
        return tuple(sorted({(block.row_start, block.row_stop) for block in self.blocks}))

    @property
    def pieces(self) -> tuple["Piece", ...]:
        """Parts of the row blocks that are read on their own: whole ones, or groups in them."""
        return tuple(
            piece
            for index, (start, stop) in enumerate(self.row_blocks)
            for piece in pieces_of(start, stop, self.group, row_block=index)
        )

    @property
    def col_blocks(self) -> tuple[tuple[int, int], ...]:
        """Distinct (start, stop) column ranges, in order."""
        return tuple(sorted({(block.col_start, block.col_stop) for block in self.blocks}))


@dataclass(frozen=True, slots=True)
class UnitUse:
    """How one inference uses a digital unit for one operation."""

    function: str
    """Key in ``Architecture.units``."""
    rows: int
    """Rows per inference."""
    length: int
    """Elements per row."""


@dataclass(frozen=True, slots=True)
class Need:
    """How much of another operation must be done before a token of this one can start."""

    op: str
    """The operation needed: one of ``MappedOp.depends_on``."""
    whole: bool
    """Whether every token needs all tokens of it, as of an operand that is written into cells."""
    tokens: tuple[int | None, ...] | None = None
    """Token by token of this operation, the one token of the other that it needs; ``None`` in it: a
    token that needs none of it. ``None`` instead of the tuple, if not ``whole``: the one of the
    same number."""


@dataclass(frozen=True, slots=True)
class MappedOp:
    """One operation with its place on the chip and its traffic."""

    op: QuantizedOp
    tile: int
    """Home tile: where the output is assembled, its unit runs and its buffer lies."""
    tokens: int
    """Steps of the replay: vectors of the output during one inference, all heads together."""
    placement: Placement | None
    unit: UnitUse | None
    moved: MovedBits
    """Bits moved during one inference."""
    depends_on: tuple[str, ...]
    """Operations, movements skipped, whose outputs this one needs."""
    needs: tuple[Need, ...] = ()
    """The same operations in the same order, each with how much of it a token needs; from
    :mod:`pimsim.mapping.needs`."""
    round: int = 0
    """Which programming of the macros the operation needs; all 0 without time multiplexing."""
    spilled: Spill | None = None
    """Where the output is kept if not in the buffer of the home tile."""
    room_bits: int = 0
    """How much of the output must have room there at once: all of it, or one token where tokens
    stream."""
    turn: int = 0
    """Operations of one turn run together (:func:`pimsim.mapping.rooms.find_turns`). The mapping
    has made sure that in every turn there is room for ``room_bits`` of each of them, beside what
    earlier turns have left to be read: with that much each, they never wait for each other for
    good."""

    @property
    def place(self) -> Place:
        """Where the output is kept."""
        return place_of(self.tile, self.spilled)


def place_of(tile: int, spilled: Spill | None) -> Place:
    """Where an output is kept: at home, unless it is spilled."""
    if spilled is None:
        return tile
    return None if spilled == "global_buffer" else MEMORY


@dataclass(frozen=True, slots=True)
class Home:
    """Where something lives that no macro holds."""

    what: str
    """Tensor of the workload, or tokens of a KV cache."""
    place: Literal["global_buffer", "memory", "host"]
    bits: int


@dataclass(frozen=True, slots=True)
class MappedWorkload:
    """A quantized workload laid onto one architecture at one set of dimensions."""

    quantized: QuantizedWorkload
    architecture: Architecture
    dims: Mapping[str, int]
    ops: tuple[MappedOp, ...]
    """In execution order; movements and boundaries are absent: they are address arithmetic."""
    macros_used: Mapping[str, int]
    """Macro kind → macros that hold something."""
    cells_used: Mapping[str, int]
    """Macro kind → cells that hold something."""
    rounds: int = 1
    """Programmings of the macros during one inference; 1: all weights are resident."""
    homes: tuple[Home, ...] = ()
    """Embedding tables, spilled tokens and whatever else lies outside the macros."""
    notes: tuple[str, ...] = ()
    """What a reader of the mapping must know."""

    def op(self, name: str) -> MappedOp:
        """The mapped operation called ``name``."""
        return next(mapped for mapped in self.ops if mapped.op.name == name)
