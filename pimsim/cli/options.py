"""Options that several verbs share, so that they read the same everywhere."""

from collections.abc import Callable
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


def at_least(least: int) -> Callable[[int | None], int | None]:
    """Return a check of a number that names what was given and what is allowed."""

    def check(value: int | None) -> int | None:
        if value is not None and value < least:
            raise typer.BadParameter(f"must be {least} or more, got {value}")
        return value

    return check


SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change a key of the architecture, e.g. macros.mram.adc.levels=17. Repeatable.",
    ),
]
"""Of verbs that take an architecture and nothing else."""

VariantOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Cost variant: a key of the architecture's cost.variants.",
        show_default="the architecture's cost.default",
    ),
]
