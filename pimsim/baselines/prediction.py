"""How long a GPU takes for a workload, and with how much energy.

Which question this module answers: *what would this GPU do with the same network, batch, sequence
and precision, and how sure is that?*

The kernels of the traced graph (:mod:`.kernels`) go through the roofline of the GPU
(:mod:`.roofline`) with the coefficients of :mod:`.calibration`. The board is counted with its
memory and its idle power; the host, transfers to and from the device and the loading of weights are
not.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from pimsim.baselines.calibration import Chosen, choose, stored
from pimsim.baselines.kernels import Kernel, kernels
from pimsim.baselines.roofline import (
    KernelTime,
    Machine,
    energy_uj,
    kernel_time,
    latency_us,
    machine,
)
from pimsim.baselines.runs import Precision
from pimsim.baselines.specification import canonical, check_precision, load_gpu
from pimsim.errors import InputError
from pimsim.workload import Workload
from pimsim.workload.runs import Wanted, in_phase
from pimsim.workload.summary import parameters

ROOFLINE: Final = "gpu_roofline_calibrated"
BEST_BATCH_MAX: Final = 1024
ENOUGH_RATIO: Final = 0.98
"""Share of the highest throughput that the best batch must reach: beyond it, latency buys nothing.
"""

_BYTES_PER_GB: Final = 1e9
_MW_PER_W: Final = 1e3


@dataclass(frozen=True, slots=True)
class GpuPrediction:
    """What the roofline says of one batch."""

    gpu: str
    name: str
    """The product's name."""
    workload: str
    batch: int
    seq: int | None
    """Tokens of each input, where the workload has such a dimension."""
    precision: Precision
    phase: str | None
    context: int | None
    latency_us: float
    """Of the whole batch."""
    energy_uj: float
    """Of the whole batch, idle power included."""
    kind: str
    source: str
    expected_error_ratio: float
    """Root mean square error to expect of the latency."""
    launches: int
    memory_bytes: float
    """Weights, cache and the largest activations."""
    bound_ratio: Mapping[str, float]
    """Share of the latency of kernels bound by compute, memory and floor."""
    calibration: str
    """Whose coefficients were used."""

    @property
    def power_mw(self) -> float:
        """Average power of the board."""
        return self.energy_uj / self.latency_us * _MW_PER_W

    @property
    def throughput_per_s(self) -> float:
        """Inputs per second, batch after batch."""
        return self.batch / self.latency_us * 1e6


@dataclass(frozen=True, slots=True)
class Work:
    """The kernels of one inference, and what it stores."""

    name: str
    seq: int | None
    phase: str | None
    context: int | None
    kernels: tuple[Kernel, ...]
    distinct: tuple[tuple[int, Kernel], ...]
    """The same, those that differ by their names only counted instead of repeated."""
    parameters: int

    def memory_bytes(self, batch: int, bytes_per_value: int) -> tuple[float, float, float]:
        """Weights, cache of keys and values, and operands and results of the largest kernel."""
        cached = sum(kernel.cached_values for kernel in self.kernels)
        largest = max((kernel.activation_values for kernel in self.kernels), default=0)
        return (
            float(self.parameters * bytes_per_value),
            float(cached * batch * bytes_per_value),
            float(largest * batch * bytes_per_value),
        )


