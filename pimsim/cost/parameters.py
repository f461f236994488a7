"""The library of constants: one row of a CSV file each, with its source.

Which question this module answers: *what is this constant, in which unit, and who says so?*

A family is one file, ``data/<family>.csv``, with the columns of
:data:`pimsim.parameters.COLUMNS`; its rules are those of :mod:`pimsim.parameters`.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from pimsim.cost.sourced import Sourced, library_constant
from pimsim.errors import NotFoundError, nearest
from pimsim.parameters import COLUMNS, Parameter, parse

__all__ = ["COLUMNS", "FAMILIES", "Parameter", "constant", "family", "parse"]

FAMILIES: Final = (
    "technology",
    "adc",
    "crossbar",
    "digital",
    "memory",
    "noc",
    "overhead",
    "paper_table",
)
"""Every family there is."""


def family(name: str) -> Mapping[str, Parameter]:
    """Return all constants of one family by name, in file order.

    Raises
    ------
    NotFoundError
        If there is no such family.
    InputError
        If the file breaks one of those rules; the message names file and line.

    Examples
    --------
    >>> family("noc")["router_energy_per_bit_pj"].unit
    'pj'
    """
    if name not in FAMILIES:
        raise NotFoundError(f"unknown parameter family {name!r}{nearest(name, FAMILIES)}")
    return _load(name)


def constant(family_name: str, name: str) -> Sourced:
    """Return one constant as a number that carries its source.

    Raises
    ------
    NotFoundError
        If there is no such family or constant.

    Examples
    --------
    >>> constant("digital", "add_int32_energy_pj").value
    0.1
    """
    family(family_name)
    leaves = _leaves(family_name)
    if name not in leaves:
        raise NotFoundError(f"no constant {name!r} in {family_name}.csv{nearest(name, leaves)}")
    return leaves[name]


# The files are part of the package and never change while it runs, so reading each once is safe.
@cache
def _load(name: str) -> Mapping[str, Parameter]:
    text = (files("pimsim.cost") / "data" / f"{name}.csv").read_text(encoding="utf-8")
    return parse(text, file=f"{name}.csv")


@cache
def _leaves(name: str) -> Mapping[str, Sourced]:
    """Each row as the number that models compute with."""
    return {
        row.name: library_constant(row.name, row.value, row.unit, row.source, f"{name}.csv")
        for row in _load(name).values()
    }
