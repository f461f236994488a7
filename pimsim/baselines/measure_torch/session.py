"""All points of one call of ``pimsim gpu measure``.

Which question this module answers: *which cases are measured, on which device, into which file?*
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import torch

from pimsim.baselines.measure_torch.device import CudaTimer, compiled, found_gpu
from pimsim.baselines.measure_torch.models import Subject, prepare, subject
from pimsim.baselines.measurement import (
    Case,
    Meter,
    Point,
    Setting,
    Settings,
    Timer,
    measure,
    row,
    write,
)
from pimsim.baselines.nvml import NvmlMeter
from pimsim.baselines.specification import known_gpus, load_gpu
from pimsim.errors import InputError


def cases(
    batches: Sequence[int],
    precisions: Sequence[str],
    *,
    sequences: Sequence[int] = (),
    phase: str | None = None,
    context: int | None = None,
    execution: str = "eager",
) -> list[Case]:
    """Every combination of what was asked for.

    Raises
    ------
    InputError
        If a phase has no context, a sequence of its own, or cannot be captured.
    """
    if (phase is None) != (context is None):
        raise InputError("a phase needs context, the tokens of the prompt or in the cache")
    if phase is not None and phase not in ("prefill", "decode"):
        raise InputError(f"unknown phase {phase!r}; known: prefill, decode")
    if phase == "decode" and execution == "cuda_graph":
        raise InputError(
            "decoding grows and cuts a cache on the host, which no CUDA graph holds; measure it "
            "eagerly or with --compile"
        )
    if phase is not None and sequences:
        raise InputError("with a phase, context says how many tokens; leave seq out")
    lengths: list[int | None] = [*sequences] or [None]
    return [
        Case("", batch, precision, seq, phase, context)
        for precision, seq, batch in product(precisions, lengths, batches)
    ]


def measure_cases(
    target: str,
    wanted: Sequence[Case],
    *,
    execution: str,
    output: Path,
    tell: Callable[[str], None],
) -> int:
    """Measure every case on the GPU of this machine and write the rows; return how many.

    Raises
    ------
    InputError
        If there is no GPU, or a case means nothing for the model.
    """
    gpu = found_gpu()
    meter = NvmlMeter(gpu.identifier)
    setting = Setting(
        gpu=known_as(gpu.name),
        device=gpu.name,
        date=datetime.now(UTC).date().isoformat(),
        command=" ".join(sys.argv),
        execution=execution,
        driver=meter.driver,
        torch=gpu.torch,
        cuda=gpu.cuda,
        power_limit_mw=meter.power_limit_mw,
    )
    return measure_all(
        subject(target),
        wanted,
        into=(setting, output),
        timer=lambda what, case: _timer(what, case, execution),
        meter=meter,
        tell=tell,
    )


def measure_all(
    what: Subject,
    wanted: Sequence[Case],
    *,
    into: tuple[Setting, Path],
    timer: Callable[[Subject, Case], Timer],
    meter: Meter | None,
    tell: Callable[[str], None],
    settings: Settings | None = None,
) -> int:
    """Measure cases with a timer and a meter that are given, and write the rows.

    The file is written anew after every point, so that what was measured is kept if a later one
    fails.
    """
    settings = Settings() if settings is None else settings
    setting, output = into
    rows: list[dict[str, Any]] = []
    for case in wanted:
        named = replace(case, model=what.name)
        try:
            point = measure(timer(what, named), meter, settings)
        except torch.OutOfMemoryError:
            raise InputError(
                f"{named.model} at batch {named.batch} in {named.precision} does not fit the GPU's "
                f"memory; {len(rows)} rows were measured before it"
            ) from None
        rows.append(row(named, point, setting, settings))
        write(output, setting, rows)
        tell(_line(named, point))
    return len(rows)


def known_as(device: str) -> str:
    """Name that pimsim has for a device, or the device's own.

    Examples
    --------
    >>> known_as("NVIDIA A100-SXM4-40GB"), known_as("NVIDIA B200")
    ('a100_40gb_sxm', 'NVIDIA B200')
    """
    plain = device.lower().replace("tesla ", "").replace("nvidia ", "")
    for name in known_gpus():
        if load_gpu(name).name.lower().replace("nvidia ", "") == plain:
            return name
    return device


def _timer(what: Subject, case: Case, execution: str) -> Timer:
    call = prepare(what, case, "cuda").call
    if execution == "compile":
        call = compiled(call)
    return CudaTimer(call, graph=execution == "cuda_graph")


def _line(case: Case, point: Point) -> str:
    tokens = case.context if case.phase else case.seq
    length = "" if tokens is None else f", {tokens} tokens"
    text = (
        f"{case.model}, batch {case.batch}{length}, {case.precision}: {point.latency_us:.4g} µs "
        f"± {50 * point.spread_ratio:.1f} %"
    )
    if point.energy_uj is not None and point.idle_power_mw is not None:
        text += f", {point.energy_uj:.4g} µJ, idle {point.idle_power_mw / 1e3:.3g} W"
    return text
