"""Programming takes the rows of the largest block; rounds are programmed one after another."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim.errors import SimulationError
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.mapping.movement import moved_bits, topology_of, traffic_of
from pimsim.quantization.quantized import QuantizedWorkload
from pimsim.timing.loading import loading_ps, program_ps
from pimsim.timing.plan import UnitCycles
from pimsim.timing.replay import replay
from tests.mapping.graphs import MEMORY, REPROGRAM, Graph, chip
from tests.timing.chips import cycles_of, times
from tests.timing.layers import bare_attention


def three_products() -> MappedWorkload:
    graph = Graph()
    a = graph.linear("a", graph.input("x", 2, 6), 4, bits=4)
    b = graph.linear("b", a, 3, bits=4)
    y = graph.linear("c", b, 2, bits=4)
    return map_workload(graph.build(y), chip(macros={"mram": 8, "sram": 1}), {})


def chain_of_products(count: int, tokens: int) -> QuantizedWorkload:
    graph = Graph()
    tensor = graph.input("x", tokens, 8)
    for number in range(count):
        acc = graph.linear(f"fc{number}", tensor, 8)
        tensor = graph.unit(f"q{number}", "requantize", acc, stream_from=f"fc{number}")
    return graph.build(tensor)


def in_rounds(mapped: MappedWorkload, rounds: tuple[int, ...]) -> MappedWorkload:
    """The same operations with their weights programmed in rounds."""
    ops = tuple(replace(op, round=number) for op, number in zip(mapped.ops, rounds, strict=True))
    changed = replace(mapped, ops=ops, rounds=max(rounds) + 1)
    traffic, topology = traffic_of(changed), topology_of(mapped.architecture)
    ops = tuple(replace(op, moved=moved_bits(traffic[op.op.name], topology)) for op in changed.ops)
    return replace(changed, ops=ops)


def test_loading_takes_the_longest_macro_and_the_transfer():
    mapped = three_products()
    bits = 4 * (6 * 4 + 4 * 3 + 3 * 2)  # macros of 4 bits
    assert loading_ps(mapped, times()) == 0  # nobody says how long programming takes
    assert loading_ps(mapped, times(program_row_ps=50)) == 6 * 50
    assert loading_ps(mapped, times(program_row_ps=50, io_rate=2000.0)) == 300 + bits // 2
    both = times(program_row_ps=50, io_rate=2000.0, memory_rate=500.0)
    assert loading_ps(mapped, both) == 300 + 2 * bits
    timeline = replay(mapped, times(program_row_ps=50), cycles_of(mapped))
    plain = replay(mapped, times(), cycles_of(mapped))
    assert (timeline.loading_ps, timeline.reprogramming_ps) == (300, 0)
    assert timeline.latency_ps == plain.latency_ps


def test_programming_counts_static_weights_only():
    graph = Graph()
    graph.matmul("p", graph.input("a", 2, 4), graph.input("b", 4, 3))
    mapped = map_workload(graph.build(), chip(), {})
    assert program_ps(mapped.ops, times(program_row_ps=50)) == {}
    assert loading_ps(mapped, times(program_row_ps=50)) == 0


@pytest.mark.parametrize("dataflow", ["layer_by_layer", "token_streaming", "rap_fused"])
@pytest.mark.parametrize("buffer_bytes", [32, 200, 1000])
@pytest.mark.parametrize("macros", [4, 8, 12])
def test_what_the_next_round_takes_has_room_until_then(dataflow, buffer_bytes, macros):
    """No token passes to a product that is programmed when this one has ended."""
    architecture = chip(
        buffer_bytes=buffer_bytes, macros={"mram": macros, "sram": 8}, memory=MEMORY,
        reprogram=REPROGRAM, time_multiplex=True, dataflow=dataflow,
    )  # fmt: skip
    for graph in (bare_attention(8, 8), chain_of_products(5, tokens=16)):
        mapped = map_workload(graph, architecture, {"batch": 2})
        assert mapped.rounds > 1
        service = times(program_row_ps=50, memory_rate=500.0)
        timeline = replay(
            mapped, service, cycles_of(mapped), requests=2, checks=True,
            unit_cycles=lambda _: UnitCycles(3, 0),
        )  # fmt: skip
        assert timeline.reprogramming_ps > 0


@pytest.mark.parametrize("requests", [1, 2])
def test_rounds_are_fetched_and_programmed_between_their_operations(requests):
    mapped = in_rounds(three_products(), (0, 1, 1))
    service = times(read_ps=10, program_row_ps=1000, memory_rate=1000.0, memory_latency_ps=70)
    resident = replay(three_products(), service, cycles_of(mapped), checks=True)
    timeline = replay(mapped, service, cycles_of(mapped), requests=requests, checks=True)
    assert timeline.moved == {op.op.name: op.moved for op in mapped.ops}
    assert timeline.moved["a"].memory_read_bits == 4 * 6 * 4
    # bits at 1 per ps, one after another; latency; a hop of 1 ps to the tile; then word lines
    first = 96 + 70 + 1 + 6 * 1000
    second = 48 + 24 + 70 + 1 + 4 * 1000
    assert timeline.reprogramming_ps == first + second
    assert timeline.latency_ps == resident.latency_ps + first + second
    assert timeline.critical_path_ps["a|program"] == 6000
    assert timeline.critical_path_ps["b|program"] == 4000
    assert timeline.loading_ps == 0
    each = np.diff([0, *timeline.request_end_ps])
    assert (each == timeline.latency_ps).all()  # nothing overlaps


def test_a_fused_layer_that_rounds_cut_in_two_goes_on_in_the_second():
    architecture = chip(cols=16)
    mapping = architecture.mapping.model_copy(update={"dataflow": "rap_fused"})
    architecture = architecture.model_copy(update={"mapping": mapping})
    mapped = map_workload(bare_attention(3, 2), architecture, {"batch": 1})
    names = [op.op.name for op in mapped.ops]
    assert names == ["query", "key", "value", "logits", "softmax", "context", "output"]
    service = times(read_ps=10, program_row_ps=1000, memory_rate=1000.0)
    for rounds in [(0, 0, 1, 1, 1, 1, 1), (0, 1, 1, 1, 1, 1, 1), (0, 0, 0, 0, 0, 0, 1)]:
        cut = in_rounds(mapped, rounds)
        timeline = replay(
            cut, service, cycles_of(cut), unit_cycles=lambda _: UnitCycles(1, 0), checks=True
        )
        assert timeline.moved == {op.op.name: op.moved for op in cut.ops}
        assert timeline.critical_path_ps[f"{names[rounds.index(1)]}|program"] == 2000


def test_a_round_without_the_time_of_a_word_line_is_refused():
    mapped = in_rounds(three_products(), (0, 1, 1))
    with pytest.raises(SimulationError, match=r"describe macros\.mram\.reprogram"):
        replay(mapped, times(memory_rate=1000.0), cycles_of(mapped))


def test_bits_over_a_channel_that_has_no_rate_are_refused():
    mapped = in_rounds(three_products(), (0, 1, 1))
    with pytest.raises(SimulationError, match=r"over 'memory', .* describe chip\.memory"):
        replay(mapped, times(program_row_ps=1), cycles_of(mapped))
