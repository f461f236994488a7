"""The roofline of one kernel on one GPU, with few coefficients that are fitted to real runs.

Which question this module answers: *how long does this kernel take, and how much energy?*

A kernel takes a floor, for its launch and for filling and draining the machine, and then the longer
of arithmetic and memory traffic [1]_, and more where both take about as long, since neither hides
the other wholly. Arithmetic reaches a share of the data sheet's peak, smaller where the work splits
into fewer blocks than there are multiprocessors. Memory traffic is all weights, keys and values of
a decoder's earlier steps, and of other activations what half the last-level cache cannot keep from
one kernel to the next.

Not modelled: clocks that follow temperature and power, partly filled last waves of blocks, kernels
that overlap, the host, transfers to and from the device.

References
----------
.. [1] S. Williams, A. Waterman, D. Patterson, Roofline: An Insightful Visual Performance Model for
   Multicore Architectures, Communications of the ACM 52(4), 2009.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import hypot
from typing import Final, Literal

from pimsim.baselines.kernels import Kernel
from pimsim.baselines.runs import Precision
from pimsim.baselines.specification import BYTES_PER_VALUE, load_gpu
from pimsim.units import NS_PER_US, OPS_PER_MAC

CACHE_SHARE_RATIO: Final = 0.5
"""Share of the last-level cache that activations stay in: assumed; weights stream through the rest.
"""
MEMORY_POWER_RATIO: Final = 0.6
"""Power above idle of a kernel that only waits for memory, over that of one that only computes:
assumed, after measurements of language models, which draw some 60 to 70 % of the board's power
while they generate tokens one by one (Patel et al., Characterizing Power Management Opportunities
for LLMs in the Cloud, ASPLOS 2024)."""
FLOOR_POWER_RATIO: Final = 0.15
"""The same while a launch is under way: assumed; clocks are up and most units wait."""

_NS_PER_S: Final = 1e9
_UJ_PER_MW_US: Final = 1e-3

Bound = Literal["compute", "memory", "floor"]


@dataclass(frozen=True, slots=True)
class Coefficients:
    """What the data sheet does not say."""

    utilisation_ratio: float
    """Share of the peak that large matrix products reach."""
    attention_utilisation_ratio: float
    """The same of the fused attention kernel."""
    kernel_floor_us: float
    """Least time of a kernel."""
    bandwidth_ratio: float
    """Share of the data sheet's bandwidth that streaming reaches."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The numbers of a GPU at one precision."""

    peak_ops_per_s: float
    multiprocessors: int
    memory_bytes_per_ns: float
    cache_bytes: float
    board_power_mw: float
    idle_power_mw: float
    bytes_per_value: int


@dataclass(frozen=True, slots=True)
class KernelTime:
    """One kernel of one batch."""

    name: str
    ops: int
    traffic_bytes: float
    floor_us: float
    compute_us: float
    memory_us: float
    ideal_compute_us: float
    """With every multiprocessor at work."""

    @property
    def busy_us(self) -> float:
        """Arithmetic and memory traffic together: the root of the sum of their squares."""
        return hypot(self.compute_us, self.memory_us)

    @property
    def time_us(self) -> float:
        return self.floor_us + self.busy_us

    @property
    def bound(self) -> Bound:
        """What most of the time is spent on."""
        if self.floor_us > self.busy_us:
            return "floor"
        return "compute" if self.compute_us >= self.memory_us else "memory"


def machine(gpu: str, precision: Precision) -> Machine:
    """Take what the roofline needs from a data sheet; the precision is one that the GPU has."""
    sheet = load_gpu(gpu).specification
    return Machine(
        peak_ops_per_s=sheet.peak_ops_per_s[precision].value,
        multiprocessors=sheet.multiprocessors.value,
        memory_bytes_per_ns=sheet.memory_bytes_per_ns.value,
        cache_bytes=sheet.cache_bytes.value,
        board_power_mw=sheet.board_power_mw.value,
        idle_power_mw=sheet.idle_power_mw.value,
        bytes_per_value=BYTES_PER_VALUE[precision],
    )


