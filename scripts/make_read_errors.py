"""Regenerate the tables and the figure of docs/read_errors.md.

python scripts/make_read_errors.py
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from pimsim import load_architecture
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
REFERENCES: Final = {"fixed": None, "replica": 0.95}


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
        name = f"{pvt.process}, {pvt.supply_v:g} V, {pvt.temperature_degc:g} °C"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def figure() -> Figure:
    """Error of one read against active rows, closed form and measured."""
    fine = np.unique(np.logspace(0, 10, 41, base=2).astype(int))
    with style.applied():
        drawn, axes = style.new_figure(3.6)
        for sigma, colour in zip(SIGMAS, style.SERIES, strict=False):
            expected = [worst(mram(int(rows), sigma))[0] for rows in fine]
            axes.plot(fine, expected, color=colour, lw=1.6, label=f"{100 * sigma:g} %")
            for rows in ROWS:
                macro = mram(rows, sigma)
                share, ones = worst(macro)
                if share >= LIKELY:
                    found = measured(macro, ones, TRIALS, seed=rows) / TRIALS
                    axes.plot(rows, found, "o", color=colour, ms=4, mfc="none")
        rap = worst(mram())[0]
        axes.plot(8, rap, "D", color=style.INK, ms=6)
        axes.annotate(
            "RAP: 8 rows,\n6 σ margin", (8, rap), (1.15, rap * 30), color=style.INK, fontsize=8,
            arrowprops={"arrowstyle": "-", "color": style.MUTED},
        )  # fmt: skip
        axes.set(
            xscale="log", yscale="log", ylim=(1e-12, 1.5), xlim=(0.9, 1150),
            xlabel="active rows",
            ylabel="probability that a read is wrong, worst count",
            title="One read errs more often, the more rows it takes",
        )  # fmt: skip
        axes.set_xticks(ROWS, [f"{rows:,}" for rows in ROWS])
        axes.minorticks_off()
        axes.grid(axis="y")
        axes.legend(title="σ of the cells", loc="lower right", title_fontsize=8)
    return drawn


TABLES: dict[str, Callable[[], str]] = {"rows": rows_table, "corners": corners_table}


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
