"""Regenerate the tables and the figure of docs/rap_numerics.md.

python scripts/rap_numerics.py                               figure, errors and costs of the units
python scripts/rap_numerics.py vit_digits --write            how right the answers are
python scripts/rap_numerics.py vit_fashion --samples 2000 --write
python scripts/rap_numerics.py minilm_clinc150 --samples 500 --write

Without --write tables are printed. The larger workloads must have been built (workloads/README.md).
"""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scheme_accuracy import Scorer
from scheme_table import Row, with_tables

from pimsim.config import workload_path
from pimsim.cost.digital import operations
from pimsim.cost.technology import OperatingPoint
from pimsim.integer import BiasedShift, DyadicRequantize, UnitHardware, VdrNormalize, emsb_q
from pimsim.integer.vdr_normalize import Method
from pimsim.integer.vdr_softmax import ENTRIES, VdrSoftmax
from pimsim.quantization.rap_constants import VDR_SMALLEST_SCALE, vdr_softmax
from pimsim.quantization.unit_constants import softmax
from pimsim.records import Accuracy
from pimsim.report import style
from pimsim.workload.files import load

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "rap_numerics.md"
FIGURE: Final = ROOT / "docs" / "images" / "vdr_softmax.svg"
SMALLEST_EXPONENT, LARGEST_EXPONENT = -2, ENTRIES
"""Places below and above the table, too."""
LOGIT_BITS: Final = 9
ROW: Final = 128
SCALES: Final = tuple(VDR_SMALLEST_SCALE * 2.0 ** (place / 24) for place in range(24))
"""Scales of a layer: an entry stands for steps of a logit that differ by up to two."""
SOFTMAX_ROWS, SOFTMAX_LENGTH, SOFTMAX_SPREAD = 100, 64, 80
"""Rows of normal logits whose codes fill their nine bits."""
NODE_NM: Final = 28.0
METHODS: Final[tuple[Method, ...]] = ("shift", "reciprocal_lut")
REQUANTIZE: Final = "units.requantize.model=emsb_q"
UNITS: Final = ("units.softmax.model=vdr_softmax", REQUANTIZE)
NORMALIZATIONS: Final = ("reciprocal_lut", "shift", "paper")
KV_BITS: Final = (16, 12, 9)
VARIANTS: Final = (
    ("numerics.kv_bits=9", "numerics.kv_msb=datapath"),
    ("numerics.kv_bits=9", "numerics.kv_round=truncate"),
    ("numerics.branch_scale=pow2",),
)
OTHER_SOFTMAXES: Final = ("ibert_softmax", "fp32_softmax")


def rows() -> tuple[Row, ...]:
    """RAP's scheme in all its settings beside two of 8 bits."""
    combined = [
        (f"numerics.normalization={normalization}", f"numerics.kv_bits={bits}")
        for normalization in NORMALIZATIONS
        for bits in KV_BITS
    ]
    return (
        ("conventional", "float32", ()),
        ("conventional", "int8_dqq", ()),
        ("rap_int8", "int8_dyadic", ()),
        *(("rap", "rap_int8p1", (*UNITS, *settings)) for settings in (*combined, *VARIANTS)),
        *(
            ("rap", "rap_int8p1", (f"units.softmax.model={model}", REQUANTIZE))
            for model in OTHER_SOFTMAXES
        ),
    )


def line(row: Row, result: Accuracy) -> str:
    """One line of a table of answers."""
    settings = ", ".join(
        setting.removeprefix("numerics.").removeprefix("units.").replace(".model", "")
        for setting in row[2]
        if setting not in UNITS
    )
    snr = f"{result.logit_snr_db:.1f}" if result.logit_snr_db < 100 else "over 100"
    cells = [f"{100 * result.integer:.1f}", f"{100 * result.agreement_ratio:.1f}", snr]
    return f"| `{row[1]}` | {settings} | {' | '.join(cells)} |"


def answers(workload: str, samples: int | None) -> Iterator[str]:
    """Lines of the table of a workload, one by one."""
    scorer = Scorer(load(workload_path(workload)), samples)
    yield "| scheme | settings | top-1 [%] | agreement [%] | SNR [dB] |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for row in rows():
        yield line(row, scorer.score(row))


