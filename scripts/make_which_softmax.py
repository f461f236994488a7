"""Regenerate the table of docs/which_softmax.md from the units themselves.

python scripts/make_which_softmax.py
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim import load_architecture, load_workload
from pimsim.cost.digital import operations
from pimsim.cost.technology import OperatingPoint
from pimsim.functional import Answers, measure, run_exact
from pimsim.integer import Softermax
from pimsim.integer.hardware import UnitHardware
from pimsim.quantization import calibrate, quantize, unit_constants
from pimsim.quantization.constants import dyadic
from pimsim.records import Accuracy
from pimsim.registry import UNITS
from pimsim.workload import reference
from pimsim.workload.graph import Op

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "which_softmax.md"
SCALE = 1e-3
ROW = 128
LANES = 64
NODE_NM = 28.0
WORKLOAD = "vit_digits"
NAMES = ("ibert_softmax", "ivit_softmax", "illm_softmax", "fqvit_softmax", "softermax")
FLOATING = ("fp32_softmax", "fp16_softmax")
Unit = tuple[Callable[..., Any], float, UnitHardware]
"""Codes to probabilities, real value of one step of these, and hardware."""
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


def floating(model: str) -> Unit:
    """A floating-point softmax on the same logits, and its hardware."""
    op = Op(name="softmax", kind="softmax", inputs=("x",), outputs=("y",), attributes={"axis": -1})
    unit = UNITS[model](op=op)
    return (lambda codes: unit(codes * np.float32(SCALE))), 1.0, unit.hardware


def units() -> dict[str, Unit]:
    """Every softmax, and Softermax as published."""
    made = {name: unit_constants.softmax(name, SCALE, 16) for name in NAMES}
    made["published"] = published_softermax()
    integer = {name: (unit, step, unit.hardware) for name, (unit, step) in made.items()}
    return {**integer, **{model: floating(model) for model in FLOATING}}


def logits(spread: float) -> NDArray[np.int16]:
    """2,000 rows of normally distributed logits, as 16-bit codes."""
    generator = np.random.default_rng(2411)
    codes = generator.normal(0.0, spread / SCALE, (2000, ROW)).round()
    return np.clip(codes, -(2**15), 2**15 - 1).astype(np.int16)


def errors(unit: Callable[..., Any], step: float, spread: float) -> str:
    """Largest and rms error of a probability against float64."""
    codes = logits(spread)
    weights = np.exp(SCALE * (codes - codes.max(axis=-1, keepdims=True).astype(np.float64)))
    error = unit(codes)[0] * step - weights / weights.sum(axis=-1, keepdims=True)
    return f"{np.abs(error).max():.1e} / {np.sqrt(np.mean(error**2)):.1e}"


def cost_cells(hardware: UnitHardware) -> list[str]:
    """Operations, cycles and energy of a row."""
    costs = operations(OperatingPoint(NODE_NM))
    counts = hardware.operations(ROW)
    of_kind = {
        kind: sum(count for operation, count in counts.items() if operation.kind.endswith(kind))
        for kind in ("multiply", "divide")
    }
    energy_pj = sum(
        costs.operation(operation.kind, operation.width_bits).energy_pj.value * count
        for operation, count in counts.items()
    )
    return [
        f"{sum(counts.values()) / ROW:.1f}",
        f"{of_kind['multiply'] / ROW:.1f}",
        str(of_kind["divide"]),
        str(hardware.cycles_per_row(ROW, LANES)),
        f"{energy_pj / ROW:.2f}",
    ]


def answers() -> dict[str, Accuracy]:
    """What the demo network answers with each unit on an ideal chip."""
    workload = load_workload(WORKLOAD)
    assert workload.samples is not None
    samples, output, statistics = workload.samples, workload.outputs[0], calibrate(workload)
    inputs = [samples.evaluation[name] for name in workload.inputs]
    exact = reference.run(workload, *inputs)[output]
    found = {}
    for model in (*NAMES, *FLOATING):
        chip = "conventional" if model in FLOATING else "rap_int8"
        architecture = load_architecture(chip, overrides=[f"units.softmax.model={model}"])
        outputs = run_exact(quantize(workload, architecture, statistics), samples.evaluation, {})
        found[model] = measure(Answers(exact, outputs[output], [outputs[output]]), samples.labels)
    return found


def table() -> str:
    """Markdown of the whole table."""
    head = [
        "unit",
        *(f"error, {name} (σ = {spread:g})" for name, spread in SPREADS.items()),
        "operations per element",
        "of them multiplications",
        "divisions per row",
        f"cycles per row of {ROW}",
        "pJ per element",
        "right answers",
        "logit SNR [dB]",
    ]
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    accuracy = answers()
    for name, (unit, step, hardware) in units().items():
        shown = "`softermax`, published widths" if name == "published" else f"`{name}`"
        cells = [shown, *(errors(unit, step, spread) for spread in SPREADS.values())]
        cells += cost_cells(hardware)
        if name in accuracy:
            result = accuracy[name]
            cells += [f"{100 * result.integer:.2f} %", f"{result.logit_snr_db:.1f}"]
        else:
            cells += ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {"table": table}


def page(text: str, *names: str) -> str:
    """The page with these of its tables replaced."""
    for name in names:
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{TABLES[name]()}\n\n{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(), *TABLES))
