"""Write the tables of docs/schemes.md: every numerics scheme on the bundled vision transformer.

python scripts/scheme_table.py           print both tables
python scripts/scheme_table.py --write   put them into docs/schemes.md
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pimsim.config import load_architecture, workload_path
from pimsim.functional import Answers, measure, run_exact
from pimsim.quantization import calibrate, quantize
from pimsim.quantization.forms import OperandForm, effective_bits, forms_of
from pimsim.records import Accuracy
from pimsim.simulate import simulate
from pimsim.workload import Workload, reference
from pimsim.workload.files import load

PAGE = Path(__file__).resolve().parent.parent / "docs" / "schemes.md"
WORKLOAD = "vit_digits"
COST_SAMPLES = 8

Row = tuple[str, str, tuple[str, ...]]
"""Chip whose units the scheme takes, scheme, settings."""
ACCURACY_ROWS: tuple[Row, ...] = (
    ("conventional", "float32", ()),
    ("conventional", "int8_dqq", ()),
    ("rap_int8", "int8_dyadic", ()),
    ("rap_int8", "int4", ()),
    *(("rap_int8", "qrazor_w4a4", (f"numerics.group={group}",)) for group in (8, 16, 32, 64, 128)),
    ("rap_int8", "qrazor_w4a4", ("numerics.group=16", "numerics.basis_bits=8")),
    ("rap_int8", "qrazor_w4a8", ("numerics.group=16",)),
    ("rap_int8", "qrazor_w4a4kv4", ("numerics.group=16",)),
    *(("rap_int8", "quartz_w4a4", (f"numerics.group={group}",)) for group in (8, 16, 32, 64, 128)),
)
COST_ROWS = (
    "int8_dyadic", "int4", "qrazor_w4a4", "qrazor_w4a8", "qrazor_w4a4kv4", "quartz_w4a4",
)  # fmt: skip


def scored(workload: Workload, rows: Sequence[Row], samples: int | None = None) -> list[Accuracy]:
    """Accuracy of each scheme on a chip without errors, on the first evaluation samples."""
    assert workload.samples is not None
    assert workload.samples.labels is not None
    inputs = {name: values[:samples] for name, values in workload.samples.evaluation.items()}
    labels = workload.samples.labels[:samples]
    output = workload.outputs[0]
    exact = reference.run(workload, *(inputs[name] for name in workload.inputs))[output]
    statistics, found = calibrate(workload), []
    for chip, scheme, settings in rows:
        overrides = [f"numerics.scheme={scheme}", *settings]
        quantized = quantize(workload, load_architecture(chip, overrides=overrides), statistics)
        answers = run_exact(quantized, inputs, workload.bind())[output]
        found.append(measure(Answers(exact, answers, [answers]), labels, workload.task))
    return found


def accuracy_table() -> str:
    """Accuracy, agreement with float32 and logit SNR of every scheme."""
    lines = [
        "| scheme | group | bits per weight, input, key | top-1 [%] | agreement [%] | SNR [dB] |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    results = scored(load(workload_path(WORKLOAD)), ACCURACY_ROWS)
    for (chip, scheme, settings), result in zip(ACCURACY_ROWS, results, strict=True):
        overrides = [f"numerics.scheme={scheme}", *settings]
        forms = forms_of(load_architecture(chip, overrides=overrides))
        bits, group = {"float32": "32, 32, 32", "int4": "4, 4, 4"}.get(scheme, "8, 8, 8"), ""
        if forms is not None and forms.group is not None:
            group = str(forms.group)
            three = (forms.weights, forms.driven, forms.stored)
            bits = ", ".join(_bits(form, forms.group) for form in three)
        basis = ", basis 8" if any("basis" in setting for setting in settings) else ""
        snr = f"{result.logit_snr_db:.1f}" if result.logit_snr_db < 100 else "over 100"
        lines.append(
            f"| `{scheme}`{basis} | {group} | {bits} | {100 * result.integer:.1f} "
            f"| {100 * result.agreement_ratio:.1f} | {snr} |"
        )
    return "\n".join(lines)


def _bits(form: OperandForm, group: int) -> str:
    if form.compression is None:
        return str(form.bits)
    kept = form.compression.kept_bits
    return f"{effective_bits(group, form.basis_bits, kept_bits=kept):.2f}"


def cost_table() -> str:
    """What each scheme costs on the reference chip."""
    heads = (
        "scheme", "reads", "conversions", "cells in use [%]", "latency [µs]", "energy [µJ]",
        "of it shift-and-add [µJ]", "chip [mm²]",
    )  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for scheme in COST_ROWS:
        run = simulate(
            "rap_int8", WORKLOAD, samples=COST_SAMPLES, chips=1, compare=(),
            overrides=[f"numerics.scheme={scheme}"],
        )  # fmt: skip
        macros = [macro for op in run.counts for macro in op.macros]
        reads, conversions = (
            sum(getattr(macro, name) for macro in macros) // COST_SAMPLES
            for name in ("reads", "conversions")
        )
        shifts = sum(v for name, v in run.energy_breakdown_uj.items() if name.endswith("shift_add"))
        lines.append(
            f"| `{scheme}` | {reads:,} | {conversions:,} | {100 * run.cells_ratio:.3f} "
            f"| {run.latency_us:.0f} | {run.energy_uj:.2f} | {shifts:.2f} | {run.area_mm2:.0f} |"
        )
    return "\n".join(lines)


def with_tables(page: str, tables: dict[str, str]) -> str:
    """The page with what stands between ``<!-- name -->`` and ``<!-- end -->`` replaced."""
    for name, table in tables.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        page, count = re.subn(pattern, lambda m: f"{m[1]}{table}\n{m[2]}", page, flags=re.DOTALL)  # noqa: B023
        assert count == 1, name
    return page


def main() -> None:
    """Print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    wanted = parser.parse_args()
    np.seterr(all="raise", under="ignore")
    tables = {"accuracy": accuracy_table(), "cost": cost_table()}
    if wanted.write:
        PAGE.write_text(with_tables(PAGE.read_text(), tables))
    else:
        print(*tables.values(), sep="\n\n")


if __name__ == "__main__":
    main()
