"""Numbers that remember where they come from and how they were computed.

Which question this module answers: *on which published, fitted or assumed constants does this
number rest, how well is it therefore known, and by which formula did it come about?*

A :class:`Sourced` value is multiplied and added like a float. It carries the union of the sources
of its factors along, so that no component model has to keep a list by hand, and the expression
that it is the value of, so that :mod:`pimsim.cost.derivation` can print the very computation that
costed a run. The expression is never compared, and costs about as much as the float's arithmetic.

Leaves of an expression are constants of the library, settings of the architecture file
(:func:`setting`), and numbers that are exact by definition (:func:`exact`). A component model names
what a reader would look for (:meth:`Sourced.named`); what has no name is shown as part of the
formula that it stands in.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from pimsim.records import Source, SourceKind
from pimsim.units import UNIT_SUFFIXES

KINDS_FROM_BEST: Final[tuple[SourceKind, ...]] = ("measured", "fitted", "published", "assumed")
"""Kinds of a source, the best known first: silicon, a fit to much of it, one paper, our choice."""

LeafKind = Literal["constant", "setting", "exact"]
"""A row of a library with a source; a key of the architecture file; true by definition."""


def weakest(sources: Iterable[Source]) -> SourceKind:
    """Return the kind of the least well-known source; ``"assumed"`` if there is none.

    Examples
    --------
    >>> weakest([Source("a", "Table 1", "measured"), Source("b", "text", "published")])
    'published'
    >>> weakest([])
    'assumed'
    """
    ranks = [KINDS_FROM_BEST.index(source.kind) for source in sources]
    return KINDS_FROM_BEST[max(ranks)] if ranks else "assumed"


class Leaf(NamedTuple):
    """Where an expression ends."""

    name: str
    unit: str
    kind: LeafKind
    place: str = ""
    """Library that a constant is in, ``"adc.csv"``."""


class Name(NamedTuple):
    """A value that a model has given a name."""

    name: str
    unit: str
    note: str
    of: "Sourced"


class Operation(NamedTuple):
    """A value computed from others."""

    symbol: str
    """``+ - * / **``, or the name of a function."""
    operands: "tuple[Sourced | float, ...]"


@dataclass(frozen=True, slots=True)
class Sourced:
    """A number, the sources of all constants behind it, and how it was computed.

    Parameters
    ----------
    value
        The number, in the unit that the name of the variable ends in.
    sources
        Without repetition, in order of first use.
    origin
        Expression that the number is the value of; ``None`` for a number given as such. Equal
        numbers with equal sources are equal, however they were computed.

    Examples
    --------
    >>> width = Sourced(2.0, (Source("a", "p. 1", "published"),))
    >>> height = Sourced(3.0, (Source("b", "p. 2", "assumed"),))
    >>> area = width * height * 0.5
    >>> area.value, area.kind, len(area.sources)
    (3.0, 'assumed', 2)
    >>> area.named("cell_area_um2").origin.unit
    'um2'
    """

    value: float
    sources: tuple[Source, ...] = ()
    origin: Leaf | Name | Operation | None = field(default=None, compare=False, repr=False)

    @property
    def kind(self) -> SourceKind:
        """The weakest kind among the sources."""
        return weakest(self.sources)

    def named(self, name: str, unit: str = "", note: str = "") -> "Sourced":
        """Return the same number under a name that explanations show it by.

        Parameters
        ----------
        name
            What it is; where two numbers of one chip differ, the name says in what
            (``"energy_ratio(45 nm, 28 nm)"``).
        unit
            An ending of :data:`pimsim.units.UNIT_SUFFIXES`; the one that the name has when absent.
        note
            One line on why the formula is this one, with its place in the paper.
        """
        return Sourced(self.value, self.sources, Name(name, unit or unit_of(name), note, self))

    def __mul__(self, other: "Sourced | float") -> "Sourced":
        """Multiply; sources are united."""
        return _applied("*", self, other, self.value * _value(other))

    def __rmul__(self, other: float) -> "Sourced":
        """Multiply a number by this one."""
        return _applied("*", other, self, other * self.value)

    def __truediv__(self, other: "Sourced | float") -> "Sourced":
        """Divide; sources are united."""
        return _applied("/", self, other, self.value / _value(other))

    def __rtruediv__(self, other: float) -> "Sourced":
        """Divide a number by this one."""
        return _applied("/", other, self, other / self.value)

    def __pow__(self, exponent: "Sourced | float") -> "Sourced":
        """Raise to a power; sources are united."""
        return _applied("**", self, exponent, self.value ** _value(exponent))

    def __add__(self, other: "Sourced | float") -> "Sourced":
        """Add; a term of exactly zero brings no sources, because nothing rests on it."""
        if _value(other) == 0.0:
            return self
        if self.value == 0.0 and isinstance(other, Sourced):
            return other
        return _applied("+", self, other, self.value + _value(other))

    def __radd__(self, other: float) -> "Sourced":
        """Add this number to another one."""
        return self if other == 0.0 else _applied("+", other, self, other + self.value)

    def __sub__(self, other: "Sourced | float") -> "Sourced":
        """Subtract; sources are united."""
        return _applied("-", self, other, self.value - _value(other))

    def __rsub__(self, other: float) -> "Sourced":
        """Subtract this number from another one."""
        return _applied("-", other, self, other - self.value)


def setting(name: str, value: float, unit: str = "") -> Sourced:
    """Return a number of the architecture file: a leaf without a source.

    Parameters
    ----------
    name
        Path of the key, ``"macros.mram.crossbar.rows"``, or its end.
    value
        What the file says.
    unit
        The one that the name ends in when absent; nothing for counts.

    Examples
    --------
    >>> (setting("crossbar.rows", 1024) * setting("cell_area_um2", 0.5)).value
    512.0
    """
    return Sourced(float(value), (), Leaf(name, unit or unit_of(name), "setting"))


def exact(name: str, value: float, unit: str = "") -> Sourced:
    """Return a number that is true by definition, such as a conversion of units, or a count.

    Examples
    --------
    >>> (setting("capacity_bytes", 2) * exact("bits per byte", 8)).value
    16.0
    """
    return Sourced(float(value), (), Leaf(name, unit or unit_of(name), "exact"))


def library_constant(name: str, value: float, unit: str, source: Source, file: str) -> Sourced:
    """Return a row of a library: a leaf with a source."""
    return Sourced(value, (source,), Leaf(name, unit, "constant", file))


def total(terms: Iterable[Sourced]) -> Sourced:
    """Add up terms, however many; nothing gives zero without a source.

    Examples
    --------
    >>> total([Sourced(1.0), Sourced(2.0)]).value
    3.0
    """
    kept = tuple(term for term in terms if term.value != 0.0)
    if not kept:
        return Sourced(0.0)
    if len(kept) == 1:
        return kept[0]
    value = kept[0].value
    sources = dict.fromkeys(kept[0].sources)
    for term in kept[1:]:
        value += term.value
        sources.update(dict.fromkeys(term.sources))
    return Sourced(value, tuple(sources), Operation("+", kept))


def apply(symbol: str, function: Callable[..., float], *operands: Sourced | float) -> Sourced:
    """Return what a function of numbers gives; the sources of all of them are united.

    For what the operators and the functions of this module cannot say. The function sees plain
    numbers.

    Parameters
    ----------
    symbol
        What explanations call the function.
    function
        The computation itself.
    operands
        Its arguments, in order.

    Examples
    --------
    >>> apply("hypot", math.hypot, setting("a", 3), 4.0).value
    5.0
    """
    sources: dict[Source, None] = {}
    for operand in operands:
        if isinstance(operand, Sourced):
            sources.update(dict.fromkeys(operand.sources))
    value = function(*(_value(operand) for operand in operands))
    return Sourced(value, tuple(sources), Operation(symbol, operands))


def exp(exponent: Sourced) -> Sourced:
    """Return e to this power."""
    return apply("exp", math.exp, exponent)


def log(number: Sourced) -> Sourced:
    """Natural logarithm."""
    return apply("ln", math.log, number)


def log2(number: Sourced) -> Sourced:
    """Logarithm to the base 2."""
    return apply("log2", math.log2, number)


def sqrt(number: Sourced) -> Sourced:
    """Square root."""
    return apply("sqrt", math.sqrt, number)


def ceil(number: Sourced) -> Sourced:
    """Smallest whole number that is not below.

    Examples
    --------
    >>> ceil(setting("cols", 10) / setting("columns_per_adc", 4)).value
    3.0
    """
    return apply("ceil", lambda value: float(math.ceil(value)), number)


def smallest(*numbers: Sourced | float) -> Sourced:
    """The smallest; it rests on the sources of all, because any could have been it."""
    return apply("min", min, *numbers)


def largest(*numbers: Sourced | float) -> Sourced:
    """The largest; it rests on the sources of all, because any could have been it.

    Examples
    --------
    >>> largest(setting("drive_ns", 10.0), setting("convert_ns", 8.0)).value
    10.0
    """
    return apply("max", max, *numbers)


def unit_of(name: str) -> str:
    """Return the unit that a name ends in, the longest that fits; nothing for a count.

    Examples
    --------
    >>> unit_of("energy_per_on_cell_pj"), unit_of("link_bits_per_ns"), unit_of("crossbar.rows")
    ('pj', 'bits_per_ns', '')
    """
    words = name.split("(", maxsplit=1)[0].rsplit(".", 1)[-1].split("_")
    for start in range(len(words)):
        ending = "_".join(words[start:])
        if ending in UNIT_SUFFIXES:
            return ending
    return ""


def _value(operand: Sourced | float) -> float:
    return operand.value if isinstance(operand, Sourced) else operand


def _applied(symbol: str, one: Sourced | float, other: Sourced | float, value: float) -> Sourced:
    """Return the value of a binary operation with its expression."""
    first = one.sources if isinstance(one, Sourced) else ()
    second = other.sources if isinstance(other, Sourced) else ()
    return Sourced(value, _united(first, second), Operation(symbol, (one, other)))


def _united(one: tuple[Source, ...], other: tuple[Source, ...]) -> tuple[Source, ...]:
    if not other or one is other:
        return one
    if not one:
        return other
    return tuple(dict.fromkeys(one + other))
