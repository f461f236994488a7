"""Regenerate the tables of docs/gpu_baselines.md from the rows and the stored fits.

python scripts/make_gpu_baselines.py              the tables
python scripts/make_gpu_baselines.py --figures    also the figures, with a run of the demo
"""

import argparse
import math
import re
from collections.abc import Iterable
from pathlib import Path

from pimsim.baselines.calibration import stored
from pimsim.baselines.fitting import Judged, error_ratio, judged_rows
from pimsim.baselines.prediction import work_of
from pimsim.baselines.specification import known_gpus, load_gpu, rows_of
from pimsim.workload import load_workload

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "gpu_baselines.md"
IMAGES = ROOT / "docs" / "images"


def gpus() -> str:
    """The table of data sheets."""
    rows = [
        "| name | GPU | memory | board | peak, dense (INT8 or FP16) | rows |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in known_gpus():
        gpu = load_gpu(name)
        sheet = gpu.specification
        precision = "int8" if "int8" in sheet.peak_ops_per_s else "fp16"
        peak = sheet.peak_ops_per_s[precision].value / 1e12
        rows.append(
            f"| `{name}` | {gpu.name} | {sheet.memory_bytes.value / 1e9:g} GB, "
            f"{sheet.memory_bytes_per_ns.value:g} GB/s | {sheet.board_power_mw.value / 1e3:g} W | "
            f"{peak:g} TOPS {precision.upper()} | {len(rows_of(name))} |"
        )
    return "\n".join(rows)


def fits() -> str:
    """The table of coefficients and errors."""
    names = [
        "GPU", "precision", "products", "attention", "floor", "bandwidth", "rows", "fitted",
        "left out", "worst",
    ]  # fmt: skip
    rows = [
        f"| {' | '.join(names)} | other networks |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for known in stored().calibrations:
        cells = [
            f"`{known.gpu}`",
            known.precision,
            _marked(f"{known.utilisation_ratio:.2f}", "utilisation_ratio" in known.fitted),
            _marked(
                f"{known.attention_utilisation_ratio:.2f}",
                "attention_utilisation_ratio" in known.fitted,
            ),
            _marked(f"{known.kernel_floor_us:.1f} µs", "kernel_floor_us" in known.fitted),
            _marked(f"{known.bandwidth_ratio:.2f}", "bandwidth_ratio" in known.fitted),
            str(known.rows),
            _percent(known.fit_error_ratio),
            _percent(known.left_out_error_ratio),
            _percent(known.left_out_worst_ratio),
            "" if known.test_error_ratio is None
            else f"{_percent(known.test_error_ratio)} ({known.test_rows})",
        ]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    rows.append("")
    rows.append(
        f"Bold: fitted; the others are borrowed or typical. A GPU without rows: "
        f"±{_percent(stored().transfer_error_ratio)}."
    )
    return "\n".join(rows)


def left_out() -> str:
    """The table of curves, each predicted by a fit without it."""
    rows = [
        "| GPU | network | tokens | precision | batches | predicted / timed | error |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, run, ratios, batches in _curves("left out"):
        rows.append(
            f"| `{name}` | {_network(run)} | {_tokens(run)} | {run.run.precision} | "
            f"{batches} | {_span(ratios)} | {_error(ratios)} |"
        )
    return "\n".join(rows)


def tested() -> str:
    """The table of rows that no fit uses."""
    rows = [
        "| GPU | network | tokens | precision | software | batches | predicted / timed | error |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, run, ratios, batches in _curves("tested"):
        rows.append(
            f"| `{name}` | {_network(run)} | {_tokens(run)} | {run.run.precision} | "
            f"{run.run.software} | {batches} | {_span(ratios)} | {_error(ratios)} |"
        )
    return "\n".join(rows)


def page(text: str) -> str:
    """The page with every table made anew."""
    for name, made in (
        ("gpus", gpus()), ("fits", fits()), ("left out", left_out()), ("tested", tested()),
    ):  # fmt: skip
        marks = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        pattern = f"{re.escape(marks[0])}.*?{re.escape(marks[1])}"
        new = f"{marks[0]}\n{made}\n{marks[1]}"
        text = re.sub(pattern, lambda _, new=new: new, text, flags=re.DOTALL)
    return text


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def draw() -> None:
    """Draw the figures."""
    import pandas as pd

    from pimsim import simulate
    from pimsim.baselines.comparison import DEFAULT_GPUS
    from pimsim.report import gpu_figures, gpu_frames, style

    bert = work_of(load_workload("bert_base"), seq=128)
    points = gpu_frames.roofline_points(bert, "t4", batch=1, precision="int8")
    title = "BERT base, 128 tokens, on NVIDIA T4: batch 1, INT8"
    figure = gpu_figures.roofline(points, *gpu_frames.roofs("t4", "int8"), title)
    (IMAGES / "gpu_roofline.svg").write_text(style.to_svg(figure), encoding="utf-8")

    demo = work_of(load_workload("vit_digits"))
    batches = gpu_frames.batches(demo, DEFAULT_GPUS, [4**power for power in range(6)])
    result = simulate("rap", "vit_digits", samples=1, chips=1, compare=())
    chips = pd.DataFrame(
        {"name": ["rap"], "latency_us": [result.latency_us], "energy_uj": [result.energy_uj]}
    )
    figure = gpu_figures.energy_latency(batches, chips, "The demo's vision transformer")
    (IMAGES / "gpu_energy_latency.svg").write_text(style.to_svg(figure), encoding="utf-8")


def _curves(how: str) -> Iterable[tuple[str, Judged, list[float], str]]:
    """GPU, one row, all ratios and the batches of every curve."""
    for name in known_gpus():
        curves: dict[object, list[Judged]] = {}
        for row in judged_rows(name):
            if row.how == how:
                curves.setdefault(row.run.curve, []).append(row)
        for rows in curves.values():
            batches = sorted(row.run.batch for row in rows)
            span = f"{batches[0]} to {batches[-1]}" if len(batches) > 1 else str(batches[0])
            yield name, rows[0], [row.predicted_ratio or math.nan for row in rows], span


def _network(row: Judged) -> str:
    return row.run.model if row.run.phase is None else f"{row.run.model}, {row.run.phase}"


def _tokens(row: Judged) -> str:
    run = row.run
    if run.phase is None:
        return "" if run.seq is None else str(run.seq)
    return str(run.context) if run.new_tokens is None else f"{run.context} + {run.new_tokens}"


def _span(ratios: list[float]) -> str:
    low, high = f"{min(ratios):.2f}", f"{max(ratios):.2f}"
    return low if low == high else f"{low} to {high}"


def _error(ratios: list[float]) -> str:
    return _percent(error_ratio([math.log(ratio) for ratio in ratios]))


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.0f} %"


def _marked(text: str, fitted: bool) -> str:
    return f"**{text}**" if fitted else text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", action="store_true")
    if parser.parse_args().figures:
        draw()
    write()
