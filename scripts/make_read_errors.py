"""Regenerate the tables and the figure of docs/read_errors.md.

python scripts/make_read_errors.py
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim import load_architecture
from pimsim.analog import mvm, program
from pimsim.analog.read_errors import closed_form, measured
from pimsim.config.macros import Macro
from pimsim.config.pvt import Pvt
from pimsim.report import style

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "read_errors.md"
FIGURE: Final = ROOT / "docs" / "images" / "read_errors.svg"

ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SIGMAS: Final = (0.01, 0.02, 0.0295, 0.05, 0.1)
TRIALS: Final = 20_000
LIKELY: Final = 2e-3
"""Error rate above which ``TRIALS`` reads show it, and a marker is drawn."""

CORNERS: Final = tuple(
    Pvt(process=process, supply_v=supply, temperature_degc=celsius)
    for process, supply, celsius in (
        ("tt", 0.9, 25.0), ("tt", 0.9, 125.0), ("tt", 0.81, 25.0), ("ff", 0.99, -40.0),
        ("ff", 0.99, 125.0), ("ss", 0.81, -40.0), ("ss", 0.81, 125.0),
    )
)  # fmt: skip
DRAWN: Final = (CORNERS[2], CORNERS[3], CORNERS[6])
"""Corners in the figure, those of docs/ablation.md."""
REFERENCES: Final = {"fixed": None, "replica": 0.95}
NOISES: Final = (0.0004, 0.001, 0.004, 0.01)
"""Converter noise on top of the cells, rms over full scale; the first is that of rap.yaml."""

PACKING_SIGMA: Final = 0.06
VECTORS, COLUMNS = 20, 128
CODINGS: Final = {"twos_complement": "two's complement", "sign_magnitude": "sign and magnitude"}


def mram(active_rows: int = 8, sigma: float | None = None, reference: str = "replica") -> Macro:
    """RAP's MRAM macro with other active rows, cell spread or reference, and a code per count."""
    macro = load_architecture("rap").macros["mram"]
    cell = macro.crossbar.cell
    if sigma is not None:
        cell = cell.model_copy(update={"sigma_on_ratio": sigma})
    adc = {
        "levels": active_rows + 1, "reference": reference,
        "tracking_ratio": REFERENCES[reference], "trim": "none", "noise_ratio": None,
    }  # fmt: skip
    crossbar = {"active_rows": active_rows, "cell": cell}
    return macro.model_copy(
        update={
            "crossbar": macro.crossbar.model_copy(update=crossbar),
            "adc": macro.adc.model_copy(update=adc),
        }
    )


def shown(share: float) -> str:
    """A probability of one read."""
    if share < 1e-12:
        return "< 1e-12"
    return f"{share:.1e}" if share < 1e-3 else f"{share:.3f}"


def named(pvt: Pvt) -> str:
    """An operating point."""
    return f"{pvt.process}, {pvt.supply_v:g} V, {pvt.temperature_degc:g} °C"


