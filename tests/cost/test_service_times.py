import pytest

from pimsim.config import load_architecture
from pimsim.cost.service_times import RESOURCE_CLASSES, service_times

RAP = load_architecture("rap")


def with_adc(architecture, macro, **adc):
    kind = architecture.macros[macro]
    changed = kind.model_copy(update={"adc": kind.adc.model_copy(update=adc)})
    return architecture.model_copy(update={"macros": {**architecture.macros, macro: changed}})


def test_the_reference_chip_reads_in_10_ns():
    times = service_times(RAP)
    assert times.read_ps == {"mram": 10_000, "sram": 10_000}
    assert times.row_write_ps == {"sram": 1_000}
    assert times.unit_cycle_ps == 1_000
    assert times.router_delay_ps == 2_000
    assert times.link_bits_per_ns == 128.0


@pytest.mark.parametrize(
    ("columns", "conversion", "read_ps"), [(1, 1.0, 10_000), (8, 1.25, 10_000), (32, 5.0, 160_000)]
)
def test_a_read_lasts_until_the_last_shared_conversion(columns, conversion, read_ps):
    chip = with_adc(RAP, "mram", columns_per_adc=columns, conversion_time_ns=conversion)
    assert service_times(chip).read_ps["mram"] == read_ps


def test_times_from_a_file_are_assumptions():
    times = service_times(RAP)
    assert set(times.kinds) == set(RESOURCE_CLASSES)
    assert set(times.kinds.values()) == {"assumed"}
