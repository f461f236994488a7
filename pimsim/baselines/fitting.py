"""How the coefficients of the roofline are found, and how their error is.

Which question this module answers: *which coefficients do these rows give, and how far off are they
on rows that took no part?*

Rows are of the workloads that pimsim brings along, whose graphs give the kernels. Errors are root
mean squares of the logarithm of predicted over timed latency, given as a ratio: 0.08 means 8 %.
This module needs SciPy and is imported by ``scripts/calibrate_gpus.py``, ``pimsim gpu show`` and
the tests alone.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.baselines.calibration import (
    COEFFICIENTS,
    ROWS_FOR_ALL,
    SCHEMA_VERSION,
    TYPICAL,
    Calibration,
    CalibrationFile,
    changed,
    choose,
    nearest,
    stored,
)
from pimsim.baselines.kernels import Kernel, kernels
from pimsim.baselines.roofline import Coefficients, energy_uj, kernel_time, machine
from pimsim.baselines.runs import Precision, Run
from pimsim.baselines.specification import PRECISIONS, known_gpus, rows_of
from pimsim.workload import Workload, load_workload
from pimsim.workload.runs import Wanted, in_phase

PRIOR_WEIGHT_RATIO: Final = 0.1
"""Pull towards the start: to be off by a factor of e costs as much as a row that is off by 10 %. It
keeps a coefficient physical that its rows hardly tell, and moves the others by 2 % at most."""

_ALL: Final = ("utilisation_ratio", "attention_utilisation_ratio", "kernel_floor_us")
_HIGHEST: Final = {"kernel_floor_us": 1000.0}
"""Ratios end at 1."""
_LOWEST: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row and the kernels behind it."""

    run: Run
    parts: tuple[tuple[int, Kernel], ...]
    """How often each kernel runs; those that are equal but for their names stand once."""


def prepare(run: Run) -> Prepared:
    """Find the kernels of a row.

    A row of phase ``generate`` is one prompt pass and ``new_tokens`` steps at the mean context.

    Raises
    ------
    NotFoundError
        If the row is not of a workload that pimsim brings along.
    """
    if run.phase != "generate":
        return Prepared(run, _kernels(run.model, run.phase, run.context, run.seq))
    assert run.context is not None
    assert run.new_tokens is not None
    middle = run.context + run.new_tokens // 2
    prompt = _kernels(run.model, "prefill", run.context, None)
    step = _kernels(run.model, "decode", middle, None)
    return Prepared(run, prompt + tuple((count * run.new_tokens, one) for count, one in step))


def predicted_us(row: Prepared, coefficients: Coefficients) -> float:
    """Latency that the roofline gives for a row."""
    hardware = machine(row.run.gpu, row.run.precision)
    return sum(
        count * kernel_time(kernel, hardware, coefficients, row.run.batch).time_us
        for count, kernel in row.parts
    )


def log_error(row: Prepared, coefficients: Coefficients) -> float:
    """Logarithm of predicted over timed latency."""
    return math.log(predicted_us(row, coefficients) / row.run.latency_us)


def error_ratio(log_errors: Sequence[float]) -> float:
    """Root mean square as a ratio.

    Examples
    --------
    >>> round(error_ratio([math.log(1.1), -math.log(1.1)]), 3)
    0.1
    """
    return math.expm1(math.sqrt(sum(error**2 for error in log_errors) / len(log_errors)))


def names_to_fit(rows: Sequence[Prepared]) -> tuple[str, ...]:
    """Which coefficients so many rows of these kinds can tell."""
    steps = [row for row in rows if row.run.phase == "decode"]
    others = len(rows) - len(steps)
    names: tuple[str, ...] = ()
    if others:
        names = _ALL if others >= ROWS_FOR_ALL else _ALL[:1]
    return names + (("bandwidth_ratio",) if steps else ())


def fit(rows: Sequence[Prepared], start: Coefficients, names: Sequence[str]) -> Coefficients:
    """Return the coefficients with the least squares of logarithmic errors over the rows.

    Parameters
    ----------
    rows
        At least one.
    start
        Where the search begins, and the coefficients that are not fitted.
    names
        The fitted ones.
    """
    from scipy.optimize import least_squares

    begin = [math.log(getattr(start, name)) for name in names]

    def errors(logarithms: NDArray[np.float64], /) -> list[float]:
        trial = changed(start, names, np.exp(logarithms).tolist())
        pull = [
            PRIOR_WEIGHT_RATIO * (value - usual)
            for value, usual in zip(logarithms, begin, strict=True)
        ]
        return [log_error(row, trial) for row in rows] + pull

    highest = [math.log(_HIGHEST.get(name, 1.0)) for name in names]
    bounds = ([math.log(_LOWEST)] * len(names), highest)
    found = least_squares(errors, begin, bounds=bounds, x_scale=1.0)
    return changed(start, names, np.exp(found.x).tolist())


