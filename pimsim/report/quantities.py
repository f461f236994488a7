"""What a column of a sweep's frame is called on paper, and which way is better.

Which question this module answers: *which words, unit and direction does this column have?*

Headline columns have names of their own; all others, such as an axis ``macros.mram.read_time_ns``,
are named by themselves, their unit taken from the ending. Accuracies of 0 to 1 are written in per
cent; others, such as nats per token, as numbers.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pimsim.dse.pareto import Direction
from pimsim.errors import InputError, nearest
from pimsim.report.wording import listed, number, percent
from pimsim.units import UNIT_SYMBOLS

_NAMES: Final = {
    "area_mm2": "chip area",
    "latency_us": "latency",
    "throughput_per_s": "throughput",
    "energy_uj": "energy per inference",
    "power_mw": "average power",
    "edp_uj_us": "energy × delay",
    "tops_per_w": "efficiency",
    "tops_per_mm2": "density",
    "accuracy": "accuracy",
    "accuracy_sigma": "deviation of accuracy over chips",
    "accuracy_worst": "accuracy of the worst chip",
    "integer_accuracy": "accuracy on an ideal chip",
    "float32_accuracy": "accuracy in float32",
    "agreement_ratio": "answers equal to float32's",
    "logit_snr_db": "signal-to-noise ratio of the logits",
    "cells_ratio": "cells in use",
    "assumed_energy_ratio": "energy on assumed numbers",
    "assumed_area_ratio": "area on assumed numbers",
    "assumed_latency_ratio": "latency on assumed numbers",
}
_SYMBOLS: Final = {**UNIT_SYMBOLS, "uj_us": "µJ·µs"}
_LONGEST_ENDING_FIRST: Final = sorted(_SYMBOLS, key=len, reverse=True)
_HIGHER_IS_BETTER: Final = frozenset({
    "throughput_per_s", "tops_per_w", "tops_per_mm2", "accuracy", "accuracy_worst",
    "integer_accuracy", "agreement_ratio", "logit_snr_db",
})  # fmt: skip
_LOWER_IS_BETTER: Final = frozenset({
    "area_mm2", "latency_us", "energy_uj", "power_mw", "edp_uj_us", "accuracy_sigma",
    "assumed_energy_ratio", "assumed_area_ratio", "assumed_latency_ratio",
})  # fmt: skip
_ACCURACIES: Final = frozenset(
    {"accuracy", "accuracy_sigma", "accuracy_worst", "integer_accuracy", "float32_accuracy"}
)


def direction(column: str) -> Direction | None:
    """Say which way is better, if that is known of the column.

    An accuracy is better the higher; a sweep whose workload is judged by nats per token says
    otherwise in its objectives.

    Examples
    --------
    >>> direction("energy_uj"), direction("accuracy"), direction("chip.tiles")
    ('minimize', 'maximize', None)
    """
    if column in _HIGHER_IS_BETTER:
        return "maximize"
    return "minimize" if column in _LOWER_IS_BETTER else None


def directions(
    columns: Sequence[str], objectives: Mapping[str, Direction] | None = None
) -> dict[str, Direction]:
    """Directions of columns, as given or as known.

    Raises
    ------
    InputError
        If neither is known of one.
    """
    found: dict[str, Direction] = {}
    for column in columns:
        way = (objectives or {}).get(column) or direction(column)
        if way is None:
            raise InputError(
                f"which way is {column!r} better? Give objectives={{{column!r}: 'minimize'}} or "
                "'maximize'"
            )
        found[column] = way
    return found


def unit(column: str, values: "pd.Series | None" = None) -> str:
    """Unit of a column, empty where it has none.

    Parameters
    ----------
    column
        Its name.
    values
        Its content, which tells accuracies that are ratios from others.

    Examples
    --------
    >>> unit("energy.mram.adc_uj"), unit("chip.clock_ghz"), unit("tops_per_w"), unit("adc.bits")
    ('µJ', 'GHz', 'TOPS/W', '')
    """
    if in_percent(column, values):
        return "%"
    ending = _ending(column)
    return _SYMBOLS[ending] if ending else ""


def in_percent(column: str, values: "pd.Series | None" = None) -> bool:
    """Whether the numbers of a column are ratios that are written in per cent."""
    if column in _ACCURACIES:
        return values is None or not bool((values.abs() > 1.0).any())
    return column.endswith("_ratio")


def name(column: str) -> str:
    """Name of a column for people, without its unit.

    Examples
    --------
    >>> name("energy_uj"), name("chip.clock_ghz"), name("macros.mram.adc.levels")
    ('energy per inference', 'chip.clock', 'macros.mram.adc.levels')
    >>> name("energy.mram.adc_uj")
    'energy of mram.adc'
    """
    if column in _NAMES:
        return _NAMES[column]
    ending = _ending(column)
    bare = column.removesuffix(f"_{ending}") if ending else column
    kind, dot, part = bare.partition(".")
    if dot and kind in {"energy", "area", "latency"} and ending:
        return f"{kind} of {part}"
    return bare


def label(column: str, values: "pd.Series | None" = None) -> str:
    """Name and unit, as on an axis.

    Examples
    --------
    >>> label("latency_us"), label("macros.mram.read_time_ns"), label("accuracy")
    ('latency [µs]', 'macros.mram.read_time [ns]', 'accuracy [%]')
    """
    written = unit(column, values)
    return f"{name(column)} [{written}]" if written else name(column)


def written(column: str, value: object, values: "pd.Series | None" = None) -> str:
    """One value of a metric, without its unit, which :func:`label` tells.

    Examples
    --------
    >>> written("accuracy", 0.96875), written("energy_uj", 1234.5), written("energy_uj", 7.0)
    ('96.9', '1\u202f234', '7.00')
    """
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return ""
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    if in_percent(column, values):
        return f"{100 * float(value):.1f}"
    return number(float(value))


def with_unit(column: str, value: float, values: "pd.Series | None" = None) -> str:
    """One value with its unit.

    Examples
    --------
    >>> with_unit("accuracy", 0.96875).replace("\u202f", " "), with_unit("area_mm2", 12.0)
    ('96.9 %', '12.0\u202fmm²')
    """
    if in_percent(column, values):
        return percent(value)
    symbol = unit(column, values)
    return f"{number(value)}\u202f{symbol}" if symbol else number(value)


def short_names(columns: Iterable[str]) -> dict[str, str]:
    """Last parts of dotted names, as few as tell them apart but two at least, without unit.

    Examples
    --------
    >>> short_names(["macros.mram.adc.bits", "macros.sram.adc.bits", "chip.tiles"])
    {'macros.mram.adc.bits': 'mram.adc.bits', 'macros.sram.adc.bits': 'sram.adc.bits', \
'chip.tiles': 'chip.tiles'}
    """
    every = list(dict.fromkeys(columns))
    bare = {column: name(column) for column in every}
    found = {}
    for column in every:
        parts = bare[column].split(".")
        for kept in range(min(2, len(parts)), len(parts) + 1):
            tail = ".".join(parts[-kept:])
            same = [other for other in every if f".{bare[other]}".endswith(f".{tail}")]
            if len(same) == 1 or kept == len(parts):
                found[column] = tail
                break
    return found


def parts(columns: Iterable[object], quantity: str) -> dict[str, str]:
    """Columns of a breakdown and the part of the chip that each is of.

    Examples
    --------
    >>> parts(["energy_uj", "energy.mram.adc_uj", "area.noc_mm2"], "energy")
    {'energy.mram.adc_uj': 'mram.adc'}
    """
    ending = {"energy": "uj", "area": "mm2", "latency": "us"}.get(quantity)
    if ending is None:
        raise InputError(f"quantity must be energy, area or latency, got {quantity!r}")
    form = re.compile(rf"{quantity}\.(.+)_{ending}")
    matches = ((str(column), form.fullmatch(str(column))) for column in columns)
    return {column: match[1] for column, match in matches if match}


def _ending(column: str) -> str:
    """Unit at the end of a name, if it has one."""
    whole = f"_{column}" if column in _NAMES else column  # tops_per_w is a unit throughout
    return next((one for one in _LONGEST_ENDING_FIRST if whole.endswith(f"_{one}")), "")


def check_columns(frame: pd.DataFrame, columns: Sequence[str], *, numbers: int = 0) -> None:
    """Check that a frame has columns, the first of which hold numbers.

    Raises
    ------
    InputError
        If one is missing, named with the nearest that is there, or holds something else.
    """
    known = [str(column) for column in frame.columns]
    for column in columns:
        if column not in known:
            raise InputError(f"the frame has no column {column!r}{nearest(column, known)}")
    for column in columns[:numbers]:
        if not holds_numbers(frame[column]) and frame[column].notna().any():
            raise InputError(f"column {column!r} holds no numbers ({frame[column].dtype})")


def swing(column: str, value: float) -> str:
    """Write a difference of two values; of ratios in percentage points.

    Examples
    --------
    >>> swing("accuracy", 0.125), swing("energy_uj", 12.34)
    ('12.5\u202fpoints', '12.3\u202fµJ')
    """
    if in_percent(column, pd.Series([value])):
        return f"{100 * value:.1f}\u202fpoints"
    return with_unit(column, value, pd.Series([value]))


def short_column(column: str) -> str:
    """The last two parts of a dotted path; other names as they are.

    Examples
    --------
    >>> short_column("macros.mram.adc.levels"), short_column("workload")
    ('adc.levels', 'workload')
    """
    return ".".join(column.split(".")[-2:])


def capital(text: str) -> str:
    """Begin with a capital letter, as a title does."""
    return text[:1].upper() + text[1:]


def holds_numbers(column: "pd.Series") -> bool:
    """Whether a column holds numbers, which true and false are not."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(column) and not is_bool_dtype(column)


