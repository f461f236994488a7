"""The cost models of one chip under one cost variant, looked up and evaluated once.

Which question this module answers: *which model costs which component of this chip, and what does
each instance cost?*
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pimsim.config.architecture import Adc, Architecture, Buffer, CostModels, Unit
from pimsim.cost.adc import ConverterCost, user_table
from pimsim.cost.controller import controller
from pimsim.cost.crossbar import CrossbarCost
from pimsim.cost.digital import DigitalCosts, OperationCost
from pimsim.cost.groups import (
    compression_area_um2,
    macro_addition_um2,
    widest_accumulator_bits,
)
from pimsim.cost.memory import BufferCost
from pimsim.cost.noc import NocCost
from pimsim.cost.offchip import OffChipCost
from pimsim.cost.overhead import OverheadCost
from pimsim.cost.paper_table import COVERED_UNITS, PaperTable, covers, paper_table_of
from pimsim.cost.published_table import Table, table_of
from pimsim.cost.recombination import shift_add_area_um2
from pimsim.cost.sourced import Sourced
from pimsim.cost.technology import OperatingPoint, operating_point
from pimsim.cost.unit_hardware import built_hardware, unit_area_um2
from pimsim.errors import ModelRangeError, NotFoundError, nearest
from pimsim.registry import COST_MODELS


@dataclass(frozen=True, slots=True)
class MacroCost:
    """What one macro costs."""

    crossbar: CrossbarCost
    converter: ConverterCost
    converter_model: str
    converters: int
    shift_add_area_um2: Sourced
    controller: OperationCost | None
    """Of zero skipping: one read, and the area; ``None`` where nothing is skipped."""


@dataclass(frozen=True, slots=True)
class ChipCost:
    """What the instances of every component of one chip cost."""

    architecture: Architecture
    models: CostModels
    point: OperatingPoint
    macros: Mapping[str, MacroCost]
    shift_adds: DigitalCosts
    unit_operations: DigitalCosts
    unit_areas_um2: Mapping[str, Sourced]
    """Function → one unit."""
    tile_buffer: BufferCost
    global_buffer: BufferCost
    noc: NocCost
    memory: OffChipCost | None
    """``None`` where the chip has no off-chip memory."""
    io: OffChipCost | None
    """``None`` where the chip's pins are not modelled."""
    overhead: OverheadCost

    @property
    def table(self) -> Table | None:
        """The chip's own component table, which then stands for macros, buffers and network."""
        return table_of(self.architecture, self.models)

    @property
    def paper_table(self) -> PaperTable | None:
        """Table 1 of the RAP paper, which then stands for macros, softmax and requantization."""
        return paper_table_of(self.architecture, self.models)

    def models_macro(self, kind: str) -> bool:
        """Whether pimsim's models, not Table 1, stand for a macro kind."""
        return self.paper_table is None or not covers(kind, self.paper_table)

    def models_unit(self, function: str) -> bool:
        """Whether pimsim's models, not Table 1, stand for a digital unit."""
        return self.paper_table is None or function not in COVERED_UNITS


