"""The area of a chip, component by component.

Which question this module answers: *how much silicon do all instances of a component take?*

Not modelled: pads, the area between blocks, the interfaces of off-chip memory; wires run above the
circuits.
"""

from collections.abc import Iterator
from typing import Final

from pimsim.cost import paper_table, published_table
from pimsim.cost.chip import ChipCost, MacroCost, global_buffer_model
from pimsim.cost.sourced import Sourced, exact, setting, total
from pimsim.units import mm2_from_um2

_DIGITAL: Final = frozenset(
    {"units", published_table.EXTENSION, "tile_buffer", "global_buffer", "noc"}
)
"""Components that have a clock, beside the shift-and-add of macros."""


def chip_areas(chip: ChipCost) -> Iterator[tuple[str, Sourced, str]]:
    """Yield component, area of all its instances [µm²] and model.

    The last is the overhead of clock network and control, a ratio of the digital ones before it.
    """
    digital = []
    for component, area_um2, model in _component_areas(chip):
        if is_digital(component):
            digital.append(area_um2)
        yield component, area_um2, model
    overhead = total(digital) * chip.overhead.area_ratio
    if overhead.value:
        yield overhead_component(chip), overhead, chip.models.overhead


def is_digital(component: str) -> bool:
    """Whether a component has a clock: units, shift-and-add, controllers, buffers, network."""
    head, _, part = component.partition(".")
    return head in _DIGITAL or part in ("shift_add", "controller")


def overhead_component(chip: ChipCost) -> str:
    """Name of the overhead; that of the units which extend a published chip is their own."""
    group = "overhead" if chip.table is None else published_table.EXTENSION
    return f"{group}.clock_and_control"


def _component_areas(chip: ChipCost) -> Iterator[tuple[str, Sourced, str]]:
    models = chip.models
    tiles = setting("chip.tiles", chip.architecture.chip.tiles)
    if chip.table is not None:
        for component, area_um2 in published_table.areas_um2(chip.table):
            yield component, area_um2, published_table.MODEL
        for function, area_um2 in chip.unit_areas_um2.items():
            yield f"{published_table.EXTENSION}.{function}", area_um2 * tiles, models.units
        return
    paper = chip.paper_table
    if paper is not None:
        for component, area_um2 in paper_table.areas_um2(paper):
            yield component, area_um2, paper_table.MODEL
    yield from _modelled_macro_areas(chip, tiles)
    for function, area_um2 in chip.unit_areas_um2.items():
        if chip.models_unit(function):
            yield f"units.{function}", area_um2 * tiles, models.units
    yield "tile_buffer", chip.tile_buffer.area_um2 * tiles, models.buffer
    yield "global_buffer", chip.global_buffer.area_um2, global_buffer_model(models)
    yield "noc", chip.noc.area_per_tile_um2 * tiles, models.noc
    if chip.io is not None:
        yield "io", chip.io.area_um2, models.io


def _modelled_macro_areas(chip: ChipCost, tiles: Sourced) -> Iterator[tuple[str, Sourced, str]]:
    for name, macro in chip.macros.items():
        held = chip.architecture.tile.macros.get(name, 0)
        if held and chip.models_macro(name):
            instances = (tiles * setting(f"tile.macros.{name}", held)).named(f"{name} macros")
            yield from _macro_areas(name, macro, chip, instances)


def macro_area_mm2(chip: ChipCost) -> dict[str, float]:
    """Area of one macro of each kind, as far as the models tell macros from each other."""
    architecture = chip.architecture
    areas_um2: dict[str, float] = {}
    for component, area_um2, _ in chip_areas(chip):
        kind = component.split(".")[0]
        if architecture.tile.macros.get(kind, 0):
            areas_um2[kind] = areas_um2.get(kind, 0.0) + area_um2.value
    return {
        kind: mm2_from_um2(area_um2) / (architecture.chip.tiles * architecture.tile.macros[kind])
        for kind, area_um2 in areas_um2.items()
    }


def _macro_areas(
    name: str, macro: MacroCost, chip: ChipCost, instances: Sourced
) -> Iterator[tuple[str, Sourced, str]]:
    models = chip.models
    converters = macro.converter.area_um2 * exact("converters per macro", macro.converters)
    yield f"{name}.crossbar", macro.crossbar.cells_area_um2 * instances, models.crossbar
    yield f"{name}.drivers", macro.crossbar.drivers_area_um2 * instances, models.crossbar
    yield f"{name}.adc", converters * instances, macro.converter_model
    for part, area_um2 in (
        ("dac", macro.crossbar.dacs_area_um2),
        ("sample_hold", macro.crossbar.holds_area_um2),
    ):
        if area_um2.value:
            yield f"{name}.{part}", area_um2 * instances, models.crossbar
    if macro.controller is not None:
        yield f"{name}.controller", macro.controller.area_um2 * instances, models.shift_add
    yield f"{name}.shift_add", macro.shift_add_area_um2 * instances, models.shift_add
