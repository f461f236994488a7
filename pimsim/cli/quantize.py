"""``pimsim quantize``: what a numerics scheme does to each layer of a workload."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pimsim.cli.options import Format, OutputFormat, at_least

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pimsim.functional.quality import BitSparsity, LayerQuality, QuantizationQuality

SHOWN: Final = 12
"""Layers in the printed table."""


CHIPS: Final = {None: "rap", "rap_int8p1": "rap", "int8_dqq": "conventional"}
"""Scheme → chip whose units it needs, where none is named; ``rap_int8`` for all others."""


def quantize(
    *,
    workload: Annotated[
        str, typer.Argument(metavar="WORKLOAD", help="Workload: a name or a folder.")
    ],
    arch: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Architecture: a name or a YAML file.",
            show_default="rap, or a bundled chip with the scheme's units",
        ),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Numerics scheme.", show_default="the architecture's own"
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Change a key of the architecture, e.g. numerics.observer=mse. Repeatable.",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=at_least(1),
            help="Evaluation samples.",
            show_default="all up to 128",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the table and the figure.",
            show_default="pimsim-out/<workload>-<arch>-quantize",
        ),
    ] = None,
    output_format: Format = OutputFormat.TABLE,
) -> None:
    """Compare every layer of a quantized workload with float32.

    On an ideal chip, which the workload need not fit: signal-to-quantization-noise ratio, clipping,
    dynamic range, outliers, and the zero bits of what the crossbars multiply.
    """
    from pimsim.config import load_architecture, workload_path

    overrides = [*([] if scheme is None else [f"numerics.scheme={scheme}"]), *(set_ or ())]
    chip = load_architecture(arch or CHIPS.get(scheme, "rap_int8"), overrides=overrides)
    path = workload_path(workload)
    folder = output or Path("pimsim-out") / f"{path.resolve().name}-{chip.name}-quantize"

    from pimsim.functional.quality import quantization_quality
    from pimsim.report import layers
    from pimsim.workload.files import load

    layers.check_folder(folder)
    quality = quantization_quality(load(path, values=True), chip, samples=samples)
    layers.write(quality, folder)
    if output_format is OutputFormat.JSON:
        typer.echo(layers.to_json(quality), nl=False)
        return
    from pimsim.cli import tables

    tables.print_parts(lambda width: _parts(quality, folder))


def _parts(quality: "QuantizationQuality", folder: Path) -> "list[RenderableType]":
    from rich.text import Text

    from pimsim.cli import tables

    found = quality.accuracy
    write = tables.metric_writer(found)
    head = Text(f"{quality.workload}, scheme {quality.scheme}", style="bold")
    observer: str = quality.observer.kind
    if quality.observer.percentile_ratio is not None:
        observer += f" {quality.observer.percentile_ratio:g}"
    head.append(
        f"\nunits of {quality.architecture}, observer {observer}, "
        f"{tables.count(quality.samples, 'sample')}, exact products\n"
        f"{found.metric.removesuffix('_ratio').replace('_', ' ')}: float32 {write(found.float32)}, "
        f"quantized {write(found.integer)}; same answer {tables.percent(found.agreement_ratio, 2)},"
        f" logit SNR {tables.decibels(found.logit_snr_db)}",
        style="not bold",
    )
    worst = quality.worst(SHOWN)
    table = tables.plain_table(
        f"worst {len(worst)} of {len(quality.layers)} layers", "bits", "SQNR dB", "clipped",
        "peak dB", "outliers", "driven 0s", "stored 0s",
    )  # fmt: skip
    for layer in worst:
        table.add_row(layer.layer, *_cells(layer))
    legend = Text(
        "peak: dynamic range, the largest magnitude over the root mean square; outliers: beyond 6 "
        "times that; 0s: zero bits of the operands in two's complement / as sign and magnitude"
    )
    files = Text(f"Files: {folder}, see {folder / 'figures' / 'layers.png'}", overflow="fold")
    return [head, Text(), table, Text(), legend, Text(), files]


def _cells(layer: "LayerQuality") -> tuple[str, ...]:
    from pimsim.cli import tables

    return (
        str(layer.bits),
        tables.decibels(layer.sqnr_db).removesuffix(" dB"),
        _share(layer.clipped_ratio),
        tables.decibels(layer.peak_to_rms_db).removesuffix(" dB"),
        _share(layer.outlier_ratio),
        _zeros(layer.driven),
        _zeros(layer.stored),
    )


def _share(ratio: float) -> str:
    """A share that may be tiny but not 0."""
    return "0" if ratio == 0.0 else f"{ratio:.1e}"


def _zeros(operand: "BitSparsity | None") -> str:
    if operand is None:
        return ""
    return f"{operand.twos_complement_ratio:.2f}/{operand.sign_magnitude_ratio:.2f}"
