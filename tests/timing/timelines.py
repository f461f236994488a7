"""Hand-made timelines for the tests of what is derived from one."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from pimsim.records import Timeline


class Use(NamedTuple):
    """One busy interval."""

    resource: str
    """Its class is what stands before the colon, ``unit`` apart, which is ``vector_unit``."""
    start_ps: int
    end_ps: int
    op: str = "a"
    token: int = 0
    wait_ps: int = 0
    request: int = 0


def timeline_of(
    uses: Iterable[Use],
    *,
    path: Mapping[str, int] | None = None,
    unused: Iterable[str] = (),
    latency_ps: int | None = None,
    waits: bool = True,
    **fields: object,
) -> Timeline:
    """Put uses in the order of a timeline; its latency is the last end unless given."""
    ordered = list(uses)
    resources = tuple(dict.fromkeys([*(use.resource for use in ordered), *unused]))
    ops = tuple(dict.fromkeys(use.op for use in ordered))
    ordered.sort(key=lambda use: (use.start_ps, resources.index(use.resource)))
    heads = (name.partition(":")[0] for name in resources)

    def column(values: Iterable[int], kind: type) -> np.ndarray:
        return np.array(list(values), dtype=kind)

    none = np.zeros(0, np.int64)
    return Timeline(
        resources=resources,
        resource_classes=tuple("vector_unit" if head == "unit" else head for head in heads),
        ops=ops,
        start_ps=column((use.start_ps for use in ordered), np.int64),
        end_ps=column((use.end_ps for use in ordered), np.int64),
        resource=column((resources.index(use.resource) for use in ordered), np.int32),
        op=column((ops.index(use.op) for use in ordered), np.int32),
        token=column((use.token for use in ordered), np.int32),
        latency_ps=max(use.end_ps for use in ordered) if latency_ps is None else latency_ps,
        critical_path_ps=path or {},
        reads={},
        moved={},
        events=len(ordered),
        wait_ps=column((use.wait_ps for use in ordered), np.int64) if waits else none,
        request=column((use.request for use in ordered), np.int32) if waits else none,
        **fields,
    )
