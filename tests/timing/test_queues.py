"""Queues whose behaviour theory knows."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pimsim.mapping import MappedWorkload, map_workload
from pimsim.timing.environment import ReplayEnvironment
from pimsim.timing.progress import Population
from pimsim.timing.replay import replay
from pimsim.timing.trace import START, Server, Trace
from tests.mapping.graphs import Graph, chip
from tests.timing.chips import cycles_of, times

SERVICE_PS = 1000


def mean_wait_ps(seed: int, utilisation: float, customers: int) -> float:
    """Mean wait of a server with Poisson arrivals and constant service, from an empty start on."""
    rng = np.random.default_rng(seed)
    gaps = np.rint(rng.exponential(SERVICE_PS / utilisation, customers)).astype(np.int64)
    env, trace = ReplayEnvironment(), Trace()
    server = Server("queue", "noc", 0, trace)
    population = Population(trace)

    def customer(token: int, came: int):
        population.enter(env.now_ps, came)
        span = server.occupy(env.now_ps, SERVICE_PS, op=0, token=token, cause=came)
        yield env.timeout(trace.end_ps[span] - env.now_ps)
        population.leave(env.now_ps, span)

    def source():
        for token, gap in enumerate(gaps.tolist()):
            yield env.timeout(gap)
            came = trace.span(0, env.now_ps, op=0, token=token, kind="noc", cause=START)
            env.process(customer(token, came))

    env.process(source())
    env.run()
    assert population.inside == 0
    assert population.inside_ps == population.spent_ps
    waits = trace.busy().wait_ps
    assert population.spent_ps == waits.sum() + customers * SERVICE_PS
    return float(waits[customers // 5 :].mean())


@pytest.mark.parametrize("utilisation", [0.3, 0.7])
def test_poisson_arrivals_wait_as_long_as_pollaczek_and_khinchine_say(utilisation):
    # waits of one run are correlated, so the spread is taken from independent runs
    found = np.array([mean_wait_ps(seed, utilisation, 1500) for seed in range(16)])
    sigma = found.std(ddof=1) / math.sqrt(len(found))
    expected = utilisation * SERVICE_PS / (2 * (1 - utilisation))
    assert abs(found.mean() - expected) < 5 * sigma
    assert sigma < 0.1 * expected


def copied(mapped: MappedWorkload, copies: int) -> MappedWorkload:
    """The same product in several copies, side by side."""
    (only,) = mapped.ops
    assert only.placement is not None
    placement = replace(only.placement, copies=copies)
    return replace(mapped, ops=(replace(only, placement=placement),))


def test_more_copies_never_take_longer_for_equal_independent_vectors():
    tokens, reads = 24, 7
    graph = Graph()
    y = graph.linear("fc", graph.input("x", tokens, 2), 2)
    mapped = map_workload(graph.build(y), chip(), {})
    service = times(read_ps=1000)
    latencies = []
    for copies in range(1, 9):
        timeline = replay(copied(mapped, copies), service, cycles_of(mapped, reads), checks=True)
        latencies.append(timeline.latency_ps)
        # copies take vectors in turn; the fullest has ceil(tokens / copies) of them
        turns = math.ceil(tokens / copies)
        assert 0 <= timeline.latency_ps - turns * reads * 1000 <= 2 * tokens + 5
        assert timeline.reads == {"fc": tokens * reads}
    assert latencies == sorted(latencies, reverse=True)
    assert len({name for name in timeline.resources if name.startswith("macro")}) == 8
