import math

import pytest

from pimsim.cost.memory import bit_area_um2, edram, sram
from pimsim.cost.technology import OperatingPoint, leakage_ratio
from pimsim.errors import ModelRangeError

AT_28, AT_32 = OperatingPoint(28.0), OperatingPoint(32.0)


@pytest.mark.parametrize(
    ("capacity_bytes", "read_pj", "write_pj"),
    [
        (128, 0.0092170, 0.0129976),
        (4096, 0.03299296875, 0.039730859375),
        (8192, 0.0347046, 0.048606640625),
    ],
)
def test_one_bank_costs_what_the_published_runs_of_cacti_say(capacity_bytes, read_pj, write_pj):
    cost = sram(capacity_bytes, AT_28)
    assert cost.energy_per_bit_pj.value == pytest.approx(read_pj)
    assert cost.write_energy_pj.value == pytest.approx(write_pj)
    assert cost.energy_per_bit_pj.kind == "published"


def test_between_two_runs_energy_is_a_power_law():
    middle = sram(round(math.sqrt(128 * 4096)), AT_28).energy_per_bit_pj.value
    assert middle == pytest.approx(math.sqrt(0.0092170 * 0.03299296875), rel=1e-3)


def test_beyond_a_bank_every_bit_travels_the_side_of_the_array_instead_of_the_bank_s():
    cost, bank = sram(65536, AT_28), sram(8192, AT_28)
    further_mm = (math.sqrt(cost.area_um2.value) - math.sqrt(bank.area_um2.value)) / 1000
    assert cost.energy_per_bit_pj.value == pytest.approx(0.0347046 + 0.1211 * further_mm)
    assert cost.write_energy_pj.value == pytest.approx(0.048606640625 + 0.1211 * further_mm)


@pytest.mark.parametrize("node_nm", [7.0, 28.0, 65.0])
def test_one_byte_more_than_a_bank_costs_hardly_more(node_nm):
    """The wires within a bank are in its published energy; they must not be counted again."""
    point = OperatingPoint(node_nm)
    bank, more = sram(8192, point), sram(8193, point)
    for way in ("energy_per_bit_pj", "write_energy_pj"):
        ratio = getattr(more, way).value / getattr(bank, way).value
        assert 1.0 < ratio < 1.001


def test_energy_never_falls_with_capacity():
    for cost in (sram, edram):
        energies = [cost(1 << bits, AT_28).energy_per_bit_pj.value for bits in range(14, 27)]
        assert energies == sorted(energies)


def test_a_megabyte_stays_near_the_usual_tenth_of_a_picojoule():
    assert 0.05 < sram(1 << 20, AT_28).energy_per_bit_pj.value < 0.25


def test_area_and_leakage_are_per_bit():
    small, large = sram(4096, AT_28), sram(8192, AT_28)
    assert large.area_um2.value == pytest.approx(2 * small.area_um2.value)
    assert large.leakage_mw.value == pytest.approx(2 * small.leakage_mw.value)
    assert large.refresh_mw.value == 0.0


def test_two_kilobytes_at_32_nm_have_the_published_area():
    assert sram(2048, AT_32).area_um2.value == pytest.approx(3920, rel=1e-3)
    assert bit_area_um2(AT_32).kind == "published"


def test_edram_is_that_of_isaac_and_stands_at_what_puma_states():
    cost = edram(65536, AT_32)
    assert cost.energy_per_bit_pj.value * 256 == pytest.approx(20.45)
    assert cost.write_energy_pj == cost.energy_per_bit_pj
    assert cost.area_um2.value == 83_000
    side_mm = math.sqrt(0.083)
    refresh = (20.45 / 256 - 0.1211 * side_mm) * 65536 * 8 / 40_000
    assert cost.refresh_mw.value == pytest.approx(refresh)
    assert cost.leakage_mw.value == pytest.approx(max(0.46 - refresh, 0.0))


def test_edram_is_denser_than_sram_and_has_to_be_refreshed():
    for capacity in (1 << 16, 1 << 20):
        assert edram(capacity, AT_28).area_um2.value < sram(capacity, AT_28).area_um2.value
        assert edram(capacity, AT_28).refresh_mw.value > 0


def test_the_supply_scales_energy_and_leakage():
    low, usual = (sram(65536, OperatingPoint(28.0, v)) for v in (0.7, 0.9))
    assert low.energy_per_bit_pj.value < usual.energy_per_bit_pj.value
    ratio = leakage_ratio(OperatingPoint(28.0, 0.7)).value
    assert low.leakage_mw.value == pytest.approx(usual.leakage_mw.value * ratio)


@pytest.mark.parametrize(
    ("model", "capacity", "message"),
    [
        (sram, 0, "an SRAM buffer must be 128 to 67108864, got 0"),
        (sram, 127, "got 127"),
        (sram, -8, "got -8"),
        (sram, 8192.5, "got 8192.5"),
        (sram, math.nan, "got nan"),
        (edram, "65536", "got '65536'"),
        (sram, 64 * 1024 * 1024 + 1, "got 67108865"),
        (edram, 16383, "an eDRAM buffer must be 16384 to 67108864, got 16383"),
    ],
)
def test_a_capacity_outside_the_range_is_refused(model, capacity, message):
    with pytest.raises(ModelRangeError, match=message):
        model(capacity, AT_28)
