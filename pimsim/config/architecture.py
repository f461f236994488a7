"""The architecture file as frozen models: one attribute per YAML key.

Which question this module answers: *what can be said about a chip, in which units and bounds?*

The top-level keys are fixed; sections gain keys, none is renamed. A non-ideality that is absent
(``None``) is ideal, and a run's manifest lists it as such (:func:`ideal_parts`).
"""

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pimsim.config.base import PICOSECOND_NS, Config, known_in
from pimsim.config.cells import Cell, Drift, Faults, Programming, ReadNoise, Wires
from pimsim.config.component_table import ComponentTable
from pimsim.config.converters import Adc, CodeRange
from pimsim.config.costs import Cost, CostModels, Name
from pimsim.config.macros import (
    Accumulate,
    Crossbar,
    Inputs,
    Macro,
    Reprogram,
    Weights,
    Write,
    ZeroSkipping,
)
from pimsim.config.pvt import Pvt
from pimsim.registry import SCHEMES, TIMING_UNITS, UNITS

__all__ = [
    "SCHEMA_VERSION",
    "Accumulate",
    "Adc",
    "Architecture",
    "Buffer",
    "Cell",
    "Chip",
    "CodeRange",
    "ComponentTable",
    "Cost",
    "CostModels",
    "Crossbar",
    "Drift",
    "Faults",
    "Inputs",
    "Io",
    "Macro",
    "Mapping",
    "Memory",
    "Noc",
    "Numerics",
    "Operand",
    "Override",
    "Programming",
    "Pvt",
    "ReadNoise",
    "Reprogram",
    "Tile",
    "Unit",
    "Units",
    "Weights",
    "Wires",
    "Write",
    "ZeroSkipping",
    "ideal_parts",
]

SCHEMA_VERSION = 1

SchemeModel = Annotated[str, AfterValidator(known_in(SCHEMES))]
NocModel = Annotated[str, AfterValidator(known_in(TIMING_UNITS))]

Operand = Literal["static", "dynamic"]


class Unit(Config):
    """One kind of digital vector unit; every tile has one."""

    model: str
    """Name of a digital unit: ``pimsim list``."""
    lanes: int = Field(ge=1, le=65536)
    """Elements processed per clock cycle and pass."""


def _unit_for(function: str) -> Callable[[Unit], Unit]:
    """Return a validator of a unit whose model must compute ``function``."""
    check = known_in(UNITS, function)

    def validate(unit: Unit) -> Unit:
        try:
            check(unit.model)
        except ValueError as error:
            raise ValueError(f"model: {error}") from None
        return unit

    return validate


class Units(Config):
    """The digital functions between the products."""

    softmax: Annotated[Unit, AfterValidator(_unit_for("softmax"))]
    """Rows of attention logits."""
    layer_norm: Annotated[Unit, AfterValidator(_unit_for("layer_norm"))]
    """Rows of activations."""
    gelu: Annotated[Unit, AfterValidator(_unit_for("gelu"))]
    """Elements between the two layers of the feed-forward part."""
    requantize: Annotated[Unit, AfterValidator(_unit_for("requantize"))]
    """Rescaling of products, residual additions, products of two tensors, ReLU."""
    rms_norm: Annotated[Unit, AfterValidator(_unit_for("rms_norm"))] | None = None
    """Rows of activations of Llama-like models; absent: the chip has no such unit."""
    silu: Annotated[Unit, AfterValidator(_unit_for("silu"))] | None = None
    """Gates of the feed-forward part of Llama-like models; absent: none."""
    rotary: Annotated[Unit, AfterValidator(_unit_for("rotary"))] | None = None
    """Rotary position embedding of queries and keys; absent: none."""
    mac_array: Annotated[Unit, AfterValidator(_unit_for("mac_array"))] | None = None
    """Digital multiply-accumulate array for products of two activations, ``lanes`` products per
    clock cycle, on chips whose macros cannot be written at run time; absent: none."""

    def present(self) -> dict[str, Unit]:
        """Units that the chip has, by key, in the order of the file format."""
        units = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: unit for name, unit in units.items() if unit is not None}


class Buffer(Config):
    """On-chip memory for activations."""

    capacity_bytes: int = Field(ge=1, le=1 << 40)
    """Size."""
    bandwidth_bits_per_ns: float = Field(gt=0, le=1e9)
    """Reads and writes share it."""


