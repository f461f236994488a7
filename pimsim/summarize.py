"""From what the passes found to one result.

Which question this module answers: *which numbers head the report, and how do the parts add up?*

One inference is one batch. Energy is that of one isolated inference, leakage included; throughput
is that of the steady state where several inferences were replayed, else of one after the other.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pimsim import cost, units
from pimsim.baselines import Comparison, compared
from pimsim.config import config_hash, ideal_parts
from pimsim.config.architecture import Architecture
from pimsim.cost.basis import to_document
from pimsim.cost.paper_table import macro_of
from pimsim.functional import FunctionalRun
from pimsim.functional.shape_only import BIT_DENSITY_RATIO
from pimsim.mapping import MappedWorkload
from pimsim.provenance import VERSION, host, versions
from pimsim.records import (
    Accuracy,
    Baseline,
    CostBreakdown,
    CostVariant,
    Manifest,
    Result,
    ServiceTimes,
    Timeline,
)
from pimsim.streaming import stream
from pimsim.timing.analysis import throughput
from pimsim.workload import Workload, summary


@dataclass(frozen=True, slots=True)
class ChipRun:
    """What the passes found on one architecture."""

    architecture: Architecture
    mapped: MappedWorkload
    accuracy: Accuracy | None
    functional: FunctionalRun
    service_times: ServiceTimes
    timeline: Timeline
    costs: tuple[CostBreakdown, ...]
    """One per variant, the default first."""
    what_if_ps: Mapping[str, int] = field(default_factory=dict)
    """Resource class → latency if it took no time, replayed; empty unless asked for."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What was asked of the run, as the manifest records it."""

    workload: Workload
    samples: int
    chips: int
    seed: int
    batch: int
    dims: Mapping[str, int]
    threads: int
    overrides: tuple[str, ...]
    wall_times_s: Mapping[str, float]
    baselines: bool = True
    """Whether to compare: with GPUs, and chips at their own best batch."""


def assemble(
    settings: RunSettings, run: ChipRun, others: Sequence[ChipRun], missing: Sequence[str] = ()
) -> Result:
    """Put one chip's passes, and those of its opponents, into a result.

    Parameters
    ----------
    settings
        What was asked for.
    run
        What the passes found on the chip.
    others
        The same on the chips it is compared with.
    missing
        A note on each comparison that could not be had.
    """
    return _Assembly(settings, run, others, missing).result()


