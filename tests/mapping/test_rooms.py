"""How much of an output must have room: all of it, or one token."""

import pytest

from pimsim.errors import MappingError
from pimsim.mapping import Need, map_workload
from pimsim.mapping.rooms import Fusing, find_turns, in_dataflow, whole_outputs
from tests.mapping.graphs import attention, chip


def flow(op: str) -> Need:
    return Need(op, whole=False)


def all_of(op: str) -> Need:
    return Need(op, whole=True)


ATTENTION = {
    "before": (),
    "norm": (flow("before"),),
    "query": (flow("norm"),),
    "key": (flow("norm"),),
    "value": (flow("norm"),),
    "logits": (flow("query"), all_of("key")),
    "softmax": (flow("logits"),),
    "context": (flow("softmax"), all_of("value")),
    "output": (flow("context"),),
    "residual": (flow("output"), flow("before")),
    "up": (flow("residual"),),
    "sum": (flow("up"), flow("residual")),
}


FUSED = ("norm", "query", "key", "value", "logits", "softmax", "context", "output")
LAYER = Fusing(dict.fromkeys(FUSED, "attention"), frozenset({"query"}))


def whole_in(needs: dict[str, tuple[Need, ...]], dataflow: str) -> frozenset[str]:
    heads = {name: name for name in needs}
    return whole_outputs(in_dataflow(needs, heads, LAYER, dataflow))


def test_layer_by_layer_everything_that_is_taken_is_whole():
    assert whole_in(ATTENTION, "layer_by_layer") == frozenset(ATTENTION) - {"sum"}


def test_streaming_keeps_what_waits_for_all_keys_or_bypasses_them():
    assert whole_in(ATTENTION, "token_streaming") == {"query", "key", "value", "before"}


def test_the_fused_flow_streams_inside_the_attention_only():
    fused = frozenset({"query", "logits", "softmax", "context"})
    assert whole_in(ATTENTION, "rap_fused") == frozenset(ATTENTION) - {"sum"} - fused


@pytest.mark.parametrize("dataflow", ["token_streaming", "rap_fused"])
def test_a_plain_chain_needs_one_token(dataflow):
    """Outside of attention layers, only where tokens stream everywhere."""
    chain = {"a": (), "b": (flow("a"),), "c": (flow("b"),), "d": (flow("c"), flow("a"))}
    whole = frozenset() if dataflow == "token_streaming" else frozenset("abc")
    assert whole_in(chain, dataflow) == whole


@pytest.mark.parametrize(
    ("tokens", "whole"),
    [
        ((3, 4, 5), False),
        ((None, 0, 1), False),
        ((2, 1, 0), True),
        ((0, 0, 0), True),
        ((9,), False),
        ((None, None), False),
    ],
)
def test_tokens_out_of_order_or_used_twice_are_kept(tokens, whole):
    needs = {"a": (), "b": (Need("a", False, tokens),)}
    assert whole_in(needs, "token_streaming") == (frozenset({"a"}) if whole else frozenset())


def test_what_streams_has_room_for_one_token():
    sizes = {}
    for dataflow in ("layer_by_layer", "token_streaming"):
        mapped = map_workload(attention(5, 8, 2), chip(tiles=4, dataflow=dataflow), {"batch": 1})
        sizes[dataflow] = {op.op.name: op.room_bits for op in mapped.ops}
    assert sizes["layer_by_layer"]["key.q"] == sizes["token_streaming"]["key.q"] == 5 * 8 * 4
    assert sizes["layer_by_layer"]["softmax"] == 2 * 5 * 5 * 4
    assert sizes["token_streaming"]["softmax"] == 2 * 5 * 4
    assert sizes["token_streaming"]["query"] == 0  # taken in a stream, kept nowhere


def turns_in(
    needs: dict[str, tuple[Need, ...]], dataflow: str, **streams: str
) -> tuple[tuple[str, ...], ...]:
    heads = {name: streams.get(name.replace(".", "_"), name) for name in needs}
    return find_turns(in_dataflow(needs, heads, LAYER, dataflow), heads, dataflow)


def test_turns_end_where_something_waits_for_all_tokens():
    assert turns_in(ATTENTION, "token_streaming") == (
        ("before", "norm", "query", "key", "value"),
        ("logits", "softmax", "context", "output", "residual", "up", "sum"),
    )


def test_the_fused_flow_makes_queries_in_the_turn_of_the_attention():
    assert turns_in(ATTENTION, "rap_fused") == (
        ("before",),
        ("norm", "key", "value"),
        ("query", "logits", "softmax", "context", "output"),
        ("residual",),
        ("up",),
        ("sum",),
    )


def test_what_has_room_for_one_token_runs_with_what_takes_it():
    """A branch that waits for another one, as a decoder's cross-attention for the encoder."""
    needs = {
        "memory": (),
        "keys": (flow("memory"),),
        "start": (),
        "queries": (flow("start"),),
        "logits": (flow("queries"), all_of("keys")),
    }
    assert whole_in(needs, "token_streaming") == {"keys"}
    assert turns_in(needs, "token_streaming") == (
        ("memory", "keys"),
        ("start", "queries", "logits"),
    )


def test_layer_by_layer_a_turn_is_a_product_with_its_units():
    """Units listed late run with their product, which then waits for what they take."""
    needs = {
        "a": (),
        "b": (),
        "b.q": (flow("b"),),
        "a.sum": (flow("a"), flow("b.q")),
        "c": (flow("a.sum"),),
    }
    found = turns_in(needs, "layer_by_layer", b_q="b", a_sum="a")
    assert found == (("b", "b.q"), ("a", "a.sum"), ("c",))


def test_streams_that_wait_for_each_other_are_refused():
    needs = {"a": (), "b": (), "a.q": (flow("a"), flow("b")), "b.q": (flow("b"), flow("a"))}
    with pytest.raises(MappingError, match="'a' and those that stream from 'b' wait for each"):
        turns_in(needs, "layer_by_layer", a_q="a", b_q="b")


def test_every_operation_knows_its_turn():
    mapped = map_workload(
        attention(5, 8, 2), chip(tiles=4, dataflow="token_streaming"), {"batch": 1}
    )
    turns = {op.op.name: op.turn for op in mapped.ops}
    assert {turns[name] for name in ("norm", "query", "key.q", "value.q")} == {0}
    assert {turns[name] for name in ("logits", "softmax", "context", "residual")} == {1}
