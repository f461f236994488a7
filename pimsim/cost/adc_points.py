"""Published converters, one by one, and a user's own.

Which question this module answers: *which published converter could stand here, and what did it
take?*

A row of ``data/adc_points.csv`` is one converter with its source. A converter that is to be costed
takes the nearest row that can do its work (:func:`published`). The Murmann envelope is a fit to
stand-alone parts and **no bound**: :func:`points_below_fit` lists the published converters that lie
below it.

References
----------
.. [1] B. Murmann, ADC Performance Survey 1997-2025, github.com/bmurmann/ADC-survey; envelope and
   percentiles computed from its sheet.
"""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from pimsim.config.adc_table import AdcPoint
from pimsim.config.converters import Adc
from pimsim.config.pvt import NOMINAL_SUPPLY_V
from pimsim.cost.converter import (
    ConverterCost,
    ConverterRangeError,
    check,
    rate_ghz,
    resolution_bits,
)
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, exact, library_constant
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio
from pimsim.errors import InputError
from pimsim.parameters import KINDS
from pimsim.records import Source

COLUMNS: Final = (
    "name", "place_on_chip", "bits", "rate_ghz", "node_nm", "energy_pj", "area_um2", "condition",
    "reference", "place", "kind", "citation_key",
)  # fmt: skip
"""Header of the file of published converters."""
_FASTER_RATIO: Final = 100.0
"""How much faster than needed a converter of the table may be; its energy is taken as it is."""
_SAR_FIT_BITS: Final = (4.5, 10.5)
_FLASH_FIT_BITS: Final = (4.5, 6.5)
_FIT_RATES_GHZ: Final = (1e-5, 1.0)


@dataclass(frozen=True, slots=True)
class PublishedConverter:
    """One converter as somebody published it."""

    name: str
    in_array: bool
    """Designed into a crossbar accelerator; otherwise a stand-alone part."""
    bits: float
    rate_ghz: float | None
    """``None``: not published; the converter then is not looked up."""
    node_nm: float | None
    energy_pj: float
    area_um2: float | None
    source: Source


# The file is part of the package and never changes while it runs, so reading it once is safe.
@cache
def published_converters() -> tuple[PublishedConverter, ...]:
    """Return every row of the file, in file order.

    Raises
    ------
    InputError
        If the file is damaged; the message names the line.
    """
    text = (files("pimsim.cost") / "data" / "adc_points.csv").read_text(encoding="utf-8")
    reader = csv.DictReader(text.splitlines(), strict=True)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise InputError(f"adc_points.csv:1: the header must be {','.join(COLUMNS)}")
    return tuple(_row(row, f"adc_points.csv:{reader.line_num}") for row in reader)


def published(adc: Adc, point: OperatingPoint) -> ConverterCost:
    """Cost a converter as the nearest published one that can do its work.

    Parameters
    ----------
    adc
        The converter; resolution is log2 of its codes, the rate one over the conversion time.
    point
        Technology node and nominal supply.

    Returns
    -------
    ConverterCost
        Energy of one conversion [pJ] and area of one converter [µm²].

    Raises
    ------
    ModelRangeError
        If no row has the resolution, less than one bit more than needed, at least the rate and at
        most 100 times the rate; the message lists resolutions and rates that there are.

    Notes
    -----
    Of the rows that can do the work the nearest is taken: the least resolution, then the node with
    the smallest ratio, then the rate. Energy and area are carried from its node with the logic's
    factors, which favours newer nodes; a converter that runs more slowly than published takes the
    same energy per conversion.
    """
    return _looked_up(adc, point, published_converters(), "the table of published converters")


def user_table(adc: Adc, point: OperatingPoint, *, table: Iterable[AdcPoint] = ()) -> ConverterCost:
    """Cost a converter as the nearest one of the user's own table.

    As :func:`published`; the numbers count as ``assumed``, because only their author knows them.

    Raises
    ------
    ModelRangeError
        If the table is empty or no row can do the work.
    """
    rows = tuple(
        PublishedConverter(
            f"adc_table[{index}]", True, row.enob_bits, row.rate_ghz, row.node_nm, row.energy_pj,
            row.area_um2, Source(row.reference, f"row {index + 1} of adc_table", "assumed",
                                 row.node_nm, "given by the user"),
        )
        for index, row in enumerate(table)
    )  # fmt: skip
    if not rows:
        raise ConverterRangeError(
            "model 'user_table' needs a table; set adc_table in the cost variant", "no adc_table"
        )
    return _looked_up(adc, point, rows, "adc_table")


def murmann_fit(adc: Adc, point: OperatingPoint) -> ConverterCost:
    """Cost a converter with the envelope of stand-alone published ones [1]_.

    Parameters
    ----------
    adc
        The converter; resolution is log2 of its codes.
    point
        Not used: the envelope runs over parts of all nodes.

    Returns
    -------
    ConverterCost
        Energy of one conversion [pJ] and area of one converter [µm²].

    Raises
    ------
    ModelRangeError
        If the resolution is outside 4.5 to 10.5 bit (flash: 6.5 bit) or the rate above 1 GHz.

    Notes
    -----
    ``E = 0.267 pJ + 0.1446 aJ * 4**ENOB`` follows the best parts; the area is that which a tenth of
    the survey's parts of this type and resolution (in bins of two bits) does not reach. Neither is
    a bound.
    """
    enob, flash = resolution_bits(adc), adc.model == "flash"
    bounds = _FLASH_FIT_BITS if flash else _SAR_FIT_BITS
    remedy = "name 'flash_comparators' or 'sar_capacitor_array'"
    check("the Murmann envelope", enob, bounds, "effective bits", remedy)
    check("the Murmann envelope", rate_ghz(adc), _FIT_RATES_GHZ, "GHz", remedy)
    if flash:
        area = constant("adc", "murmann_flash_4_to_6bit_area_um2")
    else:
        low = 4 if enob < 6.5 else 6 if enob < 8.5 else 8
        area = constant("adc", f"murmann_sar_{low}_to_{low + 2}bit_area_um2")
    return ConverterCost(fit_energy_pj(enob), area.named("converter_area_um2"))


