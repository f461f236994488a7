"""Constants that are data: one row of a CSV file each, with its source.

Which question this module answers: *how is a library of constants written down and checked?*

A library is one file with the columns of :data:`COLUMNS`. A name ends in its unit. A row of kind
``assumed`` may go without a citation; its ``reference`` and ``condition`` then say what it was
chosen from.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, get_args

from pimsim.errors import InputError, nearest
from pimsim.records import Source, SourceKind
from pimsim.units import UNIT_SUFFIXES

COLUMNS: Final = (
    "name",
    "value",
    "unit",
    "node_nm",
    "condition",
    "reference",
    "place",
    "kind",
    "citation_key",
)
"""Header of every file."""

KINDS: Final[tuple[SourceKind, ...]] = get_args(SourceKind)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One constant."""

    name: str
    value: float
    unit: str
    source: Source


def parse(text: str, *, file: str) -> Mapping[str, Parameter]:
    """Read the text of one parameter file, checking every row.

    Parameters
    ----------
    text
        Comma-separated values with the header :data:`COLUMNS`.
    file
        Name for error messages.

    Raises
    ------
    InputError
        If the header is different, a cell is missing, a value is not a finite number, a unit or
        kind is unknown, a name does not end in its unit or is repeated, or a row that is not
        ``assumed`` has no citation key.
    """
    reader = csv.DictReader(text.splitlines(), strict=True)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise InputError(f"{file}:1: the header must be {','.join(COLUMNS)}")
    parameters: dict[str, Parameter] = {}
    for row in reader:
        where = f"{file}:{reader.line_num}"
        parameter = _parameter(row, where)
        if parameter.name in parameters:
            raise InputError(f"{where}: {parameter.name!r} is given twice")
        parameters[parameter.name] = parameter
    return MappingProxyType(parameters)


def _parameter(row: Mapping[str, str], where: str) -> Parameter:
    if len(row) != len(COLUMNS) or any(not isinstance(cell, str) for cell in row.values()):
        raise InputError(f"{where}: a row must have exactly {len(COLUMNS)} cells")
    name, unit, kind = row["name"], row["unit"], row["kind"]
    if unit not in UNIT_SUFFIXES:
        raise InputError(f"{where}: unknown unit {unit!r}{nearest(unit, UNIT_SUFFIXES)}")
    if not name.endswith(f"_{unit}"):
        raise InputError(f"{where}: the name {name!r} must end in its unit, '_{unit}'")
    if kind not in KINDS:
        raise InputError(f"{where}: unknown kind {kind!r}{nearest(kind, KINDS)}")
    if not row["reference"] or not row["place"]:
        raise InputError(f"{where}: {name!r} needs a reference and a place in it")
    if kind != "assumed" and not row["citation_key"]:
        raise InputError(f"{where}: {name!r} is {kind} and needs a citation_key")
    source = Source(
        reference=row["reference"],
        place=row["place"],
        kind=next(known for known in KINDS if known == kind),
        node_nm=_number(row["node_nm"], where, "node_nm") if row["node_nm"] else None,
        condition=row["condition"],
        citation_key=row["citation_key"],
    )
    return Parameter(name, _number(row["value"], where, "value"), unit, source)


def _number(text: str, where: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {column} must be a finite number, got {text!r}")
    return value
