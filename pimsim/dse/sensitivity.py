"""Which knob moves what: one axis of a sweep at a time against one metric.

Which question this module answers: *which axis should I turn to change this metric, and which are
hardly worth it?*

Of each axis two things are told: by how much the metric's mean moves from one of its settings to
another, the others varying as they did in the sweep, and which share of the metric's variance that
explains (the correlation ratio η² [1]_, the first-order index of a variance-based sensitivity
analysis [2]_).

Not told is what axes do together: of two that only matter in company, neither explains anything
alone. Nor can means tell axes apart that were varied together; :func:`caveats` says where that is
so.

References
----------
.. [1] K. Pearson, "On the general theory of skew correlation and non-linear regression", Drapers'
   Company Research Memoirs, Biometric Series II, 1905.
.. [2] A. Saltelli et al., "Global Sensitivity Analysis: The Primer", Wiley, 2008, section 1.2.14.
.. [3] W. Bergsma, "A bias-correction for Cramér's V and Tschuprow's T", Journal of the Korean
   Statistical Society 42(3), 2013, pp. 323-328.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from pimsim.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

BINS: Final = 8
"""Parts that an axis of many numbers is cut into."""

ADAPTIVE: Final = frozenset({"nsga2"})
"""Samplers that choose designs from results."""

_POINTS_PER_LEVEL: Final = 4
"""Below this a mean is hardly one; numbers with fewer points each are cut into bins."""
_LEVELS_PER_BIN: Final = 3
"""Numbers for each bin from which an axis is cut however many points it has."""
_CONSTANT_RATIO: Final = 1e-12
"""Spread over size below which a metric is constant but for rounding."""
_TOGETHER: Final = 0.25
"""Association from which on two axes are named as varied together."""


@dataclass(frozen=True, slots=True)
class _Levels:
    """An axis as a few levels."""

    codes: Int[np.ndarray, " points"]
    names: tuple[str, ...]
    binned: bool


def sensitivity(
    frame: "pd.DataFrame", axes: Sequence[str], metrics: Sequence[str], *, bins: int = BINS
) -> "pd.DataFrame":
    """Work out what each axis does to each metric.

    Parameters
    ----------
    frame
        Of a sweep, or any table with one design per row; ``workload`` and ``seed`` may be axes,
        too. Rows without a finite value of a metric (failed points) do not count for it.
    axes, metrics
        Columns of the frame; metrics are numbers.
    bins
        Parts, of about as many points each, that an axis is cut into if it has more numbers than
        that and fewer than four points for each of them, or more than three times as many: the
        extremes of many means are those of chance. Texts are never cut.

    Returns
    -------
    pandas.DataFrame
        A row for each axis and metric, in the order asked for. ``points`` that count; ``levels`` of
        the axis among them, and whether they are ``binned``; ``low`` and ``high``, the smallest and
        the largest mean of the metric over the points of a level, and the levels where
        (``low_at``, ``high_at``); ``swing``, their difference, in the metric's unit;
        ``swing_ratio``, that over the size of the mean of all points; ``explained_ratio``, η²: the
        variance of the levels' means over the variance; ``chance_ratio``, what η² is on average for
        an axis that the metric is independent of: (levels - 1) / (points - 1), and 0 where the axis
        is balanced against all others, since their effects then cancel; ``together_ratio``, the
        closest association of the axis with another (Cramér's V without its bias [3]_): from 0, all
        settings of the one met those of the other equally often, to 1, the one tells the other;
        ``together_with``, that other axis, or empty.

    Raises
    ------
    InputError
        If a column is missing, a metric is no number, or there are fewer than two bins.

    Notes
    -----
    On a full grid the shares of the axes and of their interactions add up to 1, and so do those of
    axes alone where effects add up. A metric that does not vary is explained by nothing: 0.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"bits": [4, 4, 8, 8], "rows": [1, 2, 1, 2]})
    >>> frame["energy_uj"] = 3.0 * frame["bits"] + frame["rows"]
    >>> table = sensitivity(frame, ["bits", "rows"], ["energy_uj"])
    >>> table[["axis", "swing", "explained_ratio"]].round(3).to_dict("split")["data"]
    [['bits', 12.0, 0.993], ['rows', 1.0, 0.007]]
    """
    import pandas as pd

    if bins < 2:
        raise InputError(f"bins must be 2 or more, got {bins}")
    _check(frame, axes, metrics)
    rows = []
    for metric in metrics:
        known = np.isfinite(frame[metric].to_numpy(dtype=np.float64, na_value=np.nan))
        whole = frame[known]
        levels = {axis: _levels(whole[axis], bins) for axis in axes}
        values = whole[metric].to_numpy(dtype=np.float64)
        together = _together(levels, _first_of_designs(whole, axes))
        for axis in axes:
            found = _effect(values, levels[axis])
            other, ratio, balanced = together[axis]
            count = len(levels[axis].names)
            chance = 0.0 if balanced else (count - 1) / max(1, len(values) - 1)
            rows.append({
                "axis": axis, "metric": metric, "points": len(values), **found,
                "chance_ratio": chance, "together_ratio": ratio, "together_with": other,
            })  # fmt: skip
    columns = [
        "axis", "metric", "points", "levels", "binned", "low", "high", "low_at", "high_at", "swing",
        "swing_ratio", "explained_ratio", "chance_ratio", "together_ratio", "together_with",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    order = {axis: place for place, axis in enumerate(axes)}
    return table.sort_values("axis", key=lambda names: names.map(order), kind="stable").reset_index(
        drop=True
    )


def caveats(table: "pd.DataFrame", *, sampler: str = "grid", failed: int = 0) -> tuple[str, ...]:
    """What a table of :func:`sensitivity` cannot tell.

    Parameters
    ----------
    table
        Of one sweep.
    sampler
        Which chose the designs.
    failed
        Points without a result.
    """
    texts = []
    if sampler in ADAPTIVE:
        texts.append(
            f"The sampler ({sampler}) looked at results and went where the front is: means and "
            "shares are those of the designs that it visited, not of the whole space, and an axis "
            "that it soon settled seems to move little."
        )
    pairs = table[table["together_ratio"] >= _TOGETHER]
    seen = set()
    for row in pairs.to_dict("records"):
        pair = frozenset((row["axis"], row["together_with"]))
        if pair not in seen:
            seen.add(pair)
            texts.append(
                f"{row['axis']} and {row['together_with']} were varied together (association "
                f"{row['together_ratio']:.2f}): what the one explains may be the other's doing."
            )
    if failed:
        texts.append(
            f"{failed} point{'s' if failed > 1 else ''} failed and {'do' if failed > 1 else 'does'}"
            " not count: settings that fail often are judged by the designs that did not."
        )
    chance = float(table["chance_ratio"].max()) if len(table) else 0.0
    if chance > 0:
        texts.append(
            "The designs are no balanced grid: an axis without any effect would still explain "
            f"some by chance, up to {100 * chance:.0f} % on average."
        )
    binned = table.loc[table["binned"], "axis"].unique().tolist()
    if binned:
        texts.append(
            f"Cut into parts of about equally many points: {', '.join(binned)}; what happens "
            "within a part counts as unexplained."
        )
    return tuple(texts)


def _check(frame: "pd.DataFrame", axes: Sequence[str], metrics: Sequence[str]) -> None:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    columns = [str(name) for name in frame.columns]
    for name in (*axes, *metrics):
        if name not in columns:
            raise InputError(f"the frame has no column {name!r}{nearest(name, columns)}")
    for name in metrics:
        numbers = is_numeric_dtype(frame[name]) and not is_bool_dtype(frame[name])
        if not numbers and frame[name].notna().any():
            raise InputError(f"metric {name!r} is no column of numbers ({frame[name].dtype})")


def _levels(column: "pd.Series", bins: int) -> _Levels:
    """Settings as levels, in ascending order where they are numbers."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    column = column.infer_objects()
    numbers = is_numeric_dtype(column) and not is_bool_dtype(column)
    distinct = column.nunique(dropna=False)
    thin = distinct > bins and len(column) < _POINTS_PER_LEVEL * distinct
    if numbers and (thin or distinct > _LEVELS_PER_BIN * bins):
        parts = max(2, min(bins, len(column) // _POINTS_PER_LEVEL))
        edges = np.unique(
            np.quantile(column.to_numpy(dtype=np.float64), np.arange(1, parts) / parts)
        )
        values = column.to_numpy(dtype=np.float64)
        raw = np.searchsorted(edges, values, side="right")
        kept, codes = np.unique(raw, return_inverse=True)
        names = tuple(_span(values[raw == part]) for part in kept)
        return _Levels(codes, names, binned=True)
    codes, found = pd.factorize(column, sort=numbers, use_na_sentinel=False)
    return _Levels(codes, tuple(_text(value) for value in found), binned=False)


def _span(values: NDArray[np.float64]) -> str:
    return f"{values.min():.4g} to {values.max():.4g}"


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _effect(values: Float[np.ndarray, " points"], levels: _Levels) -> dict[str, Any]:
    """Means by level, their swing, and the share of the variance that they explain."""
    found: dict[str, Any] = {"levels": len(levels.names), "binned": levels.binned}
    if not len(values):
        nothing = dict.fromkeys(("low", "high"), np.nan) | {"low_at": "", "high_at": ""}
        return found | nothing | dict.fromkeys(("swing", "swing_ratio", "explained_ratio"), np.nan)
    counts = np.bincount(levels.codes)
    means = np.bincount(levels.codes, weights=values) / counts
    mean = float(values.mean())
    low, high = int(means.argmin()), int(means.argmax())
    within = float(((values - means[levels.codes]) ** 2).sum())
    whole = float(((values - mean) ** 2).sum())
    size = float(np.abs(values).max())
    constant = np.sqrt(whole / len(values)) <= _CONSTANT_RATIO * size
    swing = 0.0 if constant else float(means[high] - means[low])
    return found | {
        "low": float(means[low]),
        "high": float(means[high]),
        "low_at": levels.names[low],
        "high_at": levels.names[high],
        "swing": swing,
        "swing_ratio": swing / abs(mean) if mean else np.nan,
        "explained_ratio": 0.0 if constant else max(0.0, 1.0 - within / whole),
    }


def _first_of_designs(frame: "pd.DataFrame", axes: Sequence[str]) -> NDArray[np.bool_]:
    """Rows that repeat no setting of all axes: other seeds of a design say nothing on the axes."""
    return ~frame[list(axes)].duplicated().to_numpy()


def _together(
    levels: dict[str, _Levels], kept: NDArray[np.bool_]
) -> dict[str, tuple[str, float, bool]]:
    """Closest other axis of each, how close, and whether it is balanced against all others."""
    found = dict.fromkeys(levels, ("", 0.0, True))
    for one, other in itertools.combinations(levels, 2):
        codes = levels[one].codes, levels[other].codes
        balanced = _balanced(*_counted(*codes))
        association = _association(codes[0][kept], codes[1][kept])
        for axis, partner in ((one, other), (other, one)):
            name, closest, so_far = found[axis]
            if association > closest:
                name, closest = partner, association
            found[axis] = (name, closest, so_far and balanced)
    return found


def _association(one: Int[np.ndarray, " points"], other: Int[np.ndarray, " points"]) -> float:
    """Cramér's V of two axes without its bias [3]_."""
    points = len(one)
    counts, expected = _counted(one, other)
    rows, columns = counts.shape
    if min(rows, columns) < 2:
        return 0.0
    squared = float(((counts - expected) ** 2 / expected).sum()) / points
    corrected = max(0.0, squared - (rows - 1) * (columns - 1) / (points - 1))
    least = min(side - (side - 1) ** 2 / (points - 1) for side in (rows, columns)) - 1
    return min(1.0, (corrected / least) ** 0.5) if least > 0 else 0.0


def _counted(
    one: Int[np.ndarray, " points"], other: Int[np.ndarray, " points"]
) -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]]:
    """Points at each pair of levels, and what that would be if the axes were independent."""
    rows, one = np.unique(one, return_inverse=True)
    columns, other = np.unique(other, return_inverse=True)
    counts = np.zeros((len(rows), len(columns)))
    np.add.at(counts, (one, other), 1.0)
    sums = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True)
    return counts, sums / max(1, len(one))


def _balanced(
    counts: Float[np.ndarray, "rows columns"], expected: Float[np.ndarray, "rows columns"]
) -> bool:
    return bool(np.allclose(counts, expected, rtol=0, atol=1e-9))
