"""How long an inference would take if one class of resources took no time.

Which question this module answers: *how much could a faster part save at most?*

The whole inference is replayed, so that queues may fill elsewhere and change their order.
:func:`pimsim.timing.bottleneck.latency_without_ps` needs no replay and tells less.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from pimsim.records import ServiceTimes, Timeline


def what_if_ps(
    replay: Callable[[ServiceTimes], Timeline], times: ServiceTimes, classes: Iterable[str]
) -> dict[str, int]:
    """Latency of the first inference if each class of resources took no time, replayed. [ps]

    Parameters
    ----------
    replay
        Replays the same mapped workload with given service times.
    times
        The chip's service times.
    classes
        Which classes, one at a time.
    """
    return {name: replay(with_infinite(times, name)).latency_ps for name in classes}


def with_infinite(times: ServiceTimes, resource_class: str) -> ServiceTimes:
    """Service times of the same chip with one class of resources infinitely fast.

    Parameters
    ----------
    times
        The chip's service times.
    resource_class
        A key of ``times.kinds``.

    Returns
    -------
    ServiceTimes
        Times of the class are 0, rates infinite. Reads follow each other at the longer of
        activation and conversion, so with class ``macro`` the conversions still set their pace, and
        with class ``adc`` the activation does.

    Raises
    ------
    ValueError
        If there is no such class.
    """
    changes = _CHANGES.get(resource_class)
    if changes is None:
        raise ValueError(
            f"no resource class {resource_class!r} to make infinitely fast; known: "
            f"{', '.join(_CHANGES)}"
        )
    return replace(times, **changes(times))


def _zeros(times: Mapping[str, int]) -> dict[str, int]:
    return dict.fromkeys(times, 0)


_CHANGES: Final[Mapping[str, Callable[[ServiceTimes], dict[str, Any]]]] = {
    "macro": lambda times: {
        "read_ps": {kind: times.convert_ps.get(kind, 0) for kind in times.read_ps},
        "drive_ps": _zeros(times.read_ps),
    },
    "adc": lambda times: {
        "read_ps": {
            kind: times.drive_ps.get(kind, read_ps) for kind, read_ps in times.read_ps.items()
        },
        "convert_ps": _zeros(times.convert_ps),
    },
    "shift_add": lambda times: {
        "shift_add_ps": _zeros(times.shift_add_ps),
        "accumulate_ps": 0,
    },
    "write": lambda times: {
        "row_write_ps": _zeros(times.row_write_ps),
        "column_write_ps": _zeros(times.column_write_ps),
    },
    "program": lambda times: {"program_row_ps": _zeros(times.program_row_ps)},
    "vector_unit": lambda times: {"unit_cycle_ps": 0},
    "tile_buffer": lambda times: {"tile_buffer_bits_per_ns": math.inf},
    "global_buffer": lambda times: {"global_buffer_bits_per_ns": math.inf},
    "noc": lambda times: {"link_bits_per_ns": math.inf, "router_delay_ps": 0},
    "memory": lambda times: {
        "memory_bits_per_ns": None if times.memory_bits_per_ns is None else math.inf,
        "memory_latency_ps": 0,
    },
    "io": lambda times: {"io_bits_per_ns": None if times.io_bits_per_ns is None else math.inf},
}
