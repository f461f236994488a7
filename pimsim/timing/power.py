"""Power over time: the energy of each operation, spread over the time in which it works.

Which question this module answers: *how much power does the chip draw when, and what is the peak
that its supply must deliver?*

A roll-up knows the energy of each operation per component, the timeline when each operation used
which resource. Energy is spread evenly over the busy time of the resources that spend it:

========================================================  ===================================
components                                                spread over the operation's uses of
========================================================  ===================================
``<macro>.adc``, ``.shift_add``                           ``adc``, ``shift_add`` or ``macro``,
                                                          whichever is longer at work
``<macro>.write``, ``.program``                           ``write``, ``program``
``<macro>.crossbar`` and whatever else a macro has        ``macro``
``units.<function>``                                      ``vector_unit``
``tile_buffer``, ``tile_wires``                           ``tile_buffer``
``global_buffer``, ``noc``, ``memory``, ``io``            the class of that name
``overhead`` and any other                                all classes
========================================================  ===================================

Converters and adders work all through the reads of a vector, also where the timeline shows only the
time that they need for it.

An operation whose class took no time spends that energy over its macro reads, else over all that it
did, else, having used nothing, over the whole run. Energy that belongs to no operation (leakage,
clock) is drawn evenly all the time; where parts of it are gated, that is their mean.

Not modelled: the shape of the current inside a read or a clock cycle, and decoupling.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.records import CostBreakdown, Timeline
from pimsim.timing.gating import horizon_ps
from pimsim.units import PS_PER_NS

EnergyByOpAndClass = Mapping[tuple[str | None, str | None], float]
"""(operation, resource class) → energy per inference [pJ]. Without a class: spread over all that
the operation uses; without an operation: drawn evenly."""

_CLASSES: Final[Mapping[str, str | None]] = {
    "units": "vector_unit",
    "tile_buffer": "tile_buffer",
    "tile_wires": "tile_buffer",
    "global_buffer": "global_buffer",
    "noc": "noc",
    "memory": "memory",
    "io": "io",
    "overhead": None,
}
"""First part of a component's name → class of its resource; ``None``: all that are at work."""
_ALONG_READS: Final = ("adc", "shift_add")
_MACRO_PARTS: Final = (*_ALONG_READS, "write", "program")

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Power:
    """Power over time. Its integral is the energy of all inferences of the timeline."""

    edges_ns: _Floats
    """Bounds of the bins, from 0 to the end of the run."""
    mean_mw: _Floats
    """Mean power in each bin."""
    average_mw: float
    """Over the whole run."""
    peak_mw: float
    """Largest mean over any stretch as long as the window, wherever it begins."""
    window_ns: float

    @property
    def energy_pj(self) -> float:
        """Integral over time. [pJ]"""
        return float((self.mean_mw * np.diff(self.edges_ns)).sum())  # mW · ns = pJ


def energy_by_op_and_class_pj(costs: CostBreakdown) -> dict[tuple[str | None, str | None], float]:
    """Energy of a roll-up by operation and by the resource class that spends it. [pJ]"""
    sums: dict[tuple[str | None, str | None], float] = {}
    for item in costs.items:
        if item.energy_pj:
            known = None if item.op is None else component_class(item.component)
            key = (item.op, known)
            sums[key] = sums.get(key, 0.0) + item.energy_pj
    return sums


def component_class(component: str) -> str | None:
    """Class of the resource that spends the energy of a component; ``None``: whichever works.

    Examples
    --------
    >>> component_class("mram.adc"), component_class("mram.crossbar"), component_class("noc.link")
    ('adc', 'macro', 'noc')
    >>> component_class("units.softmax"), component_class("overhead.clock_and_control")
    ('vector_unit', None)
    """
    head, _, part = component.partition(".")
    if head in _CLASSES or not part:
        return _CLASSES.get(head)
    return part if part in _MACRO_PARTS else "macro"


