"""The mapped workload: which macro holds what, and where everything else lives.

Which question this module answers: *where on the chip does each operation run, and how many bits
move for it?*

Mapping decides and knows no values; the functional and the timing pass execute it and decide
nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.config.architecture import Architecture
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.records import MovedBits


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
    """Matrices that work side by side: heads of a dynamic product, 1 for static weights."""
    blocks: tuple[Block, ...]
    """Ordered by instance, then row start, then column start."""
    input_vectors: int
    """Vectors driven onto each instance during one inference."""

    @property
    def row_blocks(self) -> tuple[tuple[int, int], ...]:
        """Distinct (start, stop) row ranges, in order: the groups of ``service_cycles``."""
        return tuple(sorted({(block.row_start, block.row_stop) for block in self.blocks}))

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

    def op(self, name: str) -> MappedOp:
        """The mapped operation called ``name``."""
        return next(mapped for mapped in self.ops if mapped.op.name == name)