class Tile(Config):
    """Macros, one buffer, one set of vector units and one router port."""

    macros: dict[str, Annotated[int, Field(ge=0, le=1 << 20)]]
    """Macro name → how many of them a tile holds."""
    buffer: Buffer
    """Activations between operations."""


def _zero_or_a_tick(time_ns: float) -> float:
    if 0 < time_ns < PICOSECOND_NS:
        raise ValueError(f"must be 0 or at least {PICOSECOND_NS} (found {time_ns})")
    return time_ns


class Noc(Config):
    """Network between the tiles."""

    model: NocModel
    """Name of a network model: ``pimsim list``."""
    link_bits_per_ns: float = Field(gt=0, le=1e9)
    """Bandwidth of one link."""
    router_delay_ns: Annotated[float, AfterValidator(_zero_or_a_tick)] = Field(ge=0, le=1e6)
    """Delay of each hop."""


class Memory(Config):
    """Off-chip memory behind the global buffer."""

    technology: Literal["ddr4", "lpddr4", "lpddr5", "gddr6", "hbm2", "hbm2e", "hbm3"]
    """Kind of DRAM; decides its energy."""
    capacity_bytes: int = Field(ge=1, le=1 << 50)
    """Size."""
    bandwidth_bits_per_ns: float = Field(gt=0, le=1e9)
    """Of all channels together; reads and writes share it."""
    latency_ns: Annotated[float, AfterValidator(_zero_or_a_tick)] = Field(ge=0, le=1e6)
    """From a request to the first bit."""


class Io(Config):
    """Pins through which inputs arrive and outputs leave, apart from the memory's."""

    bandwidth_bits_per_ns: float = Field(gt=0, le=1e9)
    """Of all lanes together, both directions."""


class Chip(Config):
    """Tiles and what they share."""

    tiles: int = Field(ge=1, le=1 << 20)
    """Number of equal tiles."""
    clock_ghz: float = Field(gt=0, le=100)
    """Clock of the digital units."""
    noc: Noc
    """Network between the tiles."""
    global_buffer: Buffer
    """Inputs, stored constants and outputs; it sits at the router of tile 0."""
    memory: Memory | None = None
    """Off-chip memory; absent: all weights and activations must live on the chip."""
    io: Io | None = None
    """Pins for inputs and outputs; absent: neither their time nor their energy is modelled."""


class Mapping(Config):
    """How a workload is laid onto the macros and scheduled."""

    policy: Literal["layer_order", "balanced"]
    """``layer_order``: macros are filled in the order of the operations. ``balanced``: each matrix
    goes to the tiles that have the least work so far."""
    time_multiplex: bool
    """Whether macros may be reprogrammed during an inference where the chip is too small."""
    dataflow: Literal["layer_by_layer", "token_streaming", "rap_fused"]
    """``layer_by_layer``: an operation starts when those that it needs have finished all tokens.
    ``token_streaming``: a token moves on as soon as what it needs is there. ``rap_fused``: K and V
    of all tokens first, then each token alone from its query to the output projection."""
    replication_mm2: float | None = Field(default=None, gt=0, le=1e6)
    """Macro area that may hold further copies of the matrices that take the longest; absent: no
    copies."""
    copies: int | None = Field(default=None, ge=1, le=4096)
    """Copies of each matrix of static weights, instead of ``replication_mm2``; never more than it
    has vectors. The chip must hold them."""

    @model_validator(mode="after")
    def _copies_one_way(self) -> Self:
        if self.copies is not None and self.replication_mm2 is not None:
            raise ValueError("give copies or replication_mm2, not both")
        return self


class Override(Config):
    """Another scheme for some products."""

    ops: str = Field(min_length=1)
    """Pattern for names of products in the traced graph; ``*`` stands for anything."""
    scheme: SchemeModel
    """Their scheme: one of plain integers, ``int8_dyadic`` or ``int4``."""


