"""Find between which lengths a traced graph holds together.

Which question this module answers: *how short and how long may a sequence be?*

``torch.export`` reasons about lengths from 2 upwards and does not follow every stored table to its
end. The shapes of the finished graph are therefore derived at the ends of every range, and an end
at which they contradict each other is moved inwards.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Final

from pimsim.errors import WorkloadError
from pimsim.workload.checks import check_graph
from pimsim.workload.graph import Workload

_EXPORT_MINIMUM: Final = 2
"""Smallest length that ``torch.export`` reasons about; whether 1 works as well is tried."""


def with_possible_lengths(workload: Workload, where: str) -> Workload:
    """Shorten the range of a dimension to lengths at which all shapes follow from each other.

    Raises
    ------
    WorkloadError
        What is wrong with the graph, if it is wrong at every length.
    """
    problem = _problem(workload, where)
    if problem is None:
        return workload
    for name in reversed(tuple(workload.dims)):
        shortest = workload.dims[name][0]
        if _problem(_with(workload, name, shortest, shortest), where) is None:
            return _with(workload, name, shortest, _longest(workload, name, where))
    raise problem


def _longest(workload: Workload, name: str, where: str) -> int:
    """Largest size of a dimension at which the shapes fit, where its smallest fits."""
    low, high = workload.dims[name]
    while high - low > 1:
        middle = (low + high) // 2
        fits = _problem(_with(workload, name, middle, middle), where) is None
        low, high = (middle, high) if fits else (low, middle)
    return low


def shortest_lengths(workload: Workload) -> Iterator[dict[str, int]]:
    """Candidates for the smallest lengths, all ones first."""
    choices = [
        (1, _EXPORT_MINIMUM) if low <= _EXPORT_MINIMUM else (low,)
        for low, _ in workload.dims.values()
    ]
    for lows in sorted(product(*choices), key=sum):
        yield dict(zip(workload.dims, lows, strict=True))


def _with(workload: Workload, name: str, low: int, high: int) -> Workload:
    return replace(workload, dims={**workload.dims, name: (low, high)})


def _problem(workload: Workload, where: str) -> WorkloadError | None:
    try:
        check_graph(workload, where)
    except WorkloadError as error:
        return error
    return None
