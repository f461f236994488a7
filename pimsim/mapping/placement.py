"""Matrices cut into blocks, and blocks given to macros.

Which question this module answers: *in which macro does each element of each stored operand lie?*

A stored operand of ``rows x cols`` is cut into row blocks of ``crossbar.rows`` and column blocks of
``logical_cols`` (all bit slices of a column lie side by side, as many as the operand has bits). One
whose rows share shifts in groups is cut between groups where a group fits into a macro. Each block
takes a macro of its own.

Every instance (head) of an operand written at run time has macros of its own, which successive
elements of a batch share. The cache of a decoding step stays in its macros between steps, so that
each element of a batch has its own, and only the new token's row of keys and of values is written.
What happens when macros are too few is settled by :mod:`pimsim.mapping.capacity`, which tile a
block comes to by :mod:`pimsim.mapping.seats`, and how many copies there are by
:mod:`pimsim.mapping.replication`. Products of two computed operands on a chip without writable
macros but with ``units.mac_array`` have no placement.

Not modelled: several small blocks in one macro.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import MappingError
from pimsim.mapping.capacity import Demand, settle
from pimsim.mapping.mapped import Block, Placement, dealt
from pimsim.mapping.products import (
    Product,
    check_integers,
    check_widths,
    hardware_of,
    resolve_product,
)
from pimsim.mapping.replication import Candidate, copies_of
from pimsim.mapping.seats import Group, Seat, Seats, seat
from pimsim.quantization.quantized import QuantizedWorkload

_Pieces = tuple[tuple[int, tuple[int, int], tuple[int, int]], ...]
"""Instance, rows and columns of every block."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where all products are."""

    placements: Mapping[str, Placement]
    """Product → its macros; absent: the MAC array computes it."""
    rounds: Mapping[str, int]
    """Product → its round; 0 of those without macros."""
    in_memory: frozenset[str]
    """Products whose stored operand lives in the off-chip memory until it is written."""
    static: tuple[str, ...]
    """Products with static weights."""

    @property
    def round_count(self) -> int:
        """Programmings of the macros in one inference; 1: all weights are resident."""
        return max(self.rounds.values(), default=0) + 1


def place_products(
    quantized: QuantizedWorkload,
    architecture: Architecture,
    dims: Mapping[str, int],
    fresh: Mapping[str, NDArray[np.bool_]] = MappingProxyType({}),
    macro_area_mm2: Mapping[str, float] | None = None,
) -> Layout:
    """Give every block of every product a macro.

    Parameters
    ----------
    quantized, architecture, dims, macro_area_mm2
        As in :func:`pimsim.mapping.map_workload`.
    fresh
        From :func:`pimsim.mapping.origins.fresh_elements`.

    Raises
    ------
    MappingError
        If the chip has no hardware for a kind of operand, if an operand is wider than the macro's
        inputs or weights, or if there are too few macros; the message says how many are needed.
    """
    check_integers(quantized)

    def evicted(demand: Demand) -> Demand:
        product = resolve_product(demand.product.op, quantized, dims)
        blocks = product.macros(architecture.macros[demand.kind])
        return replace(demand, product=product, blocks=blocks, resident=False)

    demands, in_memory = [], set()
    for op in quantized.ops:
        if not op.is_product:
            continue
        product = resolve_product(op, quantized, dims, resident=op.name in fresh)
        kind = hardware_of(product, architecture)
        if kind is None:
            in_memory |= _cache_in_memory(product, architecture) if op.name in fresh else set()
            continue
        macro = architecture.macros[kind]
        check_widths(product, quantized, kind, macro)
        demands.append(Demand(product, kind, product.macros(macro), resident=op.name in fresh))
    settled = settle(demands, architecture, evicted)
    for before, after in zip(demands, settled, strict=True):
        if after.seats < after.blocks or before.resident != after.resident:
            in_memory.add(after.product.op.name)
    placements: dict[str, Placement] = {}
    for number in range(max((demand.round for demand in settled), default=0) + 1):
        placements |= _place_round(settled, number, architecture, macro_area_mm2)
    rounds = {demand.product.op.name: demand.round for demand in settled}
    return Layout(
        placements={
            name: replace(placements[name], fresh=None if name in in_memory else fresh.get(name))
            for name in rounds
        },
        rounds={op.name: rounds.get(op.name, 0) for op in quantized.ops if op.is_product},
        in_memory=frozenset(in_memory),
        static=tuple(demand.product.op.name for demand in settled if demand.static),
    )


def _cache_in_memory(product: Product, architecture: Architecture) -> set[str]:
    """A product of the MAC array reads its cache from the memory."""
    if architecture.chip.memory is None:
        raise MappingError(
            f"op {product.op.name!r} multiplies with a cache of earlier tokens "
            f"({product.rows}x{product.cols}) in the MAC array, but architecture "
            f"{architecture.name!r} has no memory to keep it in.\n"
            "  Give chip.memory with technology, capacity_bytes, bandwidth_bits_per_ns and "
            "latency_ns, or a writable macro kind, whose cells hold the cache."
        )
    return {product.op.name}


