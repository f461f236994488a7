"""Measure the bits of real operands, and write docs/bit_sparsity.md from what was found.

python scripts/make_bit_sparsity.py vit_digits --samples 64     measure one workload, write all
python scripts/make_bit_sparsity.py minilm_clinc150 --samples 8
python scripts/make_bit_sparsity.py                             write the page from the data alone

The larger workloads must have been built (workloads/README.md).
"""

import argparse
import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim.config import load_architecture
from pimsim.config.architecture import Architecture
from pimsim.config.bundled import workload_path
from pimsim.functional import AnalogEngine, execute
from pimsim.functional.quality import quantization_quality
from pimsim.mapping import map_workload
from pimsim.quantization import calibrate, quantize
from pimsim.report import style
from pimsim.workload import Workload
from pimsim.workload.files import load
from pimsim.workload.graph import PRODUCT_KINDS, Op
from pimsim.workload.reference import bind_inputs

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "bit_sparsity.md"
FIGURE: Final = ROOT / "docs" / "images" / "bit_sparsity.svg"
DATA: Final = ROOT / "docs" / "data" / "bit_sparsity.csv"
BEGIN, END = "<!-- sums: begin -->", "<!-- sums: end -->"

CODINGS: Final = {"twos_complement": "two's complement", "sign_magnitude": "sign and magnitude"}
COLOURS: Final = {"twos_complement": style.ORANGE, "sign_magnitude": style.BLUE}
ROLES: Final = {
    "embedding": "patches", "query": "queries", "key": "keys", "value": "values",
    "logits": "Q·Kᵀ", "context": "P·V", "output": "output", "up": "FFN up", "down": "FFN down",
    "other": "pooling, head",
}  # fmt: skip
DRIVEN: Final = {
    "embedding": "pixels", "query": "LayerNorm", "key": "LayerNorm", "value": "LayerNorm",
    "logits": "queries", "context": "probabilities", "output": "means of values",
    "up": "LayerNorm", "down": "GELU", "other": "pooled tokens",
}  # fmt: skip
"""Role of a product → what it drives on the word lines."""
FIELDS: Final = (
    "workload", "samples", "product", "role", "macro", "bits", "zeros_twos_complement",
    "zeros_sign_magnitude", "reads_dense", "reads_twos_complement", "reads_sign_magnitude",
)  # fmt: skip
UNITS: Final = {"rms_norm": "ibert_rms_norm"}
"""Added to the chip where a workload needs them."""

Row = Mapping[str, str]


# --- measurement ----------------------------------------------------------------------------------


def chip(workload: Workload, coding: str, *, dense: bool) -> Architecture:
    """RAP without errors, with another coding of signed operands, and with or without BitSift."""
    overrides = []
    for macro in ("mram", "sram"):
        overrides += [
            f"macros.{macro}.inputs.coding={coding}",
            f"macros.{macro}.crossbar.cell.sigma_on_ratio=null",
            f"macros.{macro}.adc.noise_ratio=null",
        ]
        if dense:
            overrides.append(f"macros.{macro}.zero_skipping={{model: none}}")
    kinds = {op.kind for op in workload.ops}
    for function, model in UNITS.items():
        if function in kinds:
            overrides.append(f"units.{function}={{model: {model}, lanes: 64}}")
    return load_architecture("rap", overrides=overrides)


def reads(workload: Workload, architecture: Architecture, samples: int) -> dict[str, float]:
    """Product → reads of an inference, summed over its macros."""
    assert workload.samples is not None
    inputs = {name: values[:samples] for name, values in workload.samples.evaluation.items()}
    quantized = quantize(workload, architecture, calibrate(workload))
    dims = {**bind_inputs(workload, [inputs[name] for name in workload.inputs]), "batch": 1}
    mapped = map_workload(quantized, architecture, dims)
    run = execute(mapped, inputs, AnalogEngine(mapped.architecture.macros, 0, 0))
    return {
        counts.op: sum(macro.reads for macro in counts.macros) / counts.inferences
        for counts in run.counts
        if counts.macros
    }


def roles(workload: Workload) -> dict[str, str]:
    """Product → what it is for."""
    made = {op.output: op for op in workload.ops}
    found = {}
    for op in workload.ops:
        if op.kind not in PRODUCT_KINDS:
            continue
        readers = [other.kind for other in workload.ops if op.output in other.inputs]
        found[op.name] = _role(op, made.get(op.inputs[0]), readers)
    return found


def _role(op: Op, before: Op | None, readers: Sequence[str]) -> str:
    if op.group is not None:
        return op.group.role
    if op.kind == "convolution":
        return "embedding"
    if "gelu" in readers:
        return "up"
    return "down" if before is not None and before.kind == "gelu" else "other"


def measure(name: str, samples: int) -> list[dict[str, str]]:
    """One row per product of a workload."""
    workload = load(workload_path(name), values=True)
    quality = quantization_quality(
        workload, chip(workload, "sign_magnitude", dense=False), samples=samples
    )
    sparsity = {layer.layer: layer.driven for layer in quality.layers}
    dense = reads(workload, chip(workload, "twos_complement", dense=True), samples)
    sifted = {
        coding: reads(workload, chip(workload, coding, dense=False), samples) for coding in CODINGS
    }
    dynamic = {op.name for op in workload.ops if op.kind == "matmul"}
    rows = []
    for product, role in roles(workload).items():
        driven = sparsity[product]
        assert driven is not None
        rows.append({
            "workload": workload.name, "samples": str(samples), "product": product, "role": role,
            "macro": "sram" if product in dynamic else "mram", "bits": str(driven.bits),
            "zeros_twos_complement": f"{driven.twos_complement_ratio:.4f}",
            "zeros_sign_magnitude": f"{driven.sign_magnitude_ratio:.4f}",
            "reads_dense": f"{dense[product]:.2f}",
            **{f"reads_{coding}": f"{sifted[coding][product]:.2f}" for coding in CODINGS},
        })  # fmt: skip
    return rows


