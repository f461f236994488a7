"""Further copies of the matrices that take the longest.

Which question this module answers: *which matrices get the macros that are left?*

The vectors of a static matrix are dealt out to its copies in turn, so that ``n`` copies take a
``n``-th of the time. A greedy choice: of all matrices, one more copy goes to the one with the most
service time per copy and area, until the area of ``mapping.replication_mm2`` or the free macros are
used up. Service time is reads of the slowest row block times vectors per copy, which is time up to
a factor, since all static weights lie in one kind of macro. Or every matrix has the same number of
copies, ``mapping.copies``.

Copies are programmed separately on silicon; the functional pass evaluates all vectors on the first
copy, so that values have the same distribution but copies never differ from each other.

Not modelled: copies of operands that are written at run time.
"""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pimsim.config.architecture import Architecture
from pimsim.errors import MappingError


@dataclass(frozen=True, slots=True)
class Candidate:
    """A static matrix that may be copied."""

    name: str
    kind: str
    blocks: int
    """Macros of one copy."""
    vectors: int
    """Vectors of one inference."""
    reads: int
    """Reads of one vector on the slowest row block."""

    def urgency(self, copies: int, area_mm2: float) -> float:
        """Reads per copy over the area of a copy. [1/mm²]"""
        return self.reads * -(-self.vectors // copies) / (self.blocks * area_mm2)


def copies_of(
    candidates: Sequence[Candidate],
    architecture: Architecture,
    macro_area_mm2: Mapping[str, float] | None,
    free: Mapping[str, int],
) -> dict[str, int]:
    """Choose how many copies of each matrix there are, the first included.

    Parameters
    ----------
    candidates
        Matrices of one round, in execution order; the first of equals wins.
    architecture
        The chip, with the budget.
    macro_area_mm2
        Kind of macro → its area.
    free
        Kind of macro → how many hold nothing.

    Raises
    ------
    MappingError
        If a budget is given but no area, or the free macros do not hold the copies asked for.
    """
    if architecture.mapping.copies is not None:
        return _same_for_all(candidates, architecture.mapping.copies, free)
    copies = {candidate.name: 1 for candidate in candidates}
    budget_mm2 = architecture.mapping.replication_mm2
    if budget_mm2 is None:
        return copies
    if macro_area_mm2 is None:
        raise MappingError(
            f"mapping.replication_mm2 is {budget_mm2:g}, but the area of a macro is not known "
            "here; pass macro_area_mm2"
        )
    for candidate in candidates:
        if candidate.kind not in macro_area_mm2:
            raise MappingError(
                f"mapping.replication_mm2 is {budget_mm2:g}, but the cost models of architecture "
                f"{architecture.name!r} do not tell the area of one {candidate.kind!r} macro.\n"
                "  Leave mapping.replication_mm2 out, or choose another cost.default."
            )
    left, spent_mm2 = dict(free), 0.0
    heap = [
        (-candidate.urgency(1, macro_area_mm2[candidate.kind]), index)
        for index, candidate in enumerate(candidates)
    ]
    heapq.heapify(heap)
    while heap:
        _, index = heapq.heappop(heap)
        chosen = candidates[index]
        area_mm2 = chosen.blocks * macro_area_mm2[chosen.kind]
        fits = chosen.blocks <= left[chosen.kind] and spent_mm2 + area_mm2 <= budget_mm2
        if not fits or copies[chosen.name] >= chosen.vectors:
            continue  # and never again: what is left only shrinks
        copies[chosen.name] += 1
        left[chosen.kind] -= chosen.blocks
        spent_mm2 += area_mm2
        urgency = chosen.urgency(copies[chosen.name], macro_area_mm2[chosen.kind])
        heapq.heappush(heap, (-urgency, index))
    return copies


def _same_for_all(
    candidates: Sequence[Candidate], copies: int, free: Mapping[str, int]
) -> dict[str, int]:
    """As many copies of each matrix, but no more than it has vectors."""
    found = {candidate.name: min(copies, candidate.vectors) for candidate in candidates}
    wanted = Counter[str]()
    for candidate in candidates:
        wanted[candidate.kind] += (found[candidate.name] - 1) * candidate.blocks
    for kind, macros in wanted.items():
        if macros > free[kind]:
            raise MappingError(
                f"mapping.copies is {copies}: the further copies need {macros} {kind!r} macros, "
                f"but {free[kind]} are free.\n  Raise chip.tiles or tile.macros.{kind}, or lower "
                "mapping.copies."
            )
    return found
