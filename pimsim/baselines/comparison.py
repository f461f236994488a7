"""The GPUs that every result is set beside.

Which question this module answers: *which rows of a comparison does a workload get?*

By default three GPUs from 15 W to 400 W: alone and at the GPU's own best batch, in INT8, one of
them also in FP16. Where a published or measured run is of exactly this workload, batch, sequence
and precision, its latency is taken instead of the roofline's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from pimsim.baselines.prediction import (
    GpuPrediction,
    best_batch,
    predict_work,
    work_of,
)
from pimsim.baselines.runs import Precision, Run
from pimsim.baselines.specification import load_gpu, rows_of
from pimsim.config.bundled import bundled_workloads
from pimsim.errors import InputError
from pimsim.records import Baseline
from pimsim.workload import Workload, load_workload
from pimsim.workload.summary import parameters

DEFAULT_GPUS: Final[tuple[tuple[str, Precision], ...]] = (
    ("a100_40gb_sxm", "int8"),
    ("a100_40gb_sxm", "fp16"),
    ("t4", "int8"),
    ("jetson_orin_nano", "int8"),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows, and why some are missing."""

    baselines: tuple[Baseline, ...]
    missing: tuple[str, ...]


def default_baselines(workload: Workload, dims: Mapping[str, int] | None = None) -> list[Baseline]:
    """Return the workload on every default GPU that it fits, alone and at the best batch.

    Parameters
    ----------
    workload
        The traced graph; of a decoder, the phase that is compared.
    dims
        A number for every symbolic dimension, the batch apart; default: the smallest that the trace
        allows.

    Examples
    --------
    >>> from pimsim.workload import load_workload
    >>> rows = default_baselines(load_workload("vit_base"))
    >>> [(row.precision, row.batch) for row in rows][:2]
    [('int8', 1), ('int8', 64)]
    """
    return list(compared(workload, dims).baselines)


def compared(workload: Workload, dims: Mapping[str, int] | None = None) -> Comparison:
    """Return the rows of :func:`default_baselines`, and a note on each GPU that it does not fit."""
    work = work_of(workload, dims=workload.bind() if dims is None else dims)
    rows: list[Baseline] = []
    missing: list[str] = []
    for gpu, precision in DEFAULT_GPUS:
        try:
            alone = predict_work(work, gpu, batch=1, precision=precision)
        except InputError as error:
            missing.append(f"not compared with {load_gpu(gpu).name} in {precision}: {error}")
            continue
        best = best_batch(work, gpu, precision)
        wanted = [alone] if best.batch == 1 else [alone, best]
        rows += [best_known(workload, prediction) for prediction in wanted]
    return Comparison(tuple(rows), tuple(missing))


def best_known(
    workload: Workload, prediction: GpuPrediction, others: Iterable[Run] = ()
) -> Baseline:
    """Return what is known best of a prediction's case: a run of exactly it, else the prediction.

    Parameters
    ----------
    workload
        The workload that was predicted.
    prediction
        Its prediction.
    others
        Runs besides those that pimsim brings along, which go before them.
    """
    matching = matching_runs(workload, prediction, others)
    return _as_baseline(prediction, matching[0] if matching else None)


def matching_runs(
    workload: Workload, prediction: GpuPrediction, others: Iterable[Run] = ()
) -> list[Run]:
    """Return runs of the same GPU, workload, phase, batch, sequence and precision.

    Measured ones come first. Runs that count something else (``shown``) never match, nor does a
    workload of the same name with another number of parameters.
    """
    case = (
        prediction.gpu,
        prediction.workload,
        prediction.phase,
        prediction.context if prediction.phase else prediction.seq,
        prediction.batch,
        prediction.precision,
    )
    same = [run for run in others if run.use != "shown" and _case(run) == case]
    known = [run for run in rows_of(prediction.gpu) if run.use != "shown" and _case(run) == case]
    if known and _is_bundled(workload):
        same += known
    return sorted(same, key=lambda run: run.kind != "measured")


def _case(run: Run) -> tuple[str, str, str | None, int | None, int, str]:
    tokens = run.context if run.phase else run.seq
    return run.gpu, run.model, run.phase, tokens, run.batch, run.precision


def _is_bundled(workload: Workload) -> bool:
    return _bundled_parameters(workload.name) == parameters(workload)


# Part of the package.
@cache
def _bundled_parameters(name: str) -> int | None:
    path = bundled_workloads().get(name)
    return None if path is None else parameters(load_workload(path))


def _as_baseline(prediction: GpuPrediction, run: Run | None) -> Baseline:
    sheet = load_gpu(prediction.gpu).specification
    latency_us, energy_uj = prediction.latency_us, prediction.energy_uj
    kind, source = prediction.kind, prediction.source
    if run is not None:
        kind, source = f"gpu_{run.kind}", f"{run.source}; {run.software}"
        latency_us = run.latency_us
        if run.energy_uj is None:
            energy_uj *= run.latency_us / prediction.latency_us
            source += f"; energy from the power of the {prediction.kind.replace('_', ' ')}"
        else:
            energy_uj = run.energy_uj
        if run.caveat:
            source += f"; {run.caveat}"
    return Baseline(
        name=prediction.name,
        kind=kind,
        batch=prediction.batch,
        precision=prediction.precision,
        latency_us=latency_us,
        energy_uj=energy_uj / prediction.batch,
        scope=(
            "board incl. its memory and idle power; excludes host, transfers and loading of "
            f"weights; dense, no sparsity; {prediction.launches} kernels, all in the precision "
            "given; latency of the batch, energy per input"
        ),
        source=source,
        area_mm2=sheet.die_area_mm2.value,
        node_nm=sheet.node_nm.value,
        model_area_mm2=sheet.die_area_mm2.value,
    )
