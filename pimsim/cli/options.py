"""Options that several verbs share, so that they read the same everywhere."""

from enum import StrEnum
from typing import Annotated

import typer


class OutputFormat(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


Format = Annotated[
    OutputFormat,
    typer.Option("--format", help="A table to read, or JSON to process.", show_choices=True),
]
