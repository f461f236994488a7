"""The ``pimsim`` command: its verbs, and how each of them ends.

Which question this module answers: *which verb was typed, and which exit status does it give?*
"""

import errno
import os
import sys
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

import pimsim
from pimsim.cli import (
    check,
    cite,
    compare,
    describe,
    explain,
    gpu,
    quantize,
    recost,
    report,
    run,
    show,
    sweep,
    trace,
    validate,
)
from pimsim.cli import list as listing
from pimsim.cli import map as mapping
from pimsim.cli.endings import INTERRUPTED_STATUS, is_interrupt
from pimsim.errors import PimsimError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""What writing to a file that cannot grow, as ``pimsim list > /full/disk``, ends with."""


class _Verbs(TyperGroup):
    """Turns what a verb raises into a message and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            value = super().invoke(ctx)
            if sys.stdout is not None:  # None where it was closed before we began
                sys.stdout.flush()
        except BrokenPipeError:
            _abandon_stdout()
            raise typer.Exit(1) from None
        except (KeyboardInterrupt, SystemError) as error:
            if not is_interrupt(error):
                raise
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED_STATUS) from None
        except PimsimError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
        except OSError as error:
            if error.errno not in _FULL:
                raise
            _abandon_stdout()
            typer.echo(f"error: the output cannot be written ({error.strerror})", err=True)
            raise typer.Exit(1) from None
        return value


def _abandon_stdout() -> None:
    """Whoever read our output is gone: let the flush at exit write into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=_Verbs,
    name="pimsim",
    help="Analog processing-in-memory chips running traced transformers: accuracy, energy, area "
    "and latency from one description.",
    epilog="First run: pimsim run",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pimsim {pimsim.__version__}")
        raise typer.Exit


@app.callback()
def pimsim_command(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Print the help when no verb is given."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


app.command("run")(run.run)
app.command("trace")(trace.trace)
app.command("quantize")(quantize.quantize)
app.command("map")(mapping.map_)
app.command("list")(listing.list_known)
app.command("show")(show.show)
app.command("check")(check.check)
app.command("describe")(describe.describe)
app.command("cite")(cite.cite)
app.command("recost")(recost.recost)
app.command("explain")(explain.explain)
app.command("validate")(validate.validate)
app.add_typer(gpu.app, name="gpu")
app.command("compare")(compare.compare)
app.command("sweep")(sweep.sweep)
app.command("report")(report.report)