@dataclass(frozen=True, slots=True)
class _Assembly:
    """Puts what was found into one result."""

    settings: RunSettings
    run: ChipRun
    others: Sequence[ChipRun]
    missing: Sequence[str]

    def result(self) -> Result:
        run, workload, dims = self.run, self.settings.workload, self.settings.dims
        macs = summary.macs(workload, dims).total
        latency_us = units.us_from_ps(run.timeline.latency_ps)
        basis = cost.basis_of(run.mapped)
        gpus = self._gpus()
        pace = throughput(run.timeline)
        return Result(
            manifest=self._manifest(),
            workload={
                "name": workload.name,
                "parameters": summary.parameters(workload),
                "macs": macs,
            },
            architecture_name=run.architecture.name,
            scheme=run.architecture.numerics.scheme,
            accuracy=run.accuracy,
            latency_us=latency_us,
            throughput_per_s=pace.per_s,
            cells_ratio=_cells_ratio(run),
            latency_breakdown_us=_latency_breakdown_us(run),
            assumed_latency_ratio=_assumed_latency_ratio(run),
            baselines=(
                *(_as_baseline(other, self.settings.batch) for other in self.others),
                *self._streamed(),
                *gpus.baselines,
            ),
            counts=run.functional.counts,
            timeline=run.timeline,
            attention_ops=tuple(op.op.name for op in run.mapped.ops if op.op.group is not None),
            sources=cost.run_sources(run.architecture, run.functional.counts),
            recost=to_document(basis, run.service_times),
            what_if_us={
                name: units.us_from_ps(time_ps) for name, time_ps in run.what_if_ps.items()
            },
            **cost_figures(
                run.costs, basis, macs=macs, latency_us=latency_us, throughput_per_s=pace.per_s
            ),
            notes=(
                *run.architecture.notes,
                *run.architecture.pvt.notes,
                *run.mapped.notes,
                *self._assumptions(),
                *cost.write_notes(run.mapped, run.functional.counts, run.timeline, run.costs[0]),
                *self.missing,
                *gpus.missing,
            ),
        )

    def _assumptions(self) -> tuple[str, ...]:
        """What a run without values had to assume of them."""
        if self.run.accuracy is not None:
            return ()
        note = (
            f"the workload has shapes only: ones are assumed in {BIT_DENSITY_RATIO:.0%} of the "
            "bits of all operands, on which column currents and word-line energy depend"
        )
        return (note,)

    def _streamed(self) -> Iterator[Baseline]:
        """The chips of the comparison at their own best batch: inferences behind one another."""
        if not self.settings.baselines:
            return
        for run in (self.run, *self.others):
            found = stream(
                run.mapped, run.service_times, run.functional, run.timeline, run.costs[0]
            )
            if found is not None:
                alone = _as_baseline(run, self.settings.batch)
                yield replace(
                    alone,
                    name=f"{alone.name}, streamed",
                    batch=self.settings.batch * found.inferences,
                    latency_us=found.latency_us,
                    energy_uj=found.energy_uj / self.settings.batch,
                )

    def _gpus(self) -> Comparison:
        if not self.settings.baselines:
            return Comparison((), ())
        return compared(self.settings.workload, {**self.settings.dims, "batch": 1})

    def _manifest(self) -> Manifest:
        settings, architecture = self.settings, self.run.architecture
        return Manifest(
            pimsim_version=VERSION,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            command=" ".join(sys.argv),
            seed=settings.seed,
            samples=settings.samples,
            chips=settings.chips,
            batch=settings.batch,
            dims=dict(settings.dims),
            threads=settings.threads,
            config_hash=config_hash(architecture),
            workload_hash=summary.content_hash(settings.workload),
            overrides=settings.overrides,
            models=models_of(architecture, architecture.cost.default),
            ideal=ideal_parts(architecture),
            versions=versions(),
            wall_times_s={
                name: round(seconds, 3) for name, seconds in settings.wall_times_s.items()
            },
            host=host(),
            paths={"working_folder": str(Path.cwd())},
        )


def cost_figures(
    costs: Sequence[CostBreakdown],
    basis: cost.CostBasis,
    *,
    macs: int,
    latency_us: float,
    throughput_per_s: float,
) -> dict[str, Any]:
    """Return the fields of a result that follow from its costs.

    Parameters
    ----------
    costs
        One per variant, the one that heads the result first.
    basis
        What was costed.
    macs
        Multiply-accumulates of one inference.
    latency_us
        Of one inference.
    throughput_per_s
        Inferences per second.
    """
    main = costs[0]
    energy_uj, area_mm2 = units.uj_from_pj(main.energy_pj), units.mm2_from_um2(main.area_um2)
    return {
        "area_mm2": area_mm2,
        "energy_uj": energy_uj,
        "power_mw": 1000.0 * energy_uj / latency_us,
        "tops_per_w": units.tops_per_w(macs, energy_uj),
        "tops_per_mm2": units.tops_per_mm2(macs, throughput_per_s, area_mm2),
        "area_ratio": _area_ratio(main, basis),
        "energy_breakdown_uj": cost.energy_breakdown_uj(main),
        "area_breakdown_mm2": cost.area_breakdown_mm2(main),
        "assumed_energy_ratio": cost.assumed_energy_ratio(main),
        "assumed_area_ratio": cost.assumed_area_ratio(main),
        "cost_variants": _variants(costs, macs),
        "costs": tuple(costs),
    }