class Numerics(Config):
    """Which integers stand for which reals."""

    scheme: SchemeModel
    """Name of a numerics scheme: ``pimsim list``."""
    group: int | None = Field(default=None, ge=1, le=65536)
    """Neighbours along a product's sum that share one shift; only of schemes that shift groups,
    where it is 16 if absent."""
    basis_bits: Literal[8, 16] | None = None
    """Width of the integers from which such a scheme keeps the leading bits of activations; absent:
    the scheme's own."""
    observer: Literal["absolute_max", "percentile", "mse"] = "absolute_max"
    """How the range of what crossbars multiply is chosen on the calibration samples: nothing
    clipped, a share of the magnitudes kept, or the smallest mean square error."""
    percentile_ratio: float | None = Field(default=None, ge=0.5, le=1.0)
    """Share of the non-zero magnitudes that observer ``percentile`` keeps, such as 0.999."""
    weight_scales: Literal["per_channel", "per_tensor"] = "per_channel"
    """Static weights have one scale for each output channel, or one for all."""
    kv_bits: int | None = Field(default=None, ge=8, le=16)
    """Width of stored keys and values, sign included; only of scheme ``rap_int8p1``, like the next
    four keys. Absent: 16."""
    kv_msb: Literal["calibrated", "datapath"] | None = None
    """Where they are cut: from one bit above what occurred on the calibration samples, which is the
    default, or from the widest that the sums could be."""
    kv_round: Literal["half_up", "truncate"] | None = None
    """Whether they are rounded, which is the default, or cut."""
    normalization: Literal["reciprocal_lut", "shift", "paper"] | None = None
    """What takes the sum of exponentials out after P·V: a table of reciprocals, which is the
    default, the sum's leading one, or nothing."""
    branch_scale: Literal["dyadic", "pow2"] | None = None
    """How a branch comes to the scale of the residual stream: by a multiplier and a shift, which is
    the default, or by a shift alone."""

    overrides: tuple[Override, ...] = Field(default=(), strict=False)
    """Products with operands of another scheme's width; the last pattern that matches counts."""

    @model_validator(mode="after")
    def _percentile_has_a_share(self) -> Self:
        if (self.percentile_ratio is None) == (self.observer == "percentile"):
            raise ValueError(
                "observer 'percentile' and percentile_ratio, such as 0.999, go together; give both "
                "or neither"
            )
        return self


class Architecture(Config):
    """One chip, as its YAML file describes it."""

    schema_version: Literal[1]
    """Version of this format, first in the file."""
    name: Name
    """Name of the chip in results: lower-case letters, digits, underscores."""
    description: str = ""
    """One line for ``pimsim list``."""
    notes: tuple[str, ...] = Field(default=(), strict=False)
    """What a reader of a report must know, such as mechanisms of the real chip left out."""
    node_nm: float = Field(ge=7, le=130)
    """Technology node; the range of the scaling tables."""
    macros: dict[Name, Macro] = Field(min_length=1)
    """Library of macro kinds."""
    units: Units
    """Digital vector units."""
    tile: Tile
    """What every tile holds."""
    chip: Chip
    """Tiles, network, buffer."""
    mapping: Mapping
    """Placement and schedule."""
    numerics: Numerics
    """Integers and scales."""
    pvt: Pvt
    """Operating point."""
    cost: Cost
    """Energy and area models."""

    @model_validator(mode="after")
    def _tiles_hold_known_macros(self) -> Self:
        unknown = sorted(set(self.tile.macros) - set(self.macros))
        if unknown:
            raise ValueError(
                f"tile.macros names {', '.join(unknown)}, but macros has only "
                f"{', '.join(self.macros)}"
            )
        return self

    def macro_for(self, operand: Operand) -> str | None:
        """Name of the macro kind that holds static weights or dynamic operands, if there is one.

        Static weights go to the first read-only kind in file order, dynamic operands to the first
        writable kind; a chip with only writable macros holds both in them.
        """
        present = [name for name in self.macros if self.tile.macros.get(name, 0) > 0]
        writable = [name for name in present if self.macros[name].writable]
        read_only = [name for name in present if not self.macros[name].writable]
        candidates = writable if operand == "dynamic" else read_only + writable
        return candidates[0] if candidates else None


def ideal_parts(architecture: Architecture) -> tuple[str, ...]:
    """List the non-idealities that the file leaves out, as dotted paths.

    Examples
    --------
    An ADC without ``noise_ratio`` yields ``"macros.mram.adc.noise_ratio"``.
    """
    ideal = []
    for name, macro in architecture.macros.items():
        cell, prefix = macro.crossbar.cell, f"macros.{name}"
        ideal += [f"{prefix}.crossbar.cell.{key}" for key in cell.absent_errors]
        if macro.crossbar.wires is None:
            ideal.append(f"{prefix}.crossbar.wires")
        if macro.inputs.bits_per_cycle > 1 and macro.inputs.dac_inl_ratio is None:
            ideal.append(f"{prefix}.inputs.dac_inl_ratio")
        ideal += [f"{prefix}.adc.{key}" for key in macro.adc.absent_errors]
    return tuple(ideal)
