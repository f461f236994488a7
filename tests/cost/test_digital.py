import math

import pytest

from pimsim.config import load_architecture
from pimsim.cost.digital import KINDS, operations
from pimsim.cost.recombination import shift_add_area_um2
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio
from pimsim.errors import ModelRangeError

AT_45 = operations(OperatingPoint(45.0))
AT_28 = operations(OperatingPoint(28.0))


@pytest.mark.parametrize(
    ("kind", "energy"), [("add", 0.1), ("multiply", 3.1), ("fp_add", 0.9), ("fp_multiply", 3.7)]
)
def test_32_bit_logic_at_45_nm_is_the_published_table(kind, energy):
    assert AT_45.logic(kind, 32).energy_pj.value == pytest.approx(energy)


@pytest.mark.parametrize(("kind", "energy"), [("add", 0.03), ("multiply", 0.2)])
def test_width_scaling_meets_the_8_bit_values_of_the_table(kind, energy):
    assert AT_45.logic(kind, 8).energy_pj.value == pytest.approx(energy, rel=0.2)


def test_a_division_measured_at_7_multiplications():
    assert AT_45.logic("fp_divide", 32).energy_pj.value == pytest.approx(26.3, abs=0.05)


def test_an_operation_is_its_logic_and_one_register():
    logic, register = AT_28.logic("add", 20), AT_28.register(20)
    whole = AT_28.operation("add", 20)
    assert whole.energy_pj.value == pytest.approx(logic.energy_pj.value + register.energy_pj.value)
    assert whole.area_um2.value == pytest.approx(logic.area_um2.value + register.area_um2.value)


def test_node_and_supply_scale_as_the_technology_tables_say():
    point = OperatingPoint(28.0, 0.8)
    scale = energy_ratio(45, 28, to_v=0.8).value
    assert operations(point).logic("multiply", 32).energy_pj.value == pytest.approx(3.1 * scale)
    area = AT_28.logic("add", 32).area_um2.value
    assert area == pytest.approx(278 * area_ratio(40, 28).value)


def test_the_shift_and_add_is_linear_in_its_width():
    costs = operations(OperatingPoint(32.0))
    assert costs.shift_add(16).energy_pj.value == pytest.approx(0.021)
    assert costs.shift_add(24).energy_pj.value == pytest.approx(0.0315)
    assert costs.shift_add(24).area_um2.value == pytest.approx(90.0)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"convert"} - {k for k in KINDS if "fp" in k}))
def test_wider_integer_operations_never_cost_less(kind):
    energies = [AT_28.operation(kind, width).energy_pj.value for width in range(1, 65)]
    assert energies == sorted(energies)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_positive_energy(kind):
    assert AT_28.operation(kind, 32).energy_pj.value > 0
    assert AT_28.operation(kind, 32).energy_pj.sources


@pytest.mark.parametrize(
    ("kind", "width", "message"),
    [
        ("ad", 8, "no cost for operation 'ad'; did you mean 'add'?"),
        ("fp_add", 24, "has a cost at 16 and 32 bit only, got 24"),
        ("add", 0, "width_bits must be a whole number from 1 to 128, got 0"),
        ("multiply", 129, "width_bits must be a whole number from 1 to 128, got 129"),
        ("add", 8.5, "whole number from 1 to 128, got 8.5"),
        ("add", math.nan, "whole number from 1 to 128, got nan"),
        ("add", "8", "whole number from 1 to 128, got '8'"),
    ],
)
def test_unknown_operations_are_refused(kind, width, message):
    with pytest.raises(ModelRangeError) as caught:
        AT_28.operation(kind, width)
    assert message in str(caught.value)


@pytest.mark.parametrize("width", [0, -3, 8.5, math.nan, "8"])
def test_registers_and_accumulators_have_a_whole_width(width):
    with pytest.raises(ModelRangeError, match="width_bits of a register must be a whole number"):
        AT_28.register(width)
    with pytest.raises(ModelRangeError, match="width_bits of a shift-and-add must be a whole"):
        AT_28.shift_add(width)


def test_a_cost_is_computed_once_and_is_the_same_for_everybody_who_asks():
    mine, fresh = operations(OperatingPoint(28.0, 0.8)), operations(OperatingPoint(28.0, 0.8))
    assert mine.operation("add", 12) is mine.operation("add", 12)
    assert mine.shift_add(12) is mine.shift_add(12)
    assert mine.operation("add", 12) == fresh.operation("add", 12)
    assert mine.operation("add", 12) != operations(OperatingPoint(28.0, 0.7)).operation("add", 12)
    assert mine == fresh
    assert hash(mine) == hash(fresh)


def test_shared_converters_need_registers_for_the_other_columns():
    shared = load_architecture("conventional").macros["sram"]
    width = shared.accumulator_bits(shared.crossbar.rows)
    expected = (
        8 * AT_28.shift_add(width).area_um2.value + (128 - 8) * AT_28.register(width).area_um2.value
    )
    assert shift_add_area_um2(shared, AT_28).value == pytest.approx(expected)
