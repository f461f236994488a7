"""The architecture file as frozen models: one attribute per YAML key.

Which question this module answers: *what can be said about a chip, in which units and bounds?*

The top-level keys are fixed; sections gain keys, none is renamed. A non-ideality that is absent
(``None``) is ideal, and a run's manifest lists it as such (:func:`ideal_parts`).
"""

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pimsim.config.base import Config, known_in
from pimsim.registry import (
    ADC_MODELS,
    CELL_MODELS,
    COST_MODELS,
    SCHEMES,
    TIMING_UNITS,
    UNITS,
    ZERO_SKIPPING,
)

SCHEMA_VERSION = 1

PICOSECOND_NS = 0.001
"""Shortest time: one tick of the timing pass. [ns]"""

SchemeModel = Annotated[str, AfterValidator(known_in(SCHEMES))]
AdcModel = Annotated[str, AfterValidator(known_in(ADC_MODELS))]
CellModel = Annotated[str, AfterValidator(known_in(CELL_MODELS))]
ZeroSkippingModel = Annotated[str, AfterValidator(known_in(ZERO_SKIPPING))]
ConverterCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "converters"))]
CrossbarCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "crossbars"))]
LogicCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "digital logic"))]
BufferCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "buffers"))]
NocCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "networks"))]
NocModel = Annotated[str, AfterValidator(known_in(TIMING_UNITS))]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]

Operand = Literal["static", "dynamic"]


class Cell(Config):
    """One memory cell of a crossbar."""

    model: CellModel
    """Name of a cell model: ``pimsim list``."""
    bits: int = Field(ge=1, le=1)
    """Bits stored per cell; one so far."""
    on_off_ratio: float | None = Field(default=None, gt=1)
    """On current over off current; absent: the off current is zero."""
    sigma_on_ratio: float | None = Field(default=None, ge=0, le=1)
    """Standard deviation of the on current from cell to cell, relative to one LSB
    (on current minus off current); drawn once per chip. Absent: no variation."""
    sigma_off_ratio: float | None = Field(default=None, ge=0, le=1)
    """The same for the off current; absent: ``sigma_on_ratio / on_off_ratio``."""

    @model_validator(mode="after")
    def _ideal_cells_do_not_vary(self) -> Self:
        if self.model == "ideal" and (self.sigma_on_ratio or self.sigma_off_ratio):
            raise ValueError(
                "model 'ideal' has no variation; remove sigma_on_ratio and sigma_off_ratio, or "
                "choose 'mram' or 'sram'"
            )
        return self


class Crossbar(Config):
    """An array of cells with word lines along the rows and bit lines along the columns."""

    rows: int = Field(ge=1, le=65536)
    """Word lines."""
    cols: int = Field(ge=1, le=65536)
    """Bit lines; a matrix column takes as many as its weights have bits."""
    active_rows: int = Field(ge=1, le=65536)
    """Word lines driven at once by one read; dummy word lines top up a shorter group."""
    cell: Cell
    """The cells of the array."""

    @model_validator(mode="after")
    def _active_rows_exist(self) -> Self:
        if self.active_rows > self.rows:
            raise ValueError(f"active_rows ({self.active_rows}) cannot exceed rows ({self.rows})")
        return self


class Weights(Config):
    """How a stored operand is spread over cells."""

    coding: Literal["twos_complement"]
    """Slice ``b`` holds bit ``b``; the highest slice counts negatively."""
    bits: int = Field(ge=2, le=16)
    """Width of a stored operand, sign included."""


class Inputs(Config):
    """How a driven operand is spread over reads."""

    coding: Literal["twos_complement", "unsigned"]
    """Bit-plane ``b`` weighs ``2**b``; in two's complement the highest counts negatively. No scheme
    yields unsigned operands yet, so a whole run takes two's complement."""
    bits: int = Field(ge=1, le=16)
    """Width of a driven operand, sign included: bit-planes per vector."""
    bits_per_cycle: int = Field(ge=1, le=1)
    """Bits driven at once on a word line; one so far: there is no DAC."""


class ZeroSkipping(Config):
    """Which zero input bits cost no read."""

    model: ZeroSkippingModel
    """Name of a scheme: ``pimsim list``."""


class Adc(Config):
    """Column converter of one macro; exactly one of ``levels`` and ``bits``."""

    model: AdcModel
    """Name of a converter model: ``pimsim list``."""
    levels: int | None = Field(default=None, ge=2, le=65536)
    """Number of output codes, ``0 .. levels - 1``."""
    bits: int | None = Field(default=None, ge=1, le=16)
    """Resolution: ``2**bits`` codes."""
    columns_per_adc: int = Field(ge=1, le=65536)
    """Columns that share one converter through a multiplexer."""
    conversion_time_ns: float = Field(ge=PICOSECOND_NS, le=1e6)
    """One conversion; columns that share a converter follow each other."""
    noise_ratio: float | None = Field(default=None, ge=0, le=1)
    """Input-referred Gaussian noise of a conversion, rms, over full scale; absent: none."""
    reference: Literal["fixed", "replica"]
    """What the decision levels follow. Equal at the nominal corner, the only one modelled yet."""
    trim: Literal["none", "nominal"]
    """Offset and gain correction. Without such errors, not modelled yet, both are equal."""

    @model_validator(mode="after")
    def _one_resolution(self) -> Self:
        if (self.levels is None) == (self.bits is None):
            given = "neither" if self.levels is None else "both"
            raise ValueError(f"give exactly one of 'levels' and 'bits', found {given}")
        return self

    @property
    def codes(self) -> int:
        """Number of output codes."""
        return self.levels if self.levels is not None else 1 << (self.bits or 0)


