"""Where the latency goes.

Which question this module answers: *what is an inference bound by, and what if that took no time?*

The critical path is the chain of uses and delays of which each began the moment the one before
ended, from the last event back to time 0. The time in each link of the chain is its exclusive
share; the shares sum to the latency, so every picosecond is accounted for once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pimsim.records import Timeline

CLASS_NAMES: Final[Mapping[str, str]] = {
    "macro": "macro-read",
    "adc": "ADC",
    "shift_add": "shift-and-add",
    "write": "operand-write",
    "program": "reprogramming",
    "vector_unit": "vector-unit",
    "tile_buffer": "tile-buffer",
    "global_buffer": "global-buffer",
    "noc": "network",
    "memory": "off-chip-memory",
    "io": "I/O",
}
"""Resource class → what stands before "-bound"."""

_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Share:
    """One part of the critical path."""

    name: str
    time_ps: int
    ratio: float
    """Of the latency."""


def class_shares(timeline: Timeline) -> tuple[Share, ...]:
    """Exclusive critical-path time per resource class, the largest first; sums to the latency."""
    return _shares(timeline, lambda op, resource_class: resource_class)


def op_shares(timeline: Timeline) -> tuple[Share, ...]:
    """Exclusive critical-path time per operation, the largest first; sums to the latency."""
    return _shares(timeline, lambda op, resource_class: op)


def bottleneck_sentence(timeline: Timeline) -> str:
    """Say in one sentence what the latency is bound by, and where.

    The place is the deepest part of the model that holds more than half of the class's time: of one
    layer, or, with numbers replaced by ``*``, of all alike layers together.

    Examples
    --------
    >>> _sentence({"layer.3.ffn|adc": 61, "layer.0.q|macro": 39}, 100)
    'Latency is 61 % ADC-bound, all of it in layer.3.ffn.'
    >>> times_ps = {"layer.0.max": 9, "layer.1.max": 9, "layer.0.q": 5, "layer.1.q": 5}
    >>> _sentence({f"{op}|vector_unit": time_ps for op, time_ps in times_ps.items()}, 28)
    'Latency is 100 % vector-unit-bound, most of it in layer.*.max.'
    """
    return _sentence(timeline.critical_path_ps, timeline.latency_ps)


def latency_without_ps(timeline: Timeline) -> dict[str, int]:
    """Latency less what each resource class holds of the critical path. [ps]

    No replay is needed. A class that took no time could not bring the latency below this as long as
    every queue keeps its order, because the rest of the path would still be there; another path may
    then be longer. Where a queue changes its order, latency can do anything (Graham's anomalies
    [1]_): :func:`pimsim.timing.what_if.what_if_ps` replays.

    References
    ----------
    .. [1] R. L. Graham, "Bounds on Multiprocessing Timing Anomalies", SIAM J. Applied Mathematics
       17(2), 1969.
    """
    held = {share.name: share.time_ps for share in class_shares(timeline)}
    names = dict.fromkeys([*timeline.resource_classes, *held])
    return {name: timeline.latency_ps - held.get(name, 0) for name in names}


def _shares(timeline: Timeline, name_of: Callable[[str, str], str]) -> tuple[Share, ...]:
    sums: dict[str, int] = {}
    for key, time_ps in timeline.critical_path_ps.items():
        op, _, resource_class = key.rpartition("|")
        name = name_of(op, resource_class)
        sums[name] = sums.get(name, 0) + time_ps
    whole_ps = timeline.latency_ps
    ordered = sorted(sums.items(), key=lambda part: (-part[1], part[0]))
    return tuple(
        Share(name, time_ps, time_ps / whole_ps if whole_ps else 0.0) for name, time_ps in ordered
    )


def _sentence(critical_path_ps: Mapping[str, int], latency_ps: int) -> str:
    by_class: dict[str, dict[str, int]] = {}
    for key, time_ps in critical_path_ps.items():
        op, _, resource_class = key.rpartition("|")
        ops = by_class.setdefault(resource_class, {})
        ops[op] = ops.get(op, 0) + time_ps
    if not by_class or not latency_ps:
        return "Nothing takes any time."
    resource_class, ops = max(by_class.items(), key=lambda part: sum(part[1].values()))
    held_ps = sum(ops.values())
    bound = CLASS_NAMES.get(resource_class, resource_class.replace("_", "-"))
    return (
        f"Latency is {100 * held_ps / latency_ps:.0f} % {bound}-bound, "
        f"{_place(ops, held_ps, latency_ps)}."
    )


def _place(ops: Mapping[str, int], held_ps: int, latency_ps: int) -> str:
    """Where most of a class's time is spent."""
    for alike in (False, True):
        name, time_ps = _deepest(ops, held_ps, alike=alike)
        parts = name.split(".")
        telling = name in ops or any(part.isdigit() for part in parts)
        if telling or (alike and parts[-1] != _ANY and _ANY in parts):
            return f"{'all' if time_ps == held_ps else 'most'} of it in {name}"
    alike_ps: dict[str, int] = {}
    for op, time_ps in ops.items():
        name = ".".join(_ANY if part.isdigit() else part for part in op.split("."))
        alike_ps[name] = alike_ps.get(name, 0) + time_ps
    name = max(alike_ps, key=alike_ps.__getitem__)
    return f"spread widely; the largest part, {100 * alike_ps[name] / latency_ps:.0f} %, in {name}"


def _deepest(ops: Mapping[str, int], held_ps: int, *, alike: bool) -> tuple[str, int]:
    """The longest dotted prefix that holds more than half of the time, and how much it holds."""
    prefix: list[str] = []
    time_ps = held_ps
    while True:
        below: dict[str, int] = {}
        for op, part_ps in ops.items():
            parts = [_ANY if alike and part.isdigit() else part for part in op.split(".")]
            if parts[: len(prefix)] == prefix and len(parts) > len(prefix):
                next_part = parts[len(prefix)]
                below[next_part] = below.get(next_part, 0) + part_ps
        child = max(below, key=below.__getitem__, default=None)
        if child is None or 2 * below[child] <= held_ps:
            return ".".join(prefix), time_ps
        prefix.append(child)
        time_ps = below[child]
