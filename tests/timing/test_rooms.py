"""Finite buffers hold producers up, never lock anybody out, and a real deadlock is told."""

import pytest

from pimsim.config.architecture import Architecture
from pimsim.errors import SimulationError
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.timing.environment import ReplayEnvironment
from pimsim.timing.plan import UnitCycles
from pimsim.timing.planning import Given, plan_replay
from pimsim.timing.replay import replay
from pimsim.timing.rooms import Buffers, Demand, Room
from pimsim.timing.streams import streams_of
from tests.mapping.graphs import Graph, chip
from tests.timing.chips import changed, cycles_of, times
from tests.timing.layers import layer
from tests.timing.test_replay import random_graph, service, unit_cycles

# ------------------------------------------------------------------------------- tandem queues


def tandem(first_ps: int, second_ps: int, places: int, tokens: int) -> int:
    """End of two stations in a row with a finite buffer between them, by recursion.

    A job is admitted when the one before has been read and the one ``places`` before has left the
    second station. Every reading, writing and hop takes 1 ps.
    """
    read = first_free = second_read = second_free = 0
    freed: list[int] = []
    for number in range(tokens):
        read = max(read, freed[number - places] if number >= places else 0) + 1
        first_free = max(read + 1, first_free) + first_ps
        second_read = max(first_free + 1, second_read) + 1
        second_free = max(second_read, second_free) + second_ps
        freed.append(second_free)
    return second_free + 1 + 1


def streaming(architecture: Architecture, capacity_bytes: int) -> Architecture:
    """The same chip with token streaming and other tile buffers."""
    mapping = architecture.mapping.model_copy(update={"dataflow": "token_streaming"})
    buffer = architecture.tile.buffer.model_copy(update={"capacity_bytes": capacity_bytes})
    tile = architecture.tile.model_copy(update={"buffer": buffer})
    return architecture.model_copy(update={"mapping": mapping, "tile": tile})


@pytest.mark.parametrize("places", [1, 2, 3, 20])
@pytest.mark.parametrize("paces", [(100, 100), (30, 170), (170, 30)])
def test_a_tandem_queue_with_a_finite_buffer(places, paces):
    tokens = 9
    graph = Graph()
    first = graph.unit("first", "gelu", graph.input("x", tokens, 4))
    built = graph.build(graph.unit("second", "softmax", first))
    mapped = map_workload(built, streaming(chip(), 2 * places), {})
    pace = dict(zip(("first", "second"), paces, strict=True))
    timeline = replay(
        mapped,
        times(unit_cycle_ps=1),
        {},
        unit_cycles=lambda op: UnitCycles(pace[op.op.name], 0),
        checks=True,
    )
    assert timeline.latency_ps == tandem(*paces, places, tokens)
    if places == 1:  # nothing overlaps: room comes when the second station is done
        assert timeline.latency_ps == tokens * (1 + 1 + sum(paces) + 1 + 1) + 1 + 1


# ------------------------------------------------------------------------------- any graph


