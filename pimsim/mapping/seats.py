"""Which macro of which tile holds each block: the placement policies.

Which question this module answers: *on which tile does each matrix lie?*

``layer_order``
    The next free macro of the tile, then the next tile, in the order of the operations.
``balanced``
    Matrices in the order of their work, most first; each goes to the tile that has the least work
    so far and a free macro, and from there, if it needs more macros than the tile has left, on to
    the next such tile. Where ``layer_order`` happens to leave the busiest tile with less work, as
    it can when tiles are nearly full, that is taken instead.

The *work* of a block is its reads in one inference: reads of one vector times vectors.

Not modelled: work of the digital units of a tile, and the traffic that a placement causes.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from pimsim.config.architecture import Architecture

Seat = tuple[int, int]
"""A macro: its tile, and its number among the macros of its kind there."""


@dataclass(frozen=True, slots=True)
class Group:
    """Blocks that are to lie together: those of one copy of one matrix."""

    name: str
    kind: str
    work: tuple[int, ...]
    """Reads of each macro in one inference; as many entries as it takes macros."""


@final
class Floor:
    """The macros of all tiles, free and taken, with the work of each tile."""

    def __init__(self, architecture: Architecture) -> None:
        self._per_tile = dict(architecture.tile.macros)
        self._tiles = architecture.chip.tiles
        self._taken: dict[str, list[int]] = {}
        self.work = [0] * self._tiles
        """Reads of each tile in one inference."""
        self._first: dict[str, int] = {}
        """Kind → tile before which all are full, when macros are taken in order."""
        self._idle: dict[str, list[tuple[int, int]]] = {}
        """Kind → heap of (work when put there, tile) with a free macro."""

    def take_next(self, group: Group) -> tuple[Seat, ...]:
        """Seat a group on the next free macros, tile by tile."""
        taken, seats = self._of(group.kind), []
        tile = self._first.get(group.kind, 0)
        for work in group.work:
            while taken[tile] == self._per_tile[group.kind]:
                tile += 1
            seats.append(self._take(group.kind, tile, work))
        self._first[group.kind] = tile
        return tuple(seats)

    def take_idle(self, group: Group) -> tuple[Seat, ...]:
        """Seat a group on the tiles with the least work, whole tiles at a time."""
        kind, taken = group.kind, self._of(group.kind)
        heap = self._idle.setdefault(kind, [(0, tile) for tile in range(self._tiles)])
        seats: list[Seat] = []
        while len(seats) < len(group.work):
            then, tile = heapq.heappop(heap)
            if then != self.work[tile]:  # it has got more since
                heapq.heappush(heap, (self.work[tile], tile))
                continue
            room = self._per_tile[kind] - taken[tile]
            here = group.work[len(seats) : len(seats) + room]
            seats += [self._take(kind, tile, work) for work in here]
            if taken[tile] < self._per_tile[kind]:
                heapq.heappush(heap, (self.work[tile], tile))
        return tuple(seats)

    def _of(self, kind: str) -> list[int]:
        return self._taken.setdefault(kind, [0] * self._tiles)

    def _take(self, kind: str, tile: int, work: int) -> Seat:
        number = self._taken[kind][tile]
        self._taken[kind][tile] += 1
        self.work[tile] += work
        return tile, number


Seats = Mapping[str, tuple[Seat, ...]]
"""Name of a group → its macros."""


def in_layer_order(floor: Floor, groups: Iterable[Group]) -> Seats:
    """Seat groups in their order, one macro after the other."""
    return {group.name: floor.take_next(group) for group in groups}


def by_work(floor: Floor, groups: Iterable[Group]) -> Seats:
    """Seat groups by their work, most first, each where there is least."""
    order = sorted(groups, key=lambda group: -sum(group.work))
    return {group.name: floor.take_idle(group) for group in order}


Policy = Callable[[Floor, Iterable[Group]], Seats]
POLICIES: Final[Mapping[str, tuple[Policy, ...]]] = {
    "layer_order": (in_layer_order,),
    "balanced": (by_work, in_layer_order),
}
"""Value of ``mapping.policy`` → ways to seat; the one with the least busy busiest tile is taken,
the first of equals."""


def seat(architecture: Architecture, always: Sequence[Group], groups: Sequence[Group]) -> Seats:
    """Give every block of the groups of one round a macro, as ``mapping.policy`` says.

    Parameters
    ----------
    architecture
        The chip; it must have enough macros.
    always
        What stays in its macros in all rounds; seated first, the same way each time.
    groups
        The rest, in execution order.
    """
    ways: list[tuple[int, Seats]] = []
    for policy in POLICIES[architecture.mapping.policy]:
        floor = Floor(architecture)
        seats = {**in_layer_order(floor, always), **policy(floor, groups)}
        ways.append((max(floor.work), seats))
    return min(ways, key=lambda way: way[0])[1]
