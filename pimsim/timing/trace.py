"""What was busy when, and what each busy interval waited for.

Which question this module answers: *where did the time go, exactly?*

Every use of a resource, and every pure delay, is a *span*. A span begins the moment its cause ends:
the cause is the span that delivered its data, or the previous holder of its resource if that ended
later. Walking from the last span back to time 0 therefore passes through contiguous spans only, and
the time spent in each of them is its exclusive share of the latency.

Servers are of two kinds. A :class:`Server` takes customers from everywhere, each with all its work
at hand. A :class:`Tail` is a stage behind another one of the same macros: it works on a vector
while that is still being read, so that only its last step adds to the latency.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

START: Final = 0
"""The span of no length at time 0 that everything begins with."""

NO_RESOURCE: Final = -1
"""In the column ``resource``: a pure delay, which occupies nothing."""


@dataclass(frozen=True, slots=True)
class BusyIntervals:
    """Spans that occupied a resource, sorted by start, then resource."""

    start_ps: NDArray[np.int64]
    end_ps: NDArray[np.int64]
    resource: NDArray[np.int32]
    op: NDArray[np.int32]
    """Customer: position of the operation, plus the number of operations for every inference
    before."""
    token: NDArray[np.int32]
    wait_ps: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """Pieces of time that follow each other, each the reason why the next began no earlier."""

    end_ps: NDArray[np.int64]
    op: NDArray[np.int32]
    """Customer, as in :class:`BusyIntervals`."""
    resource: NDArray[np.int32]
    """Number of the resource; -1: a pure delay."""
    kind: tuple[str, ...]
    """Resource class."""

    def shares_ps(self, ops: tuple[str, ...]) -> Mapping[str, int]:
        """Time by ``"<op>|<class>"``; ``ops`` are the names of all customers."""
        shares: dict[str, int] = {}
        times_ps = np.diff(self.end_ps, prepend=0).tolist()
        for op, kind, time_ps in zip(self.op.tolist(), self.kind, times_ps, strict=True):
            label = f"{ops[op]}|{kind}"
            shares[label] = shares.get(label, 0) + time_ps
        return shares


@final
class Trace:
    """All spans of one replay, as growing columns."""

    def __init__(self) -> None:
        self.begin_ps = array("q", [0])
        self.end_ps = array("q", [0])
        self._rows = array("q", [START, NO_RESOURCE, 0, 0, 0, 0])
        """Of each span: cause, resource, operation, token, wait [ps], kind; one append for six."""
        self._kinds = {"": 0}

    def span(
        self,
        begin_ps: int,
        end_ps: int,
        *,
        op: int,
        token: int,
        kind: str,
        cause: int,
        resource: int = NO_RESOURCE,
        wait_ps: int = 0,
    ) -> int:
        """Note a span that begins when span ``cause`` ends; return its number.

        ``kind`` is its resource class, empty for the time until an inference arrives.
        """
        row = (cause, resource, op, token, wait_ps, self.code(kind))
        return self.note(begin_ps, end_ps, row)

    def code(self, kind: str) -> int:
        """Number of a resource class in this trace."""
        found = self._kinds.get(kind)
        if found is None:
            found = self._kinds[kind] = len(self._kinds)
        return found

    def note(self, begin_ps: int, end_ps: int, row: tuple[int, int, int, int, int, int]) -> int:
        """Note a span by its row: cause, resource, operation, token, wait, code; for hot paths."""
        ends = self.end_ps
        number = len(ends)
        self.begin_ps.append(begin_ps)
        ends.append(end_ps)
        self._rows.extend(row)
        return number

    def _columns(self) -> NDArray[np.int64]:
        """(spans, 6): cause, resource, operation, token, wait [ps], kind."""
        return np.array(self._rows, dtype=np.int64).reshape(-1, 6)

    def cause(self, span: int) -> int:
        """The span that made ``span`` begin when it did."""
        return self._rows[6 * span]

    def latest(self, spans: Iterable[int]) -> int:
        """The span that ends last; the first of them if several do."""
        return max(spans, key=self.end_ps.__getitem__)

    def path(self, last: int) -> CriticalPath:
        """Contiguous pieces of non-zero length from time 0 to the end of span ``last``.

        Waiting for a later inference that was served first, and that had to arrive, counts for the
        operation and class that waited.

        Raises
        ------
        AssertionError
            If a span does not begin as its cause ends: a bug of ours.
        """
        rows, begin_ps, end_ps = self._rows, self.begin_ps, self.end_ps
        spans: list[int] = []
        span = last
        while span != START:
            before = rows[6 * span]
            assert end_ps[before] == begin_ps[span], "a span must begin as its cause ends"
            if end_ps[span] > begin_ps[span]:
                spans.append(span)
            span = before
        told: list[int] = []
        for at in spans:
            told.append(at if rows[6 * at + 5] or not told else told[-1])
        spans.reverse()
        told.reverse()
        kinds = list(self._kinds)
        return CriticalPath(
            end_ps=np.array([end_ps[at] for at in spans], dtype=np.int64),
            op=np.array([rows[6 * at + 2] for at in told], dtype=np.int32),
            resource=np.array([rows[6 * at + 1] for at in spans], dtype=np.int32),
            kind=tuple(kinds[rows[6 * at + 5]] for at in told),
        )

    def critical_path_ps(self, last: int, ops: tuple[str, ...]) -> Mapping[str, int]:
        """Exclusive times on the way to span ``last`` by ``"<op>|<class>"``, summing to its end.

        ``ops`` are the names of all customers: those of the operations, once for each inference.
        """
        return self.path(last).shares_ps(ops)

    def busy(self) -> BusyIntervals:
        """Every interval of non-zero length in which a resource was occupied."""
        start = np.array(self.begin_ps, dtype=np.int64)
        end = np.array(self.end_ps, dtype=np.int64)
        rows = self._columns()
        resource = rows[:, 1].astype(np.int32)
        kept = np.flatnonzero((resource != NO_RESOURCE) & (end > start))
        kept = kept[np.lexsort((resource[kept], start[kept]))]
        return BusyIntervals(
            start_ps=start[kept],
            end_ps=end[kept],
            resource=resource[kept],
            op=rows[kept, 2].astype(np.int32),
            token=rows[kept, 3].astype(np.int32),
            wait_ps=rows[kept, 4],
        )


@final
class Server:
    """A resource that serves one customer at a time, first come, first served.

    The service time is known on arrival and nobody leaves the queue, so the end of a service is
    known on arrival too: ``max(now, end of the customer before) + service time``. That makes one
    event per use, where a queue of requests takes three, with exactly the same times.
    """

    __slots__ = ("_code", "_last", "_trace", "free_at_ps", "index", "kind", "name")

    def __init__(self, name: str, kind: str, index: int, trace: Trace) -> None:
        self.name = name
        self._code = trace.code(kind)
        self.kind = kind
        """Resource class, a key of ``ServiceTimes.kinds``."""
        self.index = index
        self.free_at_ps = 0
        self._last = START
        self._trace = trace

    def occupy(self, now_ps: int, service_ps: int, *, op: int, token: int, cause: int) -> int:
        """Join the queue; return the span of the service.

        Parameters
        ----------
        now_ps
            Time of arrival; arrivals come in order.
        service_ps
            How long the customer is served, ``>= 0``.
        op, token
            Who it is.
        cause
            The span whose end is this arrival.
        """
        begin_ps = now_ps
        if self.free_at_ps > now_ps:
            begin_ps, cause = self.free_at_ps, self._last
        end_ps = self.free_at_ps = begin_ps + service_ps
        row = (cause, self.index, op, token, begin_ps - now_ps, self._code)
        span = self._last = self._trace.note(begin_ps, end_ps, row)
        return span


@final
class Tail:
    """A stage that works on a customer's steps one by one while the stage before makes them.

    Customers come one after another, each with the time at which the last of its ``steps`` is made.
    The last step is served when it is there and the steps before it are done: all of them follow
    each other without a pause if the stage was the slower one, and have been done in the shadow of
    the stage before otherwise. Exact for steps made at even distances.
    """

    __slots__ = ("_last", "_trace", "free_at_ps", "index", "kind", "name")

    def __init__(self, name: str, kind: str, index: int, trace: Trace) -> None:
        self.name = name
        self.kind = kind
        self.index = index
        self.free_at_ps = 0
        self._last = START
        self._trace = trace

    def finish(self, steps: int, step_ps: int, *, op: int, token: int, cause: int) -> int:
        """Serve a customer; return the span that ends with its last step.

        Parameters
        ----------
        steps, step_ps
            How many steps, and the time of each. One without any keeps its place in the queue.
        op, token
            Who it is.
        cause
            The span that ends, maybe in the future, when its last step is made.
        """
        trace = self._trace
        made_ps = trace.end_ps[cause]
        if not steps:
            if made_ps >= self.free_at_ps:
                return cause
            return self.occupy(made_ps, 0, wait_ps=0, op=op, token=token, cause=cause)
        work_ps = steps * step_ps
        waited_ps = self.free_at_ps + work_ps - step_ps - made_ps
        end_ps = made_ps + step_ps + max(waited_ps, 0)
        served = trace.span(
            end_ps - work_ps,
            end_ps,
            op=op,
            token=token,
            kind=self.kind,
            cause=self._last,
            resource=self.index,
            wait_ps=max(waited_ps, 0),
        )
        if waited_ps <= 0:  # only the last step is on the way from what came before
            served = trace.span(made_ps, end_ps, op=op, token=token, kind=self.kind, cause=cause)
        self.free_at_ps, self._last = end_ps, served
        return served

    def occupy(
        self, start_ps: int, service_ps: int, *, wait_ps: int, op: int, token: int, cause: int
    ) -> int:
        """Serve a customer with all its work from ``start_ps``, maybe in the future, or after."""
        if self.free_at_ps >= start_ps:
            start_ps, cause = self.free_at_ps, self._last
        self.free_at_ps = start_ps + service_ps
        self._last = self._trace.span(
            start_ps,
            self.free_at_ps,
            op=op,
            token=token,
            kind=self.kind,
            cause=cause,
            resource=self.index,
            wait_ps=wait_ps,
        )
        return self._last
