import pytest

from pimsim.config import load_architecture
from pimsim.config.architecture import CostModels
from pimsim.cost.areas import chip_areas, is_digital
from pimsim.cost.chip import chip_cost
from pimsim.cost.overhead import clock_and_control, no_overhead
from pimsim.cost.technology import OperatingPoint

RAP = load_architecture("rap")


def test_the_ratios_are_those_of_the_source():
    cost = clock_and_control(OperatingPoint(28.0))
    assert cost.energy_ratio.value == pytest.approx(132 / (89 + 177 + 86), rel=1e-3)
    assert cost.area_ratio.value == pytest.approx(68_721 / 2_142_724, rel=1e-3)
    assert cost.energy_ratio.kind == "assumed"


def test_what_has_a_clock_is_digital():
    digital = {"units.softmax", "mram.shift_add", "tile_buffer", "global_buffer", "noc"}
    analog = {"mram.adc", "mram.crossbar", "mram.drivers", "tile_wires", "memory", "io", "sram.dac"}
    assert all(is_digital(component) for component in digital)
    assert not any(is_digital(component) for component in analog)


def test_the_area_of_the_overhead_is_a_share_of_the_digital_area():
    areas = {name: area.value for name, area, _ in chip_areas(chip_cost(RAP, "modelled"))}
    digital = sum(area for name, area in areas.items() if is_digital(name))
    assert areas["overhead.clock_and_control"] == pytest.approx(0.0321 * digital)


def test_it_can_be_left_out():
    cost = no_overhead(OperatingPoint(28.0))
    assert cost.energy_ratio.value == cost.area_ratio.value == 0.0
    variants = {"modelled": CostModels(overhead="no_overhead")}
    bare = RAP.model_copy(update={"cost": RAP.cost.model_copy(update={"variants": variants})})
    names = {component for component, _, _ in chip_areas(chip_cost(bare, "modelled"))}
    assert "overhead.clock_and_control" not in names
