"""One way to look up a model by its explicit name.

Which question this module answers: *which model does ``model: flash`` in a YAML file mean?*

A :class:`Registry` maps explicit names to objects. There are no priorities and no scanning: a name
is either one of ours, registered where the model is defined, or a plug-in's, published under the
registry's entry-point group and loaded only when the name is not ours. Two plug-ins that claim
one name, or a plug-in that claims one of ours, are an error.

The registries themselves stand at the end of this module. They know pimsim's own models by name,
place and one line of description, from the table ``own_models.csv`` beside it, and load them on
first use: so a name in a YAML file is checked, and ``pimsim list`` answers, without importing a
single model.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, final

from pimsim.errors import NotFoundError, RegistryError, nearest

T = TypeVar("T")

ENTRY_POINT_GROUPS: Final = (
    "pimsim.cost_models",
    "pimsim.adc_models",
    "pimsim.cell_models",
    "pimsim.schemes",
    "pimsim.integer_units",
    "pimsim.zero_skipping",
    "pimsim.lowerings",
    "pimsim.timing_units",
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A model of pimsim's own that is loaded on first use."""

    module: str
    attribute: str
    summary: str
    role: str | None = None
    """What the model is for, where models of one kind are not interchangeable."""


@final
class Registry(Generic[T]):
    """Named models of one kind.

    Parameters
    ----------
    kind
        What the entries are, in the words of an error message: ``"ADC model"``.
    group
        Entry-point group in which plug-ins publish further entries, one of
        :data:`ENTRY_POINT_GROUPS`.

    Examples
    --------
    >>> softmaxes = Registry("integer unit", "pimsim.integer_units")
    >>> @softmaxes.register("example_softmax")
    ... def example_softmax() -> int:
    ...     return 1
    >>> softmaxes["example_softmax"] is example_softmax
    True
    """

    def __init__(self, kind: str, group: str) -> None:
        if group not in ENTRY_POINT_GROUPS:
            raise RegistryError(
                f"entry-point group {group!r} is not one of {', '.join(ENTRY_POINT_GROUPS)}"
            )
        self.kind = kind
        self.group = group
        self._entries: dict[str, T] = {}
        self._declared: dict[str, Declaration] = {}
        self._unclaimed: set[str] = set()  # ours, and no plug-in's: asking again takes milliseconds

    def declare(self, name: str, target: str, summary: str, role: str | None = None) -> None:
        """Make ``name`` known without loading it.

        Parameters
        ----------
        name
            What a YAML file says.
        target
            ``"package.module:attribute"``, imported on first use.
        summary
            One line for ``pimsim list``.
        role
            What the model is for, if not for everything that its kind is for.

        Raises
        ------
        RegistryError
            If ``name`` is taken.
        """
        if name in self._entries or name in self._declared:
            raise RegistryError(f"{self.kind} {name!r} is registered twice")
        module, attribute = target.split(":")
        self._declared[name] = Declaration(module, attribute, summary, role)

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers its object under ``name``.

        Raises
        ------
        RegistryError
            If ``name`` is taken.
        """

        def decorate(entry: T) -> T:
            if name in self._entries or name in self._declared:
                raise RegistryError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return decorate

    def __getitem__(self, name: str) -> T:
        """Return the entry called ``name``; a plug-in's is loaded on first use.

        Raises
        ------
        NotFoundError
            If nobody registered ``name``; the nearest names are given.
        RegistryError
            If two plug-ins, or a plug-in and pimsim, claim ``name``.
        """
        if name in self._unclaimed:
            return self._entries[name]
        plugins = [point for point in self._plugins() if point.name == name]
        ours = name in self._entries or name in self._declared
        if ours:
            if plugins:
                raise RegistryError(
                    f"{self.kind} {name!r} is pimsim's own, but {plugins[0].value!r} claims it "
                    f"too; rename the plug-in's entry in group {self.group!r}"
                )
            if name not in self._entries:
                declared = self._declared[name]
                self._entries[name] = getattr(import_module(declared.module), declared.attribute)
            self._unclaimed.add(name)
            return self._entries[name]
        if len(plugins) > 1:
            claims = " and ".join(repr(point.value) for point in plugins)
            raise RegistryError(f"{self.kind} {name!r} is claimed by {claims}; rename one of them")
        if not plugins:
            raise NotFoundError(f"unknown {self.kind} {name!r}{nearest(name, self.names())}")
        entry: T = plugins[0].load()
        return entry

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._declared or name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def is_own(self, name: str) -> bool:
        """Whether ``name`` is one of ours; a plug-in that claims it, too, is found on use."""
        return name in self._entries or name in self._declared

    def names(self) -> tuple[str, ...]:
        """All known names, ours and the plug-ins', sorted."""
        plugins = (point.name for point in self._plugins())
        return tuple(sorted({*self._entries, *self._declared, *plugins}))

    def suits(self, name: str, role: str) -> bool:
        """Whether the entry is for ``role``; a plug-in's role is not known before it is used."""
        declared = self._declared.get(name)
        return declared is None or declared.role in (None, role)

    def summary(self, name: str) -> str:
        """One line that says what ``name`` is."""
        if name in self._declared:
            return self._declared[name].summary
        lines = (getattr(self[name], "__doc__", None) or "").strip().splitlines()
        return lines[0] if lines else ""

    def _plugins(self) -> tuple[EntryPoint, ...]:
        return tuple(entry_points(group=self.group))


UNITS: Final[Registry[Any]] = Registry("digital unit", "pimsim.integer_units")
SCHEMES: Final[Registry[Any]] = Registry("numerics scheme", "pimsim.schemes")
ADC_MODELS: Final[Registry[Any]] = Registry("ADC model", "pimsim.adc_models")
CELL_MODELS: Final[Registry[Any]] = Registry("cell model", "pimsim.cell_models")
ZERO_SKIPPING: Final[Registry[Any]] = Registry("zero-skipping scheme", "pimsim.zero_skipping")
COST_MODELS: Final[Registry[Any]] = Registry("cost model", "pimsim.cost_models")
TIMING_UNITS: Final[Registry[Any]] = Registry("network-on-chip model", "pimsim.timing_units")
LOWERINGS: Final[Registry[Any]] = Registry("lowering", "pimsim.lowerings")

REGISTRIES: Final = (
    UNITS,
    SCHEMES,
    ADC_MODELS,
    CELL_MODELS,
    ZERO_SKIPPING,
    COST_MODELS,
    TIMING_UNITS,
    LOWERINGS,
)
"""Every registry, in the order in which ``pimsim list`` prints them."""

_BY_KEY: Final = {
    "units": UNITS,
    "schemes": SCHEMES,
    "adc_models": ADC_MODELS,
    "cell_models": CELL_MODELS,
    "zero_skipping": ZERO_SKIPPING,
    "cost_models": COST_MODELS,
    "timing_units": TIMING_UNITS,
    "lowerings": LOWERINGS,
}
"""Registry by its key in the first column of the table."""


def _declare_own_models() -> None:
    """Declare every row of the table: registry, role, name, target below ``pimsim``, summary."""
    with Path(__file__).with_name("own_models.csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            _BY_KEY[row["registry"]].declare(
                row["name"], f"pimsim.{row['target']}", row["summary"], row["role"] or None
            )


_declare_own_models()
