"""Numbers that remember where they come from.

Which question this module answers: *on which published, fitted or assumed constants does this
number rest, and how well is it therefore known?*

A :class:`Sourced` value is multiplied and added like a float and carries the union of the sources
of its factors along, so that no component model has to keep a list by hand.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pimsim.records import Source, SourceKind

KINDS_FROM_BEST: Final[tuple[SourceKind, ...]] = ("measured", "fitted", "published", "assumed")
"""Kinds of a source, the best known first: silicon, a fit to much of it, one paper, our choice."""


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


@dataclass(frozen=True, slots=True)
class Sourced:
    """A number and the sources of all constants behind it.

    Parameters
    ----------
    value
        The number, in the unit that the name of the variable ends in.
    sources
        Without repetition, in order of first use.

    Examples
    --------
    >>> width = Sourced(2.0, (Source("a", "p. 1", "published"),))
    >>> height = Sourced(3.0, (Source("b", "p. 2", "assumed"),))
    >>> area = width * height * 0.5
    >>> area.value, area.kind, len(area.sources)
    (3.0, 'assumed', 2)
    """

    value: float
    sources: tuple[Source, ...] = ()

    @property
    def kind(self) -> SourceKind:
        """The weakest kind among the sources."""
        return weakest(self.sources)

    def __mul__(self, other: "Sourced | float") -> "Sourced":
        """Multiply; sources are united."""
        if isinstance(other, Sourced):
            return Sourced(self.value * other.value, _united(self, other))
        return Sourced(self.value * other, self.sources)

    def __truediv__(self, other: "Sourced | float") -> "Sourced":
        """Divide; sources are united."""
        if isinstance(other, Sourced):
            return Sourced(self.value / other.value, _united(self, other))
        return Sourced(self.value / other, self.sources)

    def __add__(self, other: "Sourced") -> "Sourced":
        """Add; a term of exactly zero brings no sources, because nothing rests on it."""
        if other.value == 0.0:
            return self
        if self.value == 0.0:
            return other
        return Sourced(self.value + other.value, _united(self, other))


def total(terms: Iterable[Sourced]) -> Sourced:
    """Add up terms; nothing gives zero without a source.

    Examples
    --------
    >>> total([Sourced(1.0), Sourced(2.0)]).value
    3.0
    """
    result = Sourced(0.0)
    for term in terms:
        result = result + term
    return result


def _united(one: Sourced, other: Sourced) -> tuple[Source, ...]:
    return tuple(dict.fromkeys(one.sources + other.sources))
