import pytest

from pimsim.config import load_architecture
from pimsim.cost.crossbar import crossbar
from pimsim.cost.technology import OperatingPoint

AT_28 = OperatingPoint(28.0)
MACROS = load_architecture("rap").macros


def changed(macro, **cell):
    cells = macro.crossbar.cell.model_copy(update=cell)
    return macro.model_copy(update={"crossbar": macro.crossbar.model_copy(update={"cell": cells})})


def test_cells_cost_current_times_supply_times_sampling_time():
    cost = crossbar(MACROS["mram"], AT_28)
    on = 10e-6 * 0.9 * 1e-9 * 1e12  # A · V · s in pJ
    assert cost.energy_per_on_cell_pj.value == pytest.approx(on)
    assert cost.energy_per_off_cell_pj.value == pytest.approx(on / 2.5)


def test_without_an_on_off_ratio_an_off_cell_is_free():
    cost = crossbar(changed(MACROS["mram"], on_off_ratio=None), AT_28)
    assert cost.energy_per_off_cell_pj.value == 0.0


def test_lines_are_charged_capacitances():
    cost = crossbar(MACROS["sram"], AT_28)
    per_cell = 0.15e-15 * 0.9**2 * 1e12
    assert cost.energy_per_word_line_pj.value == pytest.approx(1024 * 1.333 * per_cell)
    assert cost.energy_per_written_bit_pj.value == pytest.approx(64 * per_cell)


def test_only_volatile_cells_leak():
    assert crossbar(MACROS["mram"], AT_28).cells_leakage_mw.value == 0.0
    assert crossbar(MACROS["sram"], AT_28).cells_leakage_mw.value == pytest.approx(64 * 1024 * 3e-8)


def test_an_mram_cell_takes_less_than_a_third_of_an_8t_cell():
    per_cell = {
        name: crossbar(macro, AT_28).cells_area_um2.value
        / (macro.crossbar.rows * macro.crossbar.cols)
        for name, macro in MACROS.items()
    }
    assert per_cell["mram"] == pytest.approx(0.127 / 3, rel=1e-3)
    assert per_cell["sram"] == pytest.approx(0.127 * 1.41)


@pytest.mark.parametrize(("name", "like"), [("mram", "mram"), ("sram", "sram")])
def test_ideal_cells_cost_what_the_kind_of_macro_has(name, like):
    ideal = crossbar(changed(MACROS[name], model="ideal"), AT_28)
    assert ideal == crossbar(MACROS[like], AT_28)


def test_the_logic_supply_leaves_the_array_alone():
    assert crossbar(MACROS["sram"], OperatingPoint(28.0, 0.7)) == crossbar(MACROS["sram"], AT_28)


def test_a_smaller_node_takes_less_area_and_line_energy():
    small, large = (crossbar(MACROS["sram"], OperatingPoint(node)) for node in (14.0, 28.0))
    assert small.cells_area_um2.value < large.cells_area_um2.value
    assert small.energy_per_word_line_pj.value < large.energy_per_word_line_pj.value
