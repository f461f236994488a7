"""What the passes of one chip may take from those of another.

Which question this module answers: *what does each pass depend on, so that it need not run again?*

====================== =========================================================================
pass                   is used again by chips that differ only in
====================== =========================================================================
calibration, float32   anything but the observer; nothing of the chip
quantizing and mapping cost models, technology node, process-voltage-temperature point, service
                       times, clocks and bandwidths, width of the vector units
values                 the same, network, buffers and number of tiles
timeline               cost models and technology node
====================== =========================================================================

A key is text: everything of the chip but what is known to have no influence, so that a setting that
is forgotten here costs time and no correctness. A test changes every setting of a chip and compares
what was used again with what comes out afresh.

This module is imported with the package and therefore imports nothing heavy at its top.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from pimsim.config.architecture import Architecture
    from pimsim.functional import FunctionalRun
    from pimsim.mapping import MappedWorkload
    from pimsim.records import ServiceTimes

T = TypeVar("T")

_TEXTS: Final = ("description", "notes")
"""Sections that go into results as they are."""

_COSTS: Final = ("node_nm", "cost")
"""Sections that only costing reads."""

_COST_KEYS: Final = (
    ("macros", "*", "crossbar", "cell", "programming", "pulse_energy_pj"),
    ("chip", "memory", "technology"),
)
"""Further keys that only costing reads."""

_WITHOUT_VALUES: Final = ("name", "chip", "tile")
"""Further sections of an architecture that no value depends on."""

_SERVICE: Final = (
    ("macros", "*", "read_time_ns"),
    ("macros", "*", "readout"),
    ("macros", "*", "pipeline"),
    ("macros", "*", "supply"),
    ("macros", "*", "adc", "conversion_time_ns"),
    ("macros", "*", "zero_skipping", "controller_time_ns"),
    ("macros", "*", "write", "cycle_time_ns"),
    ("units", "*", "lanes"),
    ("tile", "buffer", "bandwidth_bits_per_ns"),
    ("chip", "clock_ghz"),
    ("chip", "noc", "link_bits_per_ns"),
    ("chip", "noc", "router_delay_ns"),
    ("chip", "global_buffer", "bandwidth_bits_per_ns"),
    ("chip", "memory", "bandwidth_bits_per_ns"),
    ("chip", "memory", "latency_ns"),
    ("chip", "io", "bandwidth_bits_per_ns"),
)
"""Keys that become service times and nothing else."""

_WITHOUT_READS: Final = (*_SERVICE, ("macros", "*", "reprogram"))
"""Keys that no value depends on, nor how long a vector keeps a row block busy."""


class Kept(Generic[T]):
    """The last few of something, each with everything that it depends on.

    Parameters
    ----------
    most
        How many.

    Examples
    --------
    >>> kept = Kept(1)
    >>> kept.put("a", 1), kept.put("b", 2)
    (1, 2)
    >>> kept.get("a"), kept.get("b")
    (None, 2)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[str, T] = {}

    def get(self, key: str) -> T | None:
        """What was put under a key, if it is still there; it then stays for longer."""
        if key not in self._found:
            return None
        self._found[key] = self._found.pop(key)
        return self._found[key]

    def put(self, key: str, value: T) -> T:
        """Keep a value, and let go of the one that was not asked for the longest."""
        self._found[key] = value
        while len(self._found) > self._most:
            del self._found[next(iter(self._found))]
        return value


@dataclass(frozen=True, slots=True)
class Layout:
    """A mapped workload, and what was noted on the chip on the way to it."""

    mapped: "MappedWorkload"
    added_notes: tuple[str, ...]
    """Notes of the mapped architecture that the one it was made for does not have."""

    def on(self, architecture: "Architecture") -> "MappedWorkload":
        """The same layout on a chip with the same key."""
        before = self.mapped.architecture
        if not self.added_notes:
            return replace(self.mapped, architecture=architecture)
        macros = dict(architecture.macros)
        for name, macro in macros.items():
            adc = macro.adc.model_copy(update={"calibrated": before.macros[name].adc.calibrated})
            macros[name] = macro.model_copy(update={"adc": adc})
        notes = (*architecture.notes, *self.added_notes)
        changed = architecture.model_copy(update={"macros": macros, "notes": notes})
        return replace(self.mapped, architecture=changed)


