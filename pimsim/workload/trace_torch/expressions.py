"""Write a size that PyTorch keeps symbolic in the language of :mod:`pimsim.workload.shapes`.

Which question this module answers: *how long is this axis, in terms of the named dimensions?*
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_DIVISIONS: Final = frozenset({"FloorDiv", "CleanDiv"})
_REMAINDERS: Final = frozenset({"Mod", "PythonMod"})
_BOUNDS: Final[Mapping[str, str]] = {"Max": "max", "Min": "min"}


def expression(value: Any, symbols: Mapping[str, str]) -> str | None:
    """Write a sympy expression, if it can be written.

    Parameters
    ----------
    value
        The expression that torch has for a size.
    symbols
        Torch's symbol of each dynamic axis and the name of the dimension it stands for.

    Returns
    -------
    str or None
        ``None`` where it needs a function that sizes lack, or a symbol that is no dimension.
    """
    if value.is_Symbol:
        return symbols.get(str(value))
    if value.is_Integer and value >= 0:
        return str(int(value))
    if value.is_Integer or value.is_Add or (value.is_Mul and value.could_extract_minus_sign()):
        return _sum(value, symbols)
    parts = [expression(part, symbols) for part in value.args]
    if not parts or any(part is None for part in parts):
        return None
    return _function(value, [str(part) for part in parts])


def _function(value: Any, parts: Sequence[str]) -> str | None:
    name = type(value).__name__  # some of these functions are torch's own
    if value.is_Mul:
        return "*".join(parts)
    if value.is_Pow and parts[1].isdigit():
        return "*".join([parts[0]] * int(parts[1]))
    if name in _DIVISIONS:
        return f"({parts[0]} // ({parts[1]}))"
    if name in _REMAINDERS:
        return f"({parts[0]} % ({parts[1]}))"
    if name in _BOUNDS:
        text = parts[0]
        for part in parts[1:]:
            text = f"{_BOUNDS[name]}({text}, {part})"
        return text
    return None


def _sum(value: Any, symbols: Mapping[str, str]) -> str | None:
    """Write a sum with its positive terms first: the language has no sign of its own."""
    parts = value.args if value.is_Add else (value,)
    negative = [part for part in parts if part.could_extract_minus_sign()]
    positive = [part for part in parts if part not in negative]
    added = [expression(part, symbols) for part in positive] or ["0"]
    taken = [expression(-part, symbols) for part in negative]
    if any(part is None for part in (*added, *taken)):
        return None
    return "(" + " + ".join(map(str, added)) + "".join(f" - {part}" for part in taken) + ")"
