"""Constants of the analog models, each with its source.

Which question this module answers: *what is this device constant, and who says so?*

``data/cells.csv`` holds what was measured on memory cells, ``data/pvt.csv`` the sensitivities to
process, voltage and temperature; their rules are those of :mod:`pimsim.parameters`.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from pimsim.errors import NotFoundError, nearest
from pimsim.parameters import Parameter, parse

FAMILIES: Final = ("cells", "pvt")
"""Every file there is."""


# The files are part of the package and never change while it runs, so reading each once is safe.
@cache
def family(name: str) -> Mapping[str, Parameter]:
    """Return all constants of one file by name, in file order.

    Raises
    ------
    NotFoundError
        If there is no such file.

    Examples
    --------
    >>> family("cells")["pcm_doped_gst_g_max_usiemens"].value
    25.0
    """
    if name not in FAMILIES:
        raise NotFoundError(f"unknown constants {name!r}{nearest(name, FAMILIES)}")
    text = (files("pimsim.analog") / "data" / f"{name}.csv").read_text(encoding="utf-8")
    return parse(text, file=f"{name}.csv")


def constant(family_name: str, name: str) -> float:
    """Return the value of one constant, in the unit that its name ends in.

    Raises
    ------
    NotFoundError
        If there is no such constant.

    Examples
    --------
    >>> constant("pvt", "mobility_temperature_exponent")
    -1.5
    """
    rows = family(family_name)
    if name not in rows:
        raise NotFoundError(f"no constant {name!r} in {family_name}.csv{nearest(name, rows)}")
    return rows[name].value


def polynomial(family_name: str, prefix: str, suffix: str) -> tuple[float, ...]:
    """Coefficients ``<prefix>_0_<suffix>``, ``<prefix>_1_<suffix>``, ..., constant term first.

    Examples
    --------
    >>> polynomial("cells", "pcm_doped_gst_programming", "usiemens")
    (0.26348, 1.965, -1.1731)
    """
    rows = family(family_name)
    found: list[float] = []
    while f"{prefix}_{len(found)}_{suffix}" in rows:
        found.append(rows[f"{prefix}_{len(found)}_{suffix}"].value)
    if not found:
        raise NotFoundError(f"no polynomial {prefix!r} in {family_name}.csv")
    return tuple(found)
