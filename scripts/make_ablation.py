"""Run the ablation of RAP's techniques and write docs/ablation.md from it.

python scripts/make_ablation.py FOLDER [--jobs N]   run both sweeps, keep them in FOLDER, write all
python scripts/make_ablation.py                     write the page from the committed tables alone

A run of the sweeps takes some minutes on two cores; it goes on where it was interrupted if FOLDER
is given again. After a change of pimsim that moves numbers, take a new folder.
"""

import argparse
import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim.dse.sweeping import sweep
from pimsim.report import style
from pimsim.simulate import simulate

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "ablation.md"
FIGURE: Final = ROOT / "docs" / "images" / "ablation.svg"
CELLS: Final = ROOT / "docs" / "data" / "ablation.csv"
CORNERS: Final = ROOT / "docs" / "data" / "ablation_corners.csv"

AXES: Final = ("reads", "rows", "requantization", "softmax")
CORNER_AXES: Final = (*AXES, "corner")
NUMBERS: Final = (("emsb_q", "vdr"), ("dqq", "float"))
"""Requantization and softmax of the designs that the page shows at corners."""
METRICS: Final = (
    "accuracy", "agreement_ratio", "logit_snr_db", "energy_uj", "latency_us", "area_mm2",
)  # fmt: skip
DIGITS: Final = 6
FULL: Final = ("bitsift", "few", "emsb_q", "vdr")
NONE: Final = ("dense", "all", "dqq", "float")
TECHNIQUES: Final = {
    "BitSift": ("reads", "bitsift", "dense"),
    "few rows per read": ("rows", "few", "all"),
    "eMSB-Q": ("requantization", "emsb_q", "dqq"),
    "VDR-Softmax, not I-BERT's": ("softmax", "vdr", "ibert"),
    "VDR-Softmax, not a floating-point one": ("softmax", "vdr", "float"),
}
"""Technique → axis, value with it, value without it."""
NAMES: Final = {
    "bitsift": "BitSift", "dense": "dense", "few": "8", "all": "all", "emsb_q": "eMSB-Q",
    "dqq": "DQ-Q", "vdr": "VDR", "ibert": "I-BERT", "float": "float",
}  # fmt: skip
POINTS: Final = {
    "low_supply": "0.81 V", "fast_cold": "ff, 0.99 V, -40 °C", "slow_hot": "ss, 0.81 V, 125 °C",
}  # fmt: skip
OPPONENT: Final = "conventional"

Cell = tuple[str, ...]
Row = Mapping[str, str]
Cells = Mapping[Cell, Mapping[str, float]]


# --- from sweeps to the committed tables ----------------------------------------------------------


def tidy(
    frame: pd.DataFrame, labels: Sequence[str], metrics: Sequence[str]
) -> list[dict[str, str]]:
    """Rows of a committed table: labels, and numbers of few digits."""
    failed = frame[frame["error"].notna()]
    if len(failed):
        raise SystemExit(f"a design of the sweep failed: {failed['error'].iloc[0]}")
    return [
        {name: str(row[name]) for name in labels}
        | {name: f"{row[name]:.{DIGITS}g}" for name in metrics}
        for row in frame.to_dict("records")
    ]


def opponent() -> dict[str, str]:
    """The conventional chip, run like the designs of the sweep."""
    result = simulate(OPPONENT, "vit_digits", samples=64, chips=2, compare=())
    accuracy = result.accuracy
    found = {
        "accuracy": sum(accuracy.analog) / len(accuracy.analog),
        "agreement_ratio": accuracy.agreement_ratio, "logit_snr_db": accuracy.logit_snr_db,
        "energy_uj": result.energy_uj, "latency_us": result.latency_us,
        "area_mm2": result.area_mm2,
    }  # fmt: skip
    return dict.fromkeys(AXES, OPPONENT) | {name: f"{found[name]:.{DIGITS}g}" for name in METRICS}


def measure(folder: Path, jobs: int) -> None:
    """Run the sweeps, or what is missing of them, and write the committed tables."""
    nominal = sweep("rap_ablation", output=folder / "nominal", resume=True, jobs=jobs)
    write(CELLS, [*tidy(nominal, AXES, METRICS), opponent()])
    corners = sweep("rap_ablation_corners", output=folder / "corners", resume=True, jobs=jobs)
    write(CORNERS, tidy(corners, CORNER_AXES, METRICS[:3]))


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write a committed table."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read(path: Path, labels: Sequence[str]) -> dict[Cell, dict[str, float]]:
    """A committed table: labels → numbers."""
    with path.open(newline="", encoding="utf-8") as file:
        return {
            tuple(row[name] for name in labels): {
                name: float(value) for name, value in row.items() if name not in labels
            }
            for row in csv.DictReader(file)
        }