def predict(
    workload: Workload,
    gpu: str,
    *,
    batch: int,
    seq: int | None = None,
    precision: str,
    phase: str | None = None,
    context: int | None = None,
) -> GpuPrediction:
    """Predict latency and energy of a workload on a GPU.

    Parameters
    ----------
    workload
        The traced graph; weights are not needed.
    gpu
        One of :func:`.known_gpus`.
    batch
        Inputs run together.
    seq
        Tokens of each input, for workloads with a dimension ``seq``.
    precision
        A precision of the GPU; all kernels run in it.
    phase
        ``"prefill"`` or ``"decode"`` of a causal decoder; the whole model when absent.
    context
        Tokens of the prompt, or those in the cache.

    Raises
    ------
    NotFoundError
        If the GPU is unknown or lacks the precision.
    InputError
        If batch, sequence, phase or context mean nothing for the workload, or if it does not fit
        the GPU's memory.

    Examples
    --------
    >>> from pimsim.workload import load_workload
    >>> found = predict(load_workload("bert_base"), "t4", batch=8, seq=128, precision="int8")
    >>> found.kind, 3000 < found.latency_us < 6000  # published: 4660 µs
    ('gpu_roofline_calibrated', True)
    """
    gpu = canonical(gpu)
    checked = check_precision(gpu, precision)
    _check_batch(batch)
    work = work_of(workload, seq=seq, phase=phase, context=context)
    return predict_work(work, gpu, batch=batch, precision=checked)


def work_of(
    workload: Workload,
    *,
    seq: int | None = None,
    phase: str | None = None,
    context: int | None = None,
    dims: Mapping[str, int] | None = None,
) -> Work:
    """Find the kernels of a workload at the sizes that are asked for.

    Parameters
    ----------
    workload, seq, phase, context
        As in :func:`predict`.
    dims
        All sizes, instead of ``seq``.
    """
    made = in_phase(workload, Wanted(phase, context, seq, None))
    if dims is None:
        dims = _dims(made, None if phase is not None else seq)
    one = {**dims, "batch": 1}
    found = kernels(made, one)
    alike = Counter(replace(kernel, name="") for kernel in found)
    return Work(
        name=workload.name,
        seq=one.get("seq"),
        phase=phase,
        context=context,
        kernels=found,
        distinct=tuple((count, kernel) for kernel, count in alike.items()),
        parameters=parameters(workload),
    )


def predict_work(work: Work, gpu: str, *, batch: int, precision: Precision) -> GpuPrediction:
    """Predict a batch of work whose kernels are known; the arguments are valid.

    Raises
    ------
    InputError
        If it does not fit the GPU's memory.
    """
    sheet, chosen, hardware = load_gpu(gpu), choose(gpu, precision), machine(gpu, precision)
    needed = _checked_memory_bytes(work, gpu, batch, hardware)
    times = [
        (count, kernel_time(one, hardware, chosen.coefficients, batch))
        for count, one in work.distinct
    ]
    total_us = latency_us(times)
    return GpuPrediction(
        gpu=gpu,
        name=sheet.name,
        workload=work.name,
        batch=batch,
        seq=work.seq,
        precision=precision,
        phase=work.phase,
        context=work.context,
        latency_us=total_us,
        energy_uj=energy_uj(times, hardware, _dynamic_ratio(gpu, chosen) or 1.0),
        kind=ROOFLINE,
        source=source_of(gpu, chosen, _expected_error_ratio(work, chosen)),
        expected_error_ratio=_expected_error_ratio(work, chosen),
        launches=sum(kernel.launches for kernel in work.kernels),
        memory_bytes=needed,
        bound_ratio=_shares(times, total_us),
        calibration=chosen.note,
    )


def kernel_times(work: Work, gpu: str, *, batch: int, precision: str) -> tuple[KernelTime, ...]:
    """Return the times of every kernel, in order: the points of a roofline plot."""
    gpu = canonical(gpu)
    checked = check_precision(gpu, precision)
    _check_batch(batch)
    hardware, coefficients = machine(gpu, checked), choose(gpu, checked).coefficients
    return tuple(kernel_time(one, hardware, coefficients, batch) for one in work.kernels)


def best_batch(work: Work, gpu: str, precision: Precision) -> GpuPrediction:
    """Return the prediction at the GPU's best batch.

    It is the smallest power of two, at most :data:`BEST_BATCH_MAX`, that reaches
    :data:`ENOUGH_RATIO` of the highest throughput of those that fit the GPU's memory.

    Raises
    ------
    InputError
        If not even one input fits.
    """
    found = [predict_work(work, gpu, batch=1, precision=precision)]
    while found[-1].batch < BEST_BATCH_MAX:
        try:
            found.append(predict_work(work, gpu, batch=2 * found[-1].batch, precision=precision))
        except InputError:  # it no longer fits
            break
    highest = max(one.throughput_per_s for one in found)
    return next(one for one in found if one.throughput_per_s >= ENOUGH_RATIO * highest)


