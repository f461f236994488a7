"""Inferences that follow one another without waiting."""

import pytest

from pimsim import simulate, streaming
from pimsim.timing.analysis import throughput


@pytest.fixture(scope="module")
def alone():
    return simulate("rap", "vit_digits", samples=1, chips=1, compare=())


def streamed(result):
    return [row for row in result.baselines if row.name.endswith(", streamed")]


def test_a_stream_takes_its_first_inference_and_then_the_interval_of_each(alone):
    """Eight inferences cannot end before seven intervals of the busiest resource have passed."""
    (row,) = streamed(alone)
    busiest_us = throughput(alone.timeline).bottleneck_ps * 1e-6
    assert row.batch == streaming.INFERENCES
    assert alone.latency_us + 7 * busiest_us * 0.99 <= row.latency_us < 8 * alone.latency_us


def test_energy_of_a_stream_is_what_switches_and_a_smaller_share_of_leakage(alone):
    (row,) = streamed(alone)
    leaked_uj = 1e-6 * sum(item.energy_pj for item in alone.costs[0].items if item.op is None)
    share = row.latency_us / (row.batch * alone.latency_us)
    assert row.energy_uj == pytest.approx(alone.energy_uj - leaked_uj * (1 - share))


def test_a_stream_that_would_take_too_long_is_left_out(monkeypatch):
    monkeypatch.setattr(streaming, "EVENTS_MAX", 0)
    result = simulate("rap", "vit_digits", samples=1, chips=1, compare=())
    assert streamed(result) == []
