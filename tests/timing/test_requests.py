"""Inferences that follow each other: latency of each, throughput, and equal counts."""

import numpy as np
import pytest

from pimsim.errors import SimulationError
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.records import Timeline
from pimsim.timing.plan import UnitCycles
from pimsim.timing.replay import replay
from tests.mapping.graphs import Graph, chip
from tests.timing.chips import changed, cycles_of, times
from tests.timing.test_replay import random_graph, service, unit_cycles

PACE = {"u0": 100, "u1": 250, "u2": 70}


def three_units(tokens: int = 4) -> MappedWorkload:
    graph = Graph()
    x = graph.input("x", tokens, 4)
    for name, function in zip(PACE, ("gelu", "softmax", "layer_norm"), strict=True):
        x = graph.unit(name, function, x)
    return map_workload(graph.build(x), chip(), {})


def replayed(mapped: MappedWorkload, requests: int, interval_ps: int | None = None) -> Timeline:
    return replay(
        mapped,
        times(unit_cycle_ps=1),
        {},
        unit_cycles=lambda op: UnitCycles(PACE[op.op.name], 0),
        requests=requests,
        interval_ps=interval_ps,
        checks=True,
    )


@pytest.mark.parametrize("dataflow", ["layer_by_layer", "token_streaming"])
def test_in_the_steady_state_the_slowest_stage_sets_the_pace(dataflow):
    tokens, requests = 4, 8
    mapped = changed(three_units(tokens), {"mapping.dataflow": dataflow})
    timeline = replayed(mapped, requests)
    ends = np.diff(timeline.request_end_ps)
    assert ends[-3:].tolist() == [tokens * max(PACE.values())] * 3
    alone = replayed(mapped, 1)
    assert timeline.request_end_ps[0] == alone.latency_ps == timeline.latency_ps
    assert timeline.request_start_ps[0] == 0


def test_inferences_far_apart_do_not_meet():
    alone = replayed(three_units(), 1)
    apart = replayed(three_units(), 3, interval_ps=2 * alone.latency_ps)
    step = 2 * alone.latency_ps
    assert apart.request_start_ps == (0, step, 2 * step)
    assert apart.request_end_ps == tuple(number * step + alone.latency_ps for number in range(3))


def test_inferences_too_close_queue_up():
    tokens, requests, interval_ps = 4, 6, 500
    timeline = replayed(three_units(tokens), requests, interval_ps)
    latencies = np.array(timeline.request_end_ps) - np.array(timeline.request_start_ps)
    # each waits for one more service of the slowest stage, less the time it came later
    assert np.diff(latencies).tolist() == [tokens * 250 - interval_ps] * (requests - 1)


def test_an_operation_keeps_the_outputs_of_at_most_two_inferences():
    timeline = replayed(three_units(), 6)
    begins = [
        [
            int(timeline.start_ps[(timeline.op == op) & (timeline.request == request)].min())
            for request in range(6)
        ]
        for op in range(3)
    ]
    for request in range(2, 6):
        assert begins[0][request] >= begins[1][request - 2]
        assert begins[1][request] >= begins[2][request - 2]
    assert begins[0][5] > begins[0][4] > 4 * max(PACE.values())  # held up, though itself faster


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dataflow", ["layer_by_layer", "token_streaming", "rap_fused"])
def test_every_inference_reads_and_moves_the_same(seed, dataflow):
    mapped = random_graph(seed, dataflow)
    cycles = cycles_of(mapped, seed=seed)
    options = {"unit_cycles": unit_cycles(2, 3), "checks": True}
    once = replay(mapped, service(), cycles, **options)
    thrice = replay(mapped, service(), cycles, requests=3, **options)
    assert (thrice.reads, thrice.moved) == (once.reads, once.moved)
    busy = thrice.end_ps - thrice.start_ps
    for request in range(3):
        mine = thrice.request == request
        assert mine.sum() == len(once.start_ps)
        assert busy[mine].sum() == (once.end_ps - once.start_ps).sum()
        assert thrice.end_ps[mine].max() <= thrice.request_end_ps[request]
        assert thrice.start_ps[mine].min() >= thrice.request_start_ps[request]
    assert list(thrice.request_end_ps) == sorted(thrice.request_end_ps)
    assert sum(thrice.critical_path_ps.values()) == thrice.latency_ps


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"requests": 0}, "requests must be 1 or more, got 0"),
        ({"token_group": 0}, "token_group must be 1 or more, got 0"),
        ({"interval_ps": -1}, "interval_ps must be 0 or more, got -1"),
    ],
)
def test_numbers_that_no_replay_can_have_are_refused(options, message):
    with pytest.raises(SimulationError, match=message):
        replay(three_units(), times(), {}, unit_cycles=unit_cycles(1), **options)