def layout_key(architecture: "Architecture", macro_area_mm2: Mapping[str, float]) -> str:
    """Text that is equal for chips on which a workload is quantized and mapped alike.

    Parameters
    ----------
    architecture
        The chip.
    macro_area_mm2
        Kind of macro → area of one, on which the number of copies may depend.
    """
    described = _described(architecture)
    del described["pvt"]
    for path in _SERVICE:
        _remove(described, path)
    return json.dumps([described, _areas(architecture, macro_area_mm2)], sort_keys=True)


def values_key(mapped: "MappedWorkload") -> str:
    """Text that is equal for chips whose values and reads are equal, whatever else they differ in.

    Of the chip's size only what of the workload is reprogrammed is left: it counts as writes. Which
    macro kinds hold the operands is in the placements.
    """
    placed = [
        (op.op.name, op.round, None if op.placement is None else repr(op.placement.rows),
         None if op.placement is None else (op.placement.macro, op.placement.copies,
                                            op.placement.row_blocks, op.placement.col_blocks))
        for op in mapped.ops
    ]  # fmt: skip
    return json.dumps([values_settings(mapped.architecture), mapped.rounds, placed], default=str)


def values_settings(architecture: "Architecture") -> dict[str, Any]:
    """Everything of an architecture that values may depend on, placement apart."""
    described = _described(architecture)
    for section in _WITHOUT_VALUES:
        del described[section]
    for path in _WITHOUT_READS:
        _remove(described, path)
    for macro in described["macros"].values():
        macro["write"] = (macro["write"] or {}).get("port")  # decides how many cycles are counted
    return described


def timeline_key(
    architecture: "Architecture", times: "ServiceTimes", macro_area_mm2: Mapping[str, float]
) -> str:
    """Text that is equal for chips on which one inference takes the same course.

    Parameters
    ----------
    architecture
        The chip, converter ranges calibrated.
    times
        Its service times.
    macro_area_mm2
        As for :func:`layout_key`.
    """
    taken = {
        each.name: dict(value) if isinstance(value, Mapping) else value
        for each in fields(times)
        if each.name != "kinds"
        for value in (getattr(times, each.name),)
    }
    areas = _areas(architecture, macro_area_mm2)
    return json.dumps([_described(architecture), taken, areas], sort_keys=True)


def family_of(architecture: "Architecture") -> tuple[str, str]:
    """Digests that are equal for chips that may share values, and a timeline.

    They may still differ in both, by where the workload is placed: these digests only tell which
    chips should be run one after another.
    """
    parts = (values_settings(architecture), _described(architecture))
    texts = [json.dumps(part, sort_keys=True, default=str) for part in parts]
    values, course = (hashlib.sha256(text.encode()).hexdigest() for text in texts)
    return values, course


def moved_as(mapped: "MappedWorkload", functional: "FunctionalRun") -> "FunctionalRun":
    """Earlier values with the movement of this mapping."""
    from pimsim.functional.counts import times

    moved = {op.op.name: op.moved for op in mapped.ops}
    counts = tuple(
        replace(counts, moved=times(moved[counts.op], counts.inferences))
        for counts in functional.counts
    )
    return replace(functional, counts=counts)


def _described(architecture: "Architecture") -> dict[str, Any]:
    """Everything of an architecture that a pass other than costing may read."""
    described = architecture.model_dump(mode="json", exclude={*_TEXTS, *_COSTS})
    for path in _COST_KEYS:
        _remove(described, path)
    return described


def _remove(section: Any, path: tuple[str, ...]) -> None:
    """Take a key out of nested sections, ``*`` being any; absent ones are passed over."""
    if not isinstance(section, dict):
        return
    if len(path) == 1:
        section.pop(path[0], None)
        return
    for inner in section.values() if path[0] == "*" else (section.get(path[0]),):
        _remove(inner, path[1:])


def _areas(
    architecture: "Architecture", macro_area_mm2: Mapping[str, float]
) -> dict[str, float] | None:
    """Areas of macros, where a budget of area decides on the number of copies."""
    return None if architecture.mapping.replication_mm2 is None else dict(macro_area_mm2)
