"""The units of pimsim, and the only place where one is turned into another.

Which question this module answers: *what does the end of a name mean, and how do I convert?*

Every name of a dimensional quantity ends in its unit. pJ, ns, mW and GHz are coherent
(1 pJ/ns = 1 mW), so models need no factors; results and reports use µJ, µs and mm².
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

UNIT_SUFFIXES: Final = frozenset(
    {
        *("pj", "ns", "mw", "ghz", "v", "mv", "ua", "usiemens", "ohm", "ff", "nm", "um", "um2"),
        *("degc", "s", "bits", "bytes", "bits_per_ns", "bytes_per_ns", "lsb", "db", "ps"),
        *("us", "uj", "mm2", "per_s", "tops_per_w", "tops_per_mm2"),
        *("ratio", "exponent", "coefficient"),
    }
)
"""Every allowed ending of a dimensional or dimensionless float name (counts are plural nouns)."""

UNIT_SYMBOLS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pj": "pJ",
        "ns": "ns",
        "mw": "mW",
        "ghz": "GHz",
        "v": "V",
        "mv": "mV",
        "ua": "µA",
        "usiemens": "µS",
        "ohm": "Ω",
        "ff": "fF",
        "nm": "nm",
        "um": "µm",
        "um2": "µm²",
        "degc": "°C",
        "s": "s",
        "bits": "bit",
        "bytes": "B",
        "bits_per_ns": "bit/ns",
        "bytes_per_ns": "B/ns",
        "lsb": "LSB",
        "db": "dB",
        "ps": "ps",
        "us": "µs",
        "uj": "µJ",
        "mm2": "mm²",
        "per_s": "/s",
        "tops_per_w": "TOPS/W",
        "tops_per_mm2": "TOPS/mm²",
        "ratio": "",
        "exponent": "",
        "coefficient": "",
    }
)
"""How each ending is written behind a number."""

PS_PER_NS: Final = 1_000
PS_PER_US: Final = 1_000_000
NS_PER_US: Final = 1_000.0
PJ_PER_UJ: Final = 1e6
UM2_PER_MM2: Final = 1e6
PER_S_PER_PER_US: Final = 1e6
OPS_PER_MAC: Final = 2
"""One multiply-accumulate counts as two operations, everywhere in pimsim."""


def ps_from_ns(time_ns: float) -> int:
    """Round a time to whole picoseconds, the clock of the timing pass.

    Raises
    ------
    ValueError
        If ``time_ns`` is negative, or not zero but shorter than half a picosecond.

    Examples
    --------
    >>> ps_from_ns(10.0)
    10000
    """
    time_ps = round(time_ns * PS_PER_NS)
    if time_ns < 0 or (time_ns > 0 and time_ps == 0):
        raise ValueError(f"a time must be 0 or at least 0.0005 ns, got {time_ns} ns")
    return time_ps


def us_from_ps(time_ps: int) -> float:
    """Convert picoseconds to microseconds.

    Examples
    --------
    >>> us_from_ps(2_500_000)
    2.5
    """
    return time_ps / PS_PER_US


def uj_from_pj(energy_pj: float) -> float:
    """Convert picojoules to microjoules.

    Examples
    --------
    >>> uj_from_pj(1e6)
    1.0
    """
    return energy_pj / PJ_PER_UJ


def mm2_from_um2(area_um2: float) -> float:
    """Convert square micrometres to square millimetres.

    Examples
    --------
    >>> mm2_from_um2(2e6)
    2.0
    """
    return area_um2 / UM2_PER_MM2


def tops_per_w(macs: int, energy_uj: float) -> float:
    """Efficiency of a run: operations per energy, one MAC being two operations.

    Examples
    --------
    >>> tops_per_w(macs=500_000, energy_uj=1.0)
    1.0
    """
    return OPS_PER_MAC * macs / (PJ_PER_UJ * energy_uj)


def tops_per_mm2(macs: int, throughput_per_s: float, area_mm2: float) -> float:
    """Compute density of a run: operations per second and area, one MAC being two operations.

    Examples
    --------
    >>> tops_per_mm2(macs=500_000, throughput_per_s=1e6, area_mm2=2.0)
    0.5
    """
    return OPS_PER_MAC * macs * throughput_per_s / 1e12 / area_mm2
