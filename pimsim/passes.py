"""The passes over one workload, and what may be used again from one chip to the next.

Which question this module answers: *what must be computed afresh for this chip, what is known from
the one before?*

Calibration and the float32 reference do not depend on the chip at all. Values, the slowest part,
depend on what a cell, a converter or a digital unit makes of them, and not on the network, clocks,
buffers, service times or cost models: a chip that differs from an earlier one in these alone gets
the earlier one's values, with its own movement. One that differs in cost models alone is only
costed. :mod:`pimsim.reuse` says what each pass depends on.

This module is imported with the package and therefore imports nothing heavy at its top.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pimsim.errors import MappingError, QuantizationError, SimulationError
from pimsim.request import Request
from pimsim.reuse import Kept, Layout, layout_key, moved_as, timeline_key, values_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pimsim.config.architecture import Architecture
    from pimsim.functional import FunctionalRun
    from pimsim.mapping import MappedWorkload
    from pimsim.quantization import Observer, Statistics
    from pimsim.records import Accuracy, CostBreakdown, Timeline
    from pimsim.summarize import ChipRun
    from pimsim.workload import Workload

_REFERENCE_ELEMENTS_MAX: Final = 1 << 26
"""Elements of the largest tensor of one chunk of the float32 reference: bounds memory."""

_VALUES_KEPT: Final = 4
"""Chips whose values are kept; a sweep comes back to the last few."""

_LAYOUTS_KEPT: Final = 2
"""Chips whose quantized and mapped workload, and whose timeline, are kept: both may be large, and a
sweep takes designs that share them one after another."""


@dataclass(slots=True)
class Passes:
    """Runs the passes, keeping what does not depend on the chip."""

    request: Request
    wall_times_s: dict[str, float] = field(default_factory=dict)
    _statistics: "dict[Observer, Statistics]" = field(default_factory=dict)
    _reference: "NDArray[Any] | None" = None
    computed: list[str] = field(default_factory=list)
    """Passes that were run and not taken from an earlier chip: ``"layout"``, ``"values"``,
    ``"timeline"``; emptied by the caller."""
    _layouts: "Kept[Layout]" = field(default_factory=lambda: Kept(_LAYOUTS_KEPT))
    _values_of: "Kept[tuple[Accuracy | None, FunctionalRun]]" = field(
        default_factory=lambda: Kept(_VALUES_KEPT)
    )
    _timelines: "Kept[Timeline]" = field(default_factory=lambda: Kept(_LAYOUTS_KEPT))

    def run(
        self, architecture: "Architecture", *, what_if: bool = False, every_variant: bool = True
    ) -> "ChipRun":
        """All passes on one architecture.

        Parameters
        ----------
        architecture
            The chip.
        what_if
            Whether to replay with each class of resources infinitely fast, too.
        every_variant
            Whether to cost under every variant, not only the default one.
        """
        from pimsim.cost import service_times
        from pimsim.summarize import ChipRun
        from pimsim.timing.replay import replay
        from pimsim.timing.what_if import what_if_ps

        mapped, areas_mm2 = self._laid_out(architecture)
        architecture = mapped.architecture
        times = service_times(architecture)
        course = timeline_key(architecture, times, areas_mm2)
        accuracy, functional = self._values(mapped, course)
        with self._timed(f"{architecture.name}: timing"):
            replay_with = partial(
                replay,
                mapped,
                service_cycles=functional.service_cycles,
                token_reads=functional.token_reads,
                token_group=self.request.token_group,
                checks=self.request.checks,
            )
            timeline = self._timelines.get(course)
            if timeline is None:
                self.computed.append("timeline")
                timeline = replay_with(times, requests=self.request.requests)
                self._timelines.put(course, timeline)
            check_agreement(mapped, functional, timeline)
        without_ps: dict[str, int] = {}
        if what_if:
            with self._timed(f"{architecture.name}: what if a part took no time"):
                classes = dict.fromkeys(timeline.resource_classes)
                without_ps = what_if_ps(replay_with, times, classes)
        with self._timed(f"{architecture.name}: cost"):
            costs = _costs(mapped, functional, timeline, every_variant=every_variant)
        return ChipRun(
            architecture, mapped, accuracy, functional, times, timeline, costs, without_ps
        )

    def run_others(
        self, architectures: "Iterable[Architecture]"
    ) -> "tuple[list[ChipRun], list[str]]":
        """All passes on each architecture, and a note on each that the workload does not fit."""
        runs, missing = [], []
        for architecture in architectures:
            try:
                runs.append(self.run(architecture))
            except (MappingError, QuantizationError) as error:
                reason = str(error).splitlines()[0]
                missing.append(f"not compared with {architecture.name}: {reason}")
        return runs, missing

    def _laid_out(self, architecture: "Architecture") -> "tuple[MappedWorkload, dict[str, float]]":
        """The mapped workload on the chip, and the area of one macro of each kind."""
        from pimsim.cost import chip_cost
        from pimsim.cost.areas import macro_area_mm2

        # Refuse now, not after the long passes.
        costs = {name: chip_cost(architecture, name) for name in architecture.cost.variants}
        areas_mm2 = macro_area_mm2(costs[architecture.cost.default])
        key = layout_key(architecture, areas_mm2)
        layout = self._layouts.get(key)
        if layout is None:
            self.computed.append("layout")
            mapped = self._with_ranges(self._mapped(architecture, areas_mm2))
            added = mapped.architecture.notes[len(architecture.notes) :]
            layout = self._layouts.put(key, Layout(mapped, added))
        return layout.on(architecture), areas_mm2

    def _mapped(
        self, architecture: "Architecture", areas_mm2: "Mapping[str, float]"
    ) -> "MappedWorkload":
        from pimsim.mapping import map_workload
        from pimsim.quantization import Observer, calibrate, quantize

        workload = self.request.workload
        with self._timed(f"{architecture.name}: calibrate, quantize and map"):
            observer, statistics = Observer.of(architecture.numerics), None
            if not workload.shape_only:
                if observer not in self._statistics:
                    self._statistics[observer] = calibrate(workload, observer)
                statistics = self._statistics[observer]
            quantized = quantize(workload, architecture, statistics)
            return map_workload(
                quantized, architecture, self.request.dims, macro_area_mm2=areas_mm2
            )

    def _with_ranges(self, mapped: "MappedWorkload") -> "MappedWorkload":
        """Converter ranges that are to be calibrated are, before any value is measured."""
        from pimsim.functional import freeze_ranges

        samples = self.request.workload.samples
        if samples is None or self.request.workload.shape_only:
            return mapped
        with self._timed(f"{mapped.architecture.name}: converter ranges"):
            return freeze_ranges(mapped, samples.calibration)

    def _values(
        self, mapped: "MappedWorkload", course: str
    ) -> "tuple[Accuracy | None, FunctionalRun]":
        """Accuracy and what the values did; ``course`` is the key of the timeline."""
        shape_only = self.request.workload.samples is None or self.request.workload.shape_only
        key = course if shape_only else values_key(mapped)
        found = self._values_of.get(key)
        if found is None:
            self.computed.append("values")
            return self._values_of.put(key, self._new_values(mapped))
        accuracy, functional = found
        return accuracy, functional if shape_only else moved_as(mapped, functional)

    def _new_values(self, mapped: "MappedWorkload") -> "tuple[Accuracy | None, FunctionalRun]":
        from pimsim.functional import (
            AnalogEngine,
            Answers,
            IdealEngine,
            estimate,
            execute,
            measure,
        )

        request, samples = self.request, self.request.workload.samples
        if samples is None or request.workload.shape_only:
            return None, estimate(mapped)
        name, count = mapped.architecture.name, request.sample_count
        inputs = {key: values[:count] for key, values in samples.evaluation.items()}
        products = sum(op.op.is_product for op in mapped.ops)
        output = request.workload.outputs[0]
        with self._timed(f"{name}: integers on an ideal chip", count * products):
            ideal = execute(mapped, inputs, IdealEngine(), advance=request.advance)
        runs = []
        for chip in range(request.chips):
            title = f"{name}: analog chip {chip + 1} of {request.chips}"
            with self._timed(title, count * products):
                chosen = mapped.architecture
                first = chip == 0  # whose counts are reported; the others are run for their values
                engine = AnalogEngine(chosen.macros, request.seed, chip, chosen.pvt, counted=first)
                runs.append(execute(mapped, inputs, engine, advance=request.advance))
        answers = Answers(
            self._float32(inputs), ideal.outputs[output], [run.outputs[output] for run in runs]
        )
        labels = None if samples.labels is None else samples.labels[:count]
        return measure(answers, labels, request.workload.task), runs[0]

    def _float32(self, inputs: "Mapping[str, NDArray[Any]]") -> "NDArray[Any]":
        """Outputs of the float32 reference, computed once for all chips."""
        if self._reference is None:
            import numpy as np

            from pimsim.workload import reference

            workload = self.request.workload
            output, parts = workload.outputs[0], []
            step = reference_chunk(workload, self.request.dims)
            with self._timed("float32 reference"):
                for start in range(0, self.request.sample_count, step):
                    chunk = [inputs[name][start : start + step] for name in workload.inputs]
                    parts.append(reference.run(workload, *chunk)[output])
            self._reference = np.concatenate(parts)
        return self._reference

    @contextmanager
    def _timed(self, name: str, total: int | None = None) -> Iterator[None]:
        self.request.stage(name, total)
        started = time.perf_counter()
        yield
        self.wall_times_s[name] = time.perf_counter() - started


def reference_chunk(workload: "Workload", dims: "Mapping[str, int]") -> int:
    """Samples that the float32 reference runs together: 64, fewer where their tensors are large."""
    from pimsim.workload.shapes import elements

    one = {**dims, "batch": 1}
    largest = max(
        elements(spec.shape, one)
        for spec in workload.tensors.values()
        if spec.kind not in ("weight", "constant")
    )
    return max(1, min(64, _REFERENCE_ELEMENTS_MAX // largest))


def check_agreement(
    mapped: "MappedWorkload", functional: "FunctionalRun", timeline: "Timeline"
) -> None:
    """Reads, writes and movement are counted twice; a difference is a bug of ours.

    Where zeros are skipped, reads depend on the sample, and timing replays the first one only: then
    they can be compared in runs of one sample.
    """
    macros = mapped.architecture.macros
    moved = {op.op.name: op.moved for op in mapped.ops}
    for counts in functional.counts:
        if timeline.moved[counts.op] != moved[counts.op]:
            raise SimulationError(
                f"op {counts.op!r}: mapping moves {moved[counts.op]}, timing counted "
                f"{timeline.moved[counts.op]}; please report this"
            )
        written = timeline.writes.get(counts.op)
        done = sum(macro.row_writes for macro in counts.macros)
        if written is not None and done != written * counts.inferences:
            raise SimulationError(
                f"op {counts.op!r}: {done} write cycles in {counts.inferences} inferences, timing "
                f"counted {written} in one; please report this"
            )
        for macro in counts.macros:
            dense = macros[macro.macro].zero_skipping.model == "none"
            alone = counts.op in functional.token_reads and counts.inferences == 1
            if (dense or alone) and macro.reads != timeline.reads[counts.op] * counts.inferences:
                raise SimulationError(
                    f"op {counts.op!r}: {macro.reads} reads in {counts.inferences} inferences, "
                    f"timing counted {timeline.reads[counts.op]} in one; please report this"
                )


def _costs(
    mapped: "MappedWorkload",
    functional: "FunctionalRun",
    timeline: "Timeline",
    *,
    every_variant: bool,
) -> "tuple[CostBreakdown, ...]":
    from pimsim.cost import roll_up

    cost = mapped.architecture.cost
    names = [cost.default]
    if every_variant:
        names += (name for name in cost.variants if name != cost.default)
    return tuple(roll_up(mapped, functional.counts, timeline, name) for name in names)