# --- the tables of the page -----------------------------------------------------------------------


def mark(cell: Cell) -> str:
    """What is degenerate about a design."""
    marks = []
    if cell[:2] == ("bitsift", "all"):
        marks.append("a")
    if cell[2:] == ("dqq", "vdr"):
        marks.append("b")
    return ", ".join(marks)


def cells_table(cells: Cells) -> str:
    """All designs at the nominal operating point."""
    head = (
        "reads", "rows", "requantization", "softmax", "", "accuracy [%]", "SNR [dB]",
        "energy [µJ]", "latency [µs]", "area [mm²]",
    )  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "| --- | ---: | --- | --- | --- |" + " ---: |" * 5]
    for key, row in cells.items():
        labels = [*(NAMES[part] for part in key if part != OPPONENT), mark(key)]
        if key[0] == OPPONENT:
            labels = [f"`{OPPONENT}.yaml`", "256", "DQ-Q", "float", ""]
        numbers = [
            f"{100 * row['accuracy']:.1f}", f"{row['logit_snr_db']:.1f}",
            f"{row['energy_uj']:.2f}", f"{row['latency_us']:.0f}", f"{row['area_mm2']:.0f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join((*labels, *numbers))} |")
    return "\n".join(lines)


def corners_table(cells: Cells, corners: Cells) -> str:
    """Some designs at the nominal operating point and away from it."""
    names = list(dict.fromkeys(key[-1] for key in corners))
    head = ("reads", "rows", "numbers", "nominal", *(POINTS[name] for name in names))
    lines = [f"| {' | '.join(head)} |", "| --- | ---: | --- |" + " ---: |" * (1 + len(names))]
    for design, nominal in cells.items():
        if design[2:] not in NUMBERS:
            continue
        found = [nominal, *(corners[*design, name] for name in names)]
        shown = [f"{100 * one['accuracy']:.1f} %, {one['logit_snr_db']:.1f} dB" for one in found]
        reads, rows, *numbers = (NAMES[part] for part in design)
        lines.append(f"| {reads} | {rows} | {', '.join(numbers)} | {' | '.join(shown)} |")
    return "\n".join(lines)


def swapped(cell: Cell, axis: str, value: str) -> Cell:
    """A design with another value on one axis."""
    return tuple(value if name == axis else old for name, old in zip(AXES, cell, strict=True))


def effect(cells: Cells, pairs: Iterable[tuple[Cell, Cell]]) -> list[str]:
    """With a technique over without it: mean factors of the costs, mean difference of the SNR."""
    chosen = list(pairs)
    found = []
    for metric in ("energy_uj", "latency_us", "area_mm2"):
        logs = [math.log(cells[one][metric] / cells[other][metric]) for one, other in chosen]
        found.append(f"{math.exp(sum(logs) / len(logs)):.2f}")
    gains = [cells[one]["logit_snr_db"] - cells[other]["logit_snr_db"] for one, other in chosen]
    gain = round(sum(gains) / len(gains), 1) + 0.0  # no minus zero
    found.append(f"{gain:+.1f}")
    return found


def effects_table(cells: Cells) -> str:
    """What each technique does to a chip without any, on average, and to the whole of RAP."""
    head = ("energy", "latency", "area", "SNR [dB]")
    lines = [
        "| technique | to which chips | " + " | ".join(head) + " |",
        "| --- | --- |" + " ---: |" * len(head),
    ]
    designs = [key for key in cells if key[0] != OPPONENT]
    for technique, (axis, value, other) in TECHNIQUES.items():
        alone = swapped(NONE, axis, other)
        places: dict[str, list[Cell]] = {
            "one with none of the others": [alone],
            "mean over all": [key for key in designs if key[AXES.index(axis)] == other],
            "mean over those that read 8 rows": [
                key for key in designs if key[AXES.index(axis)] == other and key[1] == "few"
            ],
            "all others are there": [swapped(FULL, axis, other)],
        }
        for where, without in places.items():
            if axis == "rows" and "8 rows" in where:
                continue
            pairs = [(swapped(key, axis, value), key) for key in without]
            lines.append(f"| {technique} | {where} | {' | '.join(effect(cells, pairs))} |")
    return "\n".join(lines)


# --- the figure -----------------------------------------------------------------------------------

