"""A macro, as an architecture file describes it: one crossbar with its periphery.

Which question this module answers: *how are operands laid out on cells and reads, and what is
summed where?*
"""

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pimsim.config.base import PICOSECOND_NS, Config, known_in
from pimsim.config.cells import Cell, Wires
from pimsim.config.converters import Adc
from pimsim.config.readout import BlockingPipeline, Readout, SupplyDelay
from pimsim.registry import ZERO_SKIPPING

WEARING_CELLS: Final = ("reram", "pcm")
"""Cell models whose cells wear out within the writes of an inference engine's life."""

ZeroSkippingModel = Annotated[str, AfterValidator(known_in(ZERO_SKIPPING))]


class Crossbar(Config):
    """An array of cells with word lines along the rows and bit lines along the columns."""

    rows: int = Field(ge=1, le=65536)
    """Word lines."""
    cols: int = Field(ge=1, le=65536)
    """Bit lines; a matrix column takes as many as its weights have slices."""
    active_rows: int = Field(ge=1, le=65536)
    """Word lines driven at once by one read; dummy word lines top up a shorter group."""
    cell: Cell
    """The cells of the array."""
    wires: Wires | None = None
    """Resistance of word and bit lines; absent: none."""

    @model_validator(mode="after")
    def _active_rows_exist(self) -> Self:
        if self.active_rows > self.rows:
            raise ValueError(f"active_rows ({self.active_rows}) cannot exceed rows ({self.rows})")
        return self


