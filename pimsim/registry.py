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
    (
        "multiply",
        "dyadic_multiply",
        f"{_INT}.multiply:DyadicMultiply",
        "product of two tensors on a dyadic scale",
    ),
    ("relu", "rectify", f"{_INT}.rectify:Rectify", "ReLU on codes"),
    (
        "elementwise",
        "fp32_elementwise",
        f"{_FLOAT}:Fp32Elementwise",
        "floating-point addition, root, exponential, ... of single elements",
    ),
    (
        "softmax",
        "ivit_softmax",
        f"{_INT}.ivit_softmax:IVitSoftmax",
        "integer softmax, shift exponential (I-ViT Shiftmax)",
    ),
    (
        "softmax",
        "illm_softmax",
        f"{_INT}.illm_softmax:ILlmSoftmax",
        "integer softmax, 8-bit clipped distances (I-LLM)",
    ),
    (
        "softmax",
        "fqvit_softmax",
        f"{_INT}.fqvit_softmax:FqVitSoftmax",
        "integer softmax, 4-bit logarithms (FQ-ViT)",
    ),
    (
        "softmax",
        "softermax",
        f"{_INT}.softermax:Softermax",
        "integer softmax, base 2, online maximum (Softermax)",
    ),
    (
        "gelu",
        "table_gelu",
        f"{_INT}.table_activation:TableGelu",
        "GELU by look-up table and chords",
    ),
    (
        "layer_norm",
        "ivit_layer_norm",
        f"{_INT}.ivit_layer_norm:IVitLayerNorm",
        "integer LayerNorm, ten fixed Newton steps (I-ViT)",
    ),
    (
        "layer_norm",
        "fqvit_layer_norm",
        f"{_INT}.fqvit_layer_norm:FqVitLayerNorm",
        "integer LayerNorm, power-of-two factors (FQ-ViT)",
    ),
    (
        "requantize",
        "shift_requantize",
        f"{_INT}.shift_requantize:ShiftRequantize",
        "shift, round, saturate",
    ),
    (
        "requantize",
        "emsb_q",
        f"{_INT}.leading_one:emsb_q",
        "bits below a token's leading one (RAP eMSB-Q)",
    ),
    (
        "requantize",
        "qrazor_sdr",
        f"{_INT}.leading_one:qrazor_sdr",
        "4 bits below a group's leading one, rounded (QRazor)",
    ),
    (
        "requantize",
        "quartz_lzs",
        f"{_INT}.leading_one:quartz_lzs",
        "4 bits below a block's leading one, cut (QuaRTZ)",
    ),
    (
        "silu",
        "table_silu",
        f"{_INT}.table_activation:TableSilu",
        "SiLU by look-up table and chords",
    ),
    (
        "gelu",
        "ivit_gelu",
        f"{_INT}.ivit_activations:IVitGelu",
        "integer GELU, shift exponential (I-ViT ShiftGELU)",
    ),
    (
        "silu",
        "ibert_silu",
        f"{_INT}.ibert_silu:IBertSilu",
        "integer SiLU, 2nd-order i-exp (I-BERT)",
    ),
    (
        "silu",
        "ivit_silu",
        f"{_INT}.ivit_activations:IVitSilu",
        "integer SiLU, shift exponential (I-ViT)",
    ),
    (
        "rms_norm",
        "ibert_rms_norm",
        f"{_INT}.ibert_rms_norm:IBertRmsNorm",
        "integer RMSNorm, Newton root",
    ),
    (
        "rotary",
        "table_rotary",
        f"{_INT}.table_rotary:TableRotary",
        "rotary embedding, integer sines and cosines",
    ),
    ("softmax", "fp32_softmax", f"{_FLOAT}:Fp32Softmax", "floating-point softmax"),
    ("gelu", "fp32_gelu", f"{_FLOAT}:Fp32Gelu", "floating-point GELU"),
    ("layer_norm", "fp32_layer_norm", f"{_FLOAT}:Fp32LayerNorm", "floating-point LayerNorm"),
    ("rms_norm", "fp32_rms_norm", f"{_FLOAT}:Fp32RmsNorm", "floating-point RMSNorm"),
    ("silu", "fp32_silu", f"{_FLOAT}:Fp32Silu", "floating-point SiLU"),
    ("rotary", "fp32_rotary", f"{_FLOAT}:Fp32Rotary", "floating-point rotary embedding"),
    ("add", "fp32_add", f"{_FLOAT}:Fp32Add", "floating-point residual addition"),
    (
        "requantize",
        "fp32_requantize",
        f"{_FLOAT}:Fp32Requantize",
        "floating-point dequantize and quantize",
    ),
):
    UNITS.declare(_name, _target, _summary, _role)
    if _name.startswith("fp32_"):
        _half = _target.replace(":Fp32", ":Fp16"), f"{_summary}, half precision"
        UNITS.declare(_name.replace("fp32_", "fp16_"), *_half, _role)
SCHEMES.declare(
    "int8_dyadic", "pimsim.quantization.int8_dyadic:quantize", "integer-only INT8, dyadic rescaling"
)
SCHEMES.declare(
    "int8_dqq",
    "pimsim.quantization.int8_dqq:quantize",
    "INT8 products between floating-point dequantize and quantize",
)
for _name, _target, _summary in (
    ("int4", "int4:quantize", "4-bit operands of products, all else as int8_dyadic"),
    (
        "qrazor_w4a4",
        "group_shift:quantize",
        "QRazor: 4-bit weights and activations with a shift per group, 8-bit keys and values",
    ),
    (
        "qrazor_w4a8",
        "group_shift:quantize",
        "QRazor: 4-bit weights with a shift per group, 8-bit activations, keys and values",
    ),
    (
        "qrazor_w4a4kv4",
        "group_shift:quantize",
        "QRazor: 4-bit weights, activations, keys and values with a shift per group",
    ),
    (
        "quartz_w4a4",
        "group_shift:quantize",
        "QuaRTZ: 4-bit windows of 8-bit weights and activations, a shift per group",
    ),
    (
        "float32",
        "float32:quantize",
        "reference: products in floating point, which no crossbar can execute",
    ),
):
    SCHEMES.declare(_name, f"pimsim.quantization.{_target}", _summary)
ADC_MODELS.declare(
    "flash",
    "pimsim.analog.decision_levels:flash",
    "flash: one comparator per code step, each with its offset",
)
ADC_MODELS.declare(
    "sar",
    "pimsim.analog.decision_levels:sar",
    "successive approximation on binary-weighted capacitors",
)
CELL_MODELS.declare(
    "mram",
    "pimsim.analog.cells:gaussian_variation",
    "non-volatile MRAM cell, read-only at run time",
)
CELL_MODELS.declare(
    "sram", "pimsim.analog.cells:gaussian_variation", "8T SRAM cell, written at run time"
)
CELL_MODELS.declare(
    "reram",
    "pimsim.analog.cells:gaussian_variation",
    "resistive (filamentary) cell, read-only at run time",
)
CELL_MODELS.declare(
    "pcm",
    "pimsim.analog.cells:gaussian_variation",
    "phase-change cell, read-only at run time",
)
CELL_MODELS.declare("ideal", "pimsim.analog.cells:no_variation", "cell without variation")
for _name, _summary in (
    ("none", "every row group of every bit-plane is read"),
    ("value", "row groups whose inputs are all zero are not read"),
    ("bit", "row groups whose bits of the plane are all zero are not read"),
):
    ZERO_SKIPPING.declare(_name, f"pimsim.analog.zero_skipping:{_name.upper()}", _summary)
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