def power_mw(
    timeline: Timeline,
    energy_pj: EnergyByOpAndClass,
    *,
    bins: int | None = None,
    window_ns: float | None = None,
) -> Power:
    """Power over time, and its peak.

    Parameters
    ----------
    timeline
        What the replay saw. With several inferences each spends the same, and what belongs to no
        operation is drawn at the rate of the first.
    energy_pj
        Energy of one inference, see :func:`energy_by_op_and_class_pj`.
    bins
        Cut the run into so many equal bins; the window of the peak is one bin.
    window_ns
        Or into bins of this length, the last one shorter; exactly one of both is given.

    Returns
    -------
    Power
        Mean power per bin, on average and at the peak.

    Raises
    ------
    ValueError
        If neither or both of ``bins`` and ``window_ns`` are given, or not above 0, or if the run
        takes no time.
    """
    whole_ns = horizon_ps(timeline) / PS_PER_NS
    edges_ns = _edges(whole_ns, bins, window_ns)
    rows_mw, even_mw = _draws(timeline, energy_pj)
    turns_ns, spent_pj = _spent(timeline, rows_mw)

    def until(time_ns: _Floats) -> _Floats:
        dynamic: _Floats = np.interp(time_ns, turns_ns, spent_pj)
        return dynamic + even_mw * time_ns

    window = min(whole_ns, whole_ns / bins if bins else window_ns or whole_ns)
    begins = np.clip(np.concatenate([turns_ns, turns_ns - window]), 0.0, whole_ns - window)
    total_pj = float(until(np.array([whole_ns]))[0])
    return Power(
        edges_ns=edges_ns,
        mean_mw=np.diff(until(edges_ns)) / np.diff(edges_ns),
        average_mw=total_pj / whole_ns,
        peak_mw=float((until(begins + window) - until(begins)).max()) / window,
        window_ns=window,
    )


def _edges(whole_ns: float, bins: int | None, window_ns: float | None) -> _Floats:
    if whole_ns <= 0:
        raise ValueError("a run that takes no time has no power")
    if (bins is None) == (window_ns is None):
        raise ValueError("give either bins or window_ns")
    if bins is not None:
        if bins < 1:
            raise ValueError(f"bins must be 1 or more, got {bins}")
        return np.linspace(0.0, whole_ns, bins + 1)
    if window_ns is None or not window_ns > 0:
        raise ValueError(f"window_ns must be above 0, got {window_ns}")
    return np.append(np.arange(0.0, whole_ns, window_ns), whole_ns)


def _draws(timeline: Timeline, energy_pj: EnergyByOpAndClass) -> tuple[_Floats, float]:
    """Power that each busy interval draws, and what is drawn all the time. [mW]"""
    classes = list(dict.fromkeys(timeline.resource_classes))
    of_resource = np.array([classes.index(name) for name in timeline.resource_classes], np.int64)
    cell = timeline.op.astype(np.int64) * len(classes) + of_resource[timeline.resource]
    busy_ps = np.zeros((len(timeline.ops), len(classes)), np.int64)
    np.add.at(busy_ps.reshape(-1), cell, timeline.end_ps - timeline.start_ps)
    rates = np.zeros(busy_ps.shape)
    requests = max(len(timeline.request_end_ps), 1)
    rows = {name: row for row, name in enumerate(timeline.ops)}
    even_mw = 0.0
    for (op, resource_class), each_pj in energy_pj.items():
        if op is None:
            even_mw += each_pj * PS_PER_NS / timeline.latency_ps
            continue
        row = rows.get(op)
        used = [] if row is None else _cells(busy_ps[row], classes, resource_class)
        used_ps = 0 if row is None else int(busy_ps[row, used].sum())
        if used_ps:
            rates[row, used] += each_pj * requests * PS_PER_NS / used_ps
        else:
            even_mw += each_pj * requests * PS_PER_NS / horizon_ps(timeline)
    return rates.reshape(-1)[cell], even_mw


def _cells(busy_ps: NDArray[np.int64], classes: list[str], wanted: str | None) -> list[int]:
    """The classes of an operation that its energy is spread over."""
    if wanted is not None:
        ranked = [classes.index(name) for name in (wanted, "macro") if name in classes]
        if wanted in _ALONG_READS:
            ranked.sort(key=lambda index: -busy_ps[index])
        for index in ranked:
            if busy_ps[index]:
                return [index]
    return list(range(len(classes)))


def _spent(timeline: Timeline, rows_mw: _Floats) -> tuple[_Floats, _Floats]:
    """Times at which the power changes [ns], and the energy spent until then [pJ]."""
    when_ps = np.concatenate([[0], timeline.start_ps, timeline.end_ps, [horizon_ps(timeline)]])
    turns_ps, index = np.unique(when_ps, return_inverse=True)
    step_mw = np.zeros(len(turns_ps))
    np.add.at(step_mw, index, np.concatenate([[0.0], rows_mw, -rows_mw, [0.0]]))
    lengths_ns = np.diff(turns_ps) / PS_PER_NS
    spent_pj = np.concatenate([[0.0], np.cumsum(np.cumsum(step_mw)[:-1] * lengths_ns)])
    return turns_ps / PS_PER_NS, spent_pj
