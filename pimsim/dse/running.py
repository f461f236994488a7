"""One run of a sweep: points to tasks, tasks to outcomes, outcomes to a frame.

Which question this module answers: *which points are still to be computed, and what do all of them
say together?*
"""

import itertools
import json
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from pimsim.dse.executors import Executor
from pimsim.dse.metrics import HEADLINES
from pimsim.dse.pace import Pace, Tally, counted, duration
from pimsim.dse.points import Design, Point, count_of, designs, points_of
from pimsim.dse.search import Search
from pimsim.dse.store import Outcome, Store
from pimsim.dse.sweep_file import Sweep
from pimsim.dse.task import Task, identified, task_of
from pimsim.dse.work import Work
from pimsim.errors import PimsimError

if TYPE_CHECKING:
    import pandas as pd

_POLL_S: Final = 0.5
_REFRESH_S: Final = 60.0
"""How often what is known is handed on while a sweep runs."""

_SURE: Final = 10
"""After how many computed points the remaining time is told once more."""
_NEVER: Final = 1 << 62


class SweepProgress(Protocol):
    """What a sweep tells about how far it is."""

    def start(self, total: int, known: int) -> None:
        """``total`` points, of which ``known`` are in the store; of a search, as far as it got."""
        ...

    def advance(self, outcome: Outcome) -> None:
        """One more point has ended, or was known."""
        ...

    def say(self, text: str) -> None:
        """How long it will take, or what it waits for."""
        ...


