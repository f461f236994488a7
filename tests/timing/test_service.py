"""Every service time that pimsim declares keeps the contract of a timing unit."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.registry import TIMING_UNITS
from pimsim.testing import check_timing_unit, check_topology
from pimsim.timing.macros import MacroTimes
from pimsim.timing.service import Channel, PerStep
from tests.timing.chips import times


@given(rate=st.floats(1e-3, 1e6, allow_nan=False), latency_ps=st.integers(0, 10**9))
def test_channels_keep_the_contract(rate, latency_ps):
    check_timing_unit(Channel("noc", rate, latency_ps))


@given(step_ps=st.integers(0, 10**9), latency_ps=st.integers(0, 10**9))
def test_units_of_equal_steps_keep_the_contract(step_ps, latency_ps):
    check_timing_unit(PerStep("vector_unit", step_ps, latency_ps))


def test_the_stages_of_a_macro_keep_the_contract():
    stages = MacroTimes(
        times(read_ps=10, drive_ps=4, convert_ps=10, shift_add_ps=3, accumulate_ps=2), "mram"
    )
    for unit in (stages.drive, stages.convert, stages.shift_add, stages.accumulate):
        check_timing_unit(unit)


@pytest.mark.parametrize("name", ["mesh", "bus"])
def test_networks_keep_the_contract(name):
    check_topology(TIMING_UNITS[name])


@given(bits=st.integers(0, 10**6), rate=st.floats(1e-3, 1e4, allow_nan=False))
def test_a_channel_takes_the_smallest_whole_time_that_suffices(bits, rate):
    time_ps = Channel("io", rate).service_ps(bits)
    assert time_ps * Fraction(rate) >= 1000 * bits
    assert bits == 0 or (time_ps - 1) * Fraction(rate) < 1000 * bits