def source_of(gpu: str, chosen: Chosen, expected_error_ratio: float) -> str:
    """Say where a prediction comes from."""
    sheet = load_gpu(gpu)
    reference, *_ = sheet.sources["data_sheet"].reference.split("; ")
    power_w = sheet.specification.board_power_mw.value / _MW_PER_W
    power = f"from idle to the board's {power_w:g} W with the work, assumed"
    ratio = _dynamic_ratio(gpu, chosen)
    if ratio is not None:
        power = f"idle and with the work {ratio:.2f} of what the board may add, fitted to its runs"
    return (
        f"roofline on {reference}; {chosen.note}; latency ±{100 * expected_error_ratio:.0f} "
        f"%; power: {power}"
    )


def _expected_error_ratio(work: Work, chosen: Chosen) -> float:
    """Runs of encoders do not tell how fast a decoder reads weights: then a transfer's error."""
    found = chosen.calibration
    if work.phase == "decode" and found is not None and "bandwidth_ratio" not in found.fitted:
        return max(chosen.expected_error_ratio, stored().transfer_error_ratio)
    return chosen.expected_error_ratio


def _dynamic_ratio(gpu: str, chosen: Chosen) -> float | None:
    """What measured power says; another GPU's says nothing of this one."""
    found = chosen.calibration
    return found.dynamic_power_ratio if found is not None and found.gpu == gpu else None


# How many tokens fit does not change while the package runs.
@cache
def _largest_batch(work: Work, memory_bytes: float, bytes_per_value: int) -> int:
    weights, cached, activations = work.memory_bytes(1, bytes_per_value)
    return max(0, int((memory_bytes - weights) // (cached + activations)))


def _checked_memory_bytes(work: Work, gpu: str, batch: int, hardware: Machine) -> float:
    parts = work.memory_bytes(batch, hardware.bytes_per_value)
    have = load_gpu(gpu).specification.memory_bytes.value
    if sum(parts) <= have:
        return sum(parts)
    needed, *named = (f"{part / _BYTES_PER_GB:.3g}" for part in (sum(parts), *parts))
    most = _largest_batch(work, have, hardware.bytes_per_value)
    remedy = f"a batch of {most} fits" if most else "not even one input fits"
    raise InputError(
        f"workload {work.name!r} at batch {batch} needs {needed} GB (weights {named[0]}, cache of "
        f"keys and values {named[1]}, activations {named[2]}), but {load_gpu(gpu).name} has "
        f"{have / _BYTES_PER_GB:.3g} GB: {remedy}"
    )


def _dims(workload: Workload, seq: int | None) -> dict[str, int]:
    """Numbers of all dimensions; a sequence must be given where it is open."""
    sizes = {"batch": 1} if "batch" in workload.dims else {}
    if seq is not None:
        sizes["seq"] = seq
    elif "seq" in workload.dims:
        low, high = workload.dims["seq"]
        if low != high:
            raise InputError(
                f"workload {workload.name!r} takes {low} to {high} tokens: say how many with seq"
            )
    return workload.bind(**sizes)


def _check_batch(batch: int) -> None:
    if batch < 1:
        raise InputError(f"batch must be 1 or more, got {batch}")


def _shares(times: Sequence[tuple[int, KernelTime]], total_us: float) -> dict[str, float]:
    shares = dict.fromkeys(("compute", "memory", "floor"), 0.0)
    for count, time in times:
        shares["floor"] += count * time.floor_us / total_us
        longer = "compute" if time.compute_us >= time.memory_us else "memory"
        shares[longer] += count * time.busy_us / total_us
    return shares