MARKERS: Final = {"vdr": "o", "ibert": "s", "float": "^"}
COLOURS: Final = {"emsb_q": style.BLUE, "dqq": style.ORANGE}
PLACES: Final = {
    ("bitsift", "few"): (-4, -24), ("dense", "few"): (-4, -26),
    ("bitsift", "all"): (-66, 14), ("dense", "all"): (-66, -36),
}  # fmt: skip
"""Where the text of a kind of read stands, from its middle. [points]"""


def figure(cells: Cells) -> Figure:
    """Energy against latency; colour, shape and filling say which design."""
    with style.applied():
        drawn, axes = style.new_figure(4.2)
        for key, row in cells.items():
            if key[0] == OPPONENT:
                continue
            colour, fill = COLOURS[key[2]], "full" if key[0] == "bitsift" else "none"
            axes.plot(
                row["latency_us"], row["energy_uj"], MARKERS[key[3]], color=colour, ms=6,
                fillstyle=fill,
            )  # fmt: skip
        for kind, place in PLACES.items():
            _annotate(axes, kind, {k: row for k, row in cells.items() if k[:2] == kind}, place)
        own = cells[(OPPONENT,) * len(AXES)]
        axes.plot(own["latency_us"], own["energy_uj"], "D", color=style.INK, ms=6)
        axes.annotate(
            f"conventional.yaml, 256 rows\n{100 * own['accuracy']:.0f} % right",
            (own["latency_us"], own["energy_uj"]), (8, -4), textcoords="offset points", fontsize=8,
        )  # fmt: skip
        axes.set(
            xscale="log", yscale="log", xlim=(90, 1600), ylim=(4, 400),
            xlabel="latency of an inference [µs]", ylabel="energy of an inference [µJ]",
            title="What 24 chips make of one network",
        )  # fmt: skip
        axes.set_xticks((100, 200, 500, 1000), ("100", "200", "500", "1,000"))
        axes.set_yticks((5, 10, 20, 50, 100, 200), ("5", "10", "20", "50", "100", "200"))
        axes.minorticks_off()
        axes.grid()
        _legend(axes)
    return drawn


def _annotate(axes: Axes, kind: Cell, rows: Cells, place: tuple[int, int]) -> None:
    shares = [100 * row["accuracy"] for row in rows.values()]
    middle = [
        math.exp(sum(math.log(row[metric]) for row in rows.values()) / len(rows))
        for metric in ("latency_us", "energy_uj")
    ]
    reads = "BitSift" if kind[0] == "bitsift" else "dense"
    rows_read = "8 rows" if kind[1] == "few" else "all rows"
    axes.annotate(
        f"{reads}, {rows_read}\n{min(shares):.0f} to {max(shares):.0f} % right",
        (middle[0], middle[1]), place, textcoords="offset points", fontsize=8, color=style.INK,
    )  # fmt: skip


def _legend(axes: Axes) -> None:
    shapes = [
        axes.plot([], [], marker, color=style.MUTED, fillstyle="none", ls="", label=label)[0]
        for label, marker in (("VDR-Softmax", "o"), ("I-BERT", "s"), ("floating softmax", "^"))
    ]
    colours = [
        axes.plot([], [], "o", color=COLOURS[name], label=NAMES[name])[0] for name in COLOURS
    ]
    fills = [
        axes.plot([], [], "o", color=style.MUTED, fillstyle=fill, label=label)[0]
        for fill, label in (("full", "BitSift"), ("none", "dense"))
    ]
    axes.legend(
        handles=[*colours, *fills, *shapes], loc="upper left", ncols=2, frameon=True,
        facecolor=style.PAPER, edgecolor="none", framealpha=1.0,
    )  # fmt: skip


# --- the page -------------------------------------------------------------------------------------


def tables() -> dict[str, Callable[[], str]]:
    """Name in the page → table."""
    cells = read(CELLS, AXES)
    corners = read(CORNERS, CORNER_AXES)
    return {
        "cells": lambda: cells_table(cells),
        "corners": lambda: corners_table(cells, corners),
        "effects": lambda: effects_table(cells),
    }


def page(text: str) -> str:
    """The page with its tables replaced."""
    for name, table in tables().items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{table()}\n\n{end}{rest.split(end)[1]}"
    return text


def main() -> None:
    """Measure if a folder is given, and write the page and its figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="keeps the sweeps' results")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    arguments = parser.parse_args()
    if arguments.folder is not None:
        measure(arguments.folder, arguments.jobs)
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    FIGURE.write_text(style.to_svg(figure(read(CELLS, AXES))), encoding="utf-8")


if __name__ == "__main__":
    main()