@dataclass(slots=True)
class Running:
    """One run of a sweep."""

    asked: Sweep
    store: Store
    executor: Executor
    progress: SweepProgress | None
    limit: int | None
    refresh: Callable[[], None] = lambda: None
    """Called now and then while points end."""
    points: list[Point] = field(default_factory=list)
    found: dict[int, Outcome] = field(default_factory=dict)
    known: int = 0
    pace: Pace = field(default_factory=Pace)
    """Of the points that were computed now."""
    _before: Pace = field(default_factory=Pace)
    """Of all points of the sweep that have ended."""
    _by_design: dict[int, list[Point]] = field(default_factory=dict)
    _started: bool = False
    _next_told: int = 1
    _refreshed: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Compute every point that is not known yet, as far as the limit allows."""
        if self.asked.file.sampler.model == "nsga2":
            self._search()
        else:
            self._batch(designs(self.asked))

    @property
    def tally(self) -> Tally:
        """What was done."""
        failed = sum(outcome.row is None for outcome in self.found.values())
        return Tally(self.pace.points, self.known, failed, dict(self.pace.passes))

    def _search(self) -> None:
        search = Search(self.asked)
        for _ in range(self.asked.file.sampler.generations or 0):
            chosen = search.ask()
            self._batch(chosen)
            if self._at_limit:
                return
            search.tell([self._of_design(design) for design in chosen])

    @property
    def _at_limit(self) -> bool:
        return self.limit is not None and self.pace.points >= self.limit

    def _of_design(self, design: Design) -> Mapping[str, float] | None:
        """Metrics of a design, mean over its workloads and seeds; ``None`` if one is missing."""
        file = self.asked.file
        needed = {*file.objectives, *file.constraints}
        rows = [self.found[point.number].row for point in self._by_design[design.number]]
        means = {}
        for name in needed:
            values = [None if row is None else row.get(name) for row in rows]
            present = [value for value in values if value is not None]
            if len(present) < len(values):
                return None
            means[name] = sum(present) / len(present)
        return means

    def _batch(self, chosen: Sequence[Design]) -> None:
        points = points_of(self.asked, chosen, first=len(self.points))
        self.points += points
        keyed: dict[str, list[Point]] = {}
        tasks: dict[str, Task] = {}
        refused: list[tuple[Point, Outcome]] = []
        for point in points:
            self._by_design.setdefault(point.design.number, []).append(point)
            try:
                task = identified(self._task(point))
            except PimsimError as error:
                reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
                refused.append((point, Outcome(None, reason, 0.0)))
                continue
            key = task.key or ""
            keyed.setdefault(key, []).append(point)
            tasks[key] = task
        known = self.store.get(keyed)
        for outcome in known.values():
            self._before.add(outcome)
        self._start(sum(len(keyed[key]) for key in known))
        for point, outcome in refused:
            self._note([point], outcome)
        for key, outcome in known.items():
            self._note(keyed[key], outcome, known=True)
            del tasks[key]
        if tasks:
            self._announce(tasks)
        for key, outcome, own in self._compute(tasks):
            self._note(keyed[key], outcome, known=not own)
        self.refresh()

    def _start(self, known: int) -> None:
        if self.progress is not None and not self._started:
            self.progress.start(count_of(self.asked), known)
        self._started = True

    def _compute(self, tasks: dict[str, Task]) -> Iterator[tuple[str, Outcome, bool]]:
        """Compute what nobody else does, then wait for what others compute.

        Yields key, outcome, and whether it was computed here.
        """
        told, begun = 0.0, set[Hashable]()
        while tasks:
            room = len(tasks) if self.limit is None else self.limit - self.pace.points
            work = Work(dict(itertools.islice(tasks.items(), room)), self.store.claim)
            for key, outcome in self.executor.outcomes(work):
                self.store.put(key, outcome)
                self.pace.add(outcome)
                self._before.add(outcome)
                begun.add(_family(tasks.pop(key)))
                yield key, outcome, True
                self._tell_time(tasks, begun)
            for key, outcome in self.store.get(work.elsewhere).items():
                del tasks[key]
                yield key, outcome, False
            if self._at_limit:
                return
            if work.elsewhere and tasks:
                if time.monotonic() - told > _REFRESH_S and self.progress is not None:
                    told = time.monotonic()
                    waiting = f"{counted(len(tasks), 'point')} that another process computes"
                    self.progress.say(f"waiting for {waiting} in {self.store.path}")
                time.sleep(_POLL_S)

    def _announce(self, tasks: Mapping[str, Task]) -> None:
        """Say how much there is to do, and how long that takes if points are known."""
        if self.progress is None:
            return
        families = len(set(map(_family, tasks.values())))
        points = counted(len(tasks), "point")
        text = f"{points} to compute, {families} of them with values of their own"
        seconds = self._before.seconds(len(tasks), families, self.executor.processes)
        if seconds is None:
            self.progress.say(f"{text}; how long that takes is told when the first has ended")
        else:
            basis = f"from {counted(self._before.points, 'point')} known"
            self.progress.say(f"{text}: about {duration(seconds)}, {basis}")

    def _tell_time(self, tasks: Mapping[str, Task], begun: Set[Hashable]) -> None:
        """Say how long the rest takes, as soon as that is known and once more when it is sure."""
        if self.progress is None or not tasks or self.pace.points < self._next_told:
            return
        families = len(set(map(_family, tasks.values())) - begun)
        seconds = self._before.seconds(len(tasks), families, self.executor.processes)
        if seconds is None:
            return
        self._next_told = max(_SURE, self.pace.points + 1) if self._next_told < _SURE else _NEVER
        basis = counted(self._before.points, "point")
        left = counted(len(tasks), "more point")
        self.progress.say(f"about {duration(seconds)} for {left}, from {basis} measured")

    def _note(self, points: Sequence[Point], outcome: Outcome, *, known: bool = False) -> None:
        for point in points:
            self.found[point.number] = outcome
            self.known += known
            if self.progress is not None:
                self.progress.advance(outcome)
        if time.monotonic() - self._refreshed > _REFRESH_S:
            self.refresh()
            self._refreshed = time.monotonic()

    def _task(self, point: Point) -> Task:
        return task_of(self.asked, point.workload, point.seed, self._overrides(point))

    def _overrides(self, point: Point) -> tuple[str, ...]:
        return (*self.asked.fixed, *point.design.overrides)

    def frame(self) -> "pd.DataFrame":
        """Everything found so far, in the order of the points."""
        import pandas as pd

        rows = []
        for point in self.points:
            outcome = self.found.get(point.number)
            if outcome is not None:
                rows.append({
                    **point.labels(self.asked.axes), **(outcome.row or {}),
                    "feasible": self._feasible(outcome.row), "error": outcome.error,
                    "overrides": json.dumps(self._overrides(point), ensure_ascii=False),
                })  # fmt: skip
        first = ["point", "design", "workload", "seed", *(axis.name for axis in self.asked.axes)]
        parts = sorted({name for row in rows for name in row if "." in name} - set(first))
        columns = [*first, *HEADLINES, *parts, "feasible", "error", "overrides"]
        return pd.DataFrame(rows, columns=pd.Index(columns))

    def _feasible(self, row: Mapping[str, Any] | None) -> bool | None:
        if row is None:
            return None
        for name, bounds in self.asked.file.constraints.items():
            value = row.get(name)
            if value is None:
                return None
            low = bounds.min is not None and value < bounds.min
            if low or (bounds.max is not None and value > bounds.max):
                return False
        return True


def _family(task: Task) -> Hashable:
    """Equal for tasks that may share values."""
    return task.family, task.run
