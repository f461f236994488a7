"""A mapped workload as rows, totals and JSON.

Which question this module answers: *how full is the chip, and of what?*
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from pimsim.mapping import MappedOp, MappedWorkload, programmings_per_inference
from pimsim.mapping.mapped import Placement
from pimsim.mapping.widths import macro_in_use
from pimsim.provenance import VERSION
from pimsim.records import MovedBits

FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class OpRow:
    """One executed operation."""

    op: str
    hardware: str
    """Kind of macro, or key in ``Architecture.units``."""
    home: int
    """Tile where its output is assembled."""
    round: int
    tokens: int
    blocks: int | None
    """Macros of one copy and pass, times passes; ``None`` of a unit."""
    copies: int | None
    passes: int | None
    tiles: tuple[int, ...]
    """Tiles that hold some of it, in order; of a unit its home."""
    rows_ratio: float | None
    """Word lines in use of those of its macros."""
    cols_ratio: float | None
    """Bit lines in use of those of its macros."""
    kept: str
    """Where the output is kept: ``tile``, ``global_buffer``, ``memory``, or nowhere: ``stream``."""
    moved: MovedBits


@dataclass(frozen=True, slots=True)
class KindTotal:
    """All macros of one kind; of several rounds, the fullest."""

    kind: str
    present: int
    used: int
    rows_ratio: float
    """Word lines in use of those of the macros in use, mean over macros."""
    cols_ratio: float
    cells_ratio: float
    """Cells in use of all cells of the kind."""
    programmings_per_inference: int


def op_rows(mapped: MappedWorkload) -> tuple[OpRow, ...]:
    """One row per executed operation, in execution order."""
    return tuple(_row(op, mapped) for op in mapped.ops)


def totals(mapped: MappedWorkload) -> tuple[KindTotal, ...]:
    """One row per kind of macro that a tile holds."""
    architecture = mapped.architecture
    programmed = programmings_per_inference(mapped)
    rows = []
    for kind, per_tile in architecture.tile.macros.items():
        crossbar, present = architecture.macros[kind].crossbar, architecture.chip.tiles * per_tile
        if not present:
            continue
        placements = [
            op.placement
            for op in mapped.ops
            if op.placement is not None and op.placement.macro == kind
        ]
        filled = [fill_ratios(placement, mapped) for placement in placements]
        weights = [len(placement.blocks) * placement.copies for placement in placements]
        rows.append(
            KindTotal(
                kind=kind,
                present=present,
                used=mapped.macros_used[kind],
                rows_ratio=_mean([ratio for ratio, _ in filled], weights),
                cols_ratio=_mean([ratio for _, ratio in filled], weights),
                cells_ratio=mapped.cells_used[kind] / (present * crossbar.rows * crossbar.cols),
                programmings_per_inference=programmed.get(kind, 0),
            )
        )
    return tuple(rows)


def fill_ratios(placement: Placement, mapped: MappedWorkload) -> tuple[float, float]:
    """Shares of the word lines and of the bit lines in use, mean over the blocks."""
    whole = mapped.architecture.macros[placement.macro]
    slices = macro_in_use(whole, placement).slices
    crossbar, blocks = whole.crossbar, placement.blocks
    rows = sum(block.row_stop - block.row_start for block in blocks)
    cols = sum(block.col_stop - block.col_start for block in blocks) * slices
    return rows / (len(blocks) * crossbar.rows), cols / (len(blocks) * crossbar.cols)


def to_json(mapped: MappedWorkload) -> str:
    """Write rows, totals, homes and notes as JSON."""
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "pimsim_version": VERSION,
        "workload": mapped.quantized.workload.name,
        "architecture": mapped.architecture.name,
        "scheme": mapped.quantized.scheme,
        "dims": dict(mapped.dims),
        "policy": mapped.architecture.mapping.policy,
        "dataflow": mapped.architecture.mapping.dataflow,
        "tiles": mapped.architecture.chip.tiles,
        "rounds": mapped.rounds,
        "macros": [asdict(total) for total in totals(mapped)],
        "moved": sum_moved(mapped),
        "homes": [asdict(home) for home in mapped.homes],
        "notes": list(mapped.notes),
        "ops": [asdict(row) for row in op_rows(mapped)],
    }
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def sum_moved(mapped: MappedWorkload) -> Mapping[str, int]:
    """Bits that all operations move in one inference, by place."""
    names = MovedBits.__dataclass_fields__
    return {name: sum(getattr(op.moved, name) for op in mapped.ops) for name in names}


def _row(op: MappedOp, mapped: MappedWorkload) -> OpRow:
    placement = op.placement
    hardware = placement.macro if placement is not None else ""
    if op.unit is not None:
        hardware = op.unit.function
    tiles: tuple[int, ...] = (op.tile,)
    rows_ratio = cols_ratio = None
    if placement is not None:
        tiles = tuple(sorted({block.tile for block in placement.all_blocks}))
        rows_ratio, cols_ratio = fill_ratios(placement, mapped)
    return OpRow(
        op=op.op.name,
        hardware=hardware,
        home=op.tile,
        round=op.round,
        tokens=op.tokens,
        blocks=None if placement is None else len(placement.blocks),
        copies=None if placement is None else placement.copies,
        passes=None if placement is None else placement.passes,
        tiles=tiles,
        rows_ratio=rows_ratio,
        cols_ratio=cols_ratio,
        kept=_kept(op),
        moved=op.moved,
    )


def _kept(op: MappedOp) -> str:
    if op.spilled is not None:
        return op.spilled
    return "tile" if op.room_bits else "stream"


def _mean(values: list[float], weights: list[int]) -> float:
    total = sum(weights)
    products = (value * weight for value, weight in zip(values, weights, strict=True))
    return math.fsum(products) / total if total else 0.0
