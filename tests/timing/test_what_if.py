"""A class made infinitely fast takes no time, and everything else takes what it took."""

import dataclasses
import math

import numpy as np
import pytest

from pimsim.mapping import map_workload
from pimsim.records import ServiceTimes
from pimsim.timing import bottleneck, what_if
from pimsim.timing.plan import UnitCycles
from pimsim.timing.replay import replay
from tests.mapping.graphs import attention, chip
from tests.timing.chips import cycles_of, times
from tests.timing.timelines import Use, timeline_of

TIMES = ServiceTimes(
    read_ps={"mram": 10, "sram": 8},
    row_write_ps={"sram": 5},
    unit_cycle_ps=1,
    tile_buffer_bits_per_ns=64.0,
    global_buffer_bits_per_ns=32.0,
    link_bits_per_ns=16.0,
    router_delay_ps=2,
    kinds={},
    drive_ps={"mram": 10, "sram": 3},
    convert_ps={"mram": 7, "sram": 8},
    shift_add_ps={"mram": 4},
    accumulate_ps=1,
    column_write_ps={"sram": 6},
    program_row_ps={"mram": 99},
    memory_bits_per_ns=8.0,
    memory_latency_ps=50,
    io_bits_per_ns=4.0,
)

CHANGED = {
    "macro": {"read_ps": {"mram": 7, "sram": 8}, "drive_ps": {"mram": 0, "sram": 0}},
    "adc": {"read_ps": {"mram": 10, "sram": 3}, "convert_ps": {"mram": 0, "sram": 0}},
    "shift_add": {"shift_add_ps": {"mram": 0}, "accumulate_ps": 0},
    "write": {"row_write_ps": {"sram": 0}, "column_write_ps": {"sram": 0}},
    "program": {"program_row_ps": {"mram": 0}},
    "vector_unit": {"unit_cycle_ps": 0},
    "tile_buffer": {"tile_buffer_bits_per_ns": math.inf},
    "global_buffer": {"global_buffer_bits_per_ns": math.inf},
    "noc": {"link_bits_per_ns": math.inf, "router_delay_ps": 0},
    "memory": {"memory_bits_per_ns": math.inf, "memory_latency_ps": 0},
    "io": {"io_bits_per_ns": math.inf},
}


@pytest.mark.parametrize("resource_class", CHANGED)
def test_only_the_times_of_the_class_change(resource_class):
    expected = dataclasses.replace(TIMES, **CHANGED[resource_class])
    assert what_if.with_infinite(TIMES, resource_class) == expected


def test_every_time_belongs_to_a_class():
    fields = {field.name for field in dataclasses.fields(ServiceTimes)} - {"kinds"}
    assert {name for changes in CHANGED.values() for name in changes} == fields


def test_what_a_chip_does_not_have_stays_absent():
    without = dataclasses.replace(TIMES, memory_bits_per_ns=None, io_bits_per_ns=None)
    assert what_if.with_infinite(without, "memory").memory_bits_per_ns is None
    assert what_if.with_infinite(without, "io").io_bits_per_ns is None


def test_an_unknown_class_is_refused():
    with pytest.raises(ValueError, match=r"no resource class 'clock' .* known: macro, adc"):
        what_if.with_infinite(TIMES, "clock")


def test_each_class_is_replayed_on_its_own():
    def replay(times):
        end_ps = 3 * times.read_ps["mram"] + 5 * times.unit_cycle_ps
        return timeline_of([Use("macro:mram:a", 0, end_ps)])

    found = what_if.what_if_ps(replay, TIMES, ["macro", "vector_unit", "noc"])
    assert found == {"macro": 26, "vector_unit": 30, "noc": 35}


class TestReplayed:
    """One attention layer, replayed with each class infinitely fast."""

    mapped = map_workload(attention(tokens=4, width=8, heads=2), chip(tiles=4), {"batch": 1})
    service = times(row_write_ps=700, tile_rate=50.0, global_rate=40.0, link_rate=30.0, router_ps=9)
    service = dataclasses.replace(
        service, convert_ps={"mram": 600, "sram": 300}, shift_add_ps={"mram": 50, "sram": 60}
    )

    def replay(self, service):
        return replay(
            self.mapped, service, cycles_of(self.mapped), unit_cycles=lambda _: UnitCycles(7, 3)
        )

    def test_an_infinite_rate_is_the_limit_of_large_ones(self):
        whole = self.replay(self.service)
        for name, field in (
            ("tile_buffer", "tile_buffer_bits_per_ns"),
            ("global_buffer", "global_buffer_bits_per_ns"),
        ):
            exact = self.replay(what_if.with_infinite(self.service, name)).latency_ps
            near = self.replay(dataclasses.replace(self.service, **{field: 1e9})).latency_ps
            # At the large rate each transfer takes 1 ps, rounded up.
            assert 0 < near - exact <= len(whole.start_ps)
            assert exact < whole.latency_ps

    @pytest.mark.parametrize(
        "name", ["macro", "adc", "shift_add", "write", "vector_unit", "tile_buffer", "noc"]
    )
    def test_a_class_that_takes_no_time_holds_nothing_and_saves_no_more_than_its_share(self, name):
        whole = self.replay(self.service)
        without = self.replay(what_if.with_infinite(self.service, name))
        assert all(not key.endswith(f"|{name}") for key in without.critical_path_ps)
        own = np.array([kind == name for kind in without.resource_classes], dtype=bool)
        assert not own[without.resource].any()
        bound_ps = bottleneck.latency_without_ps(whole)[name]
        assert bound_ps <= without.latency_ps < whole.latency_ps
