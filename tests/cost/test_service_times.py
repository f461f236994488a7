import pytest

from pimsim.config import load_architecture
from pimsim.cost.service_times import RESOURCE_CLASSES, service_times
from pimsim.errors import ConfigError

RAP = load_architecture("rap_int8")


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


@pytest.mark.parametrize(("controller", "read_ps"), [(8.0, 10_000), (25.0, 25_000)])
def test_a_read_waits_for_the_controller_that_chooses_its_rows(controller, read_ps):
    asked = [f"macros.mram.zero_skipping.controller_time_ns={controller}"]
    times = service_times(load_architecture("rap", overrides=asked))
    assert times.read_ps == {"mram": read_ps, "sram": 10_000}
    assert times.drive_ps["mram"] == 10_000


def test_a_macro_that_reads_every_row_group_has_no_such_controller():
    asked = ["macros.mram.zero_skipping={model: none, controller_time_ns: 1.0}"]
    with pytest.raises(ConfigError, match="model 'none' chooses no rows"):
        load_architecture("rap", overrides=asked)


def test_times_from_a_file_are_assumptions():
    times = service_times(RAP)
    assert set(times.kinds) == set(RESOURCE_CLASSES)
    assert set(times.kinds.values()) == {"assumed"}


def test_reads_are_driven_converted_and_recombined():
    times = service_times(RAP)
    assert times.drive_ps == {"mram": 10_000, "sram": 10_000}
    assert times.convert_ps == {"mram": 1_000, "sram": 8_000}
    # three levels of adders behind eight converters, one accumulator; one converter per weight
    assert times.shift_add_ps == {"mram": 4_000, "sram": 1_000}
    assert times.accumulate_ps == 1_000
    for name, read_ps in times.read_ps.items():
        assert read_ps == max(times.drive_ps[name], times.convert_ps[name])


def test_what_a_chip_has_not_takes_no_time():
    times = service_times(RAP)
    assert times.column_write_ps == times.program_row_ps == {}
    assert times.memory_bits_per_ns is None
    assert times.io_bits_per_ns is None
    assert times.memory_latency_ps == 0


def test_ports_programming_memory_and_pins_come_from_the_file():
    chip = load_architecture(
        "rap_int8",
        overrides=[
            "macros.sram.write.port=column",
            "macros.mram.reprogram={row_time_ns: 200.0}",
            (
                "chip.memory={technology: hbm2, capacity_bytes: 1073741824, "
                "bandwidth_bits_per_ns: 2048.0, latency_ns: 120.5}"
            ),
            "chip.io={bandwidth_bits_per_ns: 64.0}",
            "chip.clock_ghz=0.5",
        ],
    )
    times = service_times(chip)
    assert times.column_write_ps == {"sram": 1_000}
    assert times.program_row_ps == {"mram": 200_000}
    assert times.memory_bits_per_ns == 2048.0
    assert times.memory_latency_ps == 120_500
    assert times.io_bits_per_ns == 64.0
    assert times.shift_add_ps["mram"] == 8_000
    assert times.accumulate_ps == times.unit_cycle_ps == 2_000
