"""What a roll-up must know of a mapping, small enough to be kept with a result.

Which question this module answers: *what, beside counts and timeline, is needed to cost a run
again?*

A run is costed from its :class:`CostBasis` and nothing else of its mapping, so that a stored result
can be costed again without placing, or simulating, anything.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from pimsim.config.architecture import Architecture
from pimsim.integer.hardware import Operation, OperationCounts, UnitHardware
from pimsim.mapping.mapped import MappedWorkload
from pimsim.records import ServiceTimes

FORMAT_VERSION: Final = 1
_OPERATIONS: Final = ("per_element", "per_row", "per_group")


@dataclass(frozen=True, slots=True)
class CostBasis:
    """The facts of a mapping that energy and area depend on."""

    architecture: Architecture
    hardware: Mapping[str, UnitHardware]
    """Operation → what its digital unit does, where it uses one."""
    macros_used: Mapping[str, int]
    """Macro kind → macros that hold something."""
    working_tiles: frozenset[int]
    """Tiles that hold a block of an operand or assemble the output of an operation."""
    rounds: int
    """Programmings of the macros during one inference."""


def basis_of(mapped: MappedWorkload) -> CostBasis:
    """Take from a mapping what it is costed by."""
    tiles = {op.tile for op in mapped.ops}
    for op in mapped.ops:
        if op.placement is not None:
            copies = (op.placement.blocks, *op.placement.replicas)
            tiles.update(block.tile for blocks in copies for block in blocks)
    return CostBasis(
        architecture=mapped.architecture,
        hardware={op.op.name: op.op.hardware for op in mapped.ops if op.op.hardware is not None},
        macros_used=dict(mapped.macros_used),
        working_tiles=frozenset(tiles),
        rounds=mapped.rounds,
    )


def to_document(basis: CostBasis, times: ServiceTimes) -> dict[str, Any]:
    """Return a basis as plain dicts, lists and numbers.

    Its keys, those of ``recost.json`` in a result folder: ``format_version``; ``architecture``, the
    checked architecture file; ``service_times``, which a later costing must not change;
    ``hardware``, every different unit once, and ``hardware_of``, operation → index of its unit;
    ``macros_used``, ``working_tiles`` and ``rounds`` as :class:`CostBasis` has them.
    """
    kinds = list(dict.fromkeys(basis.hardware.values()))
    return {
        "format_version": FORMAT_VERSION,
        "architecture": basis.architecture.model_dump(mode="json", exclude_unset=True),
        "service_times": times_document(times),
        "hardware": [_plain(hardware) for hardware in kinds],
        "hardware_of": {op: kinds.index(hardware) for op, hardware in basis.hardware.items()},
        "macros_used": dict(basis.macros_used),
        "working_tiles": sorted(basis.working_tiles),
        "rounds": basis.rounds,
    }


def times_document(times: ServiceTimes) -> dict[str, Any]:
    """Return service times as plain dicts and numbers."""
    found = {each.name: getattr(times, each.name) for each in fields(times)}
    return {
        name: dict(value) if isinstance(value, Mapping) else value for name, value in found.items()
    }


def from_document(document: Mapping[str, Any], architecture: Architecture) -> CostBasis:
    """Rebuild the basis that :func:`to_document` wrote, on another architecture.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the document is not of this form.
    """
    kinds = [_hardware(entry) for entry in document["hardware"]]
    return CostBasis(
        architecture=architecture,
        hardware={op: kinds[index] for op, index in document["hardware_of"].items()},
        macros_used={name: int(number) for name, number in document["macros_used"].items()},
        working_tiles=frozenset(int(tile) for tile in document["working_tiles"]),
        rounds=int(document["rounds"]),
    )


def _plain(hardware: UnitHardware) -> dict[str, Any]:
    plain = asdict(hardware)
    for name in _OPERATIONS:
        plain[name] = [
            [operation.kind, operation.width_bits, count]
            for operation, count in getattr(hardware, name)
        ]
    return plain


def _hardware(entry: Mapping[str, Any]) -> UnitHardware:
    known = {each.name for each in fields(UnitHardware)}
    if set(entry) != known:
        raise ValueError(f"hardware with the keys {', '.join(entry)}")
    counts = {name: _operations(entry[name]) for name in _OPERATIONS}
    return UnitHardware(**{**entry, **counts})


def _operations(entries: list[list[Any]]) -> OperationCounts:
    return tuple((Operation(kind, width_bits), count) for kind, width_bits, count in entries)
