"""One way to look up a model by its explicit name.

Which question this module answers: *which model does ``model: flash`` in a YAML file mean?*

A :class:`Registry` maps explicit names to objects. There are no priorities and no scanning: a name
is either one of ours, registered where the model is defined, or a plug-in's, published under the
registry's entry-point group and loaded only when the name is not ours. Two plug-ins that claim
one name, or a plug-in that claims one of ours, are an error.

The registries themselves stand at the end of this module. They know pimsim's own models by name,
place and one line of description, and load them on first use: so a name in a YAML file is checked,
and ``pimsim list`` answers, without importing a single model.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
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
            return self._entries[name]
        if len(plugins) > 1:
            claims = " and ".join(repr(point.value) for point in plugins)
            raise RegistryError(f"{self.kind} {name!r} is claimed by {claims}; rename one of them")
        if not plugins:
            raise NotFoundError(f"unknown {self.kind} {name!r}{nearest(name, self.names())}")
        entry: T = plugins[0].load()
        return entry

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

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

_INT = "pimsim.integer"
_FLOAT = "pimsim.quantization.float_units"
for _role, _name, _target, _summary in (
    (
        "softmax",
        "ibert_softmax",
        f"{_INT}.ibert_softmax:IBertSoftmax",
        "integer softmax, 2nd-order i-exp (I-BERT)",
    ),
    (
        "gelu",
        "ibert_gelu",
        f"{_INT}.ibert_gelu:IBertGelu",
        "integer GELU, 2nd-order i-erf (I-BERT)",
    ),
    (
        "layer_norm",
        "ibert_layer_norm",
        f"{_INT}.ibert_layer_norm:IBertLayerNorm",
        "integer LayerNorm, Newton root",
    ),
    (
        "requantize",
        "dyadic_requantize",
        f"{_INT}.requantize:DyadicRequantize",
        "multiply, shift, round, saturate",
    ),
    (
        "add",
        "dyadic_add",
        f"{_INT}.requantize:DyadicAdd",
        "residual addition on two dyadic scales",
    ),
    ("softmax", "fp32_softmax", f"{_FLOAT}:Fp32Softmax", "floating-point softmax"),
    ("gelu", "fp32_gelu", f"{_FLOAT}:Fp32Gelu", "floating-point GELU"),
    ("layer_norm", "fp32_layer_norm", f"{_FLOAT}:Fp32LayerNorm", "floating-point LayerNorm"),
    ("add", "fp32_add", f"{_FLOAT}:Fp32Add", "floating-point residual addition"),
    (
        "requantize",
        "fp32_requantize",
        f"{_FLOAT}:Fp32Requantize",
        "floating-point dequantize and quantize",
    ),
):
    UNITS.declare(_name, _target, _summary, _role)
SCHEMES.declare(
    "int8_dyadic", "pimsim.quantization.int8_dyadic:quantize", "integer-only INT8, dyadic rescaling"
)
SCHEMES.declare(
    "int8_dqq",
    "pimsim.quantization.int8_dqq:quantize",
    "INT8 products between floating-point dequantize and quantize",
)
ADC_MODELS.declare(
    "flash", "pimsim.analog.adc:linear_transfer", "linear flash: one comparator per code step"
)
ADC_MODELS.declare("sar", "pimsim.analog.adc:linear_transfer", "linear successive approximation")
CELL_MODELS.declare(
    "mram",
    "pimsim.analog.cells:gaussian_variation",
    "non-volatile MRAM cell, read-only at run time",
)
CELL_MODELS.declare(
    "sram", "pimsim.analog.cells:gaussian_variation", "8T SRAM cell, written at run time"
)
CELL_MODELS.declare("ideal", "pimsim.analog.cells:no_variation", "cell without variation")
ZERO_SKIPPING.declare(
    "none",
    "pimsim.analog.zero_skipping:dense_read_cycles",
    "every row group of every bit-plane is read",
)
TIMING_UNITS.declare(
    "mesh", "pimsim.timing.noc:Mesh", "2-D mesh, XY routing, one resource per link"
)
TIMING_UNITS.declare("bus", "pimsim.timing.noc:Bus", "one bus shared by all tiles")
_COST = "pimsim.cost"
for _role, _name, _target, _summary in (
    (
        "converters",
        "flash_comparators",
        f"{_COST}.adc:flash",
        "flash converter built from one cited comparator",
    ),
    (
        "converters",
        "survey_regression",
        f"{_COST}.adc:survey",
        "regression over published converters, 4 bits up",
    ),
    (
        "converters",
        "survey_regression_4bit",
        f"{_COST}.adc:survey_at_least_4_bits",
        "the same, a converter below 4 bits costed as one of 4 (upper bound)",
    ),
    (
        "crossbars",
        "cell_read_write",
        f"{_COST}.crossbar:crossbar",
        "cell currents, word lines, drivers, writes",
    ),
    (
        "digital logic",
        "digital_operations",
        f"{_COST}.digital:operations",
        "operation counts times energy per operation",
    ),
    (
        "buffers",
        "sram_buffer",
        f"{_COST}.memory:sram",
        "activation buffers per bit moved and stored",
    ),
    (
        "networks",
        "mesh_router",
        f"{_COST}.noc:mesh",
        "router and link energy per bit and hop",
    ),
):
    COST_MODELS.declare(_name, _target, _summary, _role)
