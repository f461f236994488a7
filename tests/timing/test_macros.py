"""A vector leaves the macros exactly when a read-by-read model says so, and for that reason."""

import numpy as np
import pytest

from pimsim.errors import SimulationError
from pimsim.mapping import map_workload
from pimsim.timing.environment import ReplayEnvironment
from pimsim.timing.macros import Macros, MacroTimes
from pimsim.timing.network import Chip
from pimsim.timing.noc import Bus
from pimsim.timing.plan import UnitCycles
from pimsim.timing.planning import Given, plan_replay
from pimsim.timing.replay import replay
from pimsim.timing.trace import START
from tests.mapping.graphs import Graph, chip
from tests.timing.chips import cycles_of, times


def read_by_read(
    vectors: list[tuple[int, int]], drive_ps: int, convert_ps: int, shift_add_ps: int
) -> list[int]:
    """When vectors, each with arrival and reads, are summed up; one read after another.

    A read drives the word lines, its sample is taken when the converters have let go of the one
    before, and only then the next read may drive.
    """
    lines_free = converters_free = adder_free = 0
    ends = []
    for arrival, reads in vectors:
        converted = max(arrival, lines_free, converters_free if not reads else 0)
        for _ in range(reads):
            sampled = max(max(arrival, lines_free) + drive_ps, converters_free)
            converted = converters_free = sampled + convert_ps
            lines_free = sampled
        adder_free = max(converted, adder_free) + shift_add_ps
        ends.append(adder_free)
    return ends


def replayed(
    vectors: list[tuple[int, int]], drive_ps: int, convert_ps: int, shift_add_ps: int
) -> tuple[list[int], Chip, dict[str, int]]:
    service = times(
        read_ps=max(drive_ps, convert_ps),
        drive_ps=drive_ps,
        convert_ps=convert_ps,
        shift_add_ps=shift_add_ps,
    )
    graph = Graph()
    graph.linear("fc", graph.input("x", 1, 2), 2)
    mapped = map_workload(graph.build(), chip(), {})
    (plan,) = plan_replay(Given(mapped, service, cycles_of(mapped), {}, lambda _: UnitCycles(1, 0)))
    env = ReplayEnvironment()
    made = Chip(env, service, Bus(1), 1)
    assert plan.macros is not None
    macros = Macros(made, plan, plan.macros, MacroTimes(service, "mram"), 0)
    spans = []

    def feed():
        for token, (arrival, reads) in enumerate(vectors):
            if arrival > env.now_ps:
                yield env.timeout(arrival - env.now_ps)
            came = made.trace.span(0, arrival, op=0, token=token, kind="noc", cause=START)
            spans.append(macros.take(reads, 1, op=0, token=token, cause=came))

    env.process(feed())
    env.run()
    shares = made.trace.critical_path_ps(spans[-1], ("fc",))
    assert sum(shares.values()) == made.trace.end_ps[spans[-1]]
    return [made.trace.end_ps[span] for span in spans], made, shares


@pytest.mark.parametrize(
    ("drive_ps", "convert_ps"), [(10, 0), (10, 3), (10, 10), (10, 11), (4, 25)]
)
@pytest.mark.parametrize("shift_add_ps", [0, 6, 70])
@pytest.mark.parametrize("seed", range(5))
def test_vectors_end_as_if_every_read_were_simulated(drive_ps, convert_ps, shift_add_ps, seed):
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.integers(0, 120, 12)).tolist()
    vectors = list(zip(arrivals, rng.integers(0, 7, 12).tolist(), strict=True))
    found, made, _ = replayed(vectors, drive_ps, convert_ps, shift_add_ps)
    assert found == read_by_read(vectors, drive_ps, convert_ps, shift_add_ps)
    busy = made.trace.busy()
    for number, server in enumerate(made.servers):
        mine = busy.resource == number
        start, end = busy.start_ps[mine], busy.end_ps[mine]
        assert (start[1:] >= end[:-1]).all()
        step = {"macro": drive_ps, "adc": convert_ps}.get(server.kind)
        if step is not None:
            assert (end - start).sum() == step * sum(reads for _, reads in vectors)


def test_slow_converters_take_the_time_and_the_waiting():
    found, made, shares = replayed([(0, 5), (0, 5)], 10, 25, 0)
    assert found == [10 + 5 * 25, 10 + 10 * 25]
    assert shares == {"fc|macro": 10, "fc|adc": 250}
    busy = made.trace.busy()
    waits = {
        made.servers[resource].kind: wait
        for resource, wait in zip(busy.resource.tolist(), busy.wait_ps.tolist(), strict=True)
    }
    assert waits == {"macro": 0, "adc": 125}


def test_fast_converters_add_only_those_of_the_last_read():
    found, made, shares = replayed([(0, 5), (0, 5)], 10, 4, 3)
    assert found == [50 + 4 + 3, 100 + 4 + 3]
    assert shares == {"fc|macro": 100, "fc|adc": 4, "fc|shift_add": 3}
    assert [server.name for server in made.servers] == [
        "macro:mram:fc",
        "adc:mram:fc",
        "shift_add:mram:fc",
    ]


def test_stages_without_a_time_are_no_resources():
    _, made, _ = replayed([(0, 5)], 10, 0, 0)
    assert [server.kind for server in made.servers] == ["macro"]


def test_sums_of_further_row_blocks_are_added_one_after_another():
    graph = Graph()
    graph.linear("fc", graph.input("x", 2, 24), 2)  # 3 row blocks
    mapped = map_workload(graph.build(), chip(), {})
    plain = replay(mapped, times(read_ps=10), cycles_of(mapped), checks=True)
    added = replay(mapped, times(read_ps=10, accumulate_ps=7), cycles_of(mapped), checks=True)
    assert added.latency_ps == plain.latency_ps + 2 * 7
    assert added.critical_path_ps["fc|shift_add"] == 14
    assert "accumulate:mram:fc" in added.resources


def test_times_that_contradict_each_other_are_refused():
    service = times(read_ps=9, drive_ps=10, convert_ps=4)
    with pytest.raises(SimulationError, match=r"'mram': reads follow each other every 9 ps, but"):
        MacroTimes(service, "mram")
