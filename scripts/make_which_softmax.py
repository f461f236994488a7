"""Regenerate the tables of docs/which_softmax.md from the units themselves.

python scripts/make_which_softmax.py
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pimsim import load_architecture, load_workload
from pimsim.cost.digital import operations
from pimsim.cost.technology import OperatingPoint
from pimsim.functional import Answers, measure, run_exact
from pimsim.integer import Softermax
from pimsim.integer.units import IntegerUnit
from pimsim.quantization import calibrate, quantize, unit_constants
from pimsim.quantization.constants import dyadic
from pimsim.records import Accuracy
from pimsim.workload import reference

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "which_softmax.md"
SCALE = 1e-3
ROW = 128
LANES = 64
NODE_NM = 28.0
WORKLOAD = "vit_digits"
NAMES = ("ibert_softmax", "ivit_softmax", "illm_softmax", "fqvit_softmax", "softermax")
SPREADS = {"flat": 0.5, "ordinary": 2.0, "peaked": 6.0}
"""Standard deviation of the logits of a row."""


def published_softermax() -> tuple[Softermax, float]:
    """Softermax with the widths of the paper, on the same 16-bit logits."""
    multiplier, shift = dyadic(SCALE * np.log2(np.e) * 2.0**2)
    unit = Softermax(
        multiplier=multiplier, shift=shift, input_bits=16, integer_bits=6, fraction_bits=2,
        sum_fraction_bits=6, reciprocal_bits=7, window=LANES, output_bits=7,
    )  # fmt: skip
    return unit, 2.0**-7


def units() -> dict[str, tuple[IntegerUnit, float]]:
    """Every softmax that is made from a scale, and Softermax as published."""
    made = {f"`{name}`": unit_constants.softmax(name, SCALE, 16) for name in NAMES}
    return {**made, "`softermax`, published widths": published_softermax()}


def logits(spread: float) -> NDArray[np.int16]:
    """2,000 rows of normally distributed logits, as 16-bit codes."""
    generator = np.random.default_rng(2411)
    codes = generator.normal(0.0, spread / SCALE, (2000, ROW)).round()
    return np.clip(codes, -(2**15), 2**15 - 1).astype(np.int16)


def errors(unit: Callable[..., tuple[NDArray[np.int16], int]], step: float, spread: float) -> str:
    """Largest and rms error of a probability against float64."""
    codes = logits(spread)
    weights = np.exp(SCALE * (codes - codes.max(axis=-1, keepdims=True).astype(np.float64)))
    error = unit(codes)[0] * step - weights / weights.sum(axis=-1, keepdims=True)
    return f"{np.abs(error).max():.1e} / {np.sqrt(np.mean(error**2)):.1e}"


def table() -> str:
    """Markdown of the whole table."""
    costs = operations(OperatingPoint(NODE_NM))
    head = [
        "unit",
        *(f"error, {name} (σ = {spread:g})" for name, spread in SPREADS.items()),
        "operations per element",
        "of them multiplications",
        "divisions per row",
        f"cycles per row of {ROW}",
        "pJ per element",
    ]
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for name, (unit, step) in units().items():
        counts = unit.hardware.operations(ROW)
        of_kind = {
            kind: sum(count for operation, count in counts.items() if operation.kind == kind)
            for kind in ("multiply", "divide")
        }
        energy_pj = sum(
            costs.operation(operation.kind, operation.width_bits).energy_pj.value * count
            for operation, count in counts.items()
        )
        cells = [
            name,
            *(errors(unit, step, spread) for spread in SPREADS.values()),
            f"{sum(counts.values()) / ROW:.1f}",
            f"{of_kind['multiply'] / ROW:.1f}",
            str(of_kind["divide"]),
            str(unit.hardware.cycles_per_row(ROW, LANES)),
            f"{energy_pj / ROW:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def accuracy_table() -> str:
    """Markdown of what the demo network answers with each unit on an ideal chip."""
    workload = load_workload(WORKLOAD)
    assert workload.samples is not None
    samples, output, statistics = workload.samples, workload.outputs[0], calibrate(workload)
    inputs = [samples.evaluation[name] for name in workload.inputs]
    exact = reference.run(workload, *inputs)[output]

    def found(chip: str, *overrides: str) -> Accuracy:
        architecture = load_architecture(chip, overrides=overrides)
        quantized = quantize(workload, architecture, statistics)
        answers = run_exact(quantized, samples.evaluation, {})[output]
        return measure(Answers(exact, answers, [answers]), samples.labels)

    rows = {f"`{name}`": found("rap", f"units.softmax.model={name}") for name in NAMES}
    rows["`fp32_softmax`, and every other function in float32 (`int8_dqq`)"] = found("conventional")
    reached = next(iter(rows.values())).float32
    lines = [
        f"| unit | accuracy, {samples.count} images | same answer as float32 | logit SNR [dB] |",
        "|" + " --- |" * 4,
        f"| float32 network | {100 * reached:.2f} % | | |",
    ]
    for name, row in rows.items():
        cells = (
            f"{100 * row.integer:.2f} %", f"{100 * row.agreement_ratio:.2f} %",
            f"{row.logit_snr_db:.1f}",
        )  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {"table": table, "accuracy": accuracy_table}


def page(text: str, *names: str) -> str:
    """The page with these of its tables replaced."""
    for name in names:
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{TABLES[name]()}\n\n{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(), *TABLES))
