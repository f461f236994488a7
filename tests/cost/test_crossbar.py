import dataclasses
import math

import pytest

from pimsim.config import load_architecture
from pimsim.config.cells import Conduction
from pimsim.cost.crossbar import CrossbarCost, charge_crossbar, crossbar
from pimsim.cost.technology import OperatingPoint, leakage_ratio
from pimsim.errors import ModelRangeError

AT_28 = OperatingPoint(28.0)
MACROS = load_architecture("rap").macros
BOLTZMANN_J_PER_K = 1.380649e-23


def changed(macro, **cell):
    cells = macro.crossbar.cell.model_copy(update=cell)
    return macro.model_copy(update={"crossbar": macro.crossbar.model_copy(update={"cell": cells})})


def resized(macro, **crossbar_keys):
    return macro.model_copy(update={"crossbar": macro.crossbar.model_copy(update=crossbar_keys)})


@pytest.mark.parametrize(
    ("kind", "current_ua", "time_ns"),
    [
        ("mram", 100.0 * 0.1, 2.8),
        ("sram", 10.0, 1.0),
        ("reram", 40.0 * 0.4, 10.0),
        ("pcm", 25.0 * 0.2, 10.0),
    ],
)
def test_cells_cost_current_times_supply_times_conduction_time(kind, current_ua, time_ns):
    cost = crossbar(changed(MACROS["mram"], model=kind), AT_28)
    on = current_ua * 1e-6 * 0.9 * time_ns * 1e-9 * 1e12  # A · V · s in pJ
    assert cost.energy_per_on_cell_pj.value == pytest.approx(on)
    assert cost.energy_per_off_cell_pj.value == pytest.approx(on / 2.5)


def test_a_file_may_state_what_its_cells_draw():
    stated = Conduction(on_conductance_usiemens=5.0, voltage_v=0.2, time_ns=4.0)
    cost = crossbar(changed(MACROS["mram"], conduction=stated), AT_28)
    assert cost.energy_per_on_cell_pj.value == pytest.approx(5e-6 * 0.2 * 0.9 * 4e-9 * 1e12)
    assert not cost.energy_per_on_cell_pj.sources
    partly = crossbar(changed(MACROS["mram"], conduction=Conduction(time_ns=5.6)), AT_28)
    usual = crossbar(MACROS["mram"], AT_28).energy_per_on_cell_pj.value
    assert partly.energy_per_on_cell_pj.value == pytest.approx(2 * usual)


def test_cells_conduct_no_longer_than_the_read():
    short = MACROS["mram"].model_copy(update={"read_time_ns": 1.4})
    usual = crossbar(MACROS["mram"], AT_28).energy_per_on_cell_pj.value
    assert crossbar(short, AT_28).energy_per_on_cell_pj.value == pytest.approx(usual / 2)
    too_long = changed(MACROS["mram"], conduction=Conduction(time_ns=10.5))
    with pytest.raises(ModelRangeError, match=r"time_ns \(10.5\) cannot exceed read_time_ns"):
        crossbar(too_long, AT_28)


def test_an_sram_conductance_needs_a_voltage():
    stated = changed(MACROS["sram"], conduction=Conduction(on_conductance_usiemens=5.0))
    with pytest.raises(ModelRangeError, match="needs voltage_v beside"):
        crossbar(stated, AT_28)


def test_a_voltage_that_would_change_nothing_is_refused():
    stated = changed(MACROS["sram"], conduction=Conduction(voltage_v=0.3))
    with pytest.raises(ModelRangeError, match="needs on_conductance_usiemens beside voltage_v"):
        crossbar(stated, AT_28)


def test_without_an_on_off_ratio_an_off_cell_is_free():
    cost = crossbar(changed(MACROS["mram"], on_off_ratio=None), AT_28)
    assert cost.energy_per_off_cell_pj.value == 0.0


def test_lines_are_charged_capacitances():
    cost = crossbar(MACROS["sram"], AT_28)
    per_cell = 0.15e-15 * 0.9**2 * 1e12
    assert cost.energy_per_word_line_pj.value == pytest.approx(1024 * 1.333 * per_cell)
    assert cost.energy_per_written_zero_pj.value == pytest.approx(64 * per_cell)
    assert cost.energy_per_written_one_pj == cost.energy_per_written_zero_pj
    assert cost.energy_per_decode_pj.value == pytest.approx(2 * 64 * per_cell)  # 6 address bits


@pytest.mark.parametrize(
    ("kind", "zero_pj", "one_pj"), [("mram", 1.0, 1.0), ("reram", 0.6, 0.6), ("pcm", 19.2, 13.5)]
)
def test_a_pulse_is_followed_by_a_read_of_the_cell(kind, zero_pj, one_pj):
    cost = crossbar(changed(MACROS["mram"], model=kind), AT_28)
    read = cost.energy_per_on_cell_pj.value
    assert cost.energy_per_written_zero_pj.value == pytest.approx(zero_pj + read)
    assert cost.energy_per_written_one_pj.value == pytest.approx(one_pj + read)


def test_a_stated_pulse_energy_goes_before_the_library():
    chip = load_architecture(
        "rap",
        overrides=[
            (
                "macros.mram.crossbar.cell.programming={model: write_verify, "
                "tolerance_ratio: 0.05, pulse_sigma_ratio: 0.2, pulses_max: 9, "
                "pulse_energy_pj: 7.0}"
            )
        ],
    )
    cost = crossbar(chip.macros["mram"], AT_28)
    assert cost.energy_per_written_one_pj.value == pytest.approx(
        7.0 + cost.energy_per_on_cell_pj.value
    )


