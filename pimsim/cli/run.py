"""``pimsim run``: one workload on one chip, from files to a result folder."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli import progress
from pimsim.cli.endings import INTERRUPTED_STATUS, interrupts_heard, is_interrupt
from pimsim.cli.options import Format, OutputFormat, at_least

if TYPE_CHECKING:
    from pimsim.records import Result


class Phase(StrEnum):
    """Phases of a decoder."""

    PREFILL = "prefill"
    DECODE = "decode"


class AdcModels(StrEnum):
    """Which cost models of converters a run is shown under."""

    ALL = "all"


def run(
    *,
    workload: Annotated[
        str, typer.Option(metavar="NAME", help="Workload: a name or a folder.")
    ] = "vit_digits",
    arch: Annotated[
        str, typer.Option(metavar="NAME", help="Architecture: a name or a YAML file.")
    ] = "rap",
    samples: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=at_least(1),
            help="Samples to evaluate.",
            show_default="all up to 512",
        ),
    ] = None,
    chips: Annotated[
        int,
        typer.Option(metavar="N", callback=at_least(1), help="Monte Carlo instances of the chip."),
    ] = 3,
    seed: Annotated[
        int, typer.Option(metavar="N", callback=at_least(0), help="Seed of every random number.")
    ] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Change a key of the architecture, e.g. macros.mram.adc.levels=17. Repeatable.",
        ),
    ] = None,
    batch: Annotated[
        int,
        typer.Option(
            metavar="N", callback=at_least(1), help="Inputs per inference (dimension 'batch')."
        ),
    ] = 1,
    seq: Annotated[
        int | None,
        typer.Option(metavar="N", callback=at_least(1), help="Tokens per input (dimension 'seq')."),
    ] = None,
    phase: Annotated[
        Phase | None,
        typer.Option(
            help="Phase of a decoder: prefill takes in a prompt, decode yields one more token.",
            show_default="the whole model",
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=at_least(1),
            help="Tokens that prefill fills the cache with, or that decode finds in it.",
        ),
    ] = None,
    requests: Annotated[
        int,
        typer.Option(
            metavar="N",
            callback=at_least(1),
            help="Inferences that follow each other on the chip; shows throughput.",
        ),
    ] = 1,
    token_group: Annotated[
        int,
        typer.Option(
            metavar="N",
            callback=at_least(1),
            help="Tokens timed together: 1 is exact, more run faster.",
        ),
    ] = 1,
    checks: Annotated[
        bool,
        typer.Option("--checks", help="Check the replay: work conserved, queues, Little's law."),
    ] = False,
    what_if: Annotated[
        bool,
        typer.Option("--what-if", help="Replay again with each kind of resource infinitely fast."),
    ] = False,
    adc_models: Annotated[
        AdcModels | None,
        typer.Option(
            help="Also cost the run under every cost model of its converters.",
            show_default="only the cost variants",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", callback=at_least(1), help="Threads; results do not depend on it."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Result folder.", show_default="pimsim-out/<workload>-<arch>"
        ),
    ] = None,
    output_format: Format = OutputFormat.TABLE,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what is done to stderr.")
    ] = False,
) -> None:
    """Run a workload on a chip and compare it.

    Prints accuracy, latency, energy and area, and writes a folder with tables, figures, a trace
    and a page to read.
    """
    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose exclude each other")
    overrides = tuple(set_ or ())
    label = "-".join(
        [_label(workload), *([phase.value] if phase else []), *([str(context)] if context else [])]
    )
    folder = output or Path("pimsim-out") / f"{label}-{_chip_name(arch, overrides)}"

    from pimsim import report, simulate

    report.check_output(folder)
    try:
        with (
            interrupts_heard(),
            _logging(enabled=verbose),
            progress.shown(wanted=not (quiet or verbose)) as bar,
        ):
            result = simulate(
                arch,
                workload,
                samples=samples,
                chips=chips,
                seed=seed,
                batch=batch,
                seq=seq,
                phase=None if phase is None else phase.value,
                context=context,
                requests=requests,
                token_group=token_group,
                checks=checks,
                what_if=what_if,
                threads=threads,
                overrides=overrides,
                progress=bar,
            )
            if adc_models is not None:
                from pimsim.adc_comparison import under_adc_models

                result = replace(result, adc_models=under_adc_models(result))
            if bar is not None:
                bar.stage("writing the report", None)
            report.write(result, folder)
    except (KeyboardInterrupt, SystemError) as error:
        if not is_interrupt(error):
            raise
        typer.echo("interrupted; nothing was written", err=True)
        raise typer.Exit(INTERRUPTED_STATUS) from None
    _print(result, folder, output_format, quiet=quiet)


def _label(workload: str) -> str:
    from pimsim.config import workload_path

    return workload_path(workload).resolve().name


def _chip_name(arch: str, overrides: Sequence[str]) -> str:
    """Name the chip, and find every mistake in its file before any work is done."""
    from pimsim.config import load_architecture

    return load_architecture(arch, overrides=overrides).name


def _print(result: "Result", folder: Path, output_format: OutputFormat, *, quiet: bool) -> None:
    if output_format is OutputFormat.JSON:
        from pimsim import report

        typer.echo(report.to_json(result), nl=False)
        if not quiet:
            typer.echo(f"written to {folder}", err=True)
        return
    from pimsim.cli import tables

    tables.show(result, folder)


@contextmanager
def _logging(*, enabled: bool) -> Iterator[None]:
    """Send the log of pimsim, and of nobody else, to stderr while a run lasts."""
    if not enabled:
        yield
        return
    logger = logging.getLogger("pimsim")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(relativeCreated)7.0f ms  %(name)s: %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
