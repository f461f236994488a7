"""Steps lose no token and no bit, and groups cost a bounded share of the latency."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.mapping import map_workload
from pimsim.timing.grouping import Steps, split, steps_of
from pimsim.timing.plan import UnitCycles
from pimsim.timing.replay import replay
from tests.mapping.graphs import Graph, chip
from tests.timing.chips import changed, cycles_of, times
from tests.timing.layers import layer

cuts = st.lists(st.integers(1, 9), min_size=1, max_size=12).map(
    lambda sizes: Steps((0, *np.cumsum(sizes).tolist()))
)


@given(steps=cuts, total=st.integers(0, 10**12))
def test_a_spread_over_groups_is_that_over_tokens_summed(steps, total):
    per_token = np.array(split(total, steps.tokens), dtype=np.int64)
    assert steps.spread(total) == steps.summed(per_token)
    assert sum(steps.spread(total)) == total
    assert sum(steps.sizes) == steps.tokens


@given(steps=cuts)
def test_a_token_is_reached_with_its_step_and_passed_with_the_last_of_it(steps):
    counts = np.arange(steps.tokens + 1)
    reached, passed = steps.reached(counts), steps.passed(counts)
    bounds = np.array(steps.bounds)
    assert (bounds[reached] >= counts).all()
    assert (bounds[np.maximum(reached - 1, 0)] < np.maximum(counts, 1)).all()
    assert (bounds[passed] <= counts).all()
    assert (bounds[np.minimum(passed + 1, steps.count)] > np.minimum(counts, counts[-1] - 1)).all()


@pytest.mark.parametrize("token_group", [1, 2, 3, 5, 100])
def test_groups_end_where_an_input_or_a_stored_operand_does(token_group):
    graph = Graph()
    a = graph.input("a", 3, 2, 7, 4)
    graph.unit("s", "softmax", graph.matmul("p", a, graph.input("b", 3, 2, 4, 5)), stream_from="p")
    mapped = map_workload(graph.build(), chip(), {"batch": 3})
    for name in ("p", "s"):
        bounds = steps_of(mapped.op(name), 3, token_group, stored_matrices=3).bounds
        assert {0, 7, 14, 21} <= set(bounds)
        assert max(np.diff(bounds)) == min(token_group, 7)
    assert steps_of(mapped.op("s"), 2, token_group).bounds[-1] == 21


ERROR_RATIO = {"layer_by_layer": 0.002, "token_streaming": 0.05, "rap_fused": 0.05}
"""Latency lost per token of the group beyond the first, on a layer of 64 tokens."""


@pytest.mark.parametrize("dataflow", sorted(ERROR_RATIO))
@pytest.mark.parametrize("token_group", [2, 4, 8])
def test_groups_cost_a_bounded_share_of_the_latency(dataflow, token_group):
    architecture = chip(rows=32, cols=128, tiles=4, macros={"mram": 8, "sram": 8})
    mapped = map_workload(layer(tokens=64, width=32, heads=2), architecture, {"batch": 1})
    mapped = changed(mapped, {"mapping.dataflow": dataflow})
    service = times(read_ps=10_000, row_write_ps=1000, unit_cycle_ps=1000, link_rate=128.0)

    def replayed(group: int):
        return replay(
            mapped,
            service,
            cycles_of(mapped, 64),
            unit_cycles=lambda _: UnitCycles(12, 4),
            token_group=group,
            checks=True,
        )

    exact, grouped = replayed(1), replayed(token_group)
    assert (grouped.reads, grouped.moved) == (exact.reads, exact.moved)
    assert grouped.token_group == token_group
    busy = [int((each.end_ps - each.start_ps).sum()) for each in (exact, grouped)]
    assert busy[1] == pytest.approx(busy[0], rel=1e-3)  # transfers are rounded up once per group
    assert grouped.events < 1.3 * exact.events / token_group + 200
    error = grouped.latency_ps / exact.latency_ps - 1
    assert 0 <= error <= ERROR_RATIO[dataflow] * (token_group - 1)
