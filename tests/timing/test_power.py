"""The integral of the power is the energy, and it is drawn when the operations work."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.records import CostBreakdown, CostItem
from pimsim.timing import power
from tests.timing.timelines import Use, timeline_of

TIMELINE = timeline_of(
    [
        Use("macro:mram:a", 0, 2000, "a"),
        Use("macro:mram:a", 4000, 6000, "a"),
        Use("noc:0>1", 6000, 7000, "a"),
        Use("unit:gelu:0", 6000, 10_000, "g"),
    ]
)


def items(*lines):
    return CostBreakdown(
        "modelled",
        tuple(CostItem(name, op, pj, 0.0, "model", "assumed") for name, op, pj in lines),
        (),
    )


def test_each_operation_draws_power_while_it_works():
    """8 pJ over 4 ns of reads, 3 pJ over 1 ns of link, 4 pJ over 4 ns of unit, 10 pJ over 10 ns."""
    costs = items(
        ("mram.adc", "a", 5.0),
        ("mram.crossbar", "a", 3.0),
        ("noc.link", "a", 3.0),
        ("units.gelu", "g", 4.0),
        ("leakage.mram", None, 6.0),
        ("overhead.clock_and_control", None, 4.0),
    )
    energy = power.energy_by_op_and_class_pj(costs)
    assert energy == {
        ("a", "adc"): 5.0,  # nothing of class adc takes time here, so it is drawn with the reads
        ("a", "macro"): 3.0,
        ("a", "noc"): 3.0,
        ("g", "vector_unit"): 4.0,
        (None, None): 10.0,
    }
    found = power.power_mw(TIMELINE, energy, bins=10)
    assert found.mean_mw.tolist() == [3, 3, 1, 1, 3, 3, 5, 2, 2, 2]
    assert found.edges_ns.tolist() == list(range(11))
    assert (found.average_mw, found.peak_mw) == (2.5, 5.0)
    assert found.energy_pj == pytest.approx(25.0)


def test_the_peak_window_may_begin_anywhere():
    """In bins of 2 ns the 5 mW of 6 to 7 ns average out to 3.5; from 5 to 7 ns it is 4."""
    energy = {("a", "macro"): 8.0, ("a", "noc"): 3.0, ("g", "vector_unit"): 4.0, (None, None): 10.0}
    found = power.power_mw(TIMELINE, energy, window_ns=2.0)
    assert found.mean_mw.tolist() == [3, 1, 3, 3.5, 2]
    assert found.peak_mw == pytest.approx(4.0)


def test_a_last_bin_that_is_cut_short_keeps_its_energy():
    found = power.power_mw(TIMELINE, {("g", "vector_unit"): 4.0}, window_ns=4.0)
    assert found.edges_ns.tolist() == [0, 4, 8, 10]
    assert found.mean_mw.tolist() == [0, 0.5, 1]


def test_a_class_that_took_no_time_draws_with_the_macros_or_with_all_the_operation_does():
    macros = power.power_mw(TIMELINE, {("a", "write"): 8.0}, bins=5)
    assert macros.mean_mw.tolist() == [2, 0, 2, 0, 0]
    everything = power.power_mw(TIMELINE, {("g", "tile_buffer"): 8.0}, bins=5)
    assert everything.mean_mw.tolist() == [0, 0, 0, 2, 2]


def test_converters_draw_all_through_the_reads_or_longer_where_they_are_slower():
    """Reads until 2 ns; conversions that take 0.5 ns of it, or 4 ns from 1 ns on."""
    reads = Use("macro:mram:a", 0, 2000)
    faster = timeline_of([reads, Use("adc:mram:a", 1600, 2100)], latency_ps=5000)
    found = power.power_mw(faster, {("a", "adc"): 8.0}, bins=5)
    assert found.mean_mw.tolist() == [4, 4, 0, 0, 0]
    slower = timeline_of([reads, Use("adc:mram:a", 1000, 5000)])
    found = power.power_mw(slower, {("a", "adc"): 8.0}, bins=5)
    assert found.mean_mw.tolist() == [0, 2, 2, 2, 2]


def test_what_no_class_spends_is_drawn_while_the_operation_works():
    """a works for 4 ns in its macros and 1 ns in a link."""
    found = power.power_mw(TIMELINE, {("a", None): 10.0}, bins=10)
    assert found.mean_mw.tolist() == [2, 2, 0, 0, 2, 2, 2, 0, 0, 0]


def test_an_operation_that_used_nothing_draws_evenly():
    timeline = timeline_of([Use("noc:x", 0, 1000), Use("noc:x", 0, 0, "idle")])
    for op in ("idle", "not in the timeline"):
        found = power.power_mw(timeline, {(op, "macro"): 2.0}, bins=2)
        assert found.mean_mw.tolist() == [2.0, 2.0]


def test_every_inference_spends_the_same_and_leaks_at_the_same_rate():
    timeline = timeline_of(
        [Use("noc:x", 0, 1000, request=0), Use("noc:x", 1000, 2000, request=1)],
        latency_ps=1000,
        request_start_ps=(0, 0),
        request_end_ps=(1000, 2000),
    )
    found = power.power_mw(timeline, {("a", "noc"): 3.0, (None, None): 1.0}, bins=2)
    assert found.mean_mw.tolist() == [4.0, 4.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either bins or window_ns"),
        ({"bins": 1, "window_ns": 1.0}, "either bins or window_ns"),
        ({"bins": 0}, "bins must be 1 or more, got 0"),
        ({"window_ns": 0.0}, "window_ns must be above 0"),
    ],
)
def test_wrong_bins_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        power.power_mw(TIMELINE, {}, **arguments)


def test_a_run_without_time_is_refused():
    with pytest.raises(ValueError, match="takes no time"):
        power.power_mw(timeline_of([Use("noc:x", 0, 0)]), {}, bins=1)


uses = st.lists(
    st.builds(
        lambda resource, start, length, op: Use(resource, start, start + length, op),
        st.sampled_from(["macro:mram:a", "unit:gelu:0", "noc:0>1"]),
        st.integers(0, 50_000),
        st.integers(1, 9_000),
        st.sampled_from("ab"),
    ),
    min_size=1,
    max_size=15,
)
energies = st.dictionaries(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["macro", "vector_unit", "noc", "write"]))
    | st.just((None, None)),
    st.floats(1e-3, 1e6),
)


@given(uses, energies, st.integers(1, 40), st.floats(0.1, 100.0))
def test_the_integral_is_the_energy_whatever_the_bins(drawn, energy, bins, window_ns):
    timeline = timeline_of(drawn)
    energy = {key: pj for key, pj in energy.items() if key[0] in (None, *timeline.ops)}
    total_pj = sum(energy.values())
    for cut in ({"bins": bins}, {"window_ns": window_ns}):
        found = power.power_mw(timeline, energy, **cut)
        assert found.energy_pj == pytest.approx(total_pj, rel=1e-9)
        assert found.average_mw * timeline.latency_ps / 1000 == pytest.approx(total_pj, rel=1e-9)
        slack = 1e-9 * (1 + total_pj)
        assert np.all(found.mean_mw >= -slack)
        full = np.diff(found.edges_ns) >= found.window_ns * (1 - 1e-9)
        assert np.all(found.mean_mw[full] <= found.peak_mw * (1 + 1e-9) + slack)
        if "bins" in cut:  # windows that do not tile the run may all miss one of two ends
            assert found.peak_mw >= found.average_mw * (1 - 1e-9) - slack
