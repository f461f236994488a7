"""Closed forms, bounds for any graph, exact accounting, and what must not depend on tie order."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pimsim.errors import SimulationError
from pimsim.integer.hardware import UnitHardware
from pimsim.mapping import MappedOp, MappedWorkload, map_workload
from pimsim.records import ServiceTimes, Timeline
from pimsim.timing.plan import UnitCycles
from pimsim.timing.replay import replay
from tests.mapping.graphs import Graph, attention, chip
from tests.timing.chips import cycles_of, times

SEEDS = range(20)


def unit_cycles(per_row: int, fill: int = 0) -> Callable[[MappedOp], UnitCycles]:
    return lambda _: UnitCycles(per_row, fill)


def run(
    mapped: MappedWorkload,
    service: ServiceTimes,
    *,
    per_row: int = 0,
    fill: int = 0,
    cycles: int = 4,
):
    return replay(
        mapped, service, cycles_of(mapped, cycles), unit_cycles=unit_cycles(per_row, fill)
    )


# ------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("tokens", [1, 2, 10])
def test_tokens_on_one_macro_take_their_reads_and_once_the_way_in_and_out(tokens):
    graph = Graph()
    y = graph.linear("fc", graph.input("x", tokens, 2), 2, bits=16)
    mapped = map_workload(graph.build(y), chip(), {})
    # 1 bit takes 1 ps everywhere: 8 in, 32 out; 3 ps per hop; 4 reads of 25 ps
    service = times(read_ps=25, global_rate=1000.0, link_rate=1000.0, router_ps=3)
    timeline = run(mapped, service)
    assert timeline.latency_ps == 8 + (3 + 8) + tokens * 100 + (3 + 32) + 32
    assert timeline.critical_path_ps == {
        "fc|global_buffer": 8 + 32,
        "fc|noc": 11 + 35,
        "fc|macro": 100 * tokens,
    }
    # the stream begins and ends (2); a token is read, begins, ends, and waits for 2 hops, the macro
    # and the write (7)
    assert timeline.events == 2 + 7 * tokens
    assert timeline.reads == {"fc": 4 * tokens}


@pytest.mark.parametrize(("macro_ps", "unit_ps"), [(100, 30), (30, 100), (50, 50)])
def test_a_pipeline_fills_once_and_then_goes_at_the_pace_of_its_slowest_stage(macro_ps, unit_ps):
    tokens = 6
    graph = Graph()
    acc = graph.linear("fc", graph.input("x", tokens, 2), 2)
    graph.unit("q", "requantize", acc, stream_from="fc")
    mapped = map_workload(graph.build(), chip(), {})
    service = times(read_ps=macro_ps, unit_cycle_ps=unit_ps)  # every transfer takes 1 ps
    timeline = run(mapped, service, per_row=1, cycles=1)
    slowest = max(macro_ps, unit_ps)
    assert timeline.latency_ps == 1 + 1 + macro_ps + unit_ps + (tokens - 1) * slowest + 1


def test_a_unit_fills_its_own_pipeline_once():
    graph = Graph()
    graph.unit("g", "gelu", graph.input("x", 5, 2))
    mapped = map_workload(graph.build(), chip(), {})
    timeline = run(mapped, times(unit_cycle_ps=10), per_row=4, fill=3)
    assert timeline.latency_ps == 1 + 1 + 5 * 40 + 30 + 1


def test_branches_run_side_by_side_and_the_join_waits_for_the_slower():
    graph = Graph()
    x = graph.input("x", 1, 4)
    slow, fast = graph.unit("slow", "gelu", x), graph.unit("fast", "softmax", x)
    y = graph.unit("join", "requantize", slow, fast)
    mapped = map_workload(graph.build(y), chip(), {})
    pace = {"slow": 100, "fast": 70, "join": 50}
    timeline = replay(
        mapped, times(unit_cycle_ps=1), {}, unit_cycles=lambda op: UnitCycles(pace[op.op.name], 0)
    )
    # read, hop, slow unit, write; read both, join, hop, write; each transfer takes 1 ps
    assert timeline.latency_ps == 1 + 1 + 100 + 1 + 1 + 50 + 1 + 1
    assert not any(label.startswith("fast") for label in timeline.critical_path_ps)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_independent_operations_queue_for_the_one_unit_of_their_tile(count):
    tokens, unit_ps = 8, 50
    graph = Graph()
    x = graph.input("x", tokens, 4)
    for number in range(count):
        graph.unit(f"u{number}", "gelu", x)
    mapped = map_workload(graph.build(), chip(), {})
    timeline = run(mapped, times(unit_cycle_ps=unit_ps), per_row=1)
    assert timeline.latency_ps == 1 + 1 + count * tokens * unit_ps + 1


def test_a_stored_operand_is_written_row_by_row_once_its_predecessor_has_been_read():
    batch, vectors, rows = 3, 4, 6
    graph = Graph()
    a = graph.input("a", batch, 2, vectors, rows)
    y = graph.matmul("p", a, graph.input("b", batch, 2, rows, 2))
    mapped = map_workload(graph.build(y), chip(), {})
    timeline = run(mapped, times(read_ps=10, row_write_ps=7))  # 4 reads per vector
    # per matrix: write it, read and send the first vector (1 + 1), all vectors; both heads at once
    per_matrix = rows * 7 + 2 + vectors * 40
    assert timeline.latency_ps == 1 + 1 + batch * per_matrix + 1 + 1
    assert timeline.critical_path_ps["p|write"] == batch * rows * 7
    assert timeline.reads == {"p": batch * vectors * 4 * 2}
    names = [timeline.resources[index] for index in timeline.resource]
    writes = [n for n, name in enumerate(names) if name == "write:sram:p"]
    assert timeline.token[writes].tolist() == [0, vectors, 2 * vectors]


def test_the_slowest_row_block_sets_the_pace_and_far_sums_come_home():
    graph = Graph()
    graph.linear("fc", graph.input("x", 2, 16), 2)  # row blocks on tiles 0 and 1
    mapped = map_workload(graph.build(), chip(tiles=2, macros={"mram": 1}), {})
    cycles = {"fc": np.array([[1, 5], [9, 2]], dtype=np.int32)}
    timeline = replay(mapped, times(read_ps=10), cycles)
    # read, 2 hops to tile 1, reads, 1 hop of the sums, write
    assert timeline.latency_ps == 1 + 2 + (50 + 90) + 1 + 1
    assert timeline.reads == {"fc": 1 + 5 + 9 + 2}


def test_an_operand_beside_the_stream_is_read_when_the_product_is_ready():
    graph = Graph()
    x = graph.input("x", 1, 2)
    other = graph.unit("other", "gelu", x)
    acc = graph.linear("fc", x, 2)
    graph.unit("sum", "requantize", acc, other, stream_from="fc")
    mapped = map_workload(graph.build(), chip(), {})
    pace = {"other": 60, "sum": 5}
    timeline = replay(
        mapped,
        times(read_ps=10, unit_cycle_ps=1),
        cycles_of(mapped),
        unit_cycles=lambda op: UnitCycles(pace[op.op.name], 0),
    )
    # other: read, hop, unit, write; then fc: read, hop, 4 reads; then read other, add, write
    assert timeline.latency_ps == (1 + 1 + 60 + 1) + (1 + 1 + 40) + (1 + 5 + 1)


def test_an_output_both_kept_and_sent_takes_both_ways():
    graph = Graph()
    y = graph.unit("u", "gelu", graph.input("x", 1, 2))
    graph.unit("v", "softmax", y)
    mapped = map_workload(graph.build(y), chip(), {})
    timeline = run(mapped, times(unit_cycle_ps=10), per_row=1)
    # u: read, hop, unit, write, hop, write; v: read, unit, write
    assert timeline.latency_ps == (1 + 1 + 10 + 1 + 1 + 1) + (1 + 10 + 1)


# ------------------------------------------------------------------------------- any graph


def random_graph(seed: int, dataflow: str = "layer_by_layer") -> MappedWorkload:
    """Units, products, streams, residuals and movements in random order, on several tiles."""
    rng = np.random.default_rng(seed)
    tokens, width = int(rng.integers(1, 6)), 4
    graph = Graph()
    tensors = [graph.input("x", "batch", tokens, width)]
    for number in range(int(rng.integers(2, 9))):
        first, second = (tensors[rng.integers(len(tensors))] for _ in range(2))
        match rng.integers(5):
            case 0:
                made = graph.unit(f"u{number}", "gelu", first)
            case 1:
                made = graph.unit(f"s{number}", "requantize", first, second)
            case 2:
                acc = graph.linear(f"p{number}", first, width)
                made = graph.unit(f"q{number}", "requantize", acc, second, stream_from=f"p{number}")
            case 3:
                turned = graph.move(f"t{number}", "permute", [second], ("batch", width, tokens))
                acc = graph.matmul(f"d{number}", first, turned)
                soft = graph.unit(f"n{number}", "softmax", acc, stream_from=f"d{number}")
                acc = graph.matmul(f"c{number}", soft, second)
                made = graph.unit(f"r{number}", "requantize", acc, stream_from=f"c{number}")
            case _:
                made = graph.linear(f"l{number}", first, width, bits=4)
        tensors.append(made)
    architecture = chip(
        rows=3,
        cols=12,
        tiles=int(rng.integers(20, 40)),
        macros={"mram": int(rng.integers(2, 9)), "sram": int(rng.integers(2, 9))},
        noc=["mesh", "bus"][rng.integers(2)],
    )
    mapping = architecture.mapping.model_copy(update={"dataflow": dataflow})
    architecture = architecture.model_copy(update={"mapping": mapping})
    return map_workload(graph.build(tensors[-1]), architecture, {"batch": int(rng.integers(1, 3))})


def service(scale: int = 1) -> ServiceTimes:
    """Times in which everything matters; all transfers take whole picoseconds at any scale."""
    return times(
        read_ps=20 * scale,
        row_write_ps=15 * scale,
        unit_cycle_ps=30 * scale,
        tile_rate=1000.0 / scale,
        global_rate=1000.0 / scale,
        link_rate=1000.0 / scale,
        router_ps=4 * scale,
    )


def replayed(mapped: MappedWorkload, seed: int, **options: int) -> Timeline:
    scale = options.get("scale", 1)
    return replay(
        mapped,
        service(scale),
        cycles_of(mapped, seed=seed),
        unit_cycles=unit_cycles(2, 3),
        tie_seed=options.get("tie_seed"),
    )


def longest_chain_ps(mapped: MappedWorkload, seed: int) -> int:
    """A bound from below: dependent operations one after another, nothing but macros and units."""
    cycles, times_ps = cycles_of(mapped, seed=seed), service()
    ready: dict[str, int] = {}
    for mapped_op in mapped.ops:
        name, op = mapped_op.op.name, mapped_op.op
        start = max(
            (ready[dep] for dep in mapped_op.depends_on if dep != op.stream_from), default=0
        )
        if mapped_op.placement is not None:
            work = int(cycles[name].max(axis=1).sum()) * times_ps.read_ps["mram"]
        else:
            assert mapped_op.unit is not None
            work = mapped_op.unit.rows * 2 * times_ps.unit_cycle_ps
        streamed = ready.get(op.stream_from or "", 0)
        ready[name] = max(start + work, streamed)
    return max(ready.values())


def total_work_ps(mapped: MappedWorkload, timeline: Timeline) -> int:
    """A bound from above: every busy interval and every delay, one after another."""
    classes = np.array(timeline.resource_classes)[timeline.resource]
    hops = int((classes == "noc").sum())
    fills = sum(mapped_op.tokens for mapped_op in mapped.ops if mapped_op.unit is not None)
    busy = int((timeline.end_ps - timeline.start_ps).sum())
    # the tail of a packet follows its last hop: at most once more per hop
    tails = int((timeline.end_ps - timeline.start_ps)[classes == "noc"].sum())
    return busy + tails + hops * 4 + fills * 3 * 30


@pytest.mark.parametrize("seed", SEEDS)
def test_latency_lies_between_the_longest_chain_and_the_total_work(seed):
    mapped = random_graph(seed)
    timeline = replayed(mapped, seed)
    assert longest_chain_ps(mapped, seed) <= timeline.latency_ps <= total_work_ps(mapped, timeline)


@pytest.mark.parametrize("seed", SEEDS)
def test_exclusive_shares_sum_to_the_latency(seed):
    timeline = replayed(random_graph(seed), seed)
    assert sum(timeline.critical_path_ps.values()) == timeline.latency_ps
    assert min(timeline.critical_path_ps.values()) > 0
    kinds = set(service().kinds)
    for label in timeline.critical_path_ps:
        op, kind = label.split("|")
        assert op in timeline.ops
        assert kind in kinds


@pytest.mark.parametrize("seed", SEEDS)
def test_moved_bits_equal_the_mapping_and_reads_the_cycles(seed):
    mapped = random_graph(seed)
    timeline = replayed(mapped, seed)
    assert timeline.moved == {mapped_op.op.name: mapped_op.moved for mapped_op in mapped.ops}
    expected = {}
    for name, cycles in cycles_of(mapped, seed=seed).items():
        placement = mapped.op(name).placement
        assert placement is not None
        groups = {rows: index for index, rows in enumerate(placement.row_blocks)}
        expected[name] = sum(
            int(cycles[:, groups[block.row_start, block.row_stop]].sum())
            for block in placement.blocks
        )
    assert timeline.reads == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_no_resource_does_two_things_at_once_and_intervals_are_sorted(seed):
    timeline = replayed(random_graph(seed), seed)
    assert len(timeline.resources) == len(timeline.resource_classes) == len(set(timeline.resources))
    order = list(zip(timeline.start_ps.tolist(), timeline.resource.tolist(), strict=True))
    assert order == sorted(order)
    assert (timeline.end_ps > timeline.start_ps).all()
    assert timeline.end_ps.max() <= timeline.latency_ps
    for index in range(len(timeline.resources)):
        mine = timeline.resource == index
        assert (timeline.start_ps[mine][1:] >= timeline.end_ps[mine][:-1]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_twice_the_service_times_take_exactly_twice_as_long(seed):
    mapped = random_graph(seed)
    once, twice = replayed(mapped, seed), replayed(mapped, seed, scale=2)
    assert twice.latency_ps == 2 * once.latency_ps
    assert (twice.start_ps == 2 * once.start_ps).all()
    assert twice.critical_path_ps == {
        label: 2 * time_ps for label, time_ps in once.critical_path_ps.items()
    }


def test_the_same_replay_twice_is_the_same():
    mapped = random_graph(3)
    first, second = replayed(mapped, 3), replayed(mapped, 3)
    for name in ("start_ps", "end_ps", "resource", "op", "token"):
        assert (getattr(first, name) == getattr(second, name)).all()
    assert first.critical_path_ps == second.critical_path_ps


TIE_BOUND_RATIO = {"layer_by_layer": 0.01, "token_streaming": 0.02, "rap_fused": 0.01}
"""How far the order of simultaneous events may move the latency of an attention layer."""


@pytest.mark.parametrize("dataflow", sorted(TIE_BOUND_RATIO))
def test_the_order_of_simultaneous_events_moves_no_count_and_hardly_the_latency(dataflow):
    architecture = chip(rows=8, cols=32, tiles=4, macros={"mram": 8, "sram": 8})
    mapping = architecture.mapping.model_copy(update={"dataflow": dataflow})
    architecture = architecture.model_copy(update={"mapping": mapping})
    mapped = map_workload(attention(tokens=9, width=16, heads=2), architecture, {"batch": 2})
    ordered = replayed(mapped, 0)
    for seed in SEEDS:
        shuffled = replayed(mapped, 0, tie_seed=seed)
        assert shuffled.reads == ordered.reads
        assert shuffled.moved == ordered.moved
        assert len(shuffled.start_ps) == len(ordered.start_ps)
        busy = [int((t.end_ps - t.start_ps).sum()) for t in (shuffled, ordered)]
        assert busy[0] == busy[1]
        assert sum(shuffled.critical_path_ps.values()) == shuffled.latency_ps
        assert abs(shuffled.latency_ps / ordered.latency_ps - 1) <= TIE_BOUND_RATIO[dataflow]


# ------------------------------------------------------------------------------- edges


def test_units_take_their_declared_time_unless_told_otherwise():
    hardware = UnitHardware(
        passes=2,
        per_element=(),
        per_row=(),
        serial_cycles_per_row=1,
        pipeline_depth_cycles=4,
        table_bits=0,
        maximum_row_length=None,
    )
    graph = Graph()
    x = graph.input("x", 3, 6)
    graph.op("u", "unit", [x], (3, 6), 4, function="gelu", hardware=hardware)
    timeline = replay(map_workload(graph.build(), chip(), {}), times(unit_cycle_ps=10), {})
    # 3 rows of 2 passes over ceil(6 / 4 lanes) and 1 serial cycle
    assert timeline.latency_ps == 1 + 1 + 10 * (3 * (2 * 2 + 1) + 4) + 1


def test_no_operations_take_no_time():
    graph = Graph()
    x = graph.input("x", 1, 2)
    timeline = replay(map_workload(graph.build(x), chip(), {}), times(), {})
    assert (timeline.latency_ps, timeline.events, timeline.critical_path_ps) == (0, 0, {})
    assert timeline.resources == timeline.ops == ()


def test_operations_without_tokens_take_no_time_and_hold_nobody_up():
    graph = Graph()
    y = graph.unit("empty", "gelu", graph.input("x", 1, 2))
    graph.unit("after", "gelu", y)
    mapped = map_workload(graph.build(), chip(), {})
    first, second = mapped.ops
    idle = replace(mapped, ops=(replace(first, tokens=0), second))
    timeline = run(idle, times(unit_cycle_ps=10), per_row=1)
    assert timeline.latency_ps == 1 + 10 + 1
    assert timeline.moved["empty"].tile_buffer_write_bits == 0


def test_a_token_that_needs_no_read_still_keeps_its_place():
    graph = Graph()
    graph.linear("fc", graph.input("x", 3, 2), 2)
    mapped = map_workload(graph.build(), chip(), {})
    cycles = {"fc": np.array([[4], [0], [4]], dtype=np.int32)}
    timeline = replay(mapped, times(read_ps=10), cycles)
    assert timeline.latency_ps == 1 + 1 + 80 + 1
    assert timeline.reads == {"fc": 8}


def test_a_stream_that_waits_for_itself_is_reported():
    graph = Graph()
    acc = graph.linear("fc", graph.input("x", 2, 2), 2)
    graph.unit("other", "gelu", acc)
    graph.unit("sum", "requantize", acc, stream_from="fc")
    graph.unit("early", "gelu", "x")
    mapped = map_workload(graph.build(), chip(), {})
    ops = [
        replace(op, depends_on=("fc", "other")) if op.op.name == "sum" else op for op in mapped.ops
    ]
    mapped = replace(mapped, ops=tuple(ops))  # the mapping itself refuses such a graph
    with pytest.raises(SimulationError) as caught:
        run(mapped, times(unit_cycle_ps=1), per_row=100)
    assert str(caught.value) == (
        "the replay ran out of events at 0.203 ns with 3 of 4 operations unfinished: 'fc' waits "
        "for its stream; 'other' waits for 'fc'; 'sum' waits for 'fc', 'other'"
    )


def test_a_dependency_that_is_not_mapped_is_reported():
    graph = Graph()
    graph.unit("u", "gelu", graph.input("x", 1, 2))
    mapped = map_workload(graph.build(), chip(), {})
    broken = replace(mapped, ops=(replace(mapped.ops[0], depends_on=("ghost",)),))
    with pytest.raises(SimulationError, match="'u' depends on 'ghost', which is not mapped"):
        run(broken, times())
