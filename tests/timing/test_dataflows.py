"""What each dataflow lets begin when, and how long stored operands take to write."""

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.errors import SimulationError
from pimsim.functional import estimate
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.records import ServiceTimes, Timeline
from pimsim.timing.plan import UnitCycles
from pimsim.timing.replay import replay
from tests.mapping.graphs import Graph, chip
from tests.timing.chips import changed, times
from tests.timing.layers import bare_attention, layer

DATAFLOWS = ("layer_by_layer", "token_streaming", "rap_fused")
CYCLES = {"query": 70, "key": 100, "value": 60, "logits": 40, "context": 50, "output": 80}
SOFTMAX_PS = 30


def replayed(mapped: MappedWorkload, service: ServiceTimes, **options: int) -> Timeline:
    cycles = {
        op.op.name: np.full((op.tokens, len(op.placement.row_blocks)), CYCLES[op.op.name], np.int32)
        for op in mapped.ops
        if op.placement is not None
    }
    return replay(
        mapped,
        service,
        cycles,
        unit_cycles=lambda _: UnitCycles(SOFTMAX_PS, 0),
        checks=True,
        **options,
    )


def attention_on(dataflow: str, tokens: int, batch: int = 1, **sizes: int) -> MappedWorkload:
    architecture = chip(**{"cols": 16, **sizes})
    mapped = map_workload(bare_attention(tokens, 2), architecture, {"batch": batch})
    return changed(mapped, {"mapping.dataflow": dataflow})


def busy_ps(timeline: Timeline, resource: str) -> int:
    mine = timeline.resource == timeline.resources.index(resource)
    return int((timeline.end_ps - timeline.start_ps)[mine].sum())


def interval(timeline: Timeline, resource: str, token: int) -> tuple[int, int]:
    mine = (timeline.resource == timeline.resources.index(resource)) & (timeline.token == token)
    (at,) = np.flatnonzero(mine)
    return int(timeline.start_ps[at]), int(timeline.end_ps[at])


# ------------------------------------------------------------------------------- rap_fused


def test_the_fused_pipeline_of_two_tokens_takes_what_a_schedule_by_hand_says():
    # Every transfer takes 1 ps, a read 1 ps, a word line of 2 takes 5 ps to write.
    timeline = replayed(
        attention_on("rap_fused", 2), times(read_ps=1, row_write_ps=5, unit_cycle_ps=1)
    )
    # Keys set the pace: read x, hop, both tokens, write and fetch the second, which fills a column:
    # both word lines are written, masked.
    written = 1 + 1 + 2 * 100 + 1 + 1 + 2 * 5
    # Then the first token: read x, hop, query, write, read, logits, softmax, write, read, context,
    # write, read. The second is behind it all the way and waits for the output projection only.
    first = 1 + 1 + 70 + 1 + 1 + 40 + 30 + 1 + 1 + 50 + 1 + 1
    # The slowest stage takes both tokens; the last one hops to the global buffer and is written.
    assert timeline.latency_ps == written + first + 2 * 80 + 1 + 1
    assert timeline.critical_path_ps["logits|write"] == 10
    assert timeline.critical_path_ps["output|macro"] == 160
    # queries wait for the last write, and each token goes on while the next is behind it
    assert interval(timeline, "macro:mram:query", 0)[0] == written + 2
    assert (
        interval(timeline, "macro:sram:logits", 0)[1] < interval(timeline, "macro:mram:query", 1)[1]
    )


@pytest.mark.parametrize("tokens", [4, 32])
def test_the_fused_pipeline_goes_at_the_pace_of_its_slowest_stage(tokens):
    service = times(read_ps=1000, row_write_ps=5, unit_cycle_ps=1)
    few, more = (
        replayed(attention_on("rap_fused", count, tiles=4), service).latency_ps
        for count in (tokens, tokens + 1)
    )
    # one more key (100 reads) and one more token through the output projection (80 reads)
    assert more - few == pytest.approx((100 + 80) * 1000, rel=1e-3)


def test_layers_follow_each_other_outside_attention():
    architecture = chip(rows=8, cols=32, tiles=4, macros={"mram": 8, "sram": 8})
    mapped = map_workload(layer(tokens=6, width=8, heads=2), architecture, {"batch": 1})
    fused = changed(mapped, {"mapping.dataflow": "rap_fused"})
    cycles = {
        op.op.name: np.full((op.tokens, len(op.placement.row_blocks)), 9, np.int32)
        for op in mapped.ops
        if op.placement is not None
    }
    timeline = replay(fused, times(), cycles, unit_cycles=lambda _: UnitCycles(3, 2), checks=True)
    norm_end = max(interval(timeline, "unit:layer_norm:0", token)[1] for token in range(6))
    assert interval(timeline, "macro:mram:key", 0)[0] >= norm_end


