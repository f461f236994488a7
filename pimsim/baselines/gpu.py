"""A roofline of real GPUs, calibrated on published runs.

Which question this module answers: *how long would a GPU take for the same workload, and with how
much energy, at this batch and precision?*

Every kernel takes a floor (launch, and too little work to fill the machine) plus the longer of
arithmetic at a calibrated share of the data sheet's peak and memory traffic at the data sheet's
bandwidth [1]_. Share and floor are fitted per device and precision to the latencies that NVIDIA
published for BERT-base under TensorRT 8.4.3 [2]_: all 20 rows of each lie within 25 %, and the rows
of BERT-large, which took no part in the fit, within 35 %. Small networks at batch 1 consist of
floors: their latency says how many kernels they launch, not how much they compute.

Power is taken as the board's thermal design power during the whole latency. That is an upper bound,
far above the truth where a GPU idles between small kernels: it favours the chip under test.

Not modelled: host, transfers to and from the device (the published runs leave them out, too),
clocks that follow temperature, kernels written for one network, CUDA graphs.

References
----------
.. [1] S. Williams, A. Waterman, D. Patterson, Roofline: An Insightful Visual Performance Model for
   Multicore Architectures, Communications of the ACM 52(4), 2009.
.. [2] NVIDIA/TensorRT, demo/BERT/README.md, "Results", BERT-base, average latency, A100 (40 GB) and
   T4.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import yaml
from pydantic import Field, ValidationError

from pimsim.baselines.kernels import Kernel, kernels
from pimsim.config.base import Config
from pimsim.errors import InputError, NotFoundError, nearest
from pimsim.records import Baseline
from pimsim.units import NS_PER_US, OPS_PER_MAC
from pimsim.workload.graph import Workload

DEFAULT_GPUS: Final = ("a100_40gb_sxm", "t4")
DEFAULT_BATCHES: Final = (1, 128)
DEFAULT_PRECISION: Final = "int8"
_NS_PER_S: Final = 1e9
_MW_PER_W: Final = 1e3


class Precision(Config):
    """What a device does at one precision."""

    peak_ops_per_s: float = Field(gt=0)
    """Dense peak of the data sheet, one MAC being two operations."""
    bytes_per_value: int = Field(ge=1, le=4)
    utilisation_ratio: float = Field(gt=0, le=1)
    """Calibrated share of the peak that large products reach."""
    kernel_floor_us: float = Field(ge=0)
    """Calibrated least time of a kernel."""


class Gpu(Config):
    """One device: its data sheet and its calibration."""

    name: str
    data_sheet: str
    kind: Literal["published"]
    node_nm: float = Field(gt=0)
    die_area_mm2: float = Field(gt=0)
    multiprocessors: int = Field(ge=1)
    memory_bytes_per_ns: float = Field(gt=0)
    board_power_mw: float = Field(gt=0)
    precisions: dict[str, Precision]
    calibration: str
    """The published runs behind ``utilisation_ratio`` and ``kernel_floor_us``."""


def known_gpus() -> tuple[str, ...]:
    """Names of all devices, sorted.

    Examples
    --------
    >>> known_gpus()
    ('a100_40gb_sxm', 't4')
    """
    folder = files("pimsim.baselines") / "data"
    return tuple(
        sorted(
            entry.name.removesuffix(".yaml")
            for entry in folder.iterdir()
            if entry.name.endswith(".yaml")
        )
    )


# Part of the package: it never changes while it runs.
@cache
def load_gpu(name: str) -> Gpu:
    """Read one device's file.

    Raises
    ------
    NotFoundError
        If there is no such device; the nearest name is given.
    InputError
        If the file breaks its schema.
    """
    if name not in known_gpus():
        raise NotFoundError(f"unknown GPU {name!r}{nearest(name, known_gpus())}")
    text = (files("pimsim.baselines") / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    return parse_gpu(text, file=f"{name}.yaml")


def parse_gpu(text: str, *, file: str) -> Gpu:
    """Check the text of one device's file.

    Parameters
    ----------
    text
        YAML.
    file
        Name for error messages.

    Raises
    ------
    InputError
        If the text breaks the schema of :class:`Gpu`.
    """
    try:
        return Gpu.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        raise InputError(f"{file}: {error}") from None


def predict(
    workload: Workload,
    gpu: str,
    *,
    batch: int,
    precision: str,
    dims: Mapping[str, int] | None = None,
) -> Baseline:
    """Predict latency and energy of a workload on a GPU.

    Parameters
    ----------
    workload
        The traced graph; weights are not needed.
    gpu
        One of :func:`known_gpus`.
    batch
        Inferences run together, each as ``dims`` describes it.
    precision
        A precision of the device: ``"int8"`` or ``"fp16"``.
    dims
        A number for every symbolic dimension; default: the smallest that the trace allows.

    Returns
    -------
    Baseline
        ``latency_us`` is that of the whole batch [µs], ``energy_uj`` that of one inference of it
        [µJ].

    Raises
    ------
    NotFoundError
        If the device or the precision is unknown.
    InputError
        If the batch is below 1.
    WorkloadError
        If a dimension has no number.

    Notes
    -----
    With batch ``B``, MACs ``m``, peak ``P``, utilisation ``u``, bandwidth ``W``, floor ``t0`` and
    bytes ``b(B)`` per kernel::

        t = sum_kernels t0 + max(2 m B / (P u o), b(B) / W)      energy = board power * t / B

    ``o`` is 1, but for the attention kernel ``min(1, heads * B / multiprocessors)``: each head runs
    on one multiprocessor.
    """
    device = load_gpu(gpu)
    if batch < 1:
        raise InputError(f"batch must be at least 1, got {batch}")
    if precision not in device.precisions:
        raise NotFoundError(
            f"{device.name} has no precision {precision!r}{nearest(precision, device.precisions)}"
        )
    bound = workload.bind() if dims is None else dims
    at = device.precisions[precision]
    launched = kernels(workload, bound)
    latency_us = sum(_kernel_us(kernel, device, at, batch) for kernel in launched)
    launches = sum(kernel.launches for kernel in launched)
    return Baseline(
        name=device.name,
        kind="gpu_roofline",
        batch=batch,
        precision=precision,
        latency_us=latency_us,
        energy_uj=device.board_power_mw / _MW_PER_W * latency_us / batch,
        scope=(
            f"board incl. its memory; excludes host and transfers; {launches} kernels; latency of "
            f"a batch of {batch}, energy per input; all kernels in {precision}"
        ),
        source=(
            f"roofline: {device.data_sheet}; calibrated on {device.calibration}; board power of "
            f"{device.board_power_mw / _MW_PER_W:g} W assumed during the whole latency, an upper "
            "bound"
        ),
        area_mm2=device.die_area_mm2,
    )


def default_baselines(
    workload: Workload, dims: Mapping[str, int] | None = None
) -> tuple[Baseline, ...]:
    """Predict the workload on every default device, in INT8, alone and in a large batch.

    Parameters
    ----------
    workload
        The traced graph.
    dims
        As in :func:`predict`.
    """
    return tuple(
        predict(workload, gpu, batch=batch, precision=DEFAULT_PRECISION, dims=dims)
        for gpu in DEFAULT_GPUS
        for batch in DEFAULT_BATCHES
    )


def _kernel_us(kernel: Kernel, device: Gpu, at: Precision, batch: int) -> float:
    occupancy = 1.0
    if kernel.instances is not None:
        occupancy = min(1.0, kernel.instances * batch / device.multiprocessors)
    reached_per_ns = at.peak_ops_per_s / _NS_PER_S * at.utilisation_ratio * occupancy
    compute_ns = OPS_PER_MAC * kernel.macs * batch / reached_per_ns
    values = kernel.activation_values * batch + kernel.weight_values
    traffic_ns = values * at.bytes_per_value / device.memory_bytes_per_ns
    return kernel.launches * at.kernel_floor_us + max(compute_ns, traffic_ns) / NS_PER_US