def _place_round(
    settled: Sequence[Demand],
    number: int,
    architecture: Architecture,
    macro_area_mm2: Mapping[str, float] | None,
) -> dict[str, Placement]:
    """Cut and seat everything of one round, copies included."""
    several = any(demand.round for demand in settled)
    # Of several rounds, each starts empty but for the caches, which stay where they are.
    always = [demand for demand in settled if several and demand.resident]
    here = [demand for demand in settled if demand.round == number and demand not in always]
    cuts = {demand.product.op.name: _cut(demand, architecture) for demand in (*always, *here)}
    copies = _copies([*always, *here], here, cuts, architecture, macro_area_mm2)
    first = [_group(demand, cuts, copies, architecture, 0) for demand in here]
    further = [
        _group(demand, cuts, copies, architecture, copy)
        for demand in here
        for copy in range(1, copies[demand.product.op.name])
    ]
    staying = [_group(demand, cuts, copies, architecture, 0) for demand in always]
    seats = seat(architecture, staying, [*first, *further])
    return {
        demand.product.op.name: _placement(demand, cuts, copies, seats)
        for demand in (*always, *here)
        if demand.round == number
    }


def _cut(demand: Demand, architecture: Architecture) -> _Pieces:
    macro = architecture.macros[demand.kind]
    row_cut, col_cut = demand.product.row_cut(macro), demand.product.col_cut(macro)
    instances = range(demand.product.instances)
    return tuple(itertools.product(instances, row_cut, col_cut))


def _copies(
    everything: Sequence[Demand],
    here: Sequence[Demand],
    cuts: Mapping[str, _Pieces],
    architecture: Architecture,
    macro_area_mm2: Mapping[str, float] | None,
) -> dict[str, int]:
    """How many copies of each matrix of a round there are."""
    free = {
        kind: architecture.chip.tiles * count for kind, count in architecture.tile.macros.items()
    }
    for demand in everything:
        free[demand.kind] -= demand.seats
    candidates = [
        Candidate(
            name=demand.product.op.name,
            kind=demand.kind,
            blocks=demand.blocks,
            vectors=demand.product.input_vectors,
            reads=max(_reads(demand, cuts, architecture)),
        )
        for demand in here
        if demand.static
    ]
    chosen = copies_of(candidates, architecture, macro_area_mm2, free)
    return {demand.product.op.name: chosen.get(demand.product.op.name, 1) for demand in everything}


def _reads(
    demand: Demand, cuts: Mapping[str, _Pieces], architecture: Architecture
) -> tuple[int, ...]:
    """Reads of one vector on each block."""
    macro = architecture.macros[demand.kind]
    by_rows = {rows: demand.product.reads(macro, *rows) for rows in demand.product.row_cut(macro)}
    return tuple(by_rows[rows] for _, rows, _ in cuts[demand.product.op.name])


def _group(
    demand: Demand,
    cuts: Mapping[str, _Pieces],
    copies: Mapping[str, int],
    architecture: Architecture,
    copy: int,
) -> Group:
    """The macros of one copy with their work in one inference; blocks of later passes add to it."""
    name = demand.product.op.name
    vectors = dealt(demand.product.input_vectors, copies[name], copy)
    work = [0] * demand.seats
    for number, reads in enumerate(_reads(demand, cuts, architecture)):
        work[number % demand.seats] += reads * vectors
    return Group(_copy_name(name, copy), demand.kind, tuple(work))


def _copy_name(name: str, copy: int) -> str:
    return f"{name} copy {copy}"


def _placement(
    demand: Demand, cuts: Mapping[str, _Pieces], copies: Mapping[str, int], seats: Seats
) -> Placement:
    product = demand.product
    name, groups = product.op.name, product.op.groups
    blocks, *replicas = (
        _blocks(cuts[name], seats[_copy_name(name, copy)]) for copy in range(copies[name])
    )
    return Placement(
        macro=demand.kind,
        rows=product.rows,
        cols=product.cols,
        instances=product.instances,
        blocks=blocks,
        input_vectors=product.input_vectors,
        driven_bits=product.driven_bits,
        driven_signed=product.driven_signed,
        stored_bits=product.stored_bits,
        group=None if groups is None else groups.size,
        shift_places=0 if groups is None else groups.places,
        copies=copies[name],
        replicas=tuple(replicas),
        macros_per_pass=demand.seats if demand.seats < demand.blocks else None,
    )


def _blocks(pieces: _Pieces, seats: Sequence[Seat]) -> tuple[Block, ...]:
    """Give each piece a macro; after the last one the first again, in the next pass."""
    return tuple(
        Block(
            tile=seats[number % len(seats)][0],
            macro=seats[number % len(seats)][1],
            instance=instance,
            row_start=rows[0],
            row_stop=rows[1],
            col_start=cols[0],
            col_stop=cols[1],
        )
        for number, (instance, rows, cols) in enumerate(pieces)
    )
