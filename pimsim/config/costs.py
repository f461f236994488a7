"""Which model costs which component, as an architecture file names them.

Which question this module answers: *under which cost variants is a chip costed, and with which
models and tables?*
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from pimsim.config.adc_table import AdcPoint, read_adc_table
from pimsim.config.base import Config, known_in
from pimsim.config.component_table import ComponentTable
from pimsim.registry import COST_MODELS

ConverterCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "converters"))]
CrossbarCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "crossbars"))]
LogicCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "digital logic"))]
BufferCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "buffers"))]
NocCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "networks"))]
MemoryCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "off-chip memory"))]
IoCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "pins"))]
OverheadCost = Annotated[str, AfterValidator(known_in(COST_MODELS, "overhead"))]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


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
    global_buffer: BufferCost | None = None
    """The global buffer; absent: as ``buffer``."""
    noc: NocCost = "mesh_router"
    """Routers, links and the wires inside tiles."""
    memory: MemoryCost = "dram_per_bit"
    """Off-chip memory, by its technology."""
    io: IoCost = "serial_link"
    """Pins for inputs and outputs."""
    overhead: OverheadCost = "clock_and_control"
    """What comes on top of digital components: clock network and control."""
    adc_table: tuple[AdcPoint, ...] | None = Field(default=None, strict=False)
    """Converters of your own, for model ``user_table``: rows, or the path of a CSV file with the
    header ``enob_bits,rate_ghz,node_nm,energy_pj,area_um2,reference``; a relative path counts from
    the working directory. Its content, not its path, becomes part of the configuration."""
    table: ComponentTable | None = None
    """The chip's own component table. Its rows then stand for macros, buffers and network; the
    models above for units only, which results list as the extension that they are."""

    paper_table: Literal["rap_table1"] | None = None
    """Table 1 of the RAP paper: power times busy time and area per processing element of macros,
    softmax and requantization; the models above stand for everything else. Absent: they stand for
    those, too."""
    table1_active_arrays: int | None = Field(default=None, ge=1, le=72)
    """With ``paper_table``: how many of the 72 MRAM arrays work at the power that the table states,
    which the paper does not say; absent: 9, which hold one matrix of 1024 x 1024 weights of 9 bits.
    The same share of the SRAM arrays does."""

    @field_validator("adc_table", mode="before")
    @classmethod
    def _read_adc_table(cls, value: object) -> object:
        """Replace the path of a table by its rows."""
        return read_adc_table(Path(value)) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_table_at_a_time(self) -> Self:
        if self.table is not None and self.paper_table is not None:
            raise ValueError("table and paper_table both stand for the macros; give one of them")
        if self.paper_table is None and self.table1_active_arrays is not None:
            raise ValueError("table1_active_arrays: only a variant with paper_table takes it")
        return self

    @model_validator(mode="after")
    def _adc_table_is_used(self) -> Self:
        wanted = "user_table" in (self.flash_adc, self.sar_adc)
        if wanted != (self.adc_table is not None):
            raise ValueError(
                "converter model 'user_table' and adc_table, rows or the path of a CSV file, go "
                "together; give both or neither"
            )
        return self


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
