"""The axes of a sweep: which keys of the architecture take which values.

Which question this module answers: *which designs does this sweep file span?*

An axis is one of

======== ============================================================ ============================
kind     written as                                                   a point of the axis sets
======== ============================================================ ============================
values   ``path: [v1, v2, ...]``                                      the key to one value
range    ``path: {from: a, to: b, points: n, scale: linear | log}``   the key to a number
zip      ``name: {zip: {path: [...], path: [...]}}``                  all keys, in step
options  ``name: {options: {label: {path: value, ...}, ...}}``        the keys of one alternative
======== ============================================================ ============================

where a path is a dotted path of the architecture file. A grid takes ``points`` numbers of a range,
ends included; other samplers take any number between the ends. A range between two whole numbers
has whole numbers only.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pimsim.config.document import Document, KeyPath, Problem, shown
from pimsim.dse.metrics import HEADLINES
from pimsim.errors import nearest

RANGE_POINTS: Final = 5
"""Points of a range on a grid where the file gives none."""

_RANGE_KEYS: Final = ("from", "to", "points", "scale")
_VALUES_MAX: Final = 100_000
_SCALES: Final = ("linear", "log")
_COLUMNS: Final = frozenset({
    "point", "design", "workload", "seed", "feasible", "error", "overrides", *HEADLINES,
})  # fmt: skip
"""Columns that every frame has, beside one for each axis."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of an axis."""

    label: Any
    """What a frame shows: a number, a text, true or false."""
    overrides: tuple[str, ...]
    """``PATH=VALUE`` each, as ``--set`` takes them."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Values of one key, or of several in step."""

    name: str
    settings: tuple[Setting, ...]
    """On a grid, in order."""
    span: tuple[float, float] | None = None
    """Ends of a range; ``None``: only the settings."""
    log: bool = False
    whole: bool = False

    def at(self, share: float) -> Setting:
        """The setting at a share of the way along the axis, from 0 to just below 1.

        Examples
        --------
        >>> axis = Axis("chip.tiles", (), span=(1.0, 16.0), log=True, whole=True)
        >>> [axis.at(share).label for share in (0.0, 0.5, 0.999)]
        [1, 4, 16]
        """
        if self.span is None:
            return self.settings[min(len(self.settings) - 1, int(share * len(self.settings)))]
        low, high = self.span
        if self.whole and not self.log:
            return _setting(self.name, int(low) + math.floor(share * (high - low + 1)))
        value = math.exp(_between(math.log(low), math.log(high), share)) if self.log else (
            _between(low, high, share)
        )  # fmt: skip
        return _setting(self.name, round(value) if self.whole else value)


def number_setting(axis: Axis, value: float) -> Setting:
    """The setting of a range at a number between its ends."""
    return _setting(axis.name, value)


def read_axes(document: Document, problems: list[Problem]) -> tuple[Axis, ...]:
    """Read the section ``axes`` of a sweep file.

    Parameters
    ----------
    document
        The whole file.
    problems
        Gets one entry for everything that is wrong; what is wrong is left out.
    """
    section = document.data.get("axes")
    if not isinstance(section, Mapping) or not section:
        message = f"must be a section of axes with at least one (found {shown(section)})"
        problems.append(Problem(document.place(("axes",)), ("axes",), message))
        return ()
    axes = []
    for name, content in section.items():
        try:
            axes.append(_axis(str(name), content))
        except _Refused as refused:
            where = refused.where
            problems.append(Problem(document.place(where), where, refused.message))
    return tuple(axes)


class _Refused(Exception):  # noqa: N818  # never leaves this module
    """An axis that cannot be read."""

    def __init__(self, where: KeyPath, message: str) -> None:
        super().__init__(message)
        self.where, self.message = where, message


def _axis(name: str, content: Any) -> Axis:
    where: KeyPath = ("axes", name)
    if name in _COLUMNS:
        raise _Refused(where, "is a column that every frame has; give the axis another name")
    if isinstance(content, list):
        return _values(where, name, content)
    if isinstance(content, Mapping) and "zip" in content:
        return _zip(where, name, content)
    if isinstance(content, Mapping) and "options" in content:
        return _options(where, name, content)
    if isinstance(content, Mapping) and ("from" in content or "to" in content):
        return _range(where, name, content)
    raise _Refused(
        where,
        "must be a list of values, {from, to, points, scale}, {zip: {path: [values]}} or "
        f"{{options: {{label: {{path: value}}}}}} (found {shown(content)})",
    )


