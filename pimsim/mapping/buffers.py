"""Whether everything that lives at once fits into the buffers, and what is kept elsewhere.

Which question this module answers: *is there room for the activations, and if not, where do they
go, or how much is missing?*

An output lies in the buffer of its home tile from the operation that computes it to the last one
that takes it. Operations take turns; which of them run in one turn, and how much of an output lies
in its buffer at once, is told by :mod:`pimsim.mapping.rooms`. What lives in one turn lies there at
the same time: a schedule that lets those that run ahead of their turn take only what is left over
can always go on. An output that finds no room is *spilled*: kept in the global buffer if that has
room, else in the off-chip memory. Inputs, constants and outputs of the graph stay in the global
buffer for the whole inference.

Not modelled: fragmentation, and spilling to other tiles. Operations that run at the same time may
hold more together than one after another; then some of them have to wait for room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from pimsim.config.architecture import Architecture
from pimsim.errors import MappingError
from pimsim.mapping.mapped import Spill
from pimsim.mapping.movement import Traffic
from pimsim.mapping.problem import Problem
from pimsim.quantization.quantized import QuantizedOp

_BITS_PER_BYTE: Final = 8
_NAMED_TENSORS: Final = 4
"""How many of the largest tensors a message names."""

Held = dict[str, int]
"""Output that lives → its bits."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Where outputs are kept."""

    spilled: Mapping[str, Spill]
    """Operation whose output its home tile has no room for → where it is kept."""
    room_bits: Mapping[str, int]
    """Operation → bits of its output that lie in their place at once."""
    turn: Mapping[str, int]
    """Operation → number of the turn that it runs in."""


def keep_outputs(
    problem: Problem,
    traffic: Mapping[str, Traffic],
    rooms: Mapping[str, int],
    turns: Sequence[Sequence[str]],
    in_memory: frozenset[str],
) -> Kept:
    """Find every output a place.

    Parameters
    ----------
    problem
        What is mapped to what.
    traffic
        Movement while nothing is spilled.
    rooms
        Operation → bits of its output that lie in their place at once.
    turns
        From :func:`pimsim.mapping.rooms.find_turns`: operations that run together, one set after
        another.
    in_memory
        Operations whose output is kept in the off-chip memory in any case.

    Raises
    ------
    MappingError
        If something does not fit: where, how many bytes, the largest tensors, the capacity that
        would do, and what else would help.
    """
    executed = [op for op in problem.quantized.ops if op.name in traffic]
    turn = {name: number for number, together in enumerate(turns) for name in together}
    last_turn = dict(turn)
    for op in executed:
        for name in op.inputs:
            for origin in problem.origins[name]:
                if origin.producer is not None:
                    last = max(last_turn[origin.producer], turn[op.name])
                    last_turn[origin.producer] = last
    ending: dict[int, list[str]] = {}
    for name, number in last_turn.items():
        ending.setdefault(number, []).append(name)
    shelves = _Shelves(problem.architecture, _fixed_bits(problem, executed))
    for number, together in enumerate(turns):
        for name in together:
            plan = traffic[name]
            if plan.write_bits:
                shelves.put(name, plan.home, rooms[name], always=name in in_memory)
        for name in ending.get(number, ()):
            shelves.drop(name)
    shelves.check()
    written = {name: rooms[name] for name, plan in traffic.items() if plan.write_bits}
    return Kept(shelves.spilled, written, turn)


@dataclass(slots=True)
class _Missing:
    """The first output that found no room anywhere."""

    op: str
    tile: int
    held: Held
    """Outputs on the tile, this one included."""
    global_free_bits: int


