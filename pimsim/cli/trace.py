"""``pimsim trace``: a PyTorch model, from the function that builds it to a workload folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli import progress
from pimsim.cli.endings import INTERRUPTED_STATUS, interrupts_heard, is_interrupt
from pimsim.errors import InputError, OutputError

if TYPE_CHECKING:
    from pimsim.workload import Workload
    from pimsim.workload.trace_torch import Progress


def trace(
    *,
    factory: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FACTORY",
            help="Function without arguments that returns the model, or the model and its example "
            "inputs. MODULE is importable from here, or a path that ends in .py.",
        ),
    ],
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Workload folder; must not exist yet.")
    ],
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNC",
            help="Function that returns the example inputs, a tuple of tensors.",
            show_default="what FACTORY returns",
        ),
    ] = None,
    samples: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNC",
            help="Function that returns calibration and evaluation samples.",
            show_default="none",
        ),
    ] = None,
    dynamic: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Axes of any length: batch (axis 0 of every input), seq (axis 1), or batch,seq.",
            show_default="batch, and seq where the model allows it",
        ),
    ] = None,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights/--no-weights",
            help="Store the weights, or the graph alone: enough for time, energy and area.",
        ),
    ] = True,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the workload.", show_default="that of the folder"
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")
    ] = False,
) -> None:
    """Trace a PyTorch model into a workload.

    The folder is what `pimsim run --workload DIR` takes. The trace is run beside the model and
    must give the same numbers. Needs PyTorch.
    """
    if samples is not None and not weights:
        raise typer.BadParameter("--samples and --no-weights exclude each other")
    _check_output(output)
    try:
        with interrupts_heard(), progress.shown(wanted=not quiet) as bar:
            workload = _traced(factory, inputs, samples, dynamic, name or output.resolve().name,
                               weights=weights, bar=bar)  # fmt: skip
            if bar is not None:
                bar.stage("write", None)
            _save(workload, output)
    except (KeyboardInterrupt, SystemError) as error:
        if not is_interrupt(error):
            raise
        typer.echo("interrupted; nothing was written", err=True)
        raise typer.Exit(INTERRUPTED_STATUS) from None
    _print(workload, output)


def _check_output(folder: Path) -> None:
    """Refuse a folder that holds something, before any work is done."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; name a folder that does not exist yet")
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(
            f"{folder}: exists already and is not empty; name another folder, or remove this one"
        )


def _traced(
    factory: str,
    inputs: str | None,
    samples: str | None,
    dynamic: str | None,
    name: str,
    *,
    weights: bool,
    bar: "Progress | None",
) -> "Workload":
    from dataclasses import replace

    from pimsim.workload.trace_torch import trace as trace_model
    from pimsim.workload.trace_torch.factory import (
        build_inputs,
        build_model,
        build_samples,
        recorded_name,
    )

    if bar is not None:
        bar.stage("build the model", None)
    built = build_model(factory)
    examples = built.examples if inputs is None else build_inputs(inputs)
    if examples is None:
        raise InputError(
            f"{factory} returns a model without example inputs; return (model, inputs), or name a "
            "function that returns them with --inputs MODULE:FUNC"
        )
    workload = trace_model(
        built.model,
        examples,
        name=name,
        dynamic=None if dynamic is None else _names(dynamic),
        samples=None if samples is None else build_samples(samples),
        factory=recorded_name(factory),
        progress=bar,
    )
    return workload if weights else replace(workload, weights={}, samples=None)


def _names(dynamic: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in dynamic.split(",") if part.strip())


def _save(workload: "Workload", folder: Path) -> None:
    from pimsim.workload import save_workload

    save_workload(workload, folder)


def _print(workload: "Workload", folder: Path) -> None:
    """Say what was found, and what to do with it."""
    from pimsim.workload import summary

    found = summary.counts(workload, workload.bind())
    sizes = ", ".join(f"{name} {low} to {high}" for name, (low, high) in workload.dims.items())
    smallest = ", ".join(f"{name} = {low}" for name, (low, _) in workload.dims.items())
    typer.echo(f"{workload.name}: {len(workload.ops)} operations, {found.parameters:,} parameters")
    for kind, names in (("inputs", workload.inputs), ("outputs", workload.outputs)):
        typer.echo(f"  {kind:<11} {', '.join(_form(workload, tensor) for tensor in names)}")
    typer.echo(f"  dimensions  {sizes or 'none: all sizes are fixed'}")
    typer.echo(
        f"  MACs        {found.macs.static:,} with stored weights, {found.macs.dynamic:,} between "
        f"activations{f' ({smallest})' if smallest else ''}"
    )
    typer.echo(f"  attention   {_attention(workload)}")
    if workload.shape_only:
        typer.echo("  weights     none: time, energy and area can be had, accuracy cannot")
    elif workload.samples is None:
        typer.echo("  samples     none: a run with weights needs them, see --samples")
    typer.echo(f"written to {folder}")


def _form(workload: "Workload", tensor: str) -> str:
    spec = workload.tensors[tensor]
    return f"{tensor} {spec.dtype} ({', '.join(str(size) for size in spec.shape)})"


def _attention(workload: "Workload") -> str:
    layers = {op.group.name: op.group for op in workload.ops if op.group is not None}
    if not layers:
        return "no layers recognized"
    forms = {
        f"{group.heads} heads"
        + (f", {group.kv_heads} of keys and values" if group.kv_heads != group.heads else "")
        + (", causal" if group.causal else "")
        for group in layers.values()
    }
    return f"{len(layers)} layer{'s' if len(layers) > 1 else ''} of {' or '.join(sorted(forms))}"
