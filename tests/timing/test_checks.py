"""The checks of a replay hold for any graph, and notice what they are there for."""

from dataclasses import replace

import pytest

from pimsim.errors import SimulationError
from pimsim.mapping import map_workload
from pimsim.records import ServiceTimes
from pimsim.timing import checks, trace
from pimsim.timing.checks import check_run
from pimsim.timing.plan import UnitCycles
from pimsim.timing.replay import replay
from pimsim.timing.streams import Run
from tests.mapping.graphs import Graph, chip
from tests.timing.chips import cycles_of, times
from tests.timing.test_replay import random_graph, service, unit_cycles


def everything(scale: int = 1) -> ServiceTimes:
    """Times in which converters bind on one kind of macro, and word lines on the other."""
    return replace(
        service(scale),
        drive_ps={"mram": 12 * scale, "sram": 20 * scale},
        convert_ps={"mram": 20 * scale, "sram": 7 * scale},
        shift_add_ps={"mram": 9 * scale, "sram": 3 * scale},
        accumulate_ps=5 * scale,
    )


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("dataflow", ["layer_by_layer", "token_streaming", "rap_fused"])
@pytest.mark.parametrize(("requests", "token_group"), [(1, 1), (3, 2)])
def test_any_graph_passes_with_all_stages(seed, dataflow, requests, token_group):
    mapped = random_graph(seed, dataflow)
    cycles = cycles_of(mapped, seed=seed)
    options = {
        "unit_cycles": unit_cycles(2, 3),
        "requests": requests,
        "token_group": token_group,
    }
    once = replay(mapped, everything(), cycles, checks=True, **options)
    assert sum(once.critical_path_ps.values()) == once.latency_ps
    twice = replay(mapped, everything(2), cycles, **options)
    assert twice.latency_ps == 2 * once.latency_ps
    assert (twice.end_ps == 2 * once.end_ps).all()
    assert (twice.wait_ps == 2 * once.wait_ps).all()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("dataflow", ["layer_by_layer", "token_streaming", "rap_fused"])
def test_no_replay_takes_longer_than_all_its_work(seed, dataflow):
    mapped = random_graph(seed, dataflow)
    timeline = replay(
        mapped, everything(), cycles_of(mapped, seed=seed), unit_cycles=unit_cycles(2, 3)
    )
    busy = timeline.end_ps - timeline.start_ps
    work = int(busy.sum())
    # what occupies nothing: once per packet and hop its router and tail, per row a filling unit,
    # per vector the first activation before slow converters
    hops = sum(timeline.resource_classes[at] == "noc" for at in timeline.resource.tolist())
    tokens = sum(op.tokens for op in mapped.ops)
    delays = hops * 4 + 2 * work + tokens * (3 * 30 + 12)
    assert max(busy) <= timeline.latency_ps <= work + delays
    assert timeline.path_end_ps[-1] == timeline.latency_ps


def finished_run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """A replay with waiting customers, as the checks see it."""
    seen: list[Run] = []
    monkeypatch.setattr("pimsim.timing.replay.check_run", seen.append)
    graph = Graph()
    graph.linear("fc", graph.input("x", 3, 2), 2)
    mapped = map_workload(graph.build(), chip(), {})
    replay(
        mapped,
        times(read_ps=10),
        cycles_of(mapped),
        unit_cycles=lambda _: UnitCycles(1, 0),
        checks=True,
    )
    check_run(seen[0])
    return seen[0]


def shifted(run: Run, monkeypatch: pytest.MonkeyPatch, **changes: tuple[int, int]) -> None:
    """Change one entry each of the columns of macro intervals that the checks look at."""
    busy = run.trace.busy()
    macro = [server.kind for server in run.chip.servers].index("macro")
    rows = [at for at, resource in enumerate(busy.resource.tolist()) if resource == macro]
    for column, (row, by_ps) in changes.items():
        getattr(busy, column)[rows[row]] += by_ps
    monkeypatch.setattr(trace.Trace, "busy", lambda self: busy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_ps": (1, -5)}, "'macro:mram:fc' serves two customers at once"),
        ({"wait_ps": (1, 200)}, "'macro:mram:fc' serves a later customer first"),
        ({"start_ps": (2, 3), "wait_ps": (2, 3)}, "'macro:mram:fc' rests while a customer waits"),
        ({"wait_ps": (0, -1)}, "a customer waits for less than no time"),
        ({"end_ps": (2, 1)}, "op 'fc' keeps 'macro' busy for 121 ps, its plan for 120 ps"),
    ],
)
def test_what_is_wrong_is_told(monkeypatch, changes, message):
    run = finished_run(monkeypatch)
    shifted(run, monkeypatch, **changes)
    with pytest.raises(SimulationError, match=message):
        check_run(run)


def test_a_clock_that_disagrees_with_the_trace_is_told(monkeypatch):
    run = finished_run(monkeypatch)
    assert run.populations is not None
    run.populations[0].spent_ps += 1
    with pytest.raises(SimulationError, match="stream 'fc': 0 steps inside at the end"):
        checks.check_run(run)