def fit_energy_pj(enob_bits: float) -> Sourced:
    """Energy per conversion of the Murmann envelope. [pJ]

    Parameters
    ----------
    enob_bits
        Effective number of bits, 0 to 20.

    Raises
    ------
    ModelRangeError
        If the resolution is outside that.

    Examples
    --------
    >>> round(fit_energy_pj(8.0).value, 3), round(fit_energy_pj(10.0).value, 3)
    (0.276, 0.419)
    """
    bounds, remedy = (0.0, 20.0), "give the resolution of a converter"
    check("the Murmann envelope's formula", enob_bits, bounds, "effective bits", remedy)
    steps = exact("4**ENOB", 4.0**enob_bits)
    energy = constant("adc", "murmann_floor_pj") + constant("adc", "murmann_slope_pj") * steps
    return energy.named("energy_per_conversion_pj", note="0.267 pJ + 0.1446 aJ * 4**ENOB")


def points_below_fit() -> tuple[PublishedConverter, ...]:
    """Return the published converters that take less energy than the Murmann envelope.

    Examples
    --------
    >>> [point.name for point in points_below_fit() if point.in_array]
    ['forms_4bit', 'timely_tdc_8bit']
    """
    return tuple(
        row for row in published_converters() if row.energy_pj < fit_energy_pj(row.bits).value
    )


def _looked_up(
    adc: Adc, point: OperatingPoint, rows: tuple[PublishedConverter, ...], what: str
) -> ConverterCost:
    bits, rate = resolution_bits(adc), rate_ghz(adc)
    complete = [row for row in rows if row.rate_ghz and row.area_um2 and row.node_nm]
    able = [
        (row.bits, abs(math.log(node / point.node_nm)), have, row)
        for row in complete
        if (have := row.rate_ghz or 0.0) and (node := row.node_nm or 0.0)
        if bits <= row.bits < bits + 1.0 and rate <= have * (1 + 1e-9) <= rate * _FASTER_RATIO
    ]
    if not able:
        known = ", ".join(
            f"{row.bits:g} bit at {row.rate_ghz:g} GHz"
            for row in sorted(complete, key=lambda row: (row.bits, row.rate_ghz or 0.0))
        )
        raise ConverterRangeError(
            f"{what} has no converter for {bits:.2f} bit at {rate:g} GHz; it has {known}; change "
            "levels, bits or conversion_time_ns, or name another model",
            f"no entry for {bits:.3g} bits at {rate:g} GHz",
        )
    row = min(able, key=lambda entry: entry[:3])[3]
    from_nm = row.node_nm or point.node_nm
    energy = library_constant(
        f"{row.name}_energy_pj", row.energy_pj, "pj", row.source, "adc_points.csv"
    )
    area = library_constant(
        f"{row.name}_area_um2", row.area_um2 or 0.0, "um2", row.source, "adc_points.csv"
    )
    scale = energy_ratio(
        from_nm, point.node_nm, from_v=NOMINAL_SUPPLY_V, to_v=point.nominal_supply_v
    )
    return ConverterCost(
        (energy * scale).named("energy_per_conversion_pj", note=f"{row.name}, {from_nm:g} nm"),
        (area * area_ratio(from_nm, point.node_nm)).named("converter_area_um2"),
    )


def _row(row: dict[str, str], where: str) -> PublishedConverter:
    if None in row or any(not isinstance(cell, str) for cell in row.values()):
        raise InputError(f"{where}: a row must have exactly {len(COLUMNS)} cells")
    kind = next((known for known in KINDS if known == row["kind"]), None)
    if kind is None:
        raise InputError(f"{where}: unknown kind {row['kind']!r}")
    if not row["reference"] or not row["place"] or (kind != "assumed" and not row["citation_key"]):
        raise InputError(f"{where}: {row['name']!r} needs a reference, a place and a citation_key")
    node_nm = _number(row["node_nm"], where)
    energy = _number(row["energy_pj"], where)
    bits = _number(row["bits"], where)
    if energy is None or bits is None:
        raise InputError(f"{where}: {row['name']!r} needs bits and energy_pj")
    source = Source(
        row["reference"], row["place"], kind, node_nm, row["condition"], row["citation_key"]
    )
    return PublishedConverter(
        row["name"], row["place_on_chip"] == "in_array", bits, _number(row["rate_ghz"], where),
        node_nm, energy, _number(row["area_um2"], where), source,
    )  # fmt: skip


def _number(cell: str, where: str) -> float | None:
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{where}: cells must be positive numbers, found {cell!r}")
    return value