def _values(where: KeyPath, name: str, values: list[Any]) -> Axis:
    if not values:
        raise _Refused(where, "has no values; give at least one")
    seen = [_alike(value) for value in values]
    repeated = next((value for value in values if seen.count(_alike(value)) > 1), None)
    if repeated is not None:
        raise _Refused(where, f"has the value {_as_text(repeated)} twice; keep one of them")
    return Axis(name, tuple(_setting(name, value) for value in values))


def _alike(value: Any) -> Any:
    """What is equal for values that set the same: 1 and 1.0, but not 1 and true."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else _as_text(value)


def _zip(where: KeyPath, name: str, content: Mapping[str, Any]) -> Axis:
    lists = content["zip"]
    _only(where, content, ("zip",))
    if not isinstance(lists, Mapping) or not lists:
        raise _Refused((*where, "zip"), "must hold paths with a list of values each")
    lengths = {
        path: len(values) if isinstance(values, list) else 0 for path, values in lists.items()
    }
    if 0 in lengths.values() or len(set(lengths.values())) > 1:
        found = ", ".join(f"{path}: {length}" for path, length in lengths.items())
        raise _Refused((*where, "zip"), f"lists must be equally long (found {found})")
    settings = []
    for values in zip(*lists.values(), strict=True):
        overrides = tuple(override(path, value) for path, value in zip(lists, values, strict=True))
        settings.append(Setting(", ".join(_as_text(value) for value in values), overrides))
    return Axis(name, tuple(settings))


def _options(where: KeyPath, name: str, content: Mapping[str, Any]) -> Axis:
    options = content["options"]
    _only(where, content, ("options",))
    if not isinstance(options, Mapping) or not options:
        raise _Refused((*where, "options"), "must hold labels with a section of paths each")
    settings = []
    for label, paths in options.items():
        if not isinstance(paths, Mapping):
            inner = (*where, "options", label)
            raise _Refused(inner, f"must be a section of paths (found {shown(paths)})")
        overrides = tuple(override(path, value) for path, value in paths.items())
        settings.append(Setting(label, overrides))
    return Axis(name, tuple(settings))


def _range(where: KeyPath, name: str, content: Mapping[str, Any]) -> Axis:
    _only(where, content, _RANGE_KEYS)
    low, high = (_end(where, content, key) for key in ("from", "to"))
    points, scale = content.get("points", RANGE_POINTS), content.get("scale", "linear")
    whole = isinstance(low, int) and isinstance(high, int)
    message = _wrong_range(low, high, points, scale)
    if message:
        raise _Refused(where, message)
    axis = Axis(name, (), span=(float(low), float(high)), log=scale == "log", whole=whole)
    numbers = [_number(axis, step / (points - 1)) for step in range(points)]
    settings = tuple(_setting(name, number) for number in dict.fromkeys(numbers))
    return Axis(name, settings, axis.span, log=axis.log, whole=whole)


def _only(where: KeyPath, content: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in content:
        if key not in known:
            raise _Refused((*where, key), f"unknown key {shown(key)}{nearest(str(key), known)}")


def _end(where: KeyPath, content: Mapping[str, Any], key: str) -> int | float:
    value = content.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Refused((*where, key), f"must be a number (found {shown(value)})")
    return value


def _wrong_range(low: Any, high: Any, points: Any, scale: Any) -> str:
    if not low < high:
        return f"'from' ({low}) must be less than 'to' ({high})"
    if isinstance(points, bool) or not isinstance(points, int) or not 2 <= points <= _VALUES_MAX:
        return f"points must be a whole number from 2 to {_VALUES_MAX} (found {shown(points)})"
    if scale not in _SCALES:
        return f"scale must be linear or log (found {shown(scale)})"
    if scale == "log" and low <= 0:
        return f"a log range must begin above 0 (found from: {low})"
    return ""


def _number(axis: Axis, share: float) -> int | float:
    """A number of a range's grid, ends included and exact."""
    low, high = axis.span or (0.0, 0.0)
    if share in (0.0, 1.0):
        end = low if share == 0.0 else high
        return int(end) if axis.whole else end
    value = _between(low, high, share)
    if axis.log:
        value = float(f"{math.exp(_between(math.log(low), math.log(high), share)):.12g}")
    return round(value) if axis.whole else float(f"{value:.12g}")


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _setting(path: str, value: Any) -> Setting:
    label = value if isinstance(value, str | int | float | bool) else _as_text(value)
    return Setting(label, (override(path, value),))


def override(path: str, value: Any) -> str:
    """``PATH=VALUE`` as ``--set`` takes it."""
    return f"{path}={_as_text(value)}"


def _as_text(value: Any) -> str:
    """A value as YAML reads it back; JSON is YAML."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, float) and "e" in text and "." not in text.split("e")[0]:
        return text.replace("e", ".0e")  # YAML 1.1 takes 1e-05 for a text
    return text