def left_out(
    rows: Sequence[Prepared], start: Coefficients, names: Sequence[str]
) -> dict[Run, float]:
    """Return the logarithmic error of every row, predicted by a fit without its curve.

    A curve is the rows that differ in the batch only. Where there is one curve, nothing remains to
    fit, and its rows are predicted by ``start``.
    """
    found: dict[Run, float] = {}
    for curve in dict.fromkeys(row.run.curve for row in rows):
        rest = [row for row in rows if row.run.curve != curve]
        coefficients = fit(rest, start, names) if rest else start
        for row in rows:
            if row.run.curve == curve:
                found[row.run] = log_error(row, coefficients)
    return found


def calibrate_all() -> CalibrationFile:
    """Fit every GPU and precision that has rows, the well-known ones first."""
    rows = {
        name: [prepare(run) for run in rows_of(name) if run.use == "fit"] for name in known_gpus()
    }
    jobs = [
        (name, precision, of_both)
        for name in known_gpus()
        for precision in PRECISIONS
        if (of_both := [row for row in rows[name] if row.run.precision == precision])
    ]
    jobs.sort(key=lambda job: not set(_ALL) <= set(names_to_fit(job[2])))  # stable
    done: list[Calibration] = []
    outside: list[dict[Run, float]] = []
    for name, precision, of_both in jobs:
        calibration, errors = _calibrate(name, precision, of_both, done)
        done.append(calibration)
        outside.append(errors)
    judged = [_judged(known, done, errors) for known, errors in zip(done, outside, strict=True)]
    return CalibrationFile(
        schema_version=SCHEMA_VERSION,
        transfer_error_ratio=_rounded(_transfer_error_ratio(judged, rows)),
        calibrations=tuple(judged),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """A row, and what the roofline gives for it without having seen it."""

    run: Run
    how: str
    """``left out`` of the fit with its curve, ``tested`` and never fitted, or only ``shown``."""
    predicted_ratio: float | None
    """Predicted over timed latency; ``None`` for rows that count something else."""


def judged_rows(gpu: str) -> list[Judged]:
    """Return every row of a GPU with its prediction, in the order of the file.

    Raises
    ------
    NotFoundError
        If the GPU is unknown.
    """
    among = stored().calibrations
    runs = rows_of(gpu)
    outside: dict[Run, float] = {}
    for known in among:
        if known.gpu != gpu:
            continue
        rows = [
            prepare(run) for run in runs if run.use == "fit" and run.precision == known.precision
        ]
        outside |= left_out(rows, _start(known, among), known.fitted)
    found: list[Judged] = []
    for run in runs:
        if run in outside:
            found.append(Judged(run, "left out", math.exp(outside[run])))
        elif run.use == "test":
            chosen = choose(gpu, run.precision).coefficients
            error = log_error(prepare(run), chosen)
            found.append(Judged(run, "tested", math.exp(error)))
        else:
            found.append(Judged(run, "shown", None))
    return found


def _start(calibration: Calibration, among: Sequence[Calibration]) -> Coefficients:
    """Coefficients that a stored fit began with."""
    if calibration.borrowed_from is None:
        return TYPICAL
    for known in among:
        if f"{known.gpu} {known.precision}" == calibration.borrowed_from:
            return known.coefficients
    return TYPICAL


def test_rows(calibration: Calibration, among: Sequence[Calibration]) -> list[Prepared]:
    """Rows of the same GPU that no fit uses and that this calibration predicts."""
    return [
        prepare(run)
        for run in rows_of(calibration.gpu)
        if run.use == "test" and nearest(run.gpu, run.precision, among) == calibration
    ]


def _calibrate(
    gpu: str, precision: Precision, rows: Sequence[Prepared], done: Sequence[Calibration]
) -> tuple[Calibration, dict[Run, float]]:
    """Fit, and return with it the errors of the rows that were left out."""
    names = names_to_fit(rows)
    base = None if set(_ALL) <= set(names) else nearest(gpu, precision, done)
    start = TYPICAL if base is None else base.coefficients
    coefficients = fit(rows, start, names)
    outside = left_out(rows, start, names)
    calibration = Calibration(
        gpu=gpu,
        precision=precision,
        **{name: _rounded(getattr(coefficients, name)) for name in COEFFICIENTS},
        fitted=names,
        borrowed_from=None if base is None else f"{base.gpu} {base.precision}",
        rows=len(rows),
        fit_error_ratio=_rounded(error_ratio([log_error(row, coefficients) for row in rows])),
        left_out_error_ratio=_rounded(error_ratio(list(outside.values()))),
        left_out_worst_ratio=_rounded(math.expm1(max(map(abs, outside.values())))),
        test_rows=0,
        test_error_ratio=None,
        expected_error_ratio=_rounded(_by_curve(outside)),
        dynamic_power_ratio=dynamic_power_ratio(rows, coefficients),
    )
    return calibration, outside


def _judged(
    calibration: Calibration, among: Sequence[Calibration], outside: Mapping[Run, float]
) -> Calibration:
    """Add the errors on rows of other networks."""
    rows = test_rows(calibration, among)
    if not rows:
        return calibration
    tested = {row.run: log_error(row, calibration.coefficients) for row in rows}
    return calibration.model_copy(
        update={
            "test_rows": len(rows),
            "test_error_ratio": _rounded(error_ratio(list(tested.values()))),
            "expected_error_ratio": _rounded(_by_curve({**outside, **tested})),
        }
    )


def dynamic_power_ratio(rows: Sequence[Prepared], coefficients: Coefficients) -> float | None:
    """Return how much power work really adds to idle, of what the roofline assumes.

    Parameters
    ----------
    rows
        Of one GPU and precision; those with energy count.
    coefficients
        Of the same.

    Returns
    -------
    float or None
        Geometric mean over the rows; ``None`` without rows that have energy above idle.
    """
    logs: list[float] = []
    for row in rows:
        if row.run.energy_uj is None:
            continue
        hardware = machine(row.run.gpu, row.run.precision)
        times = [
            (count, kernel_time(kernel, hardware, coefficients, row.run.batch))
            for count, kernel in row.parts
        ]
        assumed_uj = energy_uj(times, hardware) - energy_uj(times, hardware, 0.0)
        idle_mw = row.run.idle_power_mw or hardware.idle_power_mw
        added_uj = row.run.energy_uj - idle_mw * row.run.latency_us * 1e-3
        if added_uj > 0:
            logs.append(math.log(added_uj / assumed_uj))
    return _rounded(math.exp(sum(logs) / len(logs))) if logs else None


def _by_curve(log_errors: Mapping[Run, float]) -> float:
    """Every curve counts the same, however many batches it has."""
    curves: dict[object, list[float]] = {}
    for run, error in log_errors.items():
        curves.setdefault(run.curve, []).append(error**2)
    return error_ratio([math.sqrt(sum(squares) / len(squares)) for squares in curves.values()])


def _transfer_error_ratio(
    calibrations: Iterable[Calibration], rows: Mapping[str, Sequence[Prepared]]
) -> float:
    """Every fully fitted GPU predicted by its nearest fully fitted relative."""
    full = [known for known in calibrations if set(_ALL) <= set(known.fitted)]
    errors: list[float] = []
    for known in full:
        others = [other for other in full if other.gpu != known.gpu]
        relative = nearest(known.gpu, known.precision, others)
        if relative is not None:
            errors += [
                log_error(row, relative.coefficients)
                for row in rows[known.gpu]
                if row.run.precision == known.precision
            ]
    return error_ratio(errors)


def _rounded(value: float) -> float:
    """Four digits, so that the file does not depend on the last bits of a processor."""
    return float(f"{value:.4g}")


# The graphs are part of the package.
@cache
def _workload(name: str) -> Workload:
    return load_workload(name)


@cache
def _kernels(
    model: str, phase: str | None, context: int | None, seq: int | None
) -> tuple[tuple[int, Kernel], ...]:
    workload = in_phase(_workload(model), Wanted(phase, context, None, None))
    sizes = {"batch": 1} if seq is None else {"batch": 1, "seq": seq}
    found = Counter(replace(one, name="") for one in kernels(workload, workload.bind(**sizes)))
    return tuple((count, kernel) for kernel, count in found.items())
