"""From a number to the formula that gave it.

Which question this module answers: *by which formula, from which inputs, over which intermediate
values did this number come about, and who says so?*

A :class:`pimsim.cost.sourced.Sourced` keeps the expression it is the value of. Here the expression
becomes steps, the result first, each a formula in names and the same formula in numbers; and
inputs, the leaves, each with its unit, kind and source. Nothing is computed again, so that what is
printed is what costed the run.

Factors of exactly one are not shown. Equal terms of a sum are shown once, with their number; of a
sum of very many different terms the first ones, and what the others come to.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from pimsim.cost.sourced import Leaf, Name, Operation, Sourced
from pimsim.records import Source
from pimsim.units import UNIT_SYMBOLS

SHOWN_TERMS: Final = 12
"""Different terms of one sum that a formula shows."""

_SUM, _PRODUCT, _POWER, _ATOM = range(4)
"""How tightly an expression binds."""
_SIGNS: Final = {"*": "·", "/": "/"}

Text = tuple[str, str, int]
"""An expression in names, in numbers, and how tightly it binds."""


@dataclass(frozen=True, slots=True)
class Step:
    """One named value and the formula that gives it."""

    name: str
    value: float
    unit: str
    """An ending of :data:`pimsim.units.UNIT_SUFFIXES`; empty for a plain number."""
    formula: str
    """In the names of inputs and of other steps; empty for a number given as such."""
    numbers: str
    """The same with their values."""
    note: str


@dataclass(frozen=True, slots=True)
class Input:
    """Where a formula ends."""

    name: str
    value: float
    unit: str
    kind: str
    """``setting``, ``exact``, or the kind of the source."""
    place: str
    """File of the library that a constant is in; empty otherwise."""
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Derivation:
    """How one number came about."""

    steps: tuple[Step, ...]
    """The result first, then what its formula names, and so on."""
    inputs: tuple[Input, ...]
    """In the order in which the formulas name them."""

    @property
    def result(self) -> Step:
        """The number itself."""
        return self.steps[0]


def derivation(number: Sourced, name: str, unit: str = "", note: str = "") -> Derivation:
    """Take a number apart.

    Parameters
    ----------
    number
        A result of a component model.
    name
        What to call it if the model has not named it.
    unit
        The one that the name ends in when absent.
    note
        One line about the number as a whole.

    Examples
    --------
    >>> from pimsim.cost.sourced import exact, setting
    >>> energy = setting("on_current_ua", 10) * setting("supply_v", 1.5) * setting("time_ns", 2)
    >>> found = derivation(energy * exact("pJ per fJ", 1e-3), "energy_per_on_cell_pj")
    >>> found.result.formula
    'on_current_ua · supply_v · time_ns · pJ per fJ'
    >>> found.result.numbers, found.result.value
    ('10 µA · 1.5 V · 2 ns · 0.001', 0.03)
    >>> [(leaf.name, leaf.kind) for leaf in found.inputs][-2:]
    [('time_ns', 'setting'), ('pJ per fJ', 'exact')]
    """
    walk = _Walk()
    walk.name(number if isinstance(number.origin, Name) else number.named(name, unit, note))
    return Derivation(tuple(walk.steps()), tuple(walk.inputs.values()))


def quantity(value: float, unit: str) -> str:
    """Write a value with its unit's symbol.

    Examples
    --------
    >>> quantity(0.0090000001, "pj"), quantity(1024.0, ""), quantity(2.5, "ratio")
    ('0.009 pJ', '1024', '2.5')
    """
    symbol = UNIT_SYMBOLS.get(unit, unit)
    return f"{value:.6g} {symbol}".rstrip()


@dataclass(slots=True)
class _Walk:
    """Collects names and leaves while formulas are written."""

    inputs: dict[str, Input] = field(default_factory=dict)
    _waiting: list[tuple[str, Name]] = field(default_factory=list)
    _labels: dict[tuple[object, ...], str] = field(default_factory=dict)
    _taken: dict[str, int] = field(default_factory=dict)

    def steps(self) -> Iterator[Step]:
        """Yield the steps; writing a formula may make further ones wait."""
        done = 0
        while done < len(self._waiting):
            label, name = self._waiting[done]
            done += 1
            formula, numbers, _ = self._text(name.of)
            given = name.of.origin is None
            yield Step(
                label,
                name.of.value,
                name.unit,
                "" if given and not name.of.sources else formula,
                "" if given and not name.of.sources else numbers,
                name.note,
            )

    def name(self, number: Sourced) -> Text:
        """Refer to a named number, which becomes a step."""
        origin = number.origin
        assert isinstance(origin, Name), "only named numbers have a name"
        while isinstance(origin.of.origin, Name) and origin.of.origin.name == origin.name:
            origin = origin.of.origin  # named twice
        key = (origin.name, origin.unit, number.value, number.sources)
        label = self._label(key, origin.name)
        if all(waiting != label for waiting, _ in self._waiting):
            self._waiting.append((label, origin))
        return label, quantity(number.value, origin.unit), _ATOM

    def _text(self, operand: Sourced | float) -> Text:
        if not isinstance(operand, Sourced):
            text = f"{operand:.6g}"
            return text, text, _ATOM
        origin = operand.origin
        if isinstance(origin, Name):
            return self.name(operand)
        if isinstance(origin, Operation):
            return self._operation(operand, origin)
        return self._leaf(operand, origin)

    def _leaf(self, number: Sourced, leaf: Leaf | None) -> Text:
        if leaf is None and not number.sources:
            return self._text(number.value)
        if leaf is None:  # a model that gives a number without its formula
            leaf = Leaf("number given by the model", "", "constant")
        key = (leaf, number.value, number.sources)
        label = self._label(key, leaf.name)
        kind = number.kind if leaf.kind == "constant" else leaf.kind
        self.inputs.setdefault(
            label, Input(label, number.value, leaf.unit, kind, leaf.place, number.sources)
        )
        return label, quantity(number.value, leaf.unit), _ATOM

    def _label(self, key: tuple[object, ...], name: str) -> str:
        """Return the name; a second one for another number of the same name."""
        if key not in self._labels:
            count = self._taken[name] = self._taken.get(name, 0) + 1
            self._labels[key] = name if count == 1 else f"{name} [{count}]"
        return self._labels[key]

    def _operation(self, number: Sourced, operation: Operation) -> Text:
        symbol, operands = operation
        if symbol == "+":
            return self._sum(number)
        if symbol in {"*", "/"}:
            return self._product(operation)
        if symbol == "**" and _is_one(operands[1]):
            return self._text(operands[0])
        parts = [self._text(operand) for operand in operands]
        if symbol == "-":
            return _joined(parts, " − ", _SUM, inner=(_SUM, _PRODUCT))
        if symbol == "**":
            return _joined(parts, "^", _POWER, inner=(_ATOM, _ATOM))
        names, numbers = ", ".join(part[0] for part in parts), ", ".join(part[1] for part in parts)
        return f"{symbol}({names})", f"{symbol}({numbers})", _ATOM

    def _product(self, operation: Operation) -> Text:
        symbol, (first, second) = operation
        if _is_one(second):
            return self._text(first)
        if symbol == "*" and _is_one(first):
            return self._text(second)
        binds = (_PRODUCT, _PRODUCT if symbol == "*" else _POWER)
        parts = [self._text(first), self._text(second)]
        return _joined(parts, f" {_SIGNS[symbol]} ", _PRODUCT, inner=binds)

    def _sum(self, number: Sourced) -> Text:
        groups: dict[tuple[str, str], list[float]] = {}
        binding: dict[tuple[str, str], int] = {}
        rest: list[float] = []
        for term in _terms(number):
            if len(groups) >= SHOWN_TERMS:
                rest.append(_number(term))
                continue
            names, numbers, binds = self._text(term)
            groups.setdefault((names, numbers), []).append(_number(term))
            binding[names, numbers] = binds
        parts = [
            _repeated(names, numbers, binding[names, numbers], len(values))
            for (names, numbers), values in groups.items()
        ]
        if rest:
            parts.append((f"({len(rest)} more terms)", f"{sum(rest):.6g}", _ATOM))
        if len(parts) == 1:
            return parts[0]
        return _joined(parts, " + ", _SUM, inner=[_SUM] * len(parts))


def _terms(number: Sourced | float) -> Iterator[Sourced | float]:
    """Yield the terms of a sum, sums in it that have no name taken apart, from left to right."""
    waiting: list[Sourced | float] = [number]
    while waiting:
        term = waiting.pop()
        origin = term.origin if isinstance(term, Sourced) else None
        if isinstance(origin, Operation) and origin.symbol == "+":
            waiting.extend(reversed(origin.operands))
        else:
            yield term


def _repeated(names: str, numbers: str, binds: int, times: int) -> Text:
    if times == 1:
        return names, numbers, binds
    wrap: Callable[[str], str] = (lambda text: f"({text})") if binds < _PRODUCT else str
    return f"{times} · {wrap(names)}", f"{times} · {wrap(numbers)}", _PRODUCT


def _joined(parts: Sequence[Text], sign: str, binds: int, *, inner: Sequence[int]) -> Text:
    """Join operands, those that bind more loosely than they must in parentheses."""

    def side(which: int) -> str:
        texts = [
            f"({part[which]})" if part[2] < least else str(part[which])
            for part, least in zip(parts, inner, strict=True)
        ]
        return sign.join(texts)

    return side(0), side(1), binds


def _is_one(operand: Sourced | float) -> bool:
    """Whether it is a bare number of exactly one, which rests on nothing."""
    if isinstance(operand, Sourced):
        return operand.value == 1.0 and operand.origin is None and not operand.sources
    return operand == 1.0


def _number(operand: Sourced | float) -> float:
    return operand.value if isinstance(operand, Sourced) else operand
