"""What was busy when, and what each busy interval waited for.

Which question this module answers: *where did the time go, exactly?*

Every use of a resource, and every pure delay, is a *span*. A span begins the moment its cause ends:
the cause is the span that delivered its data, or the previous holder of its resource if that ended
later. Walking from the last span back to time 0 therefore passes through contiguous spans only, and
the time spent in each of them is its exclusive share of the latency.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

START: Final = 0
"""The span of no length at time 0 that everything begins with."""

_NO_RESOURCE: Final = -1
"""In the column ``resource``: a pure delay, which occupies nothing."""


@dataclass(frozen=True, slots=True)
class BusyIntervals:
    """Spans that occupied a resource, sorted by start, then resource."""

    start_ps: NDArray[np.int64]
    end_ps: NDArray[np.int64]
    resource: NDArray[np.int32]
    op: NDArray[np.int32]
    token: NDArray[np.int32]


@final
class Trace:
    """All spans of one replay, as growing columns."""

    def __init__(self) -> None:
        self.begin_ps: list[int] = [0]
        self.end_ps: list[int] = [0]
        self._cause: list[int] = [START]
        self._resource: list[int] = [_NO_RESOURCE]
        self._op: list[int] = [0]
        self._token: list[int] = [0]
        self._kind: list[str] = [""]

    def span(
        self,
        begin_ps: int,
        end_ps: int,
        *,
        op: int,
        token: int,
        kind: str,
        cause: int,
        resource: int = _NO_RESOURCE,
    ) -> int:
        """Note a span of class ``kind`` that begins when span ``cause`` ends; return its number."""
        self.begin_ps.append(begin_ps)
        self.end_ps.append(end_ps)
        self._resource.append(resource)
        self._op.append(op)
        self._token.append(token)
        self._kind.append(kind)
        self._cause.append(cause)
        return len(self.end_ps) - 1

    def cause(self, span: int) -> int:
        """The span that made ``span`` begin when it did."""
        return self._cause[span]

    def latest(self, spans: Iterable[int]) -> int:
        """The span that ends last; the first of them if several do."""
        return max(spans, key=self.end_ps.__getitem__)

    def critical_path_ps(self, last: int, ops: tuple[str, ...]) -> Mapping[str, int]:
        """Exclusive times on the way to span ``last`` by ``"<op>|<class>"``, summing to its end."""
        shares: dict[str, int] = {}
        span = last
        while span != START:
            before = self._cause[span]
            assert self.end_ps[before] == self.begin_ps[span], "a span must begin as its cause ends"
            label = f"{ops[self._op[span]]}|{self._kind[span]}"
            shares[label] = shares.get(label, 0) + self.end_ps[span] - self.begin_ps[span]
            span = before
        return {label: time_ps for label, time_ps in reversed(shares.items()) if time_ps}

    def busy(self) -> BusyIntervals:
        """Every interval of non-zero length in which a resource was occupied."""
        start = np.array(self.begin_ps, dtype=np.int64)
        end = np.array(self.end_ps, dtype=np.int64)
        resource = np.array(self._resource, dtype=np.int32)
        kept = np.flatnonzero((resource != _NO_RESOURCE) & (end > start))
        kept = kept[np.lexsort((resource[kept], start[kept]))]
        return BusyIntervals(
            start_ps=start[kept],
            end_ps=end[kept],
            resource=resource[kept],
            op=np.array(self._op, dtype=np.int32)[kept],
            token=np.array(self._token, dtype=np.int32)[kept],
        )


@final
class Server:
    """A resource that serves one customer at a time, first come, first served.

    The service time is known on arrival and nobody leaves the queue, so the end of a service is
    known on arrival too: ``max(now, end of the customer before) + service time``. That makes one
    event per use, where a queue of requests takes three, with exactly the same times.
    """

    __slots__ = ("_last", "_trace", "free_at_ps", "index", "kind", "name")

    def __init__(self, name: str, kind: str, index: int, trace: Trace) -> None:
        self.name = name
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
        self.free_at_ps = begin_ps + service_ps
        self._last = self._trace.span(
            begin_ps,
            self.free_at_ps,
            op=op,
            token=token,
            kind=self.kind,
            cause=cause,
            resource=self.index,
        )
        return self._last