def exponentials(unit: VdrSoftmax, exponent: int) -> NDArray[np.int16]:
    """Codes of every distance to the maximum that two logits can have, 0 to 510."""
    distances = np.arange(2 << (LOGIT_BITS - 1))[: 2 * ((1 << (LOGIT_BITS - 1)) - 1) + 1]
    top = (1 << (LOGIT_BITS - 1)) - 1
    pairs = np.stack([np.full_like(distances, top), top - distances], axis=-1).astype(np.int16)
    return unit(pairs, exponents=np.array([exponent], np.int16)).values[:, 1]


def errors() -> dict[int, tuple[float, NDArray[np.float64], NDArray[np.float64]]]:
    """Place of an entry → real step of a logit, real distances, error of the exponential."""
    unit, step = vdr_softmax(VDR_SMALLEST_SCALE, LOGIT_BITS)
    found = {}
    for exponent in range(SMALLEST_EXPONENT, LARGEST_EXPONENT + 1):
        scale = VDR_SMALLEST_SCALE * 2.0**exponent
        codes = exponentials(unit, unit.first_exponent + exponent)
        distances = scale * np.arange(len(codes))
        found[exponent] = (scale, distances, codes * step - np.exp(-distances))
    return found


def errors_by_step(exponent: int) -> list[tuple[float, float, float]]:
    """Step of a logit, largest error of the exponential and of softmax, for all of ``SCALES``.

    The exponential over every distance, softmax (codes over their sum) on rows of logits.
    """
    generator = np.random.default_rng(0)
    top = (1 << (LOGIT_BITS - 1)) - 1
    logits = generator.normal(0.0, SOFTMAX_SPREAD, (SOFTMAX_ROWS, SOFTMAX_LENGTH))
    logits = np.clip(np.rint(logits), -top, top).astype(np.int16)
    found = []
    for scale in SCALES:
        unit, step = vdr_softmax(scale, LOGIT_BITS)
        real_step, place = scale * 2.0**exponent, unit.first_exponent + exponent
        codes = exponentials(unit, place)
        error = codes * step - np.exp(-real_step * np.arange(len(codes)))
        rows = unit.encode(logits, exponents=np.array([place], np.int16))
        exact = np.exp(real_step * (logits - logits.max(axis=-1, keepdims=True)).astype(float))
        exact /= exact.sum(axis=-1, keepdims=True)
        softmax_error = rows.values / rows.sums - exact
        found.append((real_step, np.abs(error).max(), np.abs(softmax_error).max()))
    return found