def tightest(mapped: MappedWorkload, seed: int) -> int:
    """Smallest buffer that holds the shares of every turn. [bytes]"""
    given = Given(mapped, service(), cycles_of(mapped, seed=seed), {}, unit_cycles(2, 3))
    buffers = Buffers(
        ReplayEnvironment(),
        streams_of(plan_replay(given)),
        capacity_bits=-1,
        by_step=mapped.architecture.mapping.dataflow != "layer_by_layer",
        inferences=1,
    )
    peaks = [room.peak_bits for room in buffers.rooms.values()]
    return max(1, -(-max(peaks, default=0) // 8))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dataflow", ["layer_by_layer", "token_streaming", "rap_fused"])
def test_a_buffer_that_holds_one_inference_in_order_locks_nobody_out(seed, dataflow):
    mapped = random_graph(seed, dataflow)
    tight = changed(mapped, {"tile.buffer.capacity_bytes": tightest(mapped, seed)})
    cycles = cycles_of(mapped, seed=seed)
    timeline = replay(
        tight, service(), cycles, unit_cycles=unit_cycles(2, 3), requests=3, checks=True
    )
    assert timeline.moved == {op.op.name: op.moved for op in mapped.ops}
    assert sum(timeline.critical_path_ps.values()) == timeline.latency_ps


def test_a_tight_buffer_takes_longer():
    mapped = random_graph(4, "token_streaming")
    tight = changed(mapped, {"tile.buffer.capacity_bytes": tightest(mapped, 4)})
    wide_ps, tight_ps = (
        replay(
            each, service(), cycles_of(mapped, seed=4), unit_cycles=unit_cycles(2, 3), requests=4
        ).request_end_ps[-1]
        for each in (mapped, tight)
    )
    assert tight_ps > wide_ps


def test_a_deadlock_is_told_with_its_time_its_operations_and_the_full_buffer():
    # The second unit needs all tokens of the first, turned; the buffer has room for three of four.
    graph = Graph()
    first = graph.unit("first", "gelu", graph.input("x", 4, 4))
    turned = graph.move("turn", "permute", [first], (4, 4), axes=(1, 0))
    y = graph.unit("second", "softmax", turned)
    mapped = map_workload(graph.build(y), streaming(chip(), 1 << 20), {})
    stuck = changed(mapped, {"tile.buffer.capacity_bytes": 6})
    with pytest.raises(SimulationError) as caught:
        replay(stuck, times(unit_cycle_ps=100), {}, unit_cycles=lambda _: UnitCycles(1, 0))
    assert str(caught.value) == (
        "the replay ran out of events at 0 ns with 2 of 2 operations unfinished: 'first' waits for "
        "its stream; 'second' waits for 'first'; tile_buffer:0 holds 0 of 48 bits while 16 more "
        "are wanted\n"
        "  Raise tile.buffer.capacity_bytes, or choose another mapping.dataflow."
    )


def test_groups_of_tokens_that_are_too_large_are_named_as_the_cause():
    """Four bytes hold the two tokens that are on their way, but not two groups of two."""
    graph = Graph()
    first = graph.unit("first", "gelu", graph.input("x", 4, 4))
    architecture = chip(dataflow="token_streaming", buffer_bytes=4)
    tight = map_workload(graph.build(graph.unit("second", "softmax", first)), architecture, {})

    def run(token_group: int) -> int:
        unit = unit_cycles(1, 0)
        return replay(tight, times(), {}, unit_cycles=unit, token_group=token_group).latency_ps

    assert run(1) > 0
    with pytest.raises(SimulationError, match="Choose a token_group smaller than 4, which takes"):
        run(4)


@pytest.mark.parametrize("capacity_bytes", [30, 60, 120, 1 << 12])
def test_what_the_mapping_lets_stream_streams(capacity_bytes):
    graph = Graph()
    x = graph.input("x", 16, 8)
    for number, function in enumerate(("gelu", "softmax", "layer_norm", "requantize") * 3):
        x = graph.unit(f"u{number}", function, x)
    chain = graph.build(x)
    mapped = map_workload(chain, streaming(chip(), capacity_bytes), {})
    timeline = replay(mapped, service(), {}, unit_cycles=unit_cycles(2, 3), requests=3, checks=True)
    assert timeline.moved == {op.op.name: op.moved for op in mapped.ops}


# ------------------------------------------------------------------------------- a room alone


def room_of(capacity_bits: int, *demands: tuple[int, int, int, int], peak_bits: int) -> Room:
    made = [Demand(*demand) for demand in demands]
    return Room(ReplayEnvironment(), capacity_bits, made, peak_bits)


def test_a_share_is_used_again_and_the_rest_is_left_over():
    room = room_of(10, (7, 0, 20, 4), peak_bits=4)
    for _ in range(2):  # one step in the share, one beside it
        assert room.ask(0, 7, 4, 0) is None
    waiting = room.ask(0, 7, 4, 0)
    assert waiting is not None
    assert (room.used_bits, room.wanted_bits) == (8, [4])
    room.free(0, 7, 4, 11)
    assert (waiting.triggered, waiting.value, room.used_bits) == (True, 11, 8)


def test_what_is_not_asked_for_any_more_is_given_up():
    room = room_of(100, (7, 0, 6, 6), peak_bits=6)
    assert room.ask(0, 7, 2, 0) is None
    assert room.used_bits == 6  # reserved
    assert room.ask(0, 7, 4, 0) is None
    room.free(0, 7, 2, 0)
    assert room.used_bits == 4
    room.free(0, 7, 4, 0)
    assert room.used_bits == 0


def test_who_is_ahead_of_its_turn_takes_no_more_than_can_be_spared():
    room = room_of(10, (5, 0, 6, 6), (8, 1, 6, 6), peak_bits=6)
    assert room.ask(0, 8, 4, 0) is None  # ahead: 4 of the 4 to spare
    later = room.ask(0, 8, 2, 0)
    assert later is not None
    assert room.ask(0, 5, 6, 0) is None  # its turn, and its share of 6
    assert room.used_bits == 10
    room.free(0, 5, 6, 3)
    assert later.triggered  # now its turn has come, with the rest of its share
    assert room.used_bits == 6


def test_who_waited_for_another_turn_to_begin_goes_on_with_it():
    room = room_of(12, (5, 0, 6, 6), (8, 1, 6, 6), peak_bits=12)
    early = room.ask(0, 8, 6, 0)
    assert early is not None
    assert room.ask(0, 5, 6, 7) is None
    assert (early.triggered, early.value) == (True, 7)


def test_older_inferences_keep_their_demand():
    room = room_of(20, (0, 0, 6, 6), (1, 1, 6, 6), peak_bits=8)
    assert room.ask(0, 0, 6, 0) is None
    # the third may leave 8 for each of two; the second 8 for the first
    assert room.ask(2, 0, 6, 0) is not None
    assert room.ask(1, 0, 6, 0) is None
    assert room.ask(1, 1, 6, 0) is None
    assert room.wanted_bits == [6]


def test_room_goes_to_the_oldest_inference_first():
    room = room_of(4, (0, 0, 4, 4), peak_bits=4)
    assert room.ask(0, 0, 4, 0) is None
    events = {request: room.ask(request, 0, 4, 0) for request in (2, 1, 3)}
    served = []
    for freed in range(3):
        room.free(freed, 0, 4, 0)
        served += [
            request
            for request, event in events.items()
            if event is not None and event.triggered and request not in served
        ]
    assert served == [1, 2, 3]


def test_the_demand_of_a_turn_counts_what_is_still_to_be_read():
    graph = Graph()
    a = graph.unit("a", "gelu", graph.input("x", 2, 4))
    b = graph.unit("b", "softmax", a)
    c = graph.unit("c", "layer_norm", b)
    graph.unit("d", "requantize", c, a)
    mapped = map_workload(graph.build(), chip(), {})
    # 32 bits each; a lives to the end, b until c: at c and at d three lie there at once
    assert tightest(mapped, 0) == 3 * 32 // 8


@pytest.mark.parametrize("dataflow", ["layer_by_layer", "token_streaming", "rap_fused"])
@pytest.mark.parametrize("requests", [1, 4])
def test_attention_in_a_buffer_that_just_holds_it_locks_nobody_out(dataflow, requests):
    architecture = chip(rows=8, cols=32, tiles=4, macros={"mram": 8, "sram": 8})
    mapping = architecture.mapping.model_copy(update={"dataflow": dataflow})
    architecture = architecture.model_copy(update={"mapping": mapping})
    mapped = map_workload(layer(tokens=6, width=8, heads=2), architecture, {"batch": 2})
    tight = changed(mapped, {"tile.buffer.capacity_bytes": tightest(mapped, 0)})
    timeline = replay(
        tight,
        service(),
        cycles_of(mapped, seed=0),
        unit_cycles=unit_cycles(2, 3),
        requests=requests,
        checks=True,
    )
    assert len(timeline.request_end_ps) == requests
