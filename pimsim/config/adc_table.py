"""A user's own table of converters, from a CSV file.

Which question this module answers: *what does a converter of yours take, at which resolution, rate
and node?*
"""

import csv
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from pimsim.config.base import Config

COLUMNS: Final = ("enob_bits", "rate_ghz", "node_nm", "energy_pj", "area_um2", "reference")
"""Header of the file."""


class AdcPoint(Config):
    """One converter of a user's table."""

    enob_bits: float = Field(ge=1, le=16)
    """Effective resolution."""
    rate_ghz: float = Field(gt=0, le=100)
    """Most conversions per time."""
    node_nm: float = Field(ge=7, le=130)
    """Technology node of the numbers."""
    energy_pj: float = Field(gt=0, le=1e9)
    """One conversion."""
    area_um2: float = Field(gt=0, le=1e12)
    """One converter."""
    reference: str = Field(pattern=r"\S")
    """Where the numbers come from."""


def read_adc_table(path: Path) -> tuple[AdcPoint, ...]:
    """Read converters, one row each.

    Parameters
    ----------
    path
        CSV file with the header :data:`COLUMNS`; a relative path counts from the working
        directory.

    Raises
    ------
    ValueError
        If the file cannot be read, its header is different, or a cell is missing, no number or out
        of bounds; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"adc_table: cannot read {str(path)!r}: {error}") from None
    reader = csv.reader(text.splitlines())
    header = tuple(cell.strip() for cell in next(reader, []))
    if header != COLUMNS:
        raise ValueError(f"{path}:1: the header must be {','.join(COLUMNS)}")
    points = tuple(_point(row, f"{path}:{reader.line_num}") for row in reader if row)
    if not points:
        raise ValueError(f"{path}: no rows below the header")
    return points


def _point(cells: list[str], where: str) -> AdcPoint:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{where}: a row must have {len(COLUMNS)} cells, found {len(cells)}")
    *numbers, reference = (cell.strip() for cell in cells)
    named = dict(zip(COLUMNS, numbers, strict=False))
    try:
        values = {name: float(cell) for name, cell in named.items()}
    except ValueError:
        raise ValueError(f"{where}: cells must be numbers, found {','.join(numbers)}") from None
    try:
        return AdcPoint(**values, reference=reference)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {key}: {first['msg']} (found {first['input']!r})") from None