def written_cell(column: str, value: object) -> str:
    """One value of any column: metrics and settings of axes have digits of their own.

    Examples
    --------
    >>> written_cell("energy_uj", 7.0), written_cell("macros.mram.adc.bits", 7)
    ('7.00', '7')
    """
    return written_setting(value) if direction(column) is None else written(column, value)


def written_setting(value: object) -> str:
    """Write the setting of an axis: numbers drawn from a range in four digits.

    Examples
    --------
    >>> written_setting(9), written_setting(0.123456), written_setting(True)
    ('9', '0.1235', 'true')
    """
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if isinstance(value, Integral) or not isinstance(value, Real):
        return str(value)
    return f"{float(value):.4g}"


def finite(column: "pd.Series") -> NDArray[np.bool_]:
    """Rows of a column of numbers that a figure can show: neither missing nor infinite."""
    marks: NDArray[np.bool_] = np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return marks


def check_some(rows: pd.DataFrame, *columns: str) -> None:
    """Refuse to draw nothing.

    Raises
    ------
    InputError
        If there is no row left.
    """
    if not len(rows):
        raise InputError(f"no row has a value of {listed(list(columns))}: nothing to draw")


def check_one_workload(frame: pd.DataFrame) -> None:
    """Refuse to set designs against each other that do different work.

    Raises
    ------
    InputError
        If the frame holds several workloads.
    """
    if "workload" in frame and frame["workload"].nunique() > 1:
        found = ", ".join(str(name) for name in frame["workload"].unique())
        raise InputError(
            f"the frame holds several workloads ({found}), whose designs cannot be set against "
            "each other; draw one: frame[frame['workload'] == ...]"
        )
