from typing import get_args

import pytest

from pimsim.config import load_architecture
from pimsim.config.architecture import Io, Memory
from pimsim.cost.areas import chip_areas
from pimsim.cost.chip import chip_cost
from pimsim.cost.offchip import dram, serial_link
from pimsim.cost.prices import movement_prices
from pimsim.cost.technology import OperatingPoint

AT_28 = OperatingPoint(28.0)
RAP = load_architecture("rap")


def memory(technology="hbm2"):
    return Memory(
        technology=technology, capacity_bytes=1 << 33, bandwidth_bits_per_ns=2048.0, latency_ns=50.0
    )


@pytest.mark.parametrize("technology", get_args(Memory.model_fields["technology"].annotation))
def test_every_technology_that_a_file_may_name_has_an_energy_with_a_source(technology):
    cost = dram(memory(technology), AT_28)
    assert 1.0 < cost.energy_per_bit_pj.value < 30.0
    assert cost.energy_per_bit_pj.sources
    assert cost.area_um2.value == 0.0


@pytest.mark.parametrize(
    ("technology", "energy_pj"), [("hbm2", 3.9), ("gddr6", 7.5), ("hbm2e", 6.0), ("lpddr4", 8.0)]
)
def test_published_energies_per_bit(technology, energy_pj):
    cost = dram(memory(technology), OperatingPoint(7.0, 0.6))
    assert cost.energy_per_bit_pj.value == energy_pj
    assert cost.energy_per_bit_pj.kind == "published"


def test_links_of_isaac_take_its_area():
    isaac = serial_link(Io(bandwidth_bits_per_ns=4 * 6.4 * 8), AT_28)
    assert isaac.area_um2.value / 1e6 == pytest.approx(22.88, rel=1e-3)
    assert isaac.energy_per_bit_pj.value == 10.0


def test_a_chip_without_them_has_neither_price_nor_area():
    chip = chip_cost(RAP, "modelled")
    assert chip.memory is None
    assert chip.io is None
    assert not {"memory_read_bits", "io_bits"} & set(movement_prices(chip))
    assert "io" not in {component for component, _, _ in chip_areas(chip)}


def test_a_chip_with_them_has_both():
    inside = RAP.chip.model_copy(update={"memory": memory(), "io": Io(bandwidth_bits_per_ns=64.0)})
    chip = chip_cost(RAP.model_copy(update={"chip": inside}), "modelled")
    prices = movement_prices(chip)
    assert prices["memory_read_bits"].energy_pj.value == 3.9
    assert prices["memory_write_bits"].model == "dram_per_bit"
    assert prices["io_bits"].energy_pj.value == 10.0
    assert {name: area.value for name, area, _ in chip_areas(chip)}["io"] == pytest.approx(
        64 * 111_700
    )
