"""Axes of a figure: their label, scale and ticks, from the column that they show.

Which question this module answers: *how are the numbers of this column set out along an axis?*
"""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axis import Axis
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
)

from pimsim.report import quantities
from pimsim.report.wording import axis_number

LOG_RATIO: Final = 20.0
"""Largest over smallest number from which a metric's axis is logarithmic, unless told."""

_TICKS_MAX: Final = 9
"""Settings of an axis that each get a tick."""

_CHARACTER_ROOM: Final = 0.014
"""Width of a character of a tick's text, as a share of the narrowest axes'."""


def wide(column: str, values: "pd.Series") -> bool:
    """Whether numbers span so much that they need a logarithmic axis.

    Ratios never do, and decibels are logarithms already.

    Examples
    --------
    >>> wide("energy_uj", pd.Series([1.0, 50.0])), wide("accuracy", pd.Series([0.01, 0.99]))
    (True, False)
    >>> wide("logit_snr_db", pd.Series([0.75, 38.0]))
    False
    """
    known = values.dropna()
    if not len(known) or quantities.in_percent(column, values) or known.min() <= 0:
        return False
    if column.endswith("_db"):
        return False
    return bool(known.max() > LOG_RATIO * known.min())


def dress(axis: Axis, column: str, values: "pd.Series", *, log: bool | None = None) -> None:
    """Give an axis the label, the scale and the ticks of a column of numbers.

    Parameters
    ----------
    axis
        ``axes.xaxis`` or ``axes.yaxis``.
    column
        What it shows.
    values
        The numbers of the column.
    log
        Whether it is logarithmic; absent: where they need it (:func:`wide`).
    """
    log = wide(column, values) if log is None else log
    axis.set_label_text(quantities.label(column, values))
    percent = quantities.in_percent(column, values)

    def text(value: float, _: object = None) -> str:
        return f"{100 * value:.4g}" if percent else axis_number(value)

    if log:
        set_log(axis)
        axis.set_major_locator(_log_ticks(values))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(text))


def ticks_at(axis: Axis, column: str, values: "pd.Series", *, log: bool) -> None:
    """Dress the axis of a knob: ticks at its settings, if they are few."""
    dress(axis, column, values, log=log)
    settings = np.unique(values.dropna().to_numpy(dtype=float))
    if len(settings) <= _TICKS_MAX and _apart(settings, log=log):
        axis.set_major_locator(FixedLocator(settings.tolist()))
        axis.set_minor_locator(NullLocator())


def set_log(axis: Axis) -> None:
    """Make an axis logarithmic, whichever of the two it is."""
    set_scale: Any = axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale
    set_scale("log")


def _apart(settings: np.ndarray, *, log: bool) -> bool:
    """Whether numbers leave room for their ticks' texts."""
    if len(settings) < 2:
        return True
    places = np.log(settings) if log else settings
    longest = max(len(axis_number(value)) for value in settings.tolist())
    room = _CHARACTER_ROOM * (longest + 1)
    return bool(np.diff(places).min() >= room * (places[-1] - places[0]))


def _log_ticks(values: "pd.Series") -> LogLocator:
    known = values.dropna()
    decades = float(np.log10(known.max() / known.min())) if len(known) else 1.0
    return LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,), numticks=12)