def worst(macro: Macro, pvt: Pvt | None = None) -> tuple[float, int]:
    """Largest error of any count, and that count."""
    active = macro.crossbar.active_rows
    counts = {0, 1, active // 4, active // 2, 3 * active // 4, active - 1, active}
    return max((closed_form(macro, ones, pvt), ones) for ones in counts)


def rows_table() -> str:
    """Error of one read by active rows and spread of the cells."""
    head = "| σ of the cells | " + " | ".join(str(rows) for rows in ROWS) + " |"
    lines = [head, "|" + " --- |" * (len(ROWS) + 1)]
    for sigma in SIGMAS:
        cells = [shown(worst(mram(rows, sigma))[0]) for rows in ROWS]
        lines.append(f"| {100 * sigma:g} % | {' | '.join(cells)} |")
    return "\n".join(lines)


def corners_table() -> str:
    """Error of the worst count at corners, for fixed and replica references."""
    lines = [
        "| operating point | 8 rows: fixed | 8 rows: replica | 1,024: fixed | 1,024: replica |",
        "| --- | --- | --- | --- | --- |",
    ]
    for pvt in CORNERS:
        cells = [
            shown(worst(mram(rows, reference=reference), pvt)[0])
            for rows in (8, 1024)
            for reference in REFERENCES
        ]
        lines.append(f"| {named(pvt)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def converter_table() -> str:
    """Error of the worst count of eight rows with converter noise on top of the cells."""
    heads, cells = ["none"], [shown(worst(mram())[0])]
    for noise in NOISES:
        macro = mram()
        adc = macro.adc.model_copy(update={"noise_ratio": noise})
        heads.append(f"{100 * noise:g} % ({8 * noise:.2g} LSB)")
        cells.append(shown(worst(macro.model_copy(update={"adc": adc}))[0]))
    return "\n".join([
        f"| converter noise | {' | '.join(heads)} |",
        "|" + " --- |" * (1 + len(heads)),
        f"| 8 rows, cells of 2.95 % | {' | '.join(cells)} |",
    ])  # fmt: skip


def packing_table() -> str:
    """Wrong products of 1,024 rows where reads err, with BitSift and without."""
    lines = ["| inputs in | dense | BitSift |", "| --- | ---: | ---: |"]
    generator = np.random.default_rng(0)
    weights = generator.integers(-255, 256, (1024, COLUMNS))
    inputs = generator.integers(-255, 256, (VECTORS, 1024))
    for coding, name in CODINGS.items():
        shares = []
        for model in ("none", "bitsift"):
            overrides = (
                f"macros.mram.inputs.coding={coding}",
                f"macros.mram.zero_skipping={{model: {model}}}",
                f"macros.mram.crossbar.cell.sigma_on_ratio={PACKING_SIGMA}",
                "macros.mram.adc.noise_ratio=null",
            )
            macro = load_architecture("rap", overrides=overrides).macros["mram"]
            found = mvm(program(weights, macro, 0), inputs, 0).values
            shares.append(f"{100 * np.mean(found != inputs @ weights):.0f} %")
        lines.append(f"| {name} | {' | '.join(shares)} |")
    return "\n".join(lines)


def figure() -> Figure:
    """Error of one read against active rows: by the spread of the cells, and at corners."""
    with style.applied():
        drawn = Figure(figsize=(style.WIDTH_IN, 3.8), layout="constrained")
        left, right = drawn.subplots(1, 2, sharey=True)
        _by_spread(left)
        _at_corners(right)
        for axes in (left, right):
            axes.set(xscale="log", yscale="log", ylim=(1e-12, 3), xlim=(0.9, 1150))
            axes.set_xlabel("active rows")
            axes.set_xticks(ROWS[::2], [f"{rows:,}" for rows in ROWS[::2]])
            axes.minorticks_off()
            axes.grid(axis="y")
        left.set_ylabel("probability that a read is wrong, worst count")
    return drawn


def _line(axes: Axes, macro_of: Callable[[int], Macro], pvt: Pvt | None, **line: Any) -> None:
    """Closed form, and what was counted where ``TRIALS`` reads show it."""
    fine = np.unique(np.logspace(0, 10, 41, base=2).astype(int))
    axes.plot(fine, [worst(macro_of(int(rows)), pvt)[0] for rows in fine], lw=1.6, **line)
    for rows in ROWS:
        macro = macro_of(rows)
        share, ones = worst(macro, pvt)
        if share >= LIKELY:
            found = measured(macro, ones, TRIALS, seed=rows, pvt=pvt) / TRIALS
            axes.plot(rows, found, "o", color=line["color"], ms=4, mfc="none")


def _by_spread(axes: Axes) -> None:
    for sigma, colour in zip(SIGMAS, style.SERIES, strict=False):
        _line(axes, partial(mram, sigma=sigma), None, color=colour, label=f"{100 * sigma:g} %")
    rap = worst(mram())[0]
    axes.plot(8, rap, "D", color=style.INK, ms=6)
    axes.annotate(
        "RAP: 8 rows,\n6 σ margin", (8, rap), (1.1, rap * 30), color=style.INK, fontsize=8,
        arrowprops={"arrowstyle": "-", "color": style.MUTED},
        bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 1.0},
    )  # fmt: skip
    axes.set_title("By σ of the cells")
    axes.legend(title="σ of the cells", loc="lower right", title_fontsize=8, fontsize=8)


def _at_corners(axes: Axes) -> None:
    _line(axes, mram, None, color=style.INK, label="nominal")
    for pvt, colour in zip(DRAWN, style.SERIES, strict=False):
        for reference, dashes in (("replica", "-"), ("fixed", "--")):
            label = f"{named(pvt)}, {reference}"
            macro_of = partial(mram, reference=reference)
            _line(axes, macro_of, pvt, color=colour, ls=dashes, label=label)
    axes.set_title("At corners, σ = 2.95 %")
    axes.legend(loc="lower right", fontsize=7)


TABLES: dict[str, Callable[[], str]] = {
    "rows": rows_table, "converter": converter_table, "packing": packing_table,
    "corners": corners_table,
}  # fmt: skip


def page(text: str) -> str:
    """The page with its tables replaced."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{table()}\n\n{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    FIGURE.write_text(style.to_svg(figure()))