class Weights(Config):
    """How a stored operand is spread over cells."""

    coding: Literal["twos_complement", "sign_magnitude", "differential", "offset"]
    """``twos_complement``: the highest bit has a slice of its own that counts negatively.
    ``sign_magnitude``: slices for positive and slices for negative weights, converted separately.
    ``differential``: the same cells, but the two bit lines of a pair are subtracted before the
    converter. ``offset``: ``2**(bits - 1)`` is added to every weight, and that many times the sum
    of the inputs is subtracted digitally."""
    bits: int = Field(ge=1, le=16)
    """Width of a stored operand, sign included; a single bit only with ``twos_complement`` or
    ``offset``."""

    @model_validator(mode="after")
    def _a_sign_has_a_magnitude(self) -> Self:
        if self.bits < 2 and self.coding in {"sign_magnitude", "differential"}:
            raise ValueError(f"bits ({self.bits}) must be at least 2 with coding '{self.coding}'")
        return self

    def slices(self, cell_bits: int) -> int:
        """Cells per weight.

        Examples
        --------
        >>> [Weights(coding=coding, bits=8).slices(cell_bits=2)
        ...  for coding in ("twos_complement", "sign_magnitude", "differential", "offset")]
        [5, 8, 8, 4]
        """
        magnitude = -(-(self.bits - 1) // cell_bits)
        if self.coding == "offset":
            return -(-self.bits // cell_bits)
        return magnitude + 1 if self.coding == "twos_complement" else 2 * magnitude


class Inputs(Config):
    """How a driven operand is spread over reads."""

    coding: Literal["twos_complement", "sign_magnitude", "unsigned"]
    """``twos_complement``: the highest bit takes a read of its own that counts negatively.
    ``sign_magnitude``: positive and negative inputs are read one after the other. ``unsigned``:
    only operands without sign. These are driven so whatever this says; of the bundled schemes
    ``rap_int8p1`` alone has any, the exponentials of a softmax."""
    bits: int = Field(ge=1, le=16)
    """Width of a driven operand, sign included."""
    bits_per_cycle: int = Field(ge=1, le=8)
    """Bits driven at once on a word line; more than one needs a DAC."""
    dac_inl_ratio: float | None = Field(default=None, ge=-0.5, le=0.5)
    """Largest deviation of a drive level from the straight line, a smooth bow, over the DAC's full
    scale; positive: too much drive. Only with ``bits_per_cycle`` above 1."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.coding == "sign_magnitude" and self.bits < 2:
            raise ValueError(f"bits ({self.bits}) must be at least 2 with coding '{self.coding}'")
        if self.bits_per_cycle > self.bits:
            raise ValueError(
                f"bits_per_cycle ({self.bits_per_cycle}) cannot exceed bits ({self.bits})"
            )
        if self.dac_inl_ratio is not None and self.bits_per_cycle == 1:
            raise ValueError(
                "dac_inl_ratio: two drive levels always lie on a straight line; raise "
                "bits_per_cycle or remove it"
            )
        return self

    @property
    def planes(self) -> int:
        """Reads per vector and group of active rows.

        Examples
        --------
        >>> [Inputs(coding=coding, bits=8, bits_per_cycle=2).planes
        ...  for coding in ("twos_complement", "sign_magnitude", "unsigned")]
        [5, 8, 4]
        """
        magnitude = -(-(self.bits - 1) // self.bits_per_cycle)
        if self.coding == "unsigned":
            return -(-self.bits // self.bits_per_cycle)
        return magnitude + 1 if self.coding == "twos_complement" else 2 * magnitude


class ZeroSkipping(Config):
    """Which zero input bits cost no read."""

    model: ZeroSkippingModel
    """Name of a scheme: ``pimsim list``."""
    slice_rows: int | None = Field(default=None, ge=1, le=65536)
    """Word lines that the controller of ``bitsift`` gates together; only there, 32 if absent."""
    packing: Literal["first_fit", "consecutive", "best_fit_decreasing", "bound"] | None = None
    """How ``bitsift`` combines what is left of its slices; only there, ``first_fit`` if absent.
    ``bound`` is what no controller reaches, for comparison."""
    controller_time_ns: float | None = Field(default=None, gt=0, le=1e6)
    """Time in which the controller chooses the rows of a read, while the read before it lasts;
    absent: hidden behind that read."""

    @model_validator(mode="after")
    def _packs_only_with_bitsift(self) -> Self:
        if self.model != "bitsift" and (self.slice_rows, self.packing) != (None, None):
            raise ValueError(
                "slice_rows and packing belong to model 'bitsift'; remove them "
                f"(found '{self.model}')"
            )
        if self.model == "none" and self.controller_time_ns is not None:
            raise ValueError("model 'none' chooses no rows; remove controller_time_ns")
        return self


class Accumulate(Config):
    """What is summed before the converter and what after it; rows always meet on the bit line."""

    slices: Literal["digital", "charge"] = "digital"
    """Slices of a weight: one conversion each, or summed in charge with their weights first."""
    planes: Literal["digital", "charge"] = "digital"
    """Input cycles of a vector: one conversion each, or summed in charge with their weights first.
    Positive and negative passes of sign-magnitude inputs are never mixed."""
    accumulator_bits: int | None = Field(default=None, ge=2, le=64)
    """Width of the digital accumulator, sign included; a product that does not fit is an error.
    Absent: as wide as any product of the macro's operands needs."""


class Write(Config):
    """How a writable macro takes operands at run time."""

    port: Literal["row", "column"]
    """``row``: one word line of cells per write cycle; an operand whose tokens lie along columns
    takes a masked write of every word line for each token. ``column``: a transposed port writes
    such a token in one cycle."""
    cycle_time_ns: float = Field(ge=PICOSECOND_NS, le=1e6)
    """One write cycle."""
    overlap: bool = False
    """Whether a second port lets a write go on while the macro is read."""
    allow_nonvolatile: bool = False
    """Whether operands of an inference may be written into resistive or phase-change cells, which
    are slow to write and wear out. A run then tells write time, write energy and life time."""
    endurance_cycles: int | None = Field(default=None, ge=1, le=10**18)
    """Programmings that a cell survives; needed with ``allow_nonvolatile``."""

    @model_validator(mode="after")
    def _wear_is_known(self) -> Self:
        if self.allow_nonvolatile and self.endurance_cycles is None:
            raise ValueError("allow_nonvolatile needs 'endurance_cycles', such as 1_000_000")
        return self


class Reprogram(Config):
    """How a macro with static weights takes others, when macros are multiplexed in time."""

    row_time_ns: float = Field(ge=PICOSECOND_NS, le=1e9)
    """Programming one word line, write-verify pulses included."""
    endurance_cycles: int | None = Field(default=None, ge=1, le=10**18)
    """Programmings that a cell survives; absent: unlimited."""


class Macro(Config):
    """One crossbar with its periphery: drivers, converters, shift-and-add."""

    writable: bool
    """Whether operands computed at run time may live here."""
    sync: Literal["plane", "vector"]
    """When row blocks wait for each other: after every bit-plane, or after the whole vector.
    Equal while no zero is skipped."""
    crossbar: Crossbar
    """The array of cells."""
    weights: Weights
    """Coding of the stored operand."""
    inputs: Inputs
    """Coding of the driven operand."""
    zero_skipping: ZeroSkipping
    """What the controller skips."""
    accumulate: Accumulate = Accumulate()
    """What is summed in charge and what digitally."""
    read_time_ns: float = Field(ge=PICOSECOND_NS, le=1e6)
    """Word-line activation until the columns can be sampled."""
    readout: Readout | None = None
    """Neurons that integrate all input cycles and then convert; they set the time of a vector in
    place of ``read_time_ns`` and ``adc.conversion_time_ns``. Absent: one sample and conversion per
    read."""
    pipeline: BlockingPipeline | None = None
    """Stages that fill and drain for every vector; they set its time in the same way. Absent:
    vectors follow each other without a pause."""
    supply: SupplyDelay | None = None
    """How reads and conversions slow down at another supply; absent: they do not."""
    adc: Adc
    """Converters of the columns."""
    write: Write | None = None
    """How operands are written; only a writable macro has it."""
    reprogram: Reprogram | None = None
    """How static weights are exchanged during an inference; absent: they cannot be."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.slices > self.crossbar.cols:
            raise ValueError(
                f"weights.bits ({self.weights.bits}) need {self.slices} columns, crossbar.cols is "
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
        self._check_wear()
        if self.readout is not None and self.pipeline is not None:
            raise ValueError("readout and pipeline both set the time of a vector; give one of them")
        if self.readout is not None and self.accumulate.planes != "charge":
            raise ValueError(
                "readout: neurons integrate all input cycles, so accumulate.planes must be "
                f"'charge' (found '{self.accumulate.planes}')"
            )
        if self.accumulate.planes == "charge" and self.zero_skipping.model != "none":
            raise ValueError(
                "accumulate.planes 'charge' needs every input cycle, so zero_skipping.model must "
                f"be 'none' (found '{self.zero_skipping.model}')"
            )
        if self.zero_skipping.model == "bitsift" and self.inputs.bits_per_cycle > 1:
            raise ValueError(
                "zero_skipping.model 'bitsift' packs single bits, so inputs.bits_per_cycle must be "
                f"1 (found {self.inputs.bits_per_cycle})"
            )
        return self

    def _check_wear(self) -> None:
        cell = self.crossbar.cell.model
        if self.write is not None and cell in WEARING_CELLS and not self.write.allow_nonvolatile:
            raise ValueError(
                f"operands of an inference would be written into '{cell}' cells, which are "
                "slow to write and wear out; give the chip 'units.mac_array' or a macro of SRAM "
                "for them, or set write.allow_nonvolatile: true with write.endurance_cycles"
            )

    @property
    def slices(self) -> int:
        """Cells per weight, side by side on one word line."""
        return self.weights.slices(self.crossbar.cell.bits)

    @property
    def planes(self) -> int:
        """Reads per vector and group of active rows while no zero is skipped."""
        return self.inputs.planes

    @property
    def slice_conversions(self) -> int:
        """Conversions per matrix column, read and conversion of input cycles."""
        pairs = 2 if self.weights.coding == "differential" else 1
        if self.accumulate.slices == "digital":
            return self.slices // pairs
        return 2 if self.weights.coding == "sign_magnitude" else 1

    @property
    def plane_conversions(self) -> int:
        """Conversions of one column per vector and group of active rows."""
        if self.accumulate.planes == "digital":
            return self.planes
        return 2 if self.inputs.coding == "sign_magnitude" else 1

    def timed(self, supply_v: float) -> Self:
        """The macro with the read and conversion times that it has at a supply, in its read-out.

        A read-out or pipeline that sets the time of a whole vector shares it out over the input
        cycles.
        """
        ratio = 1.0 if self.supply is None else self.supply.delay_ratio(supply_v)
        read_ns, convert_ns = self.read_time_ns * ratio, self.adc.conversion_time_ns * ratio
        vector_ns = self._vector_ns()
        if vector_ns is not None:
            read_ns = vector_ns * ratio / self.planes
            convert_ns = PICOSECOND_NS  # part of the above
        if (read_ns, convert_ns) == (self.read_time_ns, self.adc.conversion_time_ns):
            return self
        adc = self.adc.model_copy(update={"conversion_time_ns": convert_ns})
        return self.model_copy(update={"read_time_ns": read_ns, "adc": adc})

    def _vector_ns(self) -> float | None:
        """Time of a vector, where its reads and conversions do not make it."""
        if self.pipeline is not None:
            return self.pipeline.vector_ns(self.planes)
        if self.readout is not None:
            return self.readout.vector_ns(self.inputs.bits, (self.adc.codes - 1).bit_length())
        return None

    @property
    def logical_cols(self) -> int:
        """Matrix columns that fit side by side with all their slices."""
        return self.crossbar.cols // self.slices

    def accumulator_bits(self, rows: int) -> int:
        """Width of the accumulator of products of ``rows`` rows: as declared, or as needed. [bit]

        What any sum needs is ``inputs + weights + ceil(log2(rows))`` bits.
        """
        declared = self.accumulate.accumulator_bits
        if declared is not None:
            return declared
        return self.inputs.bits + self.weights.bits + (rows - 1).bit_length()