@final
@dataclass(slots=True)
class _Shelves:
    """What lives where, from one operation to the next."""

    architecture: Architecture
    fixed_bits: int
    """What lies in the global buffer all the time."""
    spilled: dict[str, Spill] = field(default_factory=dict)
    _at_home: dict[int, Held] = field(default_factory=dict)
    _wanted: dict[int, Held] = field(default_factory=dict)
    """What would lie on each tile if nothing were spilled."""
    _tile: dict[str, int] = field(default_factory=dict)
    _spilled_live: Held = field(default_factory=dict)
    """What lives in the global buffer for want of room."""
    _peak_bits: int = 0
    """Most bits that would lie on any tile at once if nothing were spilled."""
    _missing: _Missing | None = None

    def put(self, op: str, tile: int, bits: int, *, always: bool) -> None:
        """Find the output of an operation a place; ``always``: in the memory."""
        if always:
            self.spilled[op] = "memory"
            return
        self._tile[op] = tile
        wanted = self._wanted.setdefault(tile, {})
        wanted[op] = bits
        self._peak_bits = max(self._peak_bits, sum(wanted.values()))
        held = self._at_home.setdefault(tile, {})
        capacity_bits = self.architecture.tile.buffer.capacity_bytes * _BITS_PER_BYTE
        if sum(held.values()) + bits <= capacity_bits:
            held[op] = bits
            return
        chip = self.architecture.chip
        global_bits = chip.global_buffer.capacity_bytes * _BITS_PER_BYTE
        free_bits = global_bits - self.fixed_bits - sum(self._spilled_live.values())
        if bits <= free_bits:
            self.spilled[op] = "global_buffer"
            self._spilled_live[op] = bits
        elif chip.memory is not None:
            self.spilled[op] = "memory"
        elif self._missing is None:
            self._missing = _Missing(op, tile, {**held, op: bits}, free_bits)

    def drop(self, op: str) -> None:
        """Nothing takes the output any more."""
        self._spilled_live.pop(op, None)
        if op in self._tile:
            self._wanted[self._tile[op]].pop(op, None)
            self._at_home.get(self._tile[op], {}).pop(op, None)

    def check(self) -> None:
        """Raise if an output has found no place."""
        if self._missing is None:
            return
        missing, architecture = self._missing, self.architecture
        output_bits = missing.held[missing.op]
        raise MappingError(
            f"op {missing.op!r} needs {_bytes(sum(missing.held.values()))} bytes in the buffer of "
            f"tile {missing.tile}, which has {architecture.tile.buffer.capacity_bytes} on "
            f"architecture {architecture.name!r} (outputs of {_largest(missing.held)}), and the "
            f"global buffer has {missing.global_free_bits // _BITS_PER_BYTE} bytes free, fewer "
            f"than the {_bytes(output_bits)} of its output.\n"
            f"  Raise tile.buffer.capacity_bytes to at least {_bytes(self._peak_bits)}, the most "
            "that any operation needs, or chip.global_buffer.capacity_bytes, or give chip.memory "
            "for what does not fit, or use a smaller batch or sequence"
            f"{_streaming_remedy(architecture)}."
        )


def _streaming_remedy(architecture: Architecture) -> str:
    if architecture.mapping.dataflow == "token_streaming":
        return ""
    return (
        ", or try mapping.dataflow token_streaming, which keeps only what is in flight or needed "
        "whole"
    )


def _fixed_bits(problem: Problem, executed: list[QuantizedOp]) -> int:
    """Bits of the inputs, constants and outputs of the graph, which must fit."""
    quantized, architecture, origins = problem.quantized, problem.architecture, problem.origins
    names = [name for op in executed for name in op.inputs]
    held = {
        origin.tensor: problem.size_bits(origin.tensor)
        for name in names
        for origin in origins[name]
        if origin.producer is None and not origin.resident
    }
    for name in quantized.outputs:
        for origin in origins[name]:
            if origin.producer is not None:
                bits = quantized.tensors[origin.tensor].encoding.bits
                held[origin.tensor] = held.get(origin.tensor, 0) + origin.elements * bits
    needed = _bytes(sum(held.values()))
    capacity = architecture.chip.global_buffer.capacity_bytes
    if needed > capacity:
        raise MappingError(
            f"the inputs, constants and outputs of workload {quantized.workload.name!r} need "
            f"{needed} bytes, but the global buffer has {capacity} on architecture "
            f"{architecture.name!r} ({_largest(held)}).\n"
            f"  Raise chip.global_buffer.capacity_bytes to at least {needed}, or use a smaller "
            "batch or sequence; they are not split between buffer and memory."
        )
    return sum(held.values())


def _bytes(bits: int) -> int:
    return -(-bits // _BITS_PER_BYTE)


def _largest(held: Mapping[str, int]) -> str:
    ordered = sorted(held.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{name!r}: {_bytes(bits)} bytes" for name, bits in ordered[:_NAMED_TENSORS])
    others = len(ordered) - _NAMED_TENSORS
    return named if others <= 0 else f"{named} and {others} more"
