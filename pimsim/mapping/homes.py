"""Where everything lives that no macro and no tile buffer holds.

Which question this module answers: *where are the embedding tables, the weights of other rounds,
the tokens that the macros cannot keep?*

========================================== =====================================================
what                                       home
========================================== =====================================================
embedding table                            memory if the chip has one, else the host
LM head                                    macros, like every static matrix
static weights, when macros are            memory
reprogrammed in rounds
cache of earlier tokens                    macros, or memory if these cannot hold all caches
operand written in passes                  memory until its pass
output that its tile has no room for       global buffer, else memory
========================================== =====================================================
"""

from collections.abc import Iterable
from typing import Final, Literal

from pimsim.config.architecture import Architecture
from pimsim.errors import MappingError
from pimsim.mapping.buffers import Kept
from pimsim.mapping.mapped import Home
from pimsim.mapping.movement import looked_up
from pimsim.mapping.placement import Layout
from pimsim.mapping.problem import Problem
from pimsim.workload.shapes import elements

_BITS_PER_BYTE: Final = 8


def find_homes(problem: Problem, layout: Layout, kept: Kept) -> tuple[Home, ...]:
    """List what lives outside macros and tile buffers.

    Raises
    ------
    MappingError
        If the memory is too small for all of it.
    """
    homes = [
        *_tables(problem),
        *_weights(problem.architecture, layout),
        *_caches(problem, layout),
    ]
    outputs = {op.name: op.output for op in problem.quantized.ops}
    homes += [
        Home(outputs[name], place, kept.room_bits[name]) for name, place in kept.spilled.items()
    ]
    _check_memory(homes, problem.architecture)
    return tuple(homes)


def stored_producers(problem: Problem, layout: Layout) -> frozenset[str]:
    """Operations whose output waits in the memory to be written into macros."""
    names = [
        name
        for op in problem.quantized.ops
        if op.name in layout.in_memory
        for name in (op.inputs[1], None if op.groups is None else op.groups.stored)
        if name is not None
    ]
    producers = {origin.producer for name in names for origin in problem.origins[name]}
    return frozenset(producer for producer in producers if producer is not None)


def _tables(problem: Problem) -> Iterable[Home]:
    quantized, chip = problem.quantized, problem.architecture.chip
    place: Literal["host", "memory"] = "host" if chip.memory is None else "memory"
    seen = set()
    for tensor, table in looked_up(quantized).items():
        if table not in seen:
            seen.add(table)
            size = elements(quantized.workload.tensors[table].shape, problem.dims)
            yield Home(table, place, size * quantized.tensors[tensor].encoding.bits)


def _weights(architecture: Architecture, layout: Layout) -> Iterable[Home]:
    """All static weights together, where none are resident."""
    if layout.round_count == 1:
        return
    bits = 0
    for name in layout.static:
        placement = layout.placements[name]
        width = placement.stored_bits or architecture.macros[placement.macro].weights.bits
        bits += placement.rows * placement.cols * width
    yield Home("static weights of all rounds", "memory", bits)


def _caches(problem: Problem, layout: Layout) -> Iterable[Home]:
    seen = set()
    for op in problem.quantized.ops:
        for name in op.inputs if op.name in layout.in_memory else ():
            for origin in problem.origins[name]:
                if origin.resident and origin.tensor not in seen:
                    seen.add(origin.tensor)
                    yield Home(origin.tensor, "memory", problem.size_bits(origin.tensor))


def _check_memory(homes: Iterable[Home], architecture: Architecture) -> None:
    memory = architecture.chip.memory
    if memory is None:
        return
    stored = [home for home in homes if home.place == "memory"]
    needed = -(-sum(home.bits for home in stored) // _BITS_PER_BYTE)
    if needed > memory.capacity_bytes:
        largest = max(stored, key=lambda home: home.bits)
        raise MappingError(
            f"{len(stored)} tensors need {needed} bytes in the memory of architecture "
            f"{architecture.name!r}, which has {memory.capacity_bytes} (the largest: "
            f"{largest.what!r}, {-(-largest.bits // _BITS_PER_BYTE)} bytes).\n"
            f"  Raise chip.memory.capacity_bytes to at least {needed}."
        )