# ------------------------------------------------------------------------------- token_streaming


def chain(stages: list[int], tokens: int, dataflow: str) -> tuple[MappedWorkload, dict[str, int]]:
    graph = Graph()
    x = graph.input("x", tokens, 4)
    pace = {}
    for number, service_ps in enumerate(stages):
        name = f"u{number}"
        x = graph.unit(name, ["gelu", "softmax", "layer_norm", "requantize"][number], x)
        pace[name] = service_ps
    mapped = map_workload(graph.build(), chip(), {})
    return changed(mapped, {"mapping.dataflow": dataflow}), pace


@pytest.mark.parametrize("stages", [[100], [100, 30], [20, 90, 50], [40, 40, 40, 40]])
@pytest.mark.parametrize("tokens", [1, 2, 9])
def test_streaming_fills_a_pipeline_once_and_layers_fill_it_each_time(stages, tokens):
    def latency_ps(dataflow: str) -> int:
        mapped, pace = chain(stages, tokens, dataflow)
        timeline = replay(
            mapped,
            times(unit_cycle_ps=1),
            {},
            unit_cycles=lambda op: UnitCycles(pace[op.op.name], 0),
            checks=True,
        )
        return timeline.latency_ps

    # Read x and hop; every stage writes, and the next one reads: 1 ps each. A port is so short
    # beside a stage that nobody ever waits for it.
    ends = 2 + 2 * len(stages) - 1
    slowest = max(stages)
    assert latency_ps("token_streaming") == ends + sum(stages) + (tokens - 1) * slowest
    assert latency_ps("layer_by_layer") == ends + tokens * sum(stages)


@pytest.mark.parametrize("tokens", [3, 8])
def test_a_product_waits_for_its_whole_stored_operand_but_not_for_all_queries(tokens):
    streaming, layers = (
        replayed(attention_on(flow, tokens), times(read_ps=1000, unit_cycle_ps=1))
        for flow in ("token_streaming", "layer_by_layer")
    )
    assert streaming.latency_ps < layers.latency_ps
    last_key = interval(streaming, "macro:mram:key", tokens - 1)[1]
    first_logits = interval(streaming, "macro:sram:logits", 0)[0]
    assert first_logits >= last_key
    # queries do not wait for keys, and softmax of a token not for logits of the next
    assert interval(streaming, "macro:mram:query", tokens - 1)[1] < last_key
    assert (
        interval(streaming, "unit:softmax:0", 0)[0]
        < (interval(streaming, "macro:sram:logits", tokens - 1)[1])
    )


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("batch", [1, 3])
def test_every_dataflow_moves_and_reads_the_same(dataflow, batch):
    mapped = attention_on(dataflow, 4, batch)
    timeline = replayed(mapped, times())
    assert timeline.moved == {op.op.name: op.moved for op in mapped.ops}
    assert timeline.reads == {name: 4 * batch * reads for name, reads in CYCLES.items()}
    counts = {count.op: count.macros for count in estimate(mapped).counts}
    assert timeline.writes == {name: counts[name][0].row_writes for name in ("logits", "context")}
    in_groups = replayed(mapped, times(), token_group=3, requests=2)
    assert in_groups.writes == timeline.writes


def test_a_token_that_needs_a_later_one_waits_for_it():
    graph = Graph()
    a = graph.unit("a", "gelu", graph.input("x", 4, 2))
    flipped = graph.move("flip", "flip", [a], (4, 2), axes=(0,))
    graph.unit("b", "softmax", flipped)
    mapped = map_workload(graph.build(), chip(), {})
    streamed = changed(mapped, {"mapping.dataflow": "token_streaming"})
    pace = {"a": 100, "b": 10}
    timeline = replay(
        streamed, times(unit_cycle_ps=1), {}, unit_cycles=lambda op: UnitCycles(pace[op.op.name], 0)
    )
    assert interval(timeline, "unit:softmax:0", 0)[0] >= 4 * 100


# ------------------------------------------------------------------------------- stored operands