def error_table() -> str:
    """Largest and root-mean-square error of the exponential, entry by entry."""
    head = (
        "entry", "step of a logit", "farthest logit", "largest error", "rms error",
        "largest, steps up to twice that", "softmax, likewise",
    )  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for exponent, (scale, distances, error) in errors().items():
        by_step = errors_by_step(exponent)
        entry = (
            str(exponent + 1) if 0 <= exponent < ENTRIES else "below" if exponent < 0 else "above"
        )
        cells = [f"{scale:.2g}", f"{-distances[-1]:.3g}"]
        cells += [f"{np.abs(error).max():.1e}", f"{np.sqrt(np.mean(error**2)):.1e}"]
        cells += [f"{max(one[place] for one in by_step):.1e}" for place in (1, 2)]
        lines.append(f"| {entry} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cost_table() -> str:
    """What the units of attention take per element, at 28 nm and 0.9 V."""
    costs = operations(OperatingPoint(NODE_NM))
    lines = [
        "| step | unit | operations | multiplications | divisions per row | table [bytes] | [pJ] |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for step, name, hardware in attention_units():
        counts = hardware.operations(ROW)
        of_kind = {
            kind: sum(count for op, count in counts.items() if op.kind == kind)
            for kind in ("multiply", "divide")
        }
        energy_pj = sum(
            costs.operation(op.kind, op.width_bits).energy_pj.value * count
            for op, count in counts.items()
        )
        cells = [f"{sum(counts.values()) / ROW:.1f}", f"{of_kind['multiply'] / ROW:.1f}"]
        cells += [str(of_kind["divide"]), f"{hardware.table_bits // 8}", f"{energy_pj / ROW:.2f}"]
        lines.append(f"| {step} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def attention_units() -> Iterator[tuple[str, str, UnitHardware]]:
    """Units of an attention layer under both schemes, for accumulators of 33 bits."""
    rescale = DyadicRequantize(multiplier=1 << 14, shift=20, input_bits=32, output_bits=8)
    yield "accumulator to operand", "`dyadic_requantize`", rescale.hardware
    leading = BiasedShift(bias=(0,) * ROW, bias_shift=0, leading=emsb_q(input_bits=33))
    yield "", "`emsb_q` with bias", leading.hardware
    yield (
        "softmax",
        "`ibert_softmax`, 16-bit logits",
        softmax("ibert_softmax", 1e-3, 16)[0].hardware,
    )
    yield "", "`vdr_softmax`", vdr_softmax(1e-3, LOGIT_BITS)[0].hardware
    for method in METHODS:
        unit = VdrNormalize(method=method, input_bits=33, output_bits=26)
        yield "P·V to mean", f"`{method}`", unit.hardware


def draw() -> str:
    """Figure: error of the exponential by distance, and with softmax by step, as SVG."""
    with style.applied():
        figure = Figure(figsize=(style.WIDTH_IN, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        found = errors()
        for place, exponent in enumerate((0, 3, 5, 7, 9)):
            scale, distances, error = found[exponent]
            left.plot(
                -distances, error, color=style.SERIES[place], linewidth=1.0, marker=".",
                markersize=3, label=f"entry {exponent + 1}, step {scale:.2g}",
            )  # fmt: skip
        left.set_xlim(-8, 0.1)
        left.set_xlabel("logit minus the row's largest")
        left.set_ylabel("code × step − exp")
        left.legend(loc="lower left", frameon=False, fontsize=8)
        _draw_by_step(right)
        return style.to_svg(figure)


def _draw_by_step(axes: Axes) -> None:
    steps = [
        one
        for exponent in range(SMALLEST_EXPONENT, LARGEST_EXPONENT + 1)
        for one in errors_by_step(exponent)
    ]
    names = ("exponential, any distance", f"softmax, rows of {SOFTMAX_LENGTH}")
    for place, (name, colour) in enumerate(zip(names, (style.INK, style.RED), strict=True), 1):
        axes.plot([one[0] for one in steps], [one[place] for one in steps], color=colour,
                  linewidth=1.0, label=name)  # fmt: skip
    ends = (VDR_SMALLEST_SCALE, VDR_SMALLEST_SCALE * 2.0**ENTRIES)
    for end in ends:
        axes.axvline(end, color=style.RULE, linewidth=1.0)
    axes.text(
        math.sqrt(ends[0] * ends[1]), 1.2e-5, "table of ten entries", ha="center", fontsize=8,
        color=style.MUTED,
    )  # fmt: skip
    axes.set(xscale="log", yscale="log", ylim=(1e-5, 1), xlabel="step of a logit",
             ylabel="largest error")  # fmt: skip
    axes.legend(loc="upper left", frameon=False, fontsize=8)


def main() -> None:
    """Print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", nargs="?")
    parser.add_argument("--samples", type=int, help="the first so many evaluation samples")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    wanted = parser.parse_args()
    np.seterr(all="raise", under="ignore")
    if wanted.workload is None:
        tables = {"errors": error_table(), "cost": cost_table()}
        if wanted.write:
            FIGURE.write_text(draw())
        else:
            print("\n\n".join(tables.values()))
    else:
        start, lines = time.monotonic(), []
        for text in answers(wanted.workload, wanted.samples):
            print(text, f" {time.monotonic() - start:.0f} s", flush=True)
            lines.append(text)
        tables = {wanted.workload: "\n".join(lines)}
    if wanted.write:
        PAGE.write_text(with_tables(PAGE.read_text(), tables))


if __name__ == "__main__":
    main()
