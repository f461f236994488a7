"""What ``pimsim gpu`` prints, as tables and as JSON.

Which question this module answers: *how is a prediction, and what is known of a GPU, shown?*
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pimsim.baselines import GpuPrediction
    from pimsim.baselines.fitting import Judged
    from pimsim.baselines.runs import Run


def prediction_document(found: "GpuPrediction", known: "Sequence[Run]") -> dict[str, Any]:
    """A prediction, and the runs that are known of its case."""
    document = asdict(replace(found, bound_ratio=dict(found.bound_ratio)))
    return {
        **document,
        "energy_per_input_uj": found.energy_uj / found.batch,
        "power_mw": found.power_mw,
        "throughput_per_s": found.throughput_per_s,
        "known_runs": [asdict(run) for run in known],
    }


def prediction_parts(found: "GpuPrediction", known: "Sequence[Run]") -> "list[RenderableType]":
    from rich.text import Text

    from pimsim.cli import tables

    case = [f"batch {found.batch}", found.precision]
    case += [f"{found.phase}, {found.context} tokens"] if found.phase else []
    case += [f"{found.seq} tokens"] if found.seq is not None and not found.phase else []
    head = Text(f"{found.workload} on {found.name}", style="bold")
    head.append(f"\n{', '.join(case)}; all kernels in {found.precision}, dense", style="not bold")
    table = tables.plain_table("", "")
    for label, value in (
        ("latency of the batch", f"{tables.quantity(found.latency_us)} µs"),
        ("error to expect", f"±{100 * found.expected_error_ratio:.0f} %"),
        ("energy of the batch", f"{tables.quantity(found.energy_uj)} µJ"),
        ("average power", f"{tables.quantity(found.power_mw / 1e3)} W"),
        ("throughput", f"{tables.quantity(found.throughput_per_s)} /s"),
        ("memory", f"{tables.quantity(found.memory_bytes / 1e9)} GB"),
        ("kernels", str(found.launches)),
        *((f"time in {name}", f"{100 * share:.0f} %") for name, share in found.bound_ratio.items()),
    ):
        table.add_row(label, value)
    parts: list[RenderableType] = [head, table, Text(), Text(f"{found.kind}: {found.source}")]
    for run in known:
        caveat = f" ({run.caveat})" if run.caveat else ""
        parts.append(
            Text(
                f"{run.kind}: {tables.quantity(run.latency_us)} µs, {run.software}; "
                f"{run.source}{caveat}"
            )
        )
    return parts


def gpu_document(name: str, found: "Sequence[Judged]", more: "Sequence[Run]") -> dict[str, Any]:
    from pimsim.baselines import load_gpu
    from pimsim.baselines.calibration import stored

    gpu = load_gpu(name)
    rows = [
        {**asdict(one.run), "how": one.how, "predicted_ratio": one.predicted_ratio} for one in found
    ]
    rows += [{**asdict(run), "how": "given", "predicted_ratio": None} for run in more]
    return {
        "gpu": name,
        "name": gpu.name,
        "architecture": gpu.architecture,
        "notes": gpu.notes,
        "sources": {key: source.model_dump() for key, source in gpu.sources.items()},
        "specification": gpu.specification.model_dump(),
        "calibrations": [
            known.model_dump() for known in stored().calibrations if known.gpu == name
        ],
        "rows": rows,
    }


def gpu_parts(
    name: str, found: "Sequence[Judged]", more: "Sequence[Run]"
) -> "list[RenderableType]":
    from rich.text import Text

    from pimsim.baselines import load_gpu
    from pimsim.cli import tables

    gpu = load_gpu(name)
    head = Text(gpu.name, style="bold")
    head.append(f"\n{gpu.architecture}; {gpu.notes}" if gpu.notes else f"\n{gpu.architecture}",
                style="not bold")  # fmt: skip
    sheet = tables.plain_table("data sheet", "value", "mark", "source")
    from pimsim.baselines.specification import numbers

    for label, number in numbers(gpu.specification).items():
        sheet.add_row(label, f"{number.value:.4g}", number.mark, number.source)
    parts: list[RenderableType] = [head, Text(), sheet, Text()]
    parts += [*_calibration_parts(name), Text(), _curves(found)]
    parts += [
        Text(f"given: {run.model} batch {run.batch} {run.precision}: {run.latency_us:.4g} µs")
        for run in more
    ]
    parts.append(Text())
    for key, source in gpu.sources.items():
        url = f" {source.url}" if source.url else ""
        parts.append(Text(f"{key}: {source.reference}, {source.place}{url}", overflow="fold"))
    return parts


def _calibration_parts(name: str) -> "list[RenderableType]":
    from rich.text import Text

    from pimsim.baselines import load_gpu
    from pimsim.baselines.calibration import choose
    from pimsim.cli import tables

    table = tables.plain_table(
        "precision", "products", "attention", "floor µs", "bandwidth", "error", "rows"
    )
    notes: list[RenderableType] = []
    for precision in load_gpu(name).specification.peak_ops_per_s:
        chosen = choose(name, precision)
        of, own = chosen.coefficients, chosen.calibration
        table.add_row(
            precision,
            f"{of.utilisation_ratio:.3f}",
            f"{of.attention_utilisation_ratio:.3f}",
            f"{of.kernel_floor_us:.2f}",
            f"{of.bandwidth_ratio:.3f}",
            f"±{100 * chosen.expected_error_ratio:.0f} %",
            str(own.rows)
            if own is not None and (own.gpu, own.precision) == (name, precision)
            else "",
        )
        notes.append(Text(f"{precision}: {chosen.note}"))
    return [table, *notes]


def _curves(found: "Sequence[Judged]") -> "RenderableType":
    """One line for the rows that differ in the batch only."""
    from pimsim.cli import tables

    table = tables.plain_table(
        "run", "precision", "batches", "timed µs", "predicted / timed", "how"
    )
    curves: dict[object, list[Judged]] = {}
    for one in found:
        curves.setdefault((one.run.curve, one.how), []).append(one)
    for rows in curves.values():
        run = rows[0].run
        tokens = run.context if run.phase else run.seq
        label = " ".join(
            str(part) for part in (run.model, run.phase, tokens, run.software) if part is not None
        )
        ratios = [one.predicted_ratio for one in rows if one.predicted_ratio is not None]
        table.add_row(
            label,
            run.precision,
            _range([float(one.run.batch) for one in rows], "{:g}".format),
            _range([one.run.latency_us for one in rows], tables.quantity),
            _range(ratios, "{:.2f}".format) if ratios else "",
            rows[0].how,
        )
    return table


def _range(values: Sequence[float], write: Callable[[float], str]) -> str:
    low, high = write(min(values)), write(max(values))
    return low if low == high else f"{low} to {high}"
