"""A user's own table of cells: conductance and spread, from a CSV file.

Which question this module answers: *which spread did you measure at which conductance?*
"""

import csv
import math
from pathlib import Path
from typing import Final

COLUMNS: Final = ("conductance_usiemens", "sigma_usiemens")
"""Header of the file."""


def read_cell_table(path: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Read conductances and their standard deviations, one row each.

    Parameters
    ----------
    path
        CSV file with the header :data:`COLUMNS`; a relative path counts from the working
        directory.

    Returns
    -------
    tuple of tuples
        Conductances and standard deviations. [µS]

    Raises
    ------
    ValueError
        If the file cannot be read, its header is different, or a cell is not a finite number; the
        message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"table_csv: cannot read {str(path)!r}: {error}") from None
    reader = csv.reader(text.splitlines())
    header = tuple(cell.strip() for cell in next(reader, []))
    if header != COLUMNS:
        raise ValueError(f"{path}:1: the header must be {','.join(COLUMNS)}")
    rows = [_row(row, f"{path}:{reader.line_num}") for row in reader if row]
    if not rows:
        raise ValueError(f"{path}: no rows below the header")
    conductance, sigma = zip(*rows, strict=True)
    return tuple(conductance), tuple(sigma)


def _row(cells: list[str], where: str) -> tuple[float, float]:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{where}: a row must have {len(COLUMNS)} cells, found {len(cells)}")
    values = [_number(cell) for cell in cells]
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{where}: cells must be finite numbers, found {','.join(cells)}")
    return values[0], values[1]


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
