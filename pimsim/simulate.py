"""The one place that wires the passes: description and workload in, result out.

Which question this module answers: *how accurate is this transformer on this chip, what does it
cost in energy and area, how long does it take, and how does that compare?*

This module is imported with the package and therefore imports nothing heavy at its top.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

from pimsim.errors import InputError
from pimsim.passes import Passes
from pimsim.request import Progress, Request

if TYPE_CHECKING:
    from pimsim.config.architecture import Architecture
    from pimsim.mapping import MappedWorkload
    from pimsim.records import Result
    from pimsim.workload import Workload

DEFAULT_CHIPS: Final = 3
DEFAULT_COMPARE: Final = ("conventional",)

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
    requests: int = 1,
    token_group: int = 1,
    checks: bool = False,
    what_if: bool = False,
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
    requests
        Inferences that the replay lets follow each other as fast as the chip takes them; latency is
        that of the first.
    token_group
        Tokens that move through the replay together: 1 is exact, more take less time.
    checks
        Let the replay check itself: work conserved, queues in order, Little's law.
    what_if
        Also replay with each class of resources infinitely fast, for ``Result.what_if_us``.
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
    from pimsim.config import load_architecture
    from pimsim.config.architecture import Architecture as ArchitectureModel

    if isinstance(architecture, ArchitectureModel):
        if overrides:
            raise InputError("overrides need an architecture given by name or path")
        chip = architecture
    else:
        chip = load_architecture(architecture, overrides=overrides)
    simulator = Simulator(
        workload,
        samples=samples,
        chips=chips,
        seed=seed,
        batch=batch,
        seq=seq,
        phase=phase,
        context=context,
        requests=requests,
        token_group=token_group,
        checks=checks,
        threads=threads,
        progress=progress,
    )
    opponents = [load_architecture(name) for name in compare]
    return simulator.run(chip, compare=opponents, what_if=what_if, overrides=overrides)


@final
class Simulator:
    """Runs one workload on one chip after the other.

    What does not depend on the chip, or not on what changes from one chip to the next, is computed
    once (:mod:`pimsim.passes`); results are those of :func:`simulate`.

    Parameters
    ----------
    workload, samples, chips, seed, batch, seq, phase, context
        As in :func:`simulate`.
    requests, token_group, checks, threads, progress
        As in :func:`simulate`.

    Raises
    ------
    InputError
        If an argument, a file or a name is wrong.

    Examples
    --------
    >>> from pimsim import load_architecture
    >>> simulator = Simulator("vit_digits", samples=4, chips=1)
    >>> fast = load_architecture("rap", overrides=["chip.clock_ghz=2.0"])
    >>> simulator.run(load_architecture("rap")).latency_us > simulator.run(fast).latency_us
    True
    """

    def __init__(
        self,
        workload: "Workload | str | os.PathLike[str]",
        *,
        samples: int | None = None,
        chips: int = DEFAULT_CHIPS,
        seed: int = 0,
        batch: int = 1,
        seq: int | None = None,
        phase: str | None = None,
        context: int | None = None,
        requests: int = 1,
        token_group: int = 1,
        checks: bool = False,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        from pimsim.config import workload_path
        from pimsim.workload import Workload as WorkloadType
        from pimsim.workload.checks import check_weights
        from pimsim.workload.files import load
        from pimsim.workload.runs import Wanted, at_sizes, in_phase

        if isinstance(workload, WorkloadType):
            work = workload
            if not work.shape_only:
                check_weights(work, f"workload {work.name!r}")
        else:
            work = load(workload_path(workload), values=True)
        work = in_phase(work, Wanted(phase, context, seq, samples))
        request = Request(
            work,
            samples,
            chips,
            seed,
            batch,
            seq if phase is None else None,  # the phase has fixed it
            (),
            progress,
            requests=requests,
            token_group=token_group,
            checks=checks,
        )
        request.check()
        self._request = replace(request, workload=at_sizes(work, request.dims))
        self._threads = threads
        self._passes = Passes(self._request)

    def run(
        self,
        architecture: "Architecture",
        *,
        compare: "Sequence[Architecture]" = (),
        what_if: bool = False,
        overrides: Sequence[str] = (),
        baselines: bool = True,
        every_variant: bool = True,
    ) -> "Result":
        """All passes on a chip.

        Parameters
        ----------
        architecture
            The chip.
        compare
            Chips for the comparison.
        what_if
            As in :func:`simulate`.
        overrides
            What of the chip's file was changed, for the manifest.
        baselines
            Whether to compare with GPUs, and the chips at their own best batch.
        every_variant
            Whether to cost under every cost variant, not only the default one.

        Raises
        ------
        QuantizationError, MappingError, ModelRangeError
            As :func:`simulate`.
        """
        from pimsim.summarize import RunSettings, assemble

        request, passes = self._request, self._passes
        passes.wall_times_s.clear()
        passes.computed.clear()
        with _threads(self._threads) as used:
            run = passes.run(architecture, what_if=what_if, every_variant=every_variant)
            others, missing = passes.run_others(other for other in compare if other != architecture)
        settings = RunSettings(
            workload=request.workload,
            samples=request.sample_count,
            chips=request.chips,
            seed=request.seed,
            batch=request.batch,
            dims=request.dims,
            threads=used,
            overrides=tuple(overrides),
            wall_times_s=dict(passes.wall_times_s),
            baselines=baselines,
        )
        return assemble(settings, run, others, missing)

    @property
    def computed(self) -> tuple[str, ...]:
        """Passes of the last run that were not taken from a chip before.

        ``"layout"``, ``"values"`` and ``"timeline"``, as often as they were run.
        """
        return tuple(self._passes.computed)


def lay_out(
    architecture: "Architecture",
    workload: "Workload",
    *,
    batch: int = 1,
    seq: int | None = None,
    phase: str | None = None,
    context: int | None = None,
) -> "MappedWorkload":
    """Map a workload to a chip, and do nothing else.

    Only shapes are looked at: nothing is calibrated, and weights need not be there. What depends on
    values, such as whether weights fit the cells without clipping, is seen by :func:`simulate`.

    Parameters
    ----------
    architecture, workload, batch, seq, phase, context
        As in :func:`simulate`, loaded.

    Raises
    ------
    InputError
        If an argument is wrong.
    QuantizationError, MappingError
        If the workload has no integer form, or does not fit the chip.
    """
    from pimsim.cost import chip_cost
    from pimsim.cost.areas import macro_area_mm2
    from pimsim.mapping import map_workload
    from pimsim.quantization import quantize
    from pimsim.workload.runs import Wanted, at_sizes, in_phase

    shapes = replace(workload, weights={}, samples=None)
    shapes = in_phase(shapes, Wanted(phase, context, seq, None))
    asked = workload if phase is None else shapes  # evaluation samples may fix dimensions
    dims = Request(asked, None, 1, 0, batch, seq if phase is None else None, (), None).dims
    areas_mm2 = None
    if architecture.mapping.replication_mm2 is not None:
        areas_mm2 = macro_area_mm2(chip_cost(architecture, architecture.cost.default))
    quantized = quantize(at_sizes(shapes, dims), architecture)
    return map_workload(quantized, architecture, dims, macro_area_mm2=areas_mm2)


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
