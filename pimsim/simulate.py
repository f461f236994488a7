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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from pimsim.errors import InputError, MappingError, QuantizationError, SimulationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pimsim.config.architecture import Architecture
    from pimsim.functional import FunctionalRun
    from pimsim.mapping import MappedWorkload
    from pimsim.records import Accuracy, CostBreakdown, Result, Timeline
    from pimsim.summarize import ChipRun
    from pimsim.workload import Workload

DEFAULT_SAMPLES_MAX: Final = 512
"""Evaluation samples that a run takes when none are asked for, if the workload has so many."""
DEFAULT_CHIPS: Final = 3
DEFAULT_COMPARE: Final = ("conventional",)

_log = logging.getLogger("pimsim.simulate")


class Progress(Protocol):
    """What a run tells about how far it is."""

    def stage(self, name: str, total: int | None) -> None:
        """A new stage begins, with ``total`` steps if known."""
        ...

    def advance(self, n: int = 1) -> None:
        """``n`` steps of the stage are done."""
        ...


def simulate(
    architecture: "Architecture | str | os.PathLike[str]",
    workload: "Workload | str | os.PathLike[str]",
    *,
    samples: int | None = None,
    chips: int = DEFAULT_CHIPS,
    seed: int = 0,
    batch: int = 1,
    seq: int | None = None,
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
    from pimsim.workload.files import load

    if isinstance(architecture, ArchitectureModel):
        if overrides:
            raise InputError("overrides need an architecture given by name or path")
        chip = architecture
    else:
        chip = load_architecture(architecture, overrides=overrides)
    work = workload if isinstance(workload, WorkloadType) else load(workload_path(workload))
    request = _Request(work, samples, chips, seed, batch, seq, tuple(overrides), progress)
    request.check()
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


@dataclass(frozen=True, slots=True)
class _Request:
    """What was asked for."""

    workload: "Workload"
    samples: int | None
    chips: int
    seed: int
    batch: int
    seq: int | None
    overrides: tuple[str, ...]
    progress: Progress | None

    def check(self) -> None:
        """Raise for numbers that no run can have."""
        for name, value, least in (
            ("samples", self.samples, 1),
            ("chips", self.chips, 1),
            ("seed", self.seed, 0),
            ("batch", self.batch, 1),
            ("seq", self.seq, 1),
        ):
            if value is not None and value < least:
                raise InputError(f"{name} must be {least} or more, got {value}")
        if self.workload.shape_only:
            if self.samples is not None:
                raise InputError(
                    f"workload {self.workload.name!r} has shapes only, no samples to take "
                    f"{self.samples} from"
                )
        else:
            self._check_samples()
        _ = self.dims  # raises where a dimension is unknown or out of range

    def _check_samples(self) -> None:
        name = self.workload.name
        if self.available == 0:
            raise InputError(
                f"workload {name!r} has weights but no evaluation samples; add evaluation.<input> "
                "to its samples.safetensors, or trace it without weights for time and cost alone"
            )
        if self.sample_count > self.available:
            raise InputError(
                f"samples = {self.sample_count}, but workload {name!r} has {self.available} "
                "evaluation samples; ask for fewer"
            )
        if self.batch > self.available:
            raise InputError(
                f"batch = {self.batch}, but workload {name!r} has {self.available} evaluation "
                "samples; ask for a smaller batch"
            )
        rest = self.sample_count % self.batch
        if rest:
            near = {self.sample_count - rest, self.sample_count - rest + self.batch}
            whole = " or ".join(str(n) for n in sorted(near) if 0 < n <= self.available)
            raise InputError(
                f"samples = {self.sample_count} is not a whole number of batches of {self.batch}; "
                f"take {whole}"
            )
        found = self._sample_dims().get("seq")
        if found is not None and self.seq not in (None, found):
            raise InputError(
                f"seq = {self.seq}, but the evaluation samples of workload {name!r} have {found} "
                "tokens; leave seq out"
            )

    def _sample_dims(self) -> dict[str, int]:
        """Numbers that the evaluation samples give the symbolic dimensions, the batch apart."""
        from pimsim.workload.reference import bind_inputs

        workload = self.workload
        if workload.shape_only or workload.samples is None:
            return {}
        arrays = [workload.samples.evaluation[name] for name in workload.inputs]
        dims = bind_inputs(workload, arrays)
        return {name: size for name, size in dims.items() if name != "batch"}

    @property
    def available(self) -> int:
        """Evaluation samples that the workload brings along."""
        samples = self.workload.samples
        return 0 if samples is None or self.workload.shape_only else samples.count

    @property
    def sample_count(self) -> int:
        """Samples to evaluate: asked for, or all up to the default, in whole batches."""
        if self.samples is not None:
            return self.samples
        count = min(self.available, DEFAULT_SAMPLES_MAX)
        return count - count % self.batch if count >= self.batch else count

    @property
    def dims(self) -> dict[str, int]:
        """Numbers of the workload's symbolic dimensions."""
        wanted = self._sample_dims()
        if self.batch > 1 or "batch" in self.workload.dims:
            wanted["batch"] = self.batch
        if self.seq is not None:
            wanted["seq"] = self.seq
        return {"batch": 1, **self.workload.bind(**wanted)}

    def stage(self, name: str, total: int | None = None) -> None:
        """Report a new stage."""
        _log.info("%s", name)
        if self.progress is not None:
            self.progress.stage(name, total)

    def advance(self, n: int) -> None:
        """Report steps done."""
        if self.progress is not None:
            self.progress.advance(n)


@dataclass(slots=True)
class _Simulation:
    """Runs the passes, keeping what does not depend on the chip."""

    request: _Request
    wall_times_s: dict[str, float] = field(default_factory=dict)
    _statistics: dict[str, float] | None = None
    _reference: "NDArray[Any] | None" = None

    def run(self, architecture: "Architecture") -> "ChipRun":
        """All passes on one architecture."""
        from pimsim.cost import service_times
        from pimsim.summarize import ChipRun
        from pimsim.timing.replay import replay

        mapped = self._mapped(architecture)
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
        from pimsim.quantization import calibrate, quantize

        workload = self.request.workload
        with self._timed(f"{architecture.name}: calibrate, quantize and map"):
            for variant in architecture.cost.variants:  # refuse now, not after the long passes
                chip_cost(architecture, variant)
            if self._statistics is None and not workload.shape_only:
                self._statistics = calibrate(workload)
            quantized = quantize(workload, architecture, self._statistics)
            return map_workload(quantized, architecture, self.request.dims)

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
                engine = AnalogEngine(mapped.architecture.macros, request.seed, chip)
                runs.append(execute(mapped, inputs, engine, advance=request.advance))
        answers = Answers(
            self._float32(inputs), ideal.outputs[output], [run.outputs[output] for run in runs]
        )
        labels = None if samples.labels is None else samples.labels[:count]
        return measure(answers, labels), runs[0]

    def _float32(self, inputs: "Mapping[str, NDArray[Any]]") -> "NDArray[Any]":
        """Outputs of the float32 reference, computed once for all chips."""
        if self._reference is None:
            import numpy as np

            from pimsim.workload import reference

            workload = self.request.workload
            output, parts = workload.outputs[0], []
            with self._timed("float32 reference"):
                for start in range(0, self.request.sample_count, 64):
                    chunk = [inputs[name][start : start + 64] for name in workload.inputs]
                    parts.append(reference.run(workload, *chunk)[output])
            self._reference = np.concatenate(parts)
        return self._reference

    @contextmanager
    def _timed(self, name: str, total: int | None = None) -> Iterator[None]:
        self.request.stage(name, total)
        started = time.perf_counter()
        yield
        self.wall_times_s[name] = time.perf_counter() - started


def _check_agreement(
    mapped: "MappedWorkload", functional: "FunctionalRun", timeline: "Timeline"
) -> None:
    """Reads and movement are counted twice, on independent paths; a difference is a bug of ours."""
    moved = {op.op.name: op.moved for op in mapped.ops}
    for counts in functional.counts:
        if timeline.moved[counts.op] != moved[counts.op]:
            raise SimulationError(
                f"op {counts.op!r}: mapping moves {moved[counts.op]}, timing counted "
                f"{timeline.moved[counts.op]}; please report this"
            )
        for macro in counts.macros:
            if macro.reads != timeline.reads[counts.op] * counts.inferences:
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