def written_ps(dataflow: str, product: str, service: ServiceTimes, tokens: int, depth: int) -> int:
    architecture = chip(rows=tokens, cols=4 * tokens, tiles=2)
    mapped = map_workload(bare_attention(tokens, depth), architecture, {"batch": 1})
    port = "column" if service.column_write_ps else "row"
    settings = {"mapping.dataflow": dataflow, "macros.sram.write.port": port}
    timeline = replayed(changed(mapped, settings), service)
    return busy_ps(timeline, f"write:sram:{product}")


@pytest.mark.parametrize(
    ("dataflow", "product", "column_ps", "expected"),
    [
        # keys lie along columns: every word line for every token, or one column
        ("rap_fused", "logits", None, 16 * 4 * 5),
        ("token_streaming", "logits", None, 16 * 4 * 5),
        ("rap_fused", "logits", 3, 16 * 3),
        # values lie along rows: one word line for each token, whatever the port
        ("rap_fused", "context", None, 16 * 5),
        ("rap_fused", "context", 3, 16 * 5),
        # a gathered operand is written word line by word line, or the way with fewer cycles
        ("layer_by_layer", "logits", None, 4 * 5),
        ("layer_by_layer", "logits", 3, 4 * 5),
        ("layer_by_layer", "context", None, 16 * 5),
        ("layer_by_layer", "context", 3, 4 * 3),
    ],
)
def test_writes_depend_on_the_port_and_the_side_along_which_tokens_lie(
    dataflow, product, column_ps, expected
):
    service = times(row_write_ps=5, column_write_ps=column_ps)
    assert written_ps(dataflow, product, service, tokens=16, depth=4) == expected


def test_keys_of_rap_take_32768_row_writes_or_512_column_writes():
    architecture = chip(rows=64, cols=1024, tiles=8)
    mapped = map_workload(bare_attention(512, 64), architecture, {"batch": 1})
    fused = changed(mapped, {"mapping.dataflow": "rap_fused"})
    rows = replayed(fused, times(row_write_ps=1))
    assert busy_ps(rows, "write:sram:logits") == 64 * 512 == 32_768
    assert busy_ps(rows, "write:sram:context") == 512
    ported = changed(fused, {"macros.sram.write.port": "column"})
    columns = replayed(ported, times(row_write_ps=1, column_write_ps=1))
    assert busy_ps(columns, "write:sram:logits") == 512
    with pytest.raises(SimulationError, match=r"column port, but the .* no column_write_ps\['sram"):
        replayed(ported, times(row_write_ps=1))


def test_a_projection_of_rap_takes_the_cycles_of_the_paper():
    graph = Graph()
    graph.linear("projection", graph.input("x", 512, 1024, bits=8), 1024, bits=8)
    inputs = [f"macros.mram.inputs.{key}" for key in ("coding=twos_complement", "bits=8")]
    buffer = "tile.buffer.capacity_bytes=1048576"
    dense = "macros.mram.zero_skipping={model: none}"
    architecture = load_architecture("rap_int8", overrides=[*inputs, buffer, dense])
    mapped = map_workload(graph.build(), architecture, {})
    cycles = estimate(mapped).service_cycles
    timeline = replay(mapped, times(read_ps=10_000), cycles)
    # 1024 / 8 word lines per bit-vector, 8 bit-planes, 512 tokens
    assert cycles["projection"].tolist() == [[128 * 8]] * 512
    assert busy_ps(timeline, "macro:mram:projection") == 524_288 * 10_000


@pytest.mark.parametrize(
    ("overlap", "rows", "hidden"), [(False, 16, False), (True, 16, True), (True, 2, False)]
)
def test_a_second_port_hides_writes_where_the_cells_have_room_for_two(overlap, rows, hidden):
    batch, vectors, write_ps = 3, 5, 700
    graph = Graph()
    a = graph.input("a", batch, vectors, 2)
    y = graph.matmul("p", a, graph.input("b", batch, 2, 4))
    architecture = chip(rows=rows, cols=16, macros={"mram": 1, "sram": 1})
    mapped = changed(
        map_workload(graph.build(y), architecture, {}), {"macros.sram.write.overlap": overlap}
    )
    service = times(read_ps=1000, row_write_ps=write_ps)
    cycles = {"p": np.full((batch * vectors, 1), 2, np.int32)}
    timeline = replay(mapped, service, cycles, checks=True)
    writes = 1 if hidden else batch
    assert timeline.critical_path_ps["p|write"] == writes * 2 * write_ps
    assert timeline.critical_path_ps["p|macro"] == batch * vectors * 2000
