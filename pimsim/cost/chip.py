"""The cost models of one chip under one cost variant, looked up and evaluated once.

Which question this module answers: *which model costs which component of this chip, and what does
each instance cost?*
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pimsim.config.architecture import Adc, Architecture, Buffer, CostModels, Unit
from pimsim.cost.adc import ConverterCost
from pimsim.cost.crossbar import CrossbarCost
from pimsim.cost.digital import DigitalCosts, shift_add_area_um2
from pimsim.cost.groups import (
    compression_area_um2,
    macro_addition_um2,
    widest_accumulator_bits,
)
from pimsim.cost.memory import BufferCost
from pimsim.cost.noc import NocCost
from pimsim.cost.sourced import Sourced
from pimsim.cost.technology import OperatingPoint
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
    point = OperatingPoint(architecture.node_nm, architecture.pvt.supply_v)
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
            for name in architecture.macros
        },
        shift_adds=shift_adds,
        unit_operations=unit_operations,
        unit_areas_um2={
            function: _unit_area_um2(function, unit, architecture, unit_operations)
            for function, unit in architecture.units.present().items()
        },
        tile_buffer=_buffer_cost("tile.buffer", architecture.tile.buffer, variant, models, point),
        global_buffer=_buffer_cost(
            "chip.global_buffer", architecture.chip.global_buffer, variant, models, point
        ),
        noc=COST_MODELS[models.noc](architecture.chip.noc.model, point),
    )


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
        converter = COST_MODELS[model](macro.adc, point)
    return MacroCost(
        crossbar=COST_MODELS[models.crossbar](macro, point),
        converter=converter,
        converter_model=model,
        converters=-(-macro.crossbar.cols // macro.adc.columns_per_adc),
        shift_add_area_um2=shift_add if groups is None else shift_add + groups,
    )


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
    place: str, buffer: Buffer, variant: str, models: CostModels, point: OperatingPoint
) -> BufferCost:
    with _naming(place, f"{variant}.buffer", models.buffer):
        cost: BufferCost = COST_MODELS[models.buffer](buffer.capacity_bytes, point)
    return cost


@contextmanager
def _naming(place: str, role: str, model: str) -> Iterator[None]:
    """Put the component, and the key that names its model, before what the model objects to."""
    try:
        yield
    except ModelRangeError as error:
        raise ModelRangeError(f"{place}: cost.variants.{role} names {model!r}: {error}") from None
