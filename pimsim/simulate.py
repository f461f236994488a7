"""The one place that wires the passes: description and workload in, result out.

Which question this module answers: *how accurate is this transformer on this chip, what does it
cost in energy and area, how long does it take, and how does that compare?*

This module is imported with the package and therefore imports nothing heavy at its top.
"""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pimsim.errors import InputError, MappingError, QuantizationError, SimulationError
from pimsim.request import Progress, Request

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pimsim.config.architecture import Architecture
    from pimsim.functional import FunctionalRun
    from pimsim.mapping import MappedWorkload
    from pimsim.quantization import Observer, Statistics
    from pimsim.records import Accuracy, CostBreakdown, Result, Timeline
    from pimsim.summarize import ChipRun
    from pimsim.workload import Workload

DEFAULT_CHIPS: Final = 3
DEFAULT_COMPARE: Final = ("conventional",)

_REFERENCE_ELEMENTS_MAX: Final = 1 << 26
"""Elements of the largest tensor of one chunk of the float32 reference: bounds memory."""

_log = logging.getLogger("pimsim.simulate")


def simulate(
    architecture: "Architecture | str | os.PathLike[str]",
    workload: "Workload | str | os.PathLike[str]",
    *,
    samples: int | None = None,
    chips: int = DEFAULT_CHIPS,
    seed: int = 0,
    batch: int = 1,
    seq: int | None = None,
    phase: str | None = None,
    context: int | None = None,
    threads: int | None = None,
    overrides: Sequence[str] = (),
    compare: Sequence[str] = DEFAULT_COMPARE,
    progress: Progress | None = None,
) -> "Result":
    """Run a workload through every pass on one chip design.

    Calibrate and quantize, map, run all samples through the crossbars of each Monte Carlo chip,
    replay one inference on the event-driven model, roll up energy and area, compare.

    Parameters
    ----------
    architecture
        A loaded architecture, a bundled name or a path to a YAML file.
    workload
        A loaded workload, a bundled name or a path to a folder.
    samples
        Evaluation samples, the first of the workload's; all up to 512 when absent.
    chips
        Monte Carlo instances of the design.
    seed
        Seed of every random number; the same seed gives the same result.
    batch
        Inputs per inference; all totals are then those of the whole batch.
    seq
        Tokens per input, for workloads with a dimension ``seq``; with samples, as many as they
        have.
    phase
        ``"prefill"`` or ``"decode"`` of a causal decoder; the whole model when absent.
    context
        Tokens of the cache: those that a prefill fills it with, or those that a decoding step finds
        in it. They are on the chip already, in the cells of the products that use them.
    threads
        Threads of the compiled kernels; results do not depend on it.
    overrides
        ``PATH=VALUE`` settings, checked like the architecture file itself; with a name or path.
    compare
        Architectures that the same workload is simulated on for the comparison; one that it does
        not fit is left out, and the result's notes say why.
    progress
        Told about stages and steps.

    Returns
    -------
    Result
        ``accuracy`` is ``None`` for a shape-only workload.

    Raises
    ------
    InputError
        If an argument, a file or a name is wrong.
    QuantizationError, MappingError, ModelRangeError
        If the workload has no integer form, does not fit the chip, or a model does not hold for it.

    Examples
    --------
    >>> result = simulate("rap", "vit_digits", samples=4, chips=1, compare=())
    >>> result.accuracy.samples, result.workload["macs"]
    (4, 3495040)
    """
    from pimsim.config import load_architecture, workload_path
    from pimsim.config.architecture import Architecture as ArchitectureModel
    from pimsim.summarize import RunSettings, assemble
    from pimsim.workload import Workload as WorkloadType
    from pimsim.workload.checks import check_weights
    from pimsim.workload.files import load
    from pimsim.workload.runs import Wanted, at_sizes, in_phase

    if isinstance(architecture, ArchitectureModel):
        if overrides:
            raise InputError("overrides need an architecture given by name or path")
        chip = architecture
    else:
        chip = load_architecture(architecture, overrides=overrides)
    if isinstance(workload, WorkloadType):
        work = workload
        if not work.shape_only:
            check_weights(work, f"workload {work.name!r}")
    else:
        work = load(workload_path(workload), values=True)
    work = in_phase(work, Wanted(phase, context, seq, samples))
    if phase is not None:
        seq = None  # the phase has fixed it
    request = Request(work, samples, chips, seed, batch, seq, tuple(overrides), progress)
    request.check()
    work = at_sizes(work, request.dims)
    request = replace(request, workload=work)
    opponents = [load_architecture(name) for name in compare]
    with _threads(threads) as used:
        simulation = _Simulation(request)
        run = simulation.run(chip)
        others, missing = simulation.run_others(other for other in opponents if other != chip)
    settings = RunSettings(
        workload=work,
        samples=request.sample_count,
        chips=chips,
        seed=seed,
        batch=batch,
        dims=request.dims,
        threads=used,
        overrides=request.overrides,
        wall_times_s=simulation.wall_times_s,
    )
    return assemble(settings, run, others, missing)


