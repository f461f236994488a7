"""``pimsim cite``: the bibliography of a result."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class CitationFormat(StrEnum):
    """How a bibliography is printed."""

    BIBTEX = "bibtex"
    TEXT = "text"


def cite(
    *,
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="Result folder that `pimsim run` wrote.")
    ],
    output_format: Annotated[
        CitationFormat, typer.Option("--format", help="BibTeX, or text to read.")
    ] = CitationFormat.BIBTEX,
) -> None:
    """Print the references of exactly what a run used.

    Constants of the cost models, numerics, digital units, devices and the chip. What has no
    entry, such as an assumption, is listed as a comment.
    """
    from pimsim.report import load_result
    from pimsim.report.citations import bibtex_of, text_of

    write = bibtex_of if output_format is CitationFormat.BIBTEX else text_of
    typer.echo(write(load_result(result)), nl=False)