def _as_baseline(run: ChipRun, batch: int) -> Baseline:
    analog = None if run.accuracy is None else run.accuracy.analog
    return Baseline(
        name=run.architecture.name,
        kind="pim_simulated",
        batch=batch,
        precision=run.architecture.numerics.scheme,
        latency_us=units.us_from_ps(run.timeline.latency_ps),
        energy_uj=units.uj_from_pj(run.costs[0].energy_pj) / batch,
        scope=(
            "chip incl. leakage, and off-chip memory and I/O where it has them; excludes host and "
            "loading of weights; latency of the batch, energy per input"
        ),
        source=f"simulated by pimsim, cost variant {run.costs[0].variant}",
        accuracy=None if analog is None else sum(analog) / len(analog),
        area_mm2=units.mm2_from_um2(run.costs[0].area_um2),
        node_nm=run.architecture.node_nm,
        model_area_mm2=units.mm2_from_um2(run.costs[0].area_um2)
        * _area_ratio(run.costs[0], cost.basis_of(run.mapped)),
    )


def _variants(costs: Sequence[CostBreakdown], macs: int) -> tuple[CostVariant, ...]:
    return tuple(
        CostVariant(
            name=cost.variant,
            energy_uj=units.uj_from_pj(cost.energy_pj),
            area_mm2=units.mm2_from_um2(cost.area_um2),
            tops_per_w=units.tops_per_w(macs, units.uj_from_pj(cost.energy_pj)),
        )
        for cost in costs
    )


def _latency_breakdown_us(run: ChipRun) -> dict[str, float]:
    """Exclusive critical-path time by what was at work: macro kind, unit function, buffer, link."""
    parts: dict[str, int] = {}
    for key, time_ps in run.timeline.critical_path_ps.items():
        op, kind = key.rsplit("|", 1)
        mapped = run.mapped.op(op)
        if kind in ("macro", "write") and mapped.placement is not None:
            label = f"{mapped.placement.macro}.{'reads' if kind == 'macro' else 'writes'}"
        elif kind == "vector_unit" and mapped.unit is not None:
            label = f"units.{mapped.unit.function}"
        else:
            label = kind
        parts[label] = parts.get(label, 0) + time_ps
    ordered = sorted(parts.items(), key=lambda item: (-item[1], item[0]))
    return {label: units.us_from_ps(time_ps) for label, time_ps in ordered}


def _assumed_latency_ratio(run: ChipRun) -> float:
    kinds = run.service_times.kinds
    assumed = sum(
        time_ps
        for key, time_ps in run.timeline.critical_path_ps.items()
        if kinds[key.rsplit("|", 1)[1]] == "assumed"
    )
    return assumed / run.timeline.latency_ps


def _cells_ratio(run: ChipRun) -> float:
    architecture = run.architecture
    cells = {
        name: macro.crossbar.rows
        * macro.crossbar.cols
        * architecture.tile.macros.get(name, 0)
        * architecture.chip.tiles
        for name, macro in architecture.macros.items()
    }
    return sum(run.mapped.cells_used.values()) / sum(cells.values())


def _area_ratio(main: CostBreakdown, basis: cost.CostBasis) -> float:
    """Share of the macros' area that belongs to macros in use."""
    architecture = basis.architecture
    areas = dict.fromkeys(architecture.macros, 0.0)
    for item in main.items:
        kind = macro_of(item.component, architecture) or item.component.split(".")[0]
        if kind in areas:
            areas[kind] += item.area_um2
    used = 0.0
    for name, area_um2 in areas.items():
        macros = architecture.tile.macros.get(name, 0) * architecture.chip.tiles
        used += area_um2 * basis.macros_used.get(name, 0) / macros if macros else 0.0
    return used / sum(areas.values())


def models_of(architecture: Architecture, variant: str) -> dict[str, str]:
    """Role → registry name of every model that a run uses under one cost variant."""
    models = {"numerics": architecture.numerics.scheme, "noc": architecture.chip.noc.model}
    for name, macro in architecture.macros.items():
        models[f"{name}.cell"] = macro.crossbar.cell.model
        models[f"{name}.adc"] = macro.adc.model
        models[f"{name}.zero_skipping"] = macro.zero_skipping.model
    for function, unit in architecture.units.present().items():
        models[f"units.{function}"] = unit.model
    chosen = architecture.cost.variants[variant]
    for role in type(chosen).model_fields:
        model = getattr(chosen, role)
        if model is not None:  # a table of its own stands in the architecture file
            stated = isinstance(model, str | int)
            models[f"cost.{role}"] = str(model) if stated else "the file's own"
    return models