@dataclass(slots=True)
class _Simulation:
    """Runs the passes, keeping what does not depend on the chip."""

    request: Request
    wall_times_s: dict[str, float] = field(default_factory=dict)
    _statistics: "dict[Observer, Statistics]" = field(default_factory=dict)
    _reference: "NDArray[Any] | None" = None

    def run(self, architecture: "Architecture") -> "ChipRun":
        """All passes on one architecture."""
        from pimsim.cost import service_times
        from pimsim.summarize import ChipRun
        from pimsim.timing.replay import replay

        mapped = self._with_ranges(self._mapped(architecture))
        architecture = mapped.architecture
        accuracy, functional = self._values(mapped)
        with self._timed(f"{architecture.name}: timing"):
            times = service_times(architecture)
            timeline = replay(mapped, times, functional.service_cycles)
            _check_agreement(mapped, functional, timeline)
        with self._timed(f"{architecture.name}: cost"):
            costs = _costs(mapped, functional, timeline)
        return ChipRun(architecture, mapped, accuracy, functional, times, timeline, costs)

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

    def _mapped(self, architecture: "Architecture") -> "MappedWorkload":
        from pimsim.cost import chip_cost
        from pimsim.mapping import map_workload
        from pimsim.quantization import Observer, calibrate, quantize

        workload = self.request.workload
        with self._timed(f"{architecture.name}: calibrate, quantize and map"):
            for variant in architecture.cost.variants:  # refuse now, not after the long passes
                chip_cost(architecture, variant)
            observer, statistics = Observer.of(architecture.numerics), None
            if not workload.shape_only:
                if observer not in self._statistics:
                    self._statistics[observer] = calibrate(workload, observer)
                statistics = self._statistics[observer]
            quantized = quantize(workload, architecture, statistics)
            return map_workload(quantized, architecture, self.request.dims)

    def _with_ranges(self, mapped: "MappedWorkload") -> "MappedWorkload":
        """Converter ranges that are to be calibrated are, before any value is measured."""
        from pimsim.functional import freeze_ranges

        samples = self.request.workload.samples
        if samples is None or self.request.workload.shape_only:
            return mapped
        with self._timed(f"{mapped.architecture.name}: converter ranges"):
            return freeze_ranges(mapped, samples.calibration)

    def _values(self, mapped: "MappedWorkload") -> "tuple[Accuracy | None, FunctionalRun]":
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
                engine = AnalogEngine(chosen.macros, request.seed, chip, chosen.pvt)
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
            step = _reference_chunk(workload, self.request.dims)
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


def _reference_chunk(workload: "Workload", dims: "Mapping[str, int]") -> int:
    """Samples that the float32 reference runs together: 64, fewer where their tensors are large."""
    from pimsim.workload.shapes import elements

    one = {**dims, "batch": 1}
    largest = max(
        elements(spec.shape, one)
        for spec in workload.tensors.values()
        if spec.kind not in ("weight", "constant")
    )
    return max(1, min(64, _REFERENCE_ELEMENTS_MAX // largest))


def _check_agreement(
    mapped: "MappedWorkload", functional: "FunctionalRun", timeline: "Timeline"
) -> None:
    """Reads and movement are counted twice, on independent paths; a difference is a bug of ours.

    Where zeros are skipped, reads depend on the sample, and timing replays the first one only.
    """
    macros = mapped.architecture.macros
    moved = {op.op.name: op.moved for op in mapped.ops}
    for counts in functional.counts:
        if timeline.moved[counts.op] != moved[counts.op]:
            raise SimulationError(
                f"op {counts.op!r}: mapping moves {moved[counts.op]}, timing counted "
                f"{timeline.moved[counts.op]}; please report this"
            )
        for macro in counts.macros:
            dense = macros[macro.macro].zero_skipping.model == "none"
            if dense and macro.reads != timeline.reads[counts.op] * counts.inferences:
                raise SimulationError(
                    f"op {counts.op!r}: {macro.reads} reads in {counts.inferences} inferences, "
                    f"timing counted {timeline.reads[counts.op]} in one; please report this"
                )


def _costs(
    mapped: "MappedWorkload", functional: "FunctionalRun", timeline: "Timeline"
) -> "tuple[CostBreakdown, ...]":
    from pimsim.cost import roll_up

    cost = mapped.architecture.cost
    names = [cost.default, *(name for name in cost.variants if name != cost.default)]
    return tuple(roll_up(mapped, functional.counts, timeline, name) for name in names)


@contextmanager
def _threads(threads: int | None) -> Iterator[int]:
    """Use ``threads`` threads in compiled kernels while the block runs."""
    import numba

    before = numba.get_num_threads()
    most: int = getattr(numba.config, "NUMBA_NUM_THREADS")  # noqa: B009  (numba sets it at run time)
    if threads is not None and not 1 <= threads <= most:
        raise InputError(f"threads must be 1 to {most} on this machine, got {threads}")
    numba.set_num_threads(threads or before)
    try:
        yield threads or before
    finally:
        numba.set_num_threads(before)
