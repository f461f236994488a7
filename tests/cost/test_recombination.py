import pytest

from pimsim.config import load_architecture
from pimsim.cost.digital import operations
from pimsim.cost.recombination import shift_add_area_um2, step_energy_pj, tree_of
from pimsim.cost.technology import OperatingPoint

AT_28 = operations(OperatingPoint(28.0))
MRAM = load_architecture("rap_int8").macros["mram"]


def shared_by(columns):
    return MRAM.model_copy(update={"adc": MRAM.adc.model_copy(update={"columns_per_adc": columns})})


@pytest.mark.parametrize(
    ("columns", "tree"),
    [
        (1, (8, 3, 4 * 6 + 2 * 8 + 1 * 12)),  # codes of 4 bits, pairs 1, 2 and 4 places apart
        (2, (4, 2, 2 * 6 + 1 * 8)),
        (4, (2, 1, 6)),
        (8, (1, 0, 0)),
        (64, (1, 0, 0)),
    ],
)
def test_the_tree_has_one_adder_less_than_codes(columns, tree):
    assert tuple(tree_of(shared_by(columns))) == tree


def test_an_odd_code_passes_a_level():
    weights = MRAM.weights.model_copy(update={"bits": 3})
    codes, levels, bits = tree_of(MRAM.model_copy(update={"weights": weights}))
    assert (codes, levels, bits) == (3, 2, 6 + 8)


def test_a_single_converter_takes_a_wide_step_for_every_conversion():
    assert step_energy_pj(shared_by(8), AT_28, 26) == AT_28.shift_add(26).energy_pj


def test_converters_of_one_weight_share_tree_and_accumulator():
    step = step_energy_pj(MRAM, AT_28, 26).value
    one_bit = AT_28.shift_add(16).energy_pj.value / 16
    assert step == pytest.approx((52 + 26) * one_bit / 8)
    assert step < AT_28.shift_add(26).energy_pj.value


def test_a_macro_has_an_accumulator_per_matrix_column():
    one_bit = AT_28.shift_add(16).area_um2.value / 16
    assert shift_add_area_um2(MRAM, AT_28).value == pytest.approx(128 * (52 + 26) * one_bit)


def test_the_published_chip_has_it_for_an_eighth_of_its_arrays():
    """Table 1 of RAP: 0.221 and 0.553 mm² beside 72 and 512 arrays, of which an eighth is read."""
    macros = load_architecture("rap_int8").macros
    ours = [
        count * shift_add_area_um2(macros[name], AT_28).value / 1e6 / 8
        for name, count in (("mram", 72), ("sram", 512))
    ]
    assert ours == pytest.approx([0.221, 0.553], rel=0.25)
