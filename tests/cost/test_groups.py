"""What shifted groups add to the area of a chip, from widths written out by hand."""

import pytest

from pimsim.config import load_architecture
from pimsim.cost.chip import chip_cost
from pimsim.cost.digital import DigitalCosts
from pimsim.cost.technology import OperatingPoint
from pimsim.cost.unit_hardware import built_hardware, unit_area_um2
from pimsim.integer.leading_one import qrazor_sdr

COSTS = DigitalCosts(OperatingPoint(28.0, 0.9))


def cost(scheme: str, *more: str):
    return chip_cost(
        load_architecture("rap_int8", overrides=[f"numerics.scheme={scheme}", *more]), "modelled"
    )


def test_plain_integers_add_nothing():
    wide, narrow = cost("int8_dyadic"), cost("int4")
    for name, macro in wide.macros.items():
        assert narrow.macros[name].shift_add_area_um2 == macro.shift_add_area_um2
    assert narrow.unit_areas_um2 == wide.unit_areas_um2


@pytest.mark.parametrize(("name", "rows", "places"), [("mram", 1024, 16), ("sram", 64, 12)])
def test_a_macro_has_a_wide_shift_add_per_matrix_column(name, rows, places):
    """1024 bit lines: 256 columns of 4-bit weights, 128 of 8-bit keys; 1024 or 128 converters."""
    added = (
        cost("qrazor_w4a4").macros[name].shift_add_area_um2.value
        - cost("int4").macros[name].shift_add_area_um2.value
    )
    columns, bits = (256, 4 + 4) if name == "mram" else (128, 4 + 8)
    width = bits + (rows - 1).bit_length() + places
    flags = places.bit_length()
    each = COSTS.shift_add(width).area_um2.value + COSTS.shift_add(flags).area_um2.value
    assert added == pytest.approx(columns * each)


def test_the_requantization_unit_gets_a_shifter_and_wider_accumulators():
    found = cost("qrazor_w4a4").unit_areas_um2["requantize"].value
    wide = built_hardware("dyadic_requantize", accumulator_bits=48)
    expected = unit_area_um2(wide, 64, COSTS) + unit_area_um2(
        qrazor_sdr(input_bits=16).hardware, 64, COSTS
    )
    assert found == pytest.approx(expected.value)
    assert found > cost("int8_dyadic").unit_areas_um2["requantize"].value


def test_other_units_stay():
    for function in ("softmax", "gelu", "layer_norm"):
        assert cost("qrazor_w4a4").unit_areas_um2[function] == cost("int4").unit_areas_um2[function]


def test_uncompressed_activations_need_no_shifter():
    found = cost("qrazor_w4a8", "numerics.basis_bits=8").unit_areas_um2["requantize"].value
    wide = built_hardware("dyadic_requantize", accumulator_bits=48)
    assert found == pytest.approx(unit_area_um2(wide, 64, COSTS).value)