def chip_cost(architecture: Architecture, variant: str) -> ChipCost:
    """Look up and evaluate the cost models of one variant.

    Parameters
    ----------
    architecture
        The chip.
    variant
        A key of ``cost.variants``.

    Raises
    ------
    NotFoundError
        If there is no such variant.
    ModelRangeError
        If a component lies outside the range of its model; the message names the component.
    """
    variants = architecture.cost.variants
    if variant not in variants:
        raise NotFoundError(
            f"architecture {architecture.name!r} has no cost variant {variant!r}"
            f"{nearest(variant, variants)}"
        )
    models = variants[variant]
    point, chip = operating_point(architecture), architecture.chip
    shift_adds = COST_MODELS[models.shift_add](point)
    unit_operations = COST_MODELS[models.units](point)
    return ChipCost(
        architecture=architecture,
        models=models,
        point=point,
        macros={
            name: _macro_cost(
                name,
                architecture,
                variant=variant,
                models=models,
                point=point,
                shift_adds=shift_adds,
            )
            for name in (architecture.macros if models.table is None else ())
        },
        shift_adds=shift_adds,
        unit_operations=unit_operations,
        unit_areas_um2={
            function: _unit_area_um2(function, unit, architecture, unit_operations)
            for function, unit in architecture.units.present().items()
        },
        tile_buffer=_buffer_cost(
            "tile.buffer", architecture.tile.buffer, f"{variant}.buffer", models.buffer, point
        ),
        global_buffer=_buffer_cost(
            "chip.global_buffer",
            chip.global_buffer,
            f"{variant}.{'global_buffer' if models.global_buffer else 'buffer'}",
            global_buffer_model(models),
            point,
        ),
        noc=COST_MODELS[models.noc](chip.noc.model, point),
        memory=None if chip.memory is None else COST_MODELS[models.memory](chip.memory, point),
        io=None if chip.io is None else COST_MODELS[models.io](chip.io, point),
        overhead=COST_MODELS[models.overhead](point),
    )


def global_buffer_model(models: CostModels) -> str:
    """Name of the cost model of the global buffer."""
    return models.global_buffer or models.buffer


def converter_model(adc: Adc, models: CostModels) -> str:
    """Name of the cost model of a converter.

    Raises
    ------
    NotFoundError
        If the variant names no cost model for this kind of converter.
    """
    named = {"flash": models.flash_adc, "sar": models.sar_adc}
    if adc.model not in named:
        raise NotFoundError(
            f"no cost variant names a model for ADC {adc.model!r}{nearest(adc.model, named)}"
        )
    return named[adc.model]


def _macro_cost(
    name: str,
    architecture: Architecture,
    *,
    variant: str,
    models: CostModels,
    point: OperatingPoint,
    shift_adds: DigitalCosts,
) -> MacroCost:
    macro = architecture.macros[name]
    groups = macro_addition_um2(name, macro, architecture, shift_adds)
    shift_add = shift_add_area_um2(macro, shift_adds)
    model = converter_model(macro.adc, models)
    with _naming(f"macros.{name}.adc", f"{variant}.{macro.adc.model}_adc", model):
        converter = _converter_cost(model, macro.adc, point, models)
    with _naming(f"macros.{name}.crossbar", f"{variant}.crossbar", models.crossbar):
        crossbar = COST_MODELS[models.crossbar](macro, point)
    return MacroCost(
        crossbar=crossbar,
        converter=converter,
        converter_model=model,
        converters=-(-macro.crossbar.cols // macro.adc.columns_per_adc),
        shift_add_area_um2=shift_add if groups is None else shift_add + groups,
        controller=controller(macro, shift_adds),
    )


def _converter_cost(
    model: str, adc: Adc, point: OperatingPoint, models: CostModels
) -> ConverterCost:
    if model == "user_table":
        return user_table(adc, point, table=models.adc_table or ())
    cost: ConverterCost = COST_MODELS[model](adc, point)
    return cost


def _unit_area_um2(
    function: str, unit: Unit, architecture: Architecture, costs: DigitalCosts
) -> Sourced:
    widest = widest_accumulator_bits(architecture)
    area = unit_area_um2(built_hardware(unit.model, accumulator_bits=widest), unit.lanes, costs)
    if function != "requantize":
        return area
    compression = compression_area_um2(architecture, unit.lanes, costs)
    return area if compression is None else area + compression


def _buffer_cost(
    place: str, buffer: Buffer, role: str, model: str, point: OperatingPoint
) -> BufferCost:
    with _naming(place, role, model):
        cost: BufferCost = COST_MODELS[model](buffer.capacity_bytes, point)
    return cost


@contextmanager
def _naming(place: str, role: str, model: str) -> Iterator[None]:
    """Put the component, and the key that names its model, before what the model objects to."""
    try:
        yield
    except ModelRangeError as error:
        raise ModelRangeError(f"{place}: cost.variants.{role} names {model!r}: {error}") from None