def test_only_volatile_cells_leak():
    assert crossbar(MACROS["mram"], AT_28).cells_leakage_mw.value == 0.0
    assert crossbar(MACROS["sram"], AT_28).cells_leakage_mw.value == pytest.approx(64 * 1024 * 3e-8)
    hot = OperatingPoint(28.0, temperature_degc=85.0)
    assert crossbar(MACROS["sram"], hot).cells_leakage_mw.value == pytest.approx(
        64 * 1024 * 3e-8 * leakage_ratio(hot).value
    )


@pytest.mark.parametrize(
    ("kind", "area_um2"),
    [
        ("mram", 0.127 * 0.3333),
        ("sram", 0.127 * 1.41),
        ("reram", 53 * 0.028**2),
        ("pcm", 46 * 0.028**2),
    ],
)
def test_cells_take_what_their_kind_takes(kind, area_um2):
    cost = crossbar(changed(MACROS["mram"], model=kind), AT_28)
    assert cost.cells_area_um2.value == pytest.approx(1024 * 1024 * area_um2)


@pytest.mark.parametrize(("name", "like"), [("mram", "mram"), ("sram", "sram")])
def test_ideal_cells_cost_what_the_kind_of_macro_has(name, like):
    ideal = crossbar(changed(MACROS[name], model="ideal"), AT_28)
    assert ideal == crossbar(MACROS[like], AT_28)


def test_the_logic_supply_moves_nothing_but_leakage():
    low, usual = (crossbar(MACROS["sram"], OperatingPoint(28.0, v)) for v in (0.7, 0.9))
    assert low.cells_leakage_mw.value < usual.cells_leakage_mw.value
    assert dataclasses.replace(low, cells_leakage_mw=usual.cells_leakage_mw) == usual


def test_the_nominal_supply_is_that_of_the_array():
    low, usual = (
        crossbar(MACROS["mram"], OperatingPoint(28.0, nominal_supply_v=v)) for v in (0.45, 0.9)
    )
    assert 2 * low.energy_per_on_cell_pj.value == pytest.approx(usual.energy_per_on_cell_pj.value)
    assert 4 * low.energy_per_word_line_pj.value == pytest.approx(
        usual.energy_per_word_line_pj.value
    )


def test_a_smaller_node_takes_less_area_and_line_energy():
    small, large = (crossbar(MACROS["sram"], OperatingPoint(node)) for node in (14.0, 28.0))
    assert small.cells_area_um2.value < large.cells_area_um2.value
    assert small.energy_per_word_line_pj.value < large.energy_per_word_line_pj.value


def test_word_lines_of_several_bits_have_dacs_that_double_with_every_bit():
    costs: list[CrossbarCost] = []
    for bits in (1, 2, 3):
        inputs = MACROS["mram"].inputs.model_copy(update={"bits_per_cycle": bits})
        macro = MACROS["mram"].model_copy(update={"inputs": inputs})
        costs.append(crossbar(macro, OperatingPoint(40.0)))
    one, two, three = costs
    assert one.energy_per_dac_pj.value == one.dacs_area_um2.value == 0.0
    assert two.energy_per_dac_pj.value == pytest.approx(0.2909 / 64)
    assert three.energy_per_dac_pj.value == pytest.approx(2 * two.energy_per_dac_pj.value)
    assert two.dacs_area_um2.value == pytest.approx(8 * 438.0 / 64)  # one per active row


def test_shared_converters_need_a_hold_capacitor_per_column():
    own, shared = (crossbar(MACROS[name], AT_28) for name in ("mram", "sram"))
    assert own.energy_per_hold_pj.value == own.holds_area_um2.value == 0.0
    assert shared.energy_per_hold_pj.value == pytest.approx(1e-15 * 0.81 * 1e12)  # smallest
    conventional = load_architecture("conventional").macros["mram"]  # 8 bit
    farad = 12 * BOLTZMANN_J_PER_K * 298.15 * 4**8 / 0.9**2
    held = crossbar(conventional, AT_28)
    assert held.energy_per_hold_pj.value == pytest.approx(farad * 0.81 * 1e12)
    assert held.holds_area_um2.value == pytest.approx(1024 * (farad * 1e15 * 0.5 + 0.5))


def test_charge_domain_cells_cost_a_capacitor_each_and_nothing_when_off():
    cost = charge_crossbar(MACROS["sram"], AT_28)
    assert cost.energy_per_on_cell_pj.value == pytest.approx(1.2e-15 * 0.81 * 1e12)
    assert cost.energy_per_off_cell_pj.value == 0.0
    assert cost.cells_area_um2 == crossbar(MACROS["sram"], AT_28).cells_area_um2


def test_larger_arrays_cost_more_per_line():
    wide = resized(MACROS["mram"], cols=2048)
    one, two = (crossbar(macro, AT_28) for macro in (MACROS["mram"], wide))
    assert two.energy_per_word_line_pj.value == pytest.approx(2 * one.energy_per_word_line_pj.value)
    assert two.energy_per_on_cell_pj == one.energy_per_on_cell_pj
    assert math.isclose(two.cells_area_um2.value, 2 * one.cells_area_um2.value)
