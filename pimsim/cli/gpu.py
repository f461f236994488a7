"""``pimsim gpu``: real GPUs, as baselines: what is known of them, and what they would do."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli import gpu_tables
from pimsim.cli.options import Format, OutputFormat, at_least

if TYPE_CHECKING:
    from pimsim.baselines import GpuPrediction
    from pimsim.baselines.runs import Run
    from pimsim.workload import Workload

app = typer.Typer(
    help="GPUs as baselines: known, predicted and measured.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_Workload = Annotated[str, typer.Argument(metavar="WORKLOAD", help="Workload: a name or a folder.")]
_Seq = Annotated[
    int | None,
    typer.Option(metavar="N", callback=at_least(1), help="Tokens per input (dimension 'seq')."),
]
_Phase = Annotated[
    str | None,
    typer.Option(
        metavar="PHASE",
        help="Phase of a decoder: prefill or decode.",
        show_default="the whole model",
    ),
]
_Context = Annotated[
    int | None,
    typer.Option(
        metavar="N", callback=at_least(1), help="Tokens of the prompt, or those in the cache."
    ),
]
_Rows = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="More rows, as `pimsim gpu measure` writes them."),
]


@app.command("list")
def list_gpus(output_format: Format = OutputFormat.TABLE) -> None:
    """List the GPUs that predictions can be had for."""
    from pimsim.baselines import known_gpus, load_gpu
    from pimsim.baselines.specification import rows_of

    found = [(name, load_gpu(name), len(rows_of(name))) for name in known_gpus()]
    if output_format is OutputFormat.JSON:
        listed = [
            {
                "gpu": name,
                "name": gpu.name,
                "architecture": gpu.architecture,
                "precisions": list(gpu.specification.peak_ops_per_s),
                "memory_bytes": gpu.specification.memory_bytes.value,
                "rows": rows,
            }
            for name, gpu, rows in found
        ]
        typer.echo(json.dumps(listed, indent=2))
        return
    from pimsim.cli import tables

    table = tables.plain_table("GPU", "memory GB", "GB/s", "board W", "rows", "precisions")
    for name, gpu, rows in found:
        sheet = gpu.specification
        table.add_row(
            f"{name}: {gpu.name}",
            f"{sheet.memory_bytes.value / 1e9:g}",
            f"{sheet.memory_bytes_per_ns.value:g}",
            f"{sheet.board_power_mw.value / 1e3:g}",
            str(rows),
            " ".join(sheet.peak_ops_per_s),
        )
    tables.print_parts(lambda width: [table])


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="GPU, as `pimsim gpu list` has it.")],
    rows: _Rows = None,
    output_format: Format = OutputFormat.TABLE,
) -> None:
    """Show what is known of a GPU.

    Its data sheet with the source of every number, the coefficients that were fitted, and every
    published run beside what the roofline gives for it without having seen it.
    """
    from pimsim.baselines.fitting import judged_rows
    from pimsim.baselines.specification import canonical

    name = canonical(name)
    found, more = judged_rows(name), _more_rows(rows)
    if output_format is OutputFormat.JSON:
        typer.echo(json.dumps(gpu_tables.gpu_document(name, found, more), indent=2))
        return
    from pimsim.cli import tables

    tables.print_parts(lambda width: gpu_tables.gpu_parts(name, found, more))


@app.command("predict")
def predict(
    workload: _Workload,
    *,
    gpu: Annotated[str, typer.Option(metavar="NAME", help="GPU, as `pimsim gpu list` has it.")],
    batch: Annotated[
        int, typer.Option(metavar="N", callback=at_least(1), help="Inputs run together.")
    ] = 1,
    seq: _Seq = None,
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="fp32, tf32, fp16, bf16, fp8 or int8.")
    ] = "fp16",
    phase: _Phase = None,
    context: _Context = None,
    rows: _Rows = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw the roofline with the workload's kernels (.svg or .png)."
        ),
    ] = None,
    output_format: Format = OutputFormat.TABLE,
) -> None:
    """Predict latency and energy of a workload on a GPU.

    By a roofline that is calibrated on published runs. Runs of exactly this case, if any is known,
    stand beside the prediction.
    """
    from pimsim.baselines import predict as predict_on
    from pimsim.baselines.comparison import matching_runs
    from pimsim.config import workload_path
    from pimsim.workload.files import load

    if figure is not None and figure.suffix not in (".svg", ".png"):
        raise typer.BadParameter(f"--figure takes a file that ends in .svg or .png, got {figure}")
    loaded = load(workload_path(workload))
    found = predict_on(
        loaded, gpu, batch=batch, seq=seq, precision=precision, phase=phase, context=context
    )
    known = matching_runs(loaded, found, _more_rows(rows))
    if figure is not None:
        _draw(loaded, found, figure)
    if output_format is OutputFormat.JSON:
        typer.echo(json.dumps(gpu_tables.prediction_document(found, known), indent=2))
        return
    from pimsim.cli import tables

    tables.print_parts(lambda width: gpu_tables.prediction_parts(found, known))


@app.command("measure")
def measure(
    target: Annotated[
        str,
        typer.Argument(
            metavar="WORKLOAD|MODULE:FACTORY", help="What to run: a workload's model, or a factory."
        ),
    ],
    *,
    batch: Annotated[str, typer.Option(metavar="N,...", help="Inputs run together.")] = "1,8,32",
    seq: Annotated[
        str | None, typer.Option(metavar="N,...", help="Tokens per input (dimension 'seq').")
    ] = None,
    precision: Annotated[
        str, typer.Option(metavar="NAME,...", help="fp32, tf32, fp16 or bf16.")
    ] = "fp16",
    phase: _Phase = None,
    context: _Context = None,
    cuda_graphs: Annotated[
        bool, typer.Option("--cuda-graphs", help="Capture each batch in a CUDA graph.")
    ] = False,
    compile_: Annotated[
        bool, typer.Option("--compile", help="Compile with torch.compile.")
    ] = False,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Row file to write.")] = Path(
        "rows.yaml"
    ),
) -> None:
    """Measure a PyTorch model on this machine's NVIDIA GPU.

    Time by CUDA events after a warm-up, energy by the driver over at least two seconds, idle power
    beside it; nothing is subtracted. Writes rows that show and predict take with --rows.
    """
    if cuda_graphs and compile_:
        raise typer.BadParameter("--cuda-graphs and --compile exclude each other")
    batches, sequences = _numbers("--batch", batch), _numbers("--seq", seq)
    precisions = [part.strip() for part in precision.split(",") if part.strip()]
    execution = "cuda_graph" if cuda_graphs else "compile" if compile_ else "eager"

    from pimsim.baselines.measure_torch.session import cases, measure_cases

    wanted = cases(
        batches, precisions, sequences=sequences, phase=phase, context=context, execution=execution
    )
    count = measure_cases(
        target,
        wanted,
        execution=execution,
        output=output,
        tell=lambda line: typer.echo(line, err=True),
    )
    typer.echo(f"{count} rows written to {output}")


def _draw(workload: "Workload", found: "GpuPrediction", path: Path) -> None:
    from pimsim.baselines.prediction import work_of
    from pimsim.errors import OutputError
    from pimsim.report import gpu_figures, gpu_frames, style

    seq = None if found.phase else found.seq
    work = work_of(workload, seq=seq, phase=found.phase, context=found.context)
    points = gpu_frames.roofline_points(
        work, found.gpu, batch=found.batch, precision=found.precision
    )
    title = f"{found.workload} on {found.name}: batch {found.batch}, {found.precision}"
    drawn = gpu_figures.roofline(points, *gpu_frames.roofs(found.gpu, found.precision), title)
    try:
        if path.suffix == ".svg":
            path.write_text(style.to_svg(drawn), encoding="utf-8")
        else:
            style.save_png(drawn, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None


def _numbers(option: str, text: str | None) -> list[int]:
    """Read numbers that are separated by commas."""
    if text is None:
        return []
    found = []
    for part in text.split(","):
        if not part.strip().isdecimal() or int(part) < 1:
            raise typer.BadParameter(
                f"{option} takes whole numbers of 1 or more, separated by commas; got {text!r}"
            )
        found.append(int(part))
    return found


def _more_rows(path: Path | None) -> "tuple[Run, ...]":
    if path is None:
        return ()
    from pimsim.baselines.runs import read_runs

    return read_runs(path)