def kernel_time(
    kernel: Kernel, hardware: Machine, coefficients: Coefficients, batch: int
) -> KernelTime:
    """Return the time of one kernel.

    Notes
    -----
    With ``m`` MACs, padding of attention included, and ``b`` blocks for the batch, peak ``P``,
    utilisation ``u``, ``S`` multiprocessors, ``w`` bytes of weights and of the keys and values of
    earlier steps, ``a`` of other activations, cache ``C``, bandwidth ``W`` and its share ``r``::

        t_compute = 2 m / (P u min(1, b / S))
        t_memory  = (w + max(0, a - C / 2)) / (W r)
        t         = floor + sqrt(t_compute**2 + t_memory**2)

    The root of the squares stands between the ideal roofline, ``max(t_compute, t_memory)``, and no
    overlap, ``t_compute + t_memory``. It is chosen once for all GPUs, not fitted: runs of encoders,
    whose products mostly compute, hardly tell the three apart; the first token of a short prompt of
    a language model, whose products read as long as they compute, takes nearly twice what the ideal
    roofline gives.
    """
    streamed = kernel.streamed_values * batch
    moved = (kernel.activation_values * batch - streamed) * hardware.bytes_per_value
    beyond = max(0.0, moved - CACHE_SHARE_RATIO * hardware.cache_bytes)
    traffic_bytes = (kernel.weight_values + streamed) * hardware.bytes_per_value + beyond
    bandwidth = hardware.memory_bytes_per_ns * coefficients.bandwidth_ratio
    ops = OPS_PER_MAC * kernel.macs * batch
    padded = ops * kernel.padding_ratio
    ideal_us = compute_us = 0.0
    if ops:
        reached = coefficients.utilisation_ratio
        if kernel.kind == "attention":
            reached = coefficients.attention_utilisation_ratio
        ideal_us = padded / (hardware.peak_ops_per_s / _NS_PER_S * reached) / NS_PER_US
        compute_us = ideal_us / min(1.0, kernel.blocks(batch) / hardware.multiprocessors)
    return KernelTime(
        name=kernel.name,
        ops=ops,
        traffic_bytes=traffic_bytes,
        floor_us=kernel.launches * coefficients.kernel_floor_us,
        compute_us=compute_us,
        memory_us=traffic_bytes / bandwidth / NS_PER_US,
        ideal_compute_us=ideal_us,
    )


def latency_us(times: Iterable[tuple[int, KernelTime]]) -> float:
    """Kernels run one after the other; each is given with how often it runs."""
    return sum(count * time.time_us for count, time in times)


def energy_uj(
    times: Iterable[tuple[int, KernelTime]], hardware: Machine, dynamic_ratio: float = 1.0
) -> float:
    """Return the energy of a batch: idle power all the time, and what the work adds.

    Parameters
    ----------
    times
        The kernels, each with how often it runs.
    hardware
        The GPU.
    dynamic_ratio
        Power above idle at full load, measured, over that up to the board's design power.

    Notes
    -----
    A multiprocessor that computes at the share of its peak that large products reach draws its
    share of ``board - idle``; so does memory, times :data:`MEMORY_POWER_RATIO`; together they never
    draw more than the board's power::

        E = sum_kernels idle t + ratio (board - idle) min(t, t_ideal + 0.6 t_memory + 0.15 floor)
    """
    span_mw = hardware.board_power_mw - hardware.idle_power_mw
    total = 0.0
    for count, time in times:
        busy_us = (
            time.ideal_compute_us
            + MEMORY_POWER_RATIO * time.memory_us
            + FLOOR_POWER_RATIO * time.floor_us
        )
        total += count * hardware.idle_power_mw * time.time_us
        total += count * dynamic_ratio * span_mw * min(time.time_us, busy_us)
    return total * _UJ_PER_MW_US
