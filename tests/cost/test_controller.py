import pytest

from pimsim.config import load_architecture
from pimsim.cost.areas import chip_areas
from pimsim.cost.chip import chip_cost
from pimsim.cost.controller import controller
from pimsim.cost.digital import operations
from pimsim.cost.prices import macro_prices
from pimsim.cost.technology import OperatingPoint

AT_28 = operations(OperatingPoint(28.0))


def rap(model, *more):
    return load_architecture(
        "rap", overrides=[f"macros.mram.zero_skipping={{model: {model}}}", *more]
    )


def test_a_macro_that_skips_nothing_has_no_controller():
    chip = chip_cost(rap("none", "macros.sram.zero_skipping={model: none}"), "modelled")
    assert chip.macros["mram"].controller is None
    assert "skip_zeros" not in macro_prices(chip, "mram")
    assert not any(name.endswith(".controller") for name, _, _ in chip_areas(chip))


def test_bitsift_counts_adds_and_marks_every_read():
    cost = controller(rap("bitsift").macros["mram"], AT_28)
    add, four, register = AT_28.logic("add", 32), AT_28.logic("add", 4), AT_28.register(1)
    for part in ("energy_pj", "area_um2"):
        one, narrow, bit = (getattr(each, part).value for each in (add, four, register))
        assert getattr(cost, part).value == pytest.approx(32 * one + 32 * narrow + 1024 * bit)


def test_nine_of_them_are_of_the_order_of_the_published_power():
    """8.11 mW in 10 ns; the nine arrays of one product."""
    each = controller(rap("bitsift").macros["mram"], AT_28).energy_pj.value
    assert 9 * each == pytest.approx(81.1, rel=0.3)


def test_schemes_without_counts_are_cheaper():
    costs = [controller(rap(m).macros["mram"], AT_28).energy_pj.value for m in ("value", "bitsift")]
    assert costs[0] < costs[1]


def test_smaller_slices_need_more_adders():
    small = rap("bitsift", "macros.mram.zero_skipping.slice_rows=8").macros["mram"]
    usual = rap("bitsift").macros["mram"]
    assert controller(small, AT_28).area_um2.value > controller(usual, AT_28).area_um2.value


def test_every_read_pays_and_every_macro_has_one():
    chip = chip_cost(rap("bitsift", "macros.sram.zero_skipping={model: none}"), "modelled")
    own = chip.macros["mram"].controller
    assert macro_prices(chip, "mram")["skip_zeros"].energy_pj == own.energy_pj
    areas = {name: area.value for name, area, _ in chip_areas(chip)}
    assert areas["mram.controller"] == pytest.approx(16 * 72 * own.area_um2.value)
    assert "sram.controller" not in areas
