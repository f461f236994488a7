import pytest

from pimsim.cost.memory import bit_area_um2, sram
from pimsim.cost.technology import OperatingPoint
from pimsim.errors import ModelRangeError

AT_45 = OperatingPoint(45.0)


@pytest.mark.parametrize(
    ("kib", "energy_pj", "tolerance"), [(8, 10.0, 1e-9), (32, 20.0, 1e-9), (1024, 100.0, 0.15)]
)
def test_64_bits_cost_what_the_cache_column_of_the_table_says(kib, energy_pj, tolerance):
    cost = sram(kib * 1024, AT_45).energy_per_bit_pj.value * 64
    assert cost == pytest.approx(energy_pj, rel=tolerance)


def test_area_and_leakage_are_per_bit():
    small, large = sram(4096, AT_45), sram(8192, AT_45)
    assert large.area_um2.value == pytest.approx(2 * small.area_um2.value)
    assert large.leakage_mw.value == pytest.approx(2 * small.leakage_mw.value)


def test_two_kilobytes_at_32_nm_have_the_published_area():
    assert sram(2048, OperatingPoint(32.0)).area_um2.value == pytest.approx(3920, rel=1e-3)
    assert bit_area_um2(OperatingPoint(32.0)).kind == "published"


@pytest.mark.parametrize("capacity", [0, 255, 64 * 1024 * 1024 + 1])
def test_a_capacity_outside_the_range_is_refused(capacity):
    with pytest.raises(ModelRangeError, match=f"must be 256 to 67108864, got {capacity}"):
        sram(capacity, AT_45)
