"""Rewriting a graph gives fewer operations, standard names and the same numbers."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pimsim.workload.checks import check_graph, check_weights
from pimsim.workload.graph import Workload
from pimsim.workload.patterns import recognized, simplified, with_output_names
from pimsim.workload.reference import run
from tests.workload.decoders import Graph

ROWS = ("batch", "seq", 8)


def inputs(workload: Workload) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    arrays = []
    for name in workload.inputs:
        spec = workload.tensors[name]
        shape = spec.resolved({"batch": 2, "seq": 5})
        values = random.normal(0, 2, shape) if spec.dtype == "float32" else np.ones(shape)
        arrays.append(values.astype(spec.dtype))
    return arrays


def assert_equal(before: Workload, after: Workload, *, ratio: float = 2e-6) -> None:
    check_graph(after, "rewritten")
    check_weights(after, "rewritten")
    given = inputs(before)
    first, second = run(before, *given), run(after, *given)
    for old, new in zip(before.outputs, after.outputs, strict=True):
        exact = first[old].astype(np.float64)
        assert np.abs(exact - second[new]).max() <= ratio * max(1.0, np.abs(exact).max())


def kinds(workload: Workload) -> list[str]:
    return [op.kind for op in workload.ops]


def start() -> tuple[Graph, str]:
    graph = Graph()
    return graph, graph.input("x", *ROWS, dtype="float32")


def scalar(graph: Graph, name: str, kind: str, x: str, number: float, **more: Any) -> str:
    return graph.op(name, kind, [x], graph.tensors[x].shape, scalar=number, **more)


def both(graph: Graph, name: str, kind: str, a: str, b: str) -> str:
    return graph.op(name, kind, [a, b], graph.tensors[a].shape)


def one(graph: Graph, name: str, kind: str, x: str) -> str:
    return graph.op(name, kind, [x], graph.tensors[x].shape)


# --- RMS norm ---------------------------------------------------------------------------------


@pytest.mark.parametrize("square", ["pow", "mul"])
@pytest.mark.parametrize("root", ["rsqrt", "sqrt"])
@pytest.mark.parametrize("gain", [None, "plain", "one_plus"])
def test_rms_norm_is_recognized_however_it_is_written(
    square: str, root: str, gain: str | None
) -> None:
    graph, x = start()
    if square == "pow":
        squared = scalar(graph, "block.norm.square", "pow", x, 2)
    else:
        squared = both(graph, "block.norm.square", "mul", x, x)
    mean = graph.op(
        "block.norm.mean", "mean", [squared], ("batch", "seq", 1), axes=(2,), keepdims=True
    )
    total = scalar(graph, "block.norm.add", "add", mean, 1e-5)
    factor = one(graph, "block.norm.root", root, total)
    joined = "mul" if root == "rsqrt" else "div"
    y = both(graph, "block.norm.scaled", joined, x, factor)
    if gain is not None:
        weight = graph.weight("block.norm.weight", 8)
        if gain == "one_plus":
            weight = graph.op("block.norm.one", "add", [weight], (8,), scalar=1.0)
        y = graph.op("block.norm.gained", "mul", [weight, y], ROWS)
    y = scalar(graph, "block.after", "mul", y, 3.0)
    before = graph.build(y)
    after = recognized(simplified(before))
    assert kinds(after) == ["rms_norm", "mul"]
    assert after.ops[0].name == "block.norm"
    assert after.ops[0].attributes == {"epsilon": 1e-5, "normalized_axes": 1}
    assert_equal(before, after)


def test_a_norm_over_another_axis_or_of_another_tensor_is_no_rms_norm() -> None:
    for axis, other in ((1, False), (2, True)):
        graph, x = start()
        z = graph.input("z", *ROWS, dtype="float32")
        squared = scalar(graph, "n.square", "pow", x, 2)
        shape = ("batch", 1, 8) if axis == 1 else ("batch", "seq", 1)
        mean = graph.op("n.mean", "mean", [squared], shape, axes=(axis,), keepdims=True)
        factor = one(graph, "n.root", "rsqrt", scalar(graph, "n.add", "add", mean, 1e-5))
        before = graph.build(both(graph, "n.scaled", "mul", z if other else x, factor))
        assert "rms_norm" not in kinds(recognized(simplified(before)))


# --- GELU and SiLU ----------------------------------------------------------------------------


def gelu_tanh(graph: Graph, x: str) -> str:
    """0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))"""
    cubic = scalar(graph, "act.c", "mul", scalar(graph, "act.p", "pow", x, 3.0), 0.044715)
    inner = scalar(
        graph, "act.i", "mul", both(graph, "act.s", "add", x, cubic), math.sqrt(2 / math.pi)
    )
    outer = scalar(graph, "act.o", "add", one(graph, "act.t", "tanh", inner), 1.0)
    return both(graph, "act.y", "mul", scalar(graph, "act.h", "mul", x, 0.5), outer)


def gelu_bloom(graph: Graph, x: str) -> str:
    """x * 0.5 * (1 + tanh(0.79788456 * x * (1 + 0.044715 * x * x)))"""
    square = both(graph, "act.q", "mul", scalar(graph, "act.c", "mul", x, 0.044715), x)
    factor = scalar(graph, "act.f", "add", square, 1.0)
    inner = both(graph, "act.i", "mul", scalar(graph, "act.k", "mul", x, 0.79788456), factor)
    outer = scalar(graph, "act.o", "add", one(graph, "act.t", "tanh", inner), 1.0)
    return both(graph, "act.y", "mul", scalar(graph, "act.h", "mul", x, 0.5), outer)


def gelu_erf(graph: Graph, x: str) -> str:
    """x * (1 + erf(x / sqrt(2))) * 0.5"""
    inner = scalar(graph, "act.i", "div", x, math.sqrt(2))
    outer = scalar(graph, "act.o", "add", one(graph, "act.e", "erf", inner), 1.0)
    return scalar(graph, "act.y", "mul", both(graph, "act.m", "mul", x, outer), 0.5)


def silu(graph: Graph, x: str) -> str:
    """x * sigmoid(x)"""
    return both(graph, "act.y", "mul", x, one(graph, "act.s", "sigmoid", x))


@pytest.mark.parametrize(
    ("write", "kind", "attributes"),
    [
        (gelu_tanh, "gelu", {"approximate": "tanh"}),
        (gelu_bloom, "gelu", {"approximate": "tanh"}),
        (gelu_erf, "gelu", {"approximate": "none"}),
        (silu, "silu", {}),
    ],
)
def test_an_activation_is_recognized_by_its_values(
    write: Any, kind: str, attributes: dict[str, str]
) -> None:
    graph, x = start()
    before = graph.build(write(graph, scalar(graph, "fc", "mul", x, 1.5)))
    after = recognized(before)
    assert kinds(after) == ["mul", kind]
    assert after.ops[1].name == "act"
    assert after.ops[1].attributes == attributes
    assert_equal(before, after)


def test_a_function_that_is_only_close_stays_as_it_is() -> None:
    graph, x = start()
    quick = one(graph, "act.s", "sigmoid", scalar(graph, "act.k", "mul", x, 1.702))
    before = graph.build(both(graph, "act.y", "mul", x, quick))
    assert kinds(recognized(before)) == ["mul", "sigmoid", "mul"]


def test_a_part_of_an_activation_that_is_returned_is_kept() -> None:
    graph, x = start()
    gate = one(graph, "act.s", "sigmoid", x)
    before = graph.build(both(graph, "act.y", "mul", x, gate), gate)
    assert kinds(recognized(before)) == ["sigmoid", "mul"]


# --- rotary embedding -------------------------------------------------------------------------


def rotated(graph: Graph, x: str, *, interleaved: bool, swapped: bool = False) -> str:
    cos = graph.input("cos", 1, "seq", 8, dtype="float32")
    sin = graph.input("sin", 1, "seq", 8, dtype="float32")
    half = ("batch", "seq", 4)
    spans = ((0, 8, 2), (1, 8, 2)) if interleaved else ((0, 4, 1), (4, 8, 1))
    first, second = (
        graph.op(f"a.part{i}", "slice", [x], half, axis=2, start=start, stop=stop, step=step)
        for i, (start, stop, step) in enumerate(spans[::-1] if swapped else spans)
    )
    negated = one(graph, "a.neg", "neg", second)
    if interleaved:
        pair = (*half, 1)
        columns = [graph.view(f"a.{n}.column", "view", n, *pair) for n in (negated, first)]
        joined = graph.op("a.join", "cat", columns, (*half, 2), axis=3)
        turned = graph.view("a.turned", "view", joined, *ROWS)
    else:
        turned = graph.op("a.turned", "cat", [negated, first], ROWS, axis=-1)
    parts = both(graph, "a.c", "mul", x, cos), both(graph, "a.s", "mul", turned, sin)
    return both(graph, "a.sum", "add", *parts)


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_embeddings_are_recognized(interleaved: bool) -> None:
    graph, x = start()
    before = graph.build(rotated(graph, x, interleaved=interleaved))
    after = recognized(before)
    assert kinds(after) == ["rotary"]
    assert after.ops[0].attributes.get("interleaved", False) is interleaved
    assert_equal(before, after)


def test_a_rotation_the_other_way_is_not_taken_for_it() -> None:
    graph, x = start()
    before = graph.build(rotated(graph, x, interleaved=False, swapped=True))
    assert "rotary" not in kinds(recognized(before))


# --- masks ------------------------------------------------------------------------------------

LOGITS = ("batch", "seq", "seq")
LOWEST = float(np.finfo(np.float32).min)


def causal(graph: Graph) -> str:
    numbers = graph.op(
        "numbers", "arange", [], ("seq",), dtype="int64", start=0, stop="seq", step=1
    )
    rows = graph.view("rows", "view", numbers, "seq", 1)
    return graph.op("keep", "le", [numbers, rows], ("seq", "seq"), dtype="bool")


def number(graph: Graph, name: str, value: float) -> str:
    return graph.op(name, "full", [], (), shape=(), value=value)


@pytest.mark.parametrize("fill", [-math.inf, LOWEST])
@pytest.mark.parametrize("hidden_first", [False, True])
def test_a_mask_that_is_added_becomes_a_selection(fill: float, hidden_first: bool) -> None:
    graph = Graph()
    x = graph.input("x", *LOGITS, dtype="float32")
    keep = causal(graph)
    values = [number(graph, "zero", 0.0), number(graph, "low", fill)]
    if hidden_first:
        keep = graph.op("hide", "logical_not", [keep], ("seq", "seq"), dtype="bool")
        values.reverse()
    chosen = graph.op("added", "where", [keep, *values], ("seq", "seq"))
    wide = graph.view(
        "wide", "expand", graph.view("third", "view", chosen, 1, "seq", "seq"), *LOGITS
    )
    masked = both(graph, "sum", "add", x, wide)
    before = graph.build(graph.op("p", "softmax", [masked], LOGITS, axis=-1))
    after = recognized(before)
    assert "add" not in kinds(after)
    assert kinds(after)[-2:] == ["mask", "softmax"]
    assert after.tensors[after.ops[-2].inputs[1]].dtype == "bool"
    assert after.ops[-2].attributes == {"fill": fill}
    assert_equal(before, after, ratio=0.0)


def test_a_small_penalty_is_no_mask() -> None:
    graph = Graph()
    x = graph.input("x", *LOGITS, dtype="float32")
    values = [number(graph, "zero", 0.0), number(graph, "low", -10000.0)]
    chosen = graph.op("added", "where", [causal(graph), *values], ("seq", "seq"))
    before = graph.build(both(graph, "sum", "add", x, chosen))
    assert "mask" not in kinds(recognized(before))


def test_padding_and_causal_masks_that_are_added_up_hide_what_either_hides() -> None:
    graph = Graph()
    x = graph.input("x", *LOGITS, dtype="float32")
    padding = graph.input("padding", "batch", "seq", dtype="int64")
    seen = graph.op("seen", "eq", [padding], ("batch", "seq"), dtype="bool", scalar=1)
    seen = graph.view("seen.row", "view", seen, "batch", 1, "seq")
    zero, low = number(graph, "zero", 0.0), number(graph, "low", LOWEST)
    first = graph.op("first", "where", [causal(graph), zero, low], ("seq", "seq"))
    second = graph.op("second", "where", [seen, zero, low], ("batch", 1, "seq"))
    total = graph.op("total", "add", [first, second], LOGITS)
    masked = both(graph, "sum", "add", x, total)
    before = graph.build(graph.op("p", "softmax", [masked], LOGITS, axis=-1))
    after = recognized(before)
    assert kinds(after)[-3:] == ["logical_and", "mask", "softmax"]
    given = inputs(before)
    given[1][0, 2] = 0
    expected, found = run(before, *given)["p"], run(after, *given)["p"]
    assert np.array_equal(expected, found)


def test_a_guard_is_dropped_only_where_every_row_has_a_key_whatever_the_inputs() -> None:
    for from_input in (False, True):
        graph = Graph()
        x = graph.input("x", *LOGITS, dtype="float32")
        if from_input:
            padding = graph.input("padding", "batch", "seq", "seq", dtype="int64")
            keep = graph.op("keep", "eq", [padding], LOGITS, dtype="bool", scalar=1)
        else:
            keep = causal(graph)
        shape = graph.tensors[keep].shape
        some = graph.op(
            "some", "any", [keep], (*shape[:-1], 1), dtype="bool", axes=(len(shape) - 1,),
            keepdims=True,
        )  # fmt: skip
        y, zero = scalar(graph, "y", "mul", x, 2.0), number(graph, "zero", 0.0)
        before = graph.build(graph.op("guarded", "where", [some, y, zero], LOGITS))
        after = recognized(before)
        assert ("mask" in kinds(after)) == from_input
        assert_equal(before, after, ratio=0.0)


# --- folding and cleaning ---------------------------------------------------------------------


def test_what_follows_from_weights_is_stored_and_keeps_their_name() -> None:
    graph, x = start()
    weight = graph.weight("fc.weight", 8, 6)
    turned = graph.permute("fc.permute", weight, 1, 0)
    before = graph.build(graph.op("fc", "linear", [x, turned], ("batch", "seq", 6)))
    after = simplified(before)
    assert kinds(after) == ["linear"]
    assert after.ops[0].inputs == ("x", "fc.weight")
    assert after.tensors["fc.weight"].shape == (6, 8)
    assert np.shares_memory(after.weights["fc.weight"], before.weights["fc.weight"])
    assert_equal(before, after, ratio=0.0)


def test_a_graph_of_shapes_is_folded_alike() -> None:
    graph, x = start()
    turned = graph.permute("fc.permute", graph.weight("fc.weight", 8, 6), 1, 0)
    before = graph.build(graph.op("fc", "linear", [x, turned], ("batch", "seq", 6)))
    after = simplified(replace(before, weights={}))
    assert after.shape_only
    assert after.ops == simplified(before).ops
    assert after.tensors == simplified(before).tensors


def test_a_weight_that_is_used_as_it_is_too_keeps_its_name() -> None:
    graph, x = start()
    weight = graph.weight("w", 8, 8)
    turned = graph.permute("w.turned", weight, 1, 0)
    first = graph.op("first", "linear", [x, turned], ROWS)
    before = graph.build(graph.op("second", "linear", [first, weight], ROWS))
    after = simplified(before)
    assert [op.inputs[1] for op in after.ops] == ["w.turned", "w"]
    assert_equal(before, after, ratio=0.0)


def test_reshapes_around_a_linear_layer_and_neutral_numbers_go() -> None:
    graph, x = start()
    merged = graph.view("fc.view", "view", x, "batch*seq", 8)
    product = graph.linear("fc", merged, 6)
    split = graph.view("fc.view_1", "view", product, "batch", "seq", 6)
    same = scalar(graph, "same", "add", scalar(graph, "once", "mul", split, 1.0), 0)
    before = graph.build(scalar(graph, "out", "mul", same, 2.0))
    after = simplified(before)
    assert [(op.name, op.kind) for op in after.ops] == [("fc", "linear"), ("out", "mul")]
    assert after.tensors["fc"].shape == ("batch", "seq", 6)
    assert_equal(before, after, ratio=0.0)


def test_permutations_that_cancel_go() -> None:
    graph, x = start()
    turned = graph.permute("there", x, 0, 2, 1)
    back = graph.permute("back", turned, 0, 2, 1)
    before = graph.build(scalar(graph, "out", "mul", back, 2.0))
    assert kinds(simplified(before)) == ["mul"]


def test_divisions_of_floats_become_products_but_not_those_of_integers() -> None:
    graph, x = start()
    tokens = graph.input("tokens", "batch", "seq")
    whole = graph.op("whole", "div", [tokens], ("batch", "seq"), scalar=3)
    before = graph.build(scalar(graph, "scale", "div", x, 3.0), whole)
    after = recognized(before)
    assert sorted(kinds(after)) == ["div", "mul"]
    assert_equal(before, after, ratio=1e-7)


def test_outputs_get_their_names_and_ops_keep_theirs() -> None:
    graph, x = start()
    y = scalar(graph, "head", "mul", x, 2.0)
    before = graph.build(y, x, y)
    after = with_output_names(before, ["logits", "hidden", "again"])
    assert after.outputs == ("logits", "hidden", "again")
    assert [(op.name, op.kind) for op in after.ops] == [
        ("head", "mul"), ("hidden", "view"), ("again", "view"),
    ]  # fmt: skip
    assert_equal(before, after, ratio=0.0)
    assert with_output_names(before, [None, None, None]).outputs == before.outputs