class Write(Config):
    """How a writable macro takes operands at run time."""

    port: Literal["row"]
    """One word line of cells per write cycle."""
    cycle_time_ns: float = Field(ge=PICOSECOND_NS, le=1e6)
    """One write cycle."""


class Macro(Config):
    """One crossbar with its periphery: drivers, converters, shift-and-add."""

    writable: bool
    """Whether operands computed at run time may live here."""
    sync: Literal["plane", "vector"]
    """When row blocks wait for each other: after every bit-plane, or after the whole vector.
    Equal while no zero is skipped, as now."""
    crossbar: Crossbar
    """The array of cells."""
    weights: Weights
    """Coding of the stored operand."""
    inputs: Inputs
    """Coding of the driven operand."""
    zero_skipping: ZeroSkipping
    """What the controller skips."""
    read_time_ns: float = Field(ge=PICOSECOND_NS, le=1e6)
    """Word-line activation until the columns can be sampled."""
    adc: Adc
    """Converters of the columns."""
    write: Write | None = None
    """How operands are written; only a writable macro has it."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.weights.bits > self.crossbar.cols:
            raise ValueError(
                f"weights.bits ({self.weights.bits}) need as many columns, crossbar.cols is "
                f"{self.crossbar.cols}"
            )
        if self.adc.columns_per_adc > self.crossbar.cols:
            raise ValueError(
                f"adc.columns_per_adc ({self.adc.columns_per_adc}) cannot exceed crossbar.cols "
                f"({self.crossbar.cols})"
            )
        if self.writable != (self.write is not None):
            raise ValueError(
                "a writable macro needs a 'write' section, a read-only one must not have it"
            )
        return self

    @property
    def lsb_per_code(self) -> int:
        """Input steps between neighbouring codes: the smallest integer that covers the range.

        With ``codes * lsb_per_code >= active_rows`` only the all-ones sum of a converter with
        exactly ``active_rows`` codes saturates; it is then counted. One step is the current of one
        conducting cell. [LSB]
        """
        return -(-self.crossbar.active_rows // self.adc.codes)

    def accumulator_bits(self, rows: int) -> int:
        """Width of any sum of ``rows`` products: inputs + weights + ceil(log2(rows)). [bit]"""
        return self.inputs.bits + self.weights.bits + (rows - 1).bit_length()

    @property
    def logical_cols(self) -> int:
        """Matrix columns that fit side by side with all their slices."""
        return self.crossbar.cols // self.weights.bits


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
    """Rescaling of products and of residual additions."""


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
    memory: None = None
    """Off-chip memory; none is modelled yet, so all weights and activations live on the chip."""


class Mapping(Config):
    """How a workload is laid onto the macros and scheduled."""

    policy: Literal["layer_order"]
    """Macros are filled in the order of the operations."""
    time_multiplex: Literal[False]
    """Reprogramming macros during an inference; not modelled yet."""
    dataflow: Literal["layer_by_layer"]
    """An operation starts when those that it needs have finished all tokens."""


class Numerics(Config):
    """Which integers stand for which reals."""

    scheme: SchemeModel
    """Name of a numerics scheme: ``pimsim list``."""


class Pvt(Config):
    """Process corner, supply and temperature of the run; the nominal corner so far."""

    process: Literal["tt"]
    """Corner of transistors; typical so far."""
    supply_v: float = Field(ge=0.4, le=1.3)
    """Supply of the digital logic; scales its energy."""
    temperature_degc: float = Field(ge=25, le=25)
    """Junction temperature; nominal so far."""


class CostModels(Config):
    """The energy and area model of each component family, by registry name."""

    flash_adc: ConverterCost = "flash_comparators"
    """Converters of model ``flash``."""
    sar_adc: ConverterCost = "survey_regression"
    """Converters of model ``sar``."""
    crossbar: CrossbarCost = "cell_read_write"
    """Cells, word lines, drivers and writes."""
    shift_add: LogicCost = "digital_operations"
    """Recombination of slices and bit-planes."""
    units: LogicCost = "digital_operations"
    """Vector units, from their declared operations."""
    buffer: BufferCost = "sram_buffer"
    """Tile buffers and the global buffer."""
    noc: NocCost = "mesh_router"
    """Routers and links."""


class Cost(Config):
    """Named cost variants; ``default`` is the one whose numbers head a report."""

    default: Name
    """The variant whose numbers head a report."""
    variants: dict[Name, CostModels] = Field(min_length=1)
    """Component models by name of the variant."""

    @model_validator(mode="after")
    def _default_exists(self) -> Self:
        if self.default not in self.variants:
            raise ValueError(
                f"default {self.default!r} is not one of the variants: {', '.join(self.variants)}"
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
        parts = {
            f"{prefix}.crossbar.cell.on_off_ratio": cell.on_off_ratio,
            f"{prefix}.crossbar.cell.sigma_on_ratio": cell.sigma_on_ratio,
            f"{prefix}.adc.noise_ratio": macro.adc.noise_ratio,
        }
        ideal += [path for path, value in parts.items() if value is None]
    return tuple(ideal)
