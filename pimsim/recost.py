"""Costing a stored result again, without simulating.

Which question this module answers: *what would this run have cost under other cost models, at
another node, or by another component table?*

Counts and timeline stay as they are, so only changes are taken that leave both alone: cost models
and tables, the technology node, names and notes, and the numbers that enter energy only
(:data:`FREE`). Everything else, above all what changes a service time, needs a new run and is
refused. The machines that the result is compared with are not costed again.
"""

import fnmatch
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from pimsim.config import config_hash
from pimsim.config.architecture import Architecture
from pimsim.cost import CostBasis, roll_up, run_sources, service_times
from pimsim.cost.basis import FORMAT_VERSION, from_document, times_document, to_document
from pimsim.errors import InputError, NotFoundError, nearest
from pimsim.records import CostBreakdown, Result
from pimsim.summarize import cost_figures, models_of

FREE: Final = (
    "name",
    "description",
    "notes",
    "node_nm",
    "cost",
    "cost.*",
    "chip.memory.technology",
    "macros.*.crossbar.cell.programming.pulse_energy_pj",
    "macros.*.write.endurance_cycles",
    "macros.*.reprogram.endurance_cycles",
)
"""Keys of an architecture file that neither counts nor times depend on."""

_SHOWN_KEYS: Final = 8


@dataclass(frozen=True, slots=True)
class Change:
    """One number of an architecture file, before and after."""

    path: str
    before: object
    after: object

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.before)} became {_shown(self.after)}"


def stored_architecture(result: Result) -> Architecture:
    """Return the chip that a result was simulated on.

    Raises
    ------
    InputError
        If the result does not hold it, or another version of pimsim wrote it.
    """
    version = result.recost.get("format_version")
    if version is None:
        raise InputError(
            "this result holds nothing to cost it again from (no recost.json); run again"
        )
    if version != FORMAT_VERSION:
        raise InputError(
            f"recost.json has format_version {version}, this pimsim reads {FORMAT_VERSION}; run "
            "again"
        )
    try:
        return Architecture.model_validate(result.recost["architecture"])
    except (KeyError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"recost.json: the architecture in it is not one of this pimsim ({reason}); run again"
        ) from None


def recost(result: Result, architecture: Architecture, variant: str | None = None) -> Result:
    """Cost a stored result again.

    Parameters
    ----------
    result
        As :func:`pimsim.load_result` read it.
    architecture
        The chip with other costs.
    variant
        Key of ``cost.variants`` whose numbers head the new result; ``cost.default`` when absent.

    Returns
    -------
    Result
        Accuracy, counts and times as before; energy, area, what follows from them, and sources
        anew, for every cost variant of ``architecture``.

    Raises
    ------
    InputError
        If the result holds nothing to cost it again from, or the change needs a new run; the
        message names the times and keys.
    NotFoundError
        If there is no such variant.
    ModelRangeError
        If a component lies outside the range of its model.
    """
    started = time.perf_counter()
    head = architecture.cost.default if variant is None else variant
    variants = architecture.cost.variants
    if head not in variants:
        raise NotFoundError(
            f"architecture {architecture.name!r} has no cost variant {head!r}"
            f"{nearest(head, variants)}"
        )
    before = stored_architecture(result)
    _check_same_run(result, before, architecture)
    try:
        basis = from_document(result.recost, architecture)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"recost.json: not what pimsim wrote ({error}); run again") from None
    names = [head, *(name for name in variants if name != head)]
    costs = tuple(roll_up(basis, result.counts, result.timeline, name) for name in names)
    return _with_costs(
        result, basis, costs, changes(before, architecture), wall_s=time.perf_counter() - started
    )


def _with_costs(
    result: Result,
    basis: CostBasis,
    costs: tuple[CostBreakdown, ...],
    changed: tuple[Change, ...],
    *,
    wall_s: float,
) -> Result:
    architecture, times = basis.architecture, service_times(basis.architecture)
    figures = cost_figures(
        costs,
        basis,
        macs=result.workload["macs"],
        latency_us=result.latency_us,
        throughput_per_s=result.throughput_per_s,
    )
    manifest = replace(
        result.manifest,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=" ".join(sys.argv),
        config_hash=config_hash(architecture),
        models=models_of(architecture, costs[0].variant),
        wall_times_s={**result.manifest.wall_times_s, "costed again": round(wall_s, 3)},
    )
    note = "energy and area were costed again, without simulating"
    return replace(
        result,
        **figures,
        manifest=manifest,
        architecture_name=architecture.name,
        sources=run_sources(architecture, result.counts),
        recost=to_document(basis, times),
        adc_models=(),  # those of the costing before
        notes=(
            *(each for each in result.notes if not each.startswith(note)),
            f"{note}: {'; '.join(map(str, changed)) or 'nothing changed'}",
        ),
    )


def changes(before: Architecture, after: Architecture) -> tuple[Change, ...]:
    """List every key in which two architectures differ, cost models included."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return tuple(_differences(old, new, ()))


def _check_same_run(result: Result, before: Architecture, architecture: Architecture) -> None:
    """Refuse a chip on which the run would have gone differently."""
    times = [
        str(change)
        for change in _differences(
            result.recost.get("service_times", {}), times_document(service_times(architecture)), ()
        )
        if not change.path.startswith("kinds")
    ]
    keys = [change for change in changes(before, architecture) if not _is_free(change.path)]
    if not times and not keys:
        return
    lines = ["this change needs a new run: pimsim run again"]
    if times:
        lines.append(f"service times change: {_listed(times)}")
    if keys:
        lines.append(
            f"keys that counts or times depend on: {_listed([str(change) for change in keys])}"
        )
    raise InputError("\n  ".join(lines))


def _listed(texts: list[str]) -> str:
    hidden = len(texts) - _SHOWN_KEYS
    more = f"; and {hidden} more" if hidden > 0 else ""
    return "; ".join(texts[:_SHOWN_KEYS]) + more


def _is_free(path: str) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in FREE)


def _differences(old: object, new: object, path: tuple[str, ...]) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key), new.get(key), (*path, str(key)))
    elif old != new:
        yield Change(".".join(path), old, new)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{...}"
    return "absent" if value is None else str(value)
