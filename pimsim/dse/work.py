"""Which task comes next: those that share values are computed by the same process, in a row.

Which question this module answers: *in which order, and by whom, should these points be computed so
that the least is computed twice?*

Tasks of one *family* have the same values, those of one course in it also the same timeline
(:mod:`pimsim.reuse`). A process works through a family before it begins another one, and takes from
a family that another process has begun only when no other is left. Where every task is a family of
its own, tasks are started in the order of their points.

A task is claimed when it is started, not before: of two sweeps on one store, each computes what the
other has not begun.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import final

from pimsim.dse.task import Task

Entry = tuple[str, Task]
"""Key and task."""


@final
class Work:
    """Tasks that are still to be started.

    Parameters
    ----------
    tasks
        Key → task, in the order of the points.
    claim
        Whether this sweep may compute the task of a key; asked just before it is started.

    Attributes
    ----------
    elsewhere
        Keys that could not be claimed: another process computes them, or has done so.
    """

    def __init__(self, tasks: Mapping[str, Task], claim: Callable[[str], bool]) -> None:
        self._claim = claim
        self._families: dict[Hashable, deque[Entry]] = {}
        for key, task in tasks.items():
            self._families.setdefault(task.family or key, deque()).append((key, task))
        for family, entries in self._families.items():
            self._families[family] = deque(_courses_together(entries))
        self._begun: dict[Hashable, Hashable] = {}
        """Process → the family that it works on."""
        self._first: dict[Hashable, Hashable] = {}
        """Family → the process that began it; others take from its end."""
        self.elsewhere: list[str] = []

    @property
    def families(self) -> int:
        """How many there are among the tasks that are not started."""
        return len(self._families)

    def take(self, lane: Hashable = None) -> Entry | None:
        """Key and task that a process should start next; ``None`` when there is none left.

        Parameters
        ----------
        lane
            Which process asks.
        """
        while self._families:
            family = self._next_family(lane)
            first = self._first.setdefault(family, lane) == lane
            entries = self._families[family]
            entry = entries.popleft() if first else entries.pop()
            if not entries:
                del self._families[family]
            self._begun[lane] = family
            if self._claim(entry[0]):
                return entry
            self.elsewhere.append(entry[0])
        return None

    def _next_family(self, lane: Hashable) -> Hashable:
        """Its own, else one that nobody has begun, else the one with the most left."""
        own = self._begun.get(lane)
        if own in self._families:
            return own
        begun = set(self._begun.values())
        fresh = next((family for family in self._families if family not in begun), None)
        if fresh is not None:
            return fresh
        return max(self._families, key=lambda family: len(self._families[family]))


def _courses_together(entries: Iterable[Entry]) -> list[Entry]:
    """Entries by run, then by course, each in the order in which it first appears."""
    ranks: dict[Hashable, int] = {}

    def rank(entry: Entry) -> tuple[int, int]:
        run = entry[1].run
        return (
            ranks.setdefault(run, len(ranks)),
            ranks.setdefault((run, entry[1].course), len(ranks)),
        )

    return sorted(entries, key=rank)