def read() -> list[Row]:
    """The committed data."""
    if not DATA.exists():
        return []
    with DATA.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(rows: Iterable[Row]) -> None:
    """Write the committed data."""
    DATA.parent.mkdir(exist_ok=True)
    with DATA.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


# --- table ----------------------------------------------------------------------------------------


def workloads(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Workload → its products."""
    names = dict.fromkeys(row["workload"] for row in rows)
    return {name: [row for row in rows if row["workload"] == name] for name in names}


def share(rows: Sequence[Row], coding: str) -> str:
    """Reads under BitSift over dense reads."""
    dense = sum(float(row["reads_dense"]) for row in rows)
    return f"{sum(float(row[f'reads_{coding}']) for row in rows) / dense:.2f}"


def zeros(rows: Sequence[Row], coding: str) -> str:
    """Mean share of zero bits of the products' operands."""
    found = [float(row[f"zeros_{coding}"]) for row in rows]
    return f"{100 * sum(found) / len(found):.0f}"


def table(rows: Sequence[Row]) -> str:
    """Sums over the layers of a workload, role by role and for each kind of macro."""
    head = (
        "workload", "product", "driven", "zero bits, two's complement [%]",
        "sign and magnitude [%]", "dense reads", "BitSift, two's complement",
        "BitSift, sign and magnitude",
    )  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "| --- | --- | --- |" + " ---: |" * (len(head) - 3)]
    for name, own in workloads(rows).items():
        groups = {ROLES[role]: [row for row in own if row["role"] == role] for role in ROLES}
        groups["all in MRAM"] = [row for row in own if row["macro"] == "mram"]
        groups["all in SRAM"] = [row for row in own if row["macro"] == "sram"]
        groups["all"] = own
        for group, chosen in groups.items():
            if not chosen:
                continue
            driven = "" if group.startswith("all") else DRIVEN[chosen[0]["role"]]
            cells = [
                name, group, driven, *(zeros(chosen, coding) for coding in CODINGS),
                f"{sum(float(row['reads_dense']) for row in chosen):,.0f}",
                *(share(chosen, coding) for coding in CODINGS),
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its table replaced."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table(read())}\n\n{END}{rest.split(END)[1]}"


# --- figure ---------------------------------------------------------------------------------------


def figure(rows: Sequence[Row]) -> Figure:
    """Zero bits and reads of every product, one column per workload."""
    grouped = workloads(rows)
    with style.applied():
        drawn = Figure(figsize=(style.WIDTH_IN, 4.6), layout="constrained")
        grid = drawn.subplots(2, len(grouped), sharex=True, sharey="row", squeeze=False)
        for column, (name, own) in enumerate(grouped.items()):
            _zeros(grid[0][column], own)
            _reads(grid[1][column], own)
            grid[0][column].set_title(name)
        grid[0][0].set_ylabel("zero bits of\ndriven operands [%]")
        grid[1][0].set_ylabel("reads under BitSift\nover dense reads")
        handles = [
            grid[0][0].plot([], [], "o", color=COLOURS[coding], label=label)[0]
            for coding, label in CODINGS.items()
        ]
        drawn.legend(handles=handles, loc="outside lower center", ncols=2)
    return drawn


def _zeros(axes: Axes, rows: Sequence[Row]) -> None:
    for coding in CODINGS:
        _dots(axes, rows, coding, [100 * float(row[f"zeros_{coding}"]) for row in rows])
    axes.axhline(50, color=style.MUTED, lw=0.8, ls=":")
    axes.set_ylim(0, 100)


def _reads(axes: Axes, rows: Sequence[Row]) -> None:
    for coding in CODINGS:
        ratios = [float(row[f"reads_{coding}"]) / float(row["reads_dense"]) for row in rows]
        _dots(axes, rows, coding, ratios)
    axes.set_ylim(0, 1)
    axes.set_xticks(range(len(ROLES)), list(ROLES.values()), rotation=60, ha="right")


def _dots(axes: Axes, rows: Sequence[Row], coding: str, values: Sequence[float]) -> None:
    """A dot per layer, the codings side by side."""
    aside = 0.17 if coding == "sign_magnitude" else -0.17
    places = [list(ROLES).index(row["role"]) + aside for row in rows]
    axes.plot(places, values, "o", color=COLOURS[coding], ms=3.5, alpha=0.7, mew=0)
    axes.grid(axis="y")
    axes.set_xlim(-0.6, len(ROLES) - 0.4)


def main() -> None:
    """Measure if a workload is given, and write the page and its figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workload", nargs="?", help="name or folder")
    parser.add_argument("--samples", type=int, default=64)
    arguments = parser.parse_args()
    rows = read()
    if arguments.workload is not None:
        measured = measure(arguments.workload, arguments.samples)
        name = measured[0]["workload"]
        known = workloads(rows) | {name: measured}
        rows = [row for own in known.values() for row in own]
        write(rows)
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    FIGURE.write_text(style.to_svg(figure(rows)), encoding="utf-8")


if __name__ == "__main__":
    main()
