"""Parts of a workload that contradict each other."""

import ast
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pimsim.errors import UnsupportedOpError, WorkloadError
from pimsim.workload.checks import check_finite, check_graph, check_samples, check_weights
from pimsim.workload.graph import Op, Samples, TensorSpec, Workload
from pimsim.workload.schema import parse

Edit = Callable[..., dict[str, Any]]


def test_a_consistent_workload_passes(tiny: Workload) -> None:
    check_graph(tiny, "here")
    check_weights(tiny, "here")
    assert tiny.samples is not None
    check_samples(tiny, tiny.samples, "here")


ACTIVATION = {"shape": ["batch", 2], "dtype": "float32", "kind": "activation"}
GRAPH_PROBLEMS: tuple[tuple[tuple[str | int, ...], object, str], ...] = (
    (
        ("ops", 1, "inputs"),
        ["fc2"],
        "ops[1] 'answer': consumes 'fc2', which nothing produces; did you mean 'fc'?",
    ),
    (
        ("ops", 0, "inputs", 0),
        "answer",
        (
            "ops[0] 'fc': consumes 'answer', which op 'answer' produces only later; ops must stand "
            "in execution order"
        ),
    ),
    (
        ("tensors", "lost"),
        ACTIVATION,
        "tensors.lost: declared, but no op produces it",
    ),
    (
        ("ops", 1, "outputs"),
        ["fc"],
        "ops[1] 'answer': output 'fc' is produced already by op 'fc'",
    ),
    (
        ("ops", 1, "outputs"),
        ["fc.bias"],
        "ops[1] 'answer': output 'fc.bias' is of kind 'weight', not activation",
    ),
    (("ops", 1, "outputs"), ["y"], "ops[1] 'answer': output 'y' is not in tensors"),
    (
        ("ops", 1, "name"),
        "fc",
        "ops[1] 'fc': another op has this name; names must be unique",
    ),
    (("outputs",), ["anwser"], "outputs: no op produces 'anwser'; did you mean 'answer'?"),
    (
        ("inputs",),
        ["z"],
        "inputs: 'z' is not in tensors; must be a tensor of kind 'input' or 'state'",
    ),
    (
        ("inputs",),
        ["x", "fc"],
        "inputs: 'fc' is of kind 'activation'; must be a tensor of kind 'input' or 'state'",
    ),
    (
        ("tensors", "mask"),
        {**ACTIVATION, "kind": "input"},
        "tensors.mask: is of kind 'input' but not listed in inputs",
    ),
    (
        ("tensors", "x", "shape"),
        ["bacth", 3],
        "tensors.x.shape: size 'bacth': no dimension 'bacth'; did you mean 'batch'?",
    ),
    (
        ("tensors", "x", "shape"),
        ["batch - 1", 3],
        "tensors.x.shape: size 'batch - 1' is 0; every axis needs at least 1",
    ),
    (("dims", "batch"), [8, 2], "dims.batch: smallest 8 is above largest 2"),
    (
        ("tensors", "fc.bias", "shape"),
        ["batch"],
        "tensors.fc.bias.shape: a stored tensor has fixed sizes, got ['batch']",
    ),
    (
        ("tensors", "fc", "shape"),
        ["batch", 5],
        (
            "ops[0] 'fc' (linear): gives shape (1, 2), but tensors.fc declares ['batch', 5]; trace "
            "the model again"
        ),
    ),
    (
        ("tensors", "fc.weight", "shape"),
        [3, 2],
        (
            "ops[0] 'fc' (linear): the weight must be (out, in) with the input's last axis as in "
            "(inputs are (1, 3) and (3, 2) and (2,))"
        ),
    ),
    (
        ("tensors", "cache"),
        {**ACTIVATION, "kind": "state"},
        "tensors.cache: is of kind 'state' but not listed in inputs",
    ),
    (
        ("tensors", "answer", "dtype"),
        "int64",
        (
            "ops[1] 'answer' (softmax): gives floating-point numbers, but tensors.answer declares "
            "int64; declare float32 and cast the result"
        ),
    ),
    (("ops", 1, "inputs"), [], "ops[1] 'answer': kind 'softmax' takes 1 inputs, got 0"),
    (("ops", 1, "inputs"), ["fc", "x"], "ops[1] 'answer': kind 'softmax' takes 1 inputs, got 2"),
    (("ops", 0, "inputs"), ["x"], "ops[0] 'fc': kind 'linear' takes 2 to 3 inputs, got 1"),
)


@pytest.mark.parametrize(("path", "value", "message"), GRAPH_PROBLEMS)
def test_a_contradiction_in_the_graph_is_named(
    edit: Edit, path: tuple[str | int, ...], value: object, message: str
) -> None:
    graph = parse(json.dumps(edit(*path, to=value)).encode(), "graph.json")
    with pytest.raises(WorkloadError) as caught:
        check_graph(graph, "graph.json")
    assert str(caught.value) == f"graph.json: {message}"


def test_a_state_is_an_input_like_any_other(edit: Edit) -> None:
    edit("tensors", "cache", to={**ACTIVATION, "kind": "state"})
    check_graph(parse(json.dumps(edit("inputs", to=["x", "cache"])).encode(), "here"), "here")


@pytest.mark.parametrize("length", [1, 50])
def test_an_expression_is_parsed_once_per_extreme_however_many_axes_have_it(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading a graph of thousands of operations must not parse the same text each time."""
    shape = ("batch", "2*seq + 1")
    names = ["x", *(f"y{index}" for index in range(length))]
    workload = Workload(
        name="chain",
        task=None,
        factory=None,
        dims={"batch": (1, 8), "seq": (1, 512)},
        inputs=("x",),
        outputs=(names[-1],),
        tensors={
            name: TensorSpec(name, shape, "float32", "activation" if name[1:] else "input")
            for name in names
        },
        ops=tuple(
            Op(name, "view", (before,), (name,), {"shape": shape})
            for before, name in itertools.pairwise(names)
        ),
    )
    parsed: list[str] = []
    parse_text = ast.parse

    def counting(text: str, *rest: Any, **more: Any) -> Any:
        parsed.append(text)
        return parse_text(text, *rest, **more)

    monkeypatch.setattr("pimsim.workload.shapes.ast.parse", counting)
    check_graph(workload, "here")
    assert parsed == ["2*seq + 1"] * 4  # declared sizes, then operations; each at two extremes


def test_an_infinite_constant_is_a_mask_but_an_infinite_weight_is_a_mistake(tiny: Workload) -> None:
    bias = np.array([0, -np.inf], np.float32)
    broken = replace(tiny, weights={**tiny.weights, "fc.bias": bias})
    with pytest.raises(WorkloadError, match="bias' has 1 of 2 values that are NaN or infinite"):
        check_weights(broken, "w")
    constant = replace(tiny.tensors["fc.bias"], kind="constant")
    masked = replace(broken, tensors={**tiny.tensors, "fc.bias": constant})
    check_weights(masked, "w")
    weights = {**tiny.weights, "fc.bias": np.array([-np.inf, np.nan], np.float32)}
    with pytest.raises(WorkloadError, match="bias' has 1 of 2 values that are NaN; train or"):
        check_weights(replace(masked, weights=weights), "w")


def test_every_bad_value_of_a_large_tensor_is_counted() -> None:
    value = np.zeros((3, 2**18), np.float32)
    value[0, 5] = value[1, 2**18 - 1] = value[2, 0] = np.nan
    with pytest.raises(WorkloadError, match="has 3 of 786432 values"):
        check_finite(value, "tensor", "retrain")


def test_a_kind_unknown_in_memory_is_refused_too(tiny: Workload) -> None:
    wrong = replace(tiny, ops=(tiny.ops[0], replace(tiny.ops[1], kind="fft")))
    with pytest.raises(UnsupportedOpError, match="here: ops\\[1\\] 'answer': unknown kind 'fft'"):
        check_graph(wrong, "here")


def test_symbolic_shapes_hold_at_the_largest_dimension_as_well(edit: Edit) -> None:
    edit("tensors", "fc", "shape", to=[1, 2])  # right at batch 1 only
    edit("tensors", "answer", "shape", to=[1, 2])
    graph = parse(json.dumps(edit("task", to=None)).encode(), "graph.json")
    with pytest.raises(WorkloadError, match=r"'fc' \(linear\): gives shape \(64, 2\), but"):
        check_graph(graph, "graph.json")


NAN_WEIGHT = np.array([[np.nan, 0, 0], [np.inf, 0, -np.inf]], np.float32)
WEIGHT_PROBLEMS: tuple[tuple[dict[str, Any], str], ...] = (
    (
        {"fc.bias": None},
        (
            "tensor 'fc.bias' of graph.json is missing; the two files are not of one trace; trace "
            "the model again"
        ),
    ),
    (
        {"fc.bias": None, "fc.bais": np.ones(2, np.float32)},
        "tensor 'fc.bias' of graph.json is missing; did you mean 'fc.bais'?",
    ),
    (
        {"fc.gain": np.ones(2, np.float32)},
        (
            "tensor 'fc.gain' is not a weight of graph.json; the two files are not of one trace; "
            "trace the model again"
        ),
    ),
    (
        {"fc.bias": np.ones(3, np.float32)},
        (
            "tensor 'fc.bias' has shape (3,), graph.json declares (2,); the two files are not of "
            "one trace; trace the model again"
        ),
    ),
    (
        {"fc.bias": np.ones(2, np.float64)},
        (
            "tensor 'fc.bias' has element type float64, graph.json declares float32; the two files "
            "are not of one trace; trace the model again"
        ),
    ),
    (
        {"fc.weight": NAN_WEIGHT},
        (
            "tensor 'fc.weight' has 3 of 6 values that are NaN or infinite; train or export the "
            "model again"
        ),
    ),
)


@pytest.mark.parametrize(("change", "message"), WEIGHT_PROBLEMS)
def test_weights_that_are_not_the_graphs(
    tiny: Workload, change: dict[str, Any], message: str
) -> None:
    weights = {
        name: value for name, value in {**tiny.weights, **change}.items() if value is not None
    }
    with pytest.raises(WorkloadError) as caught:
        check_weights(replace(tiny, weights=weights), "w")
    assert str(caught.value) == f"w: {message}"


NAN_IMAGES = np.full((5, 3), np.nan, np.float32)
SAMPLE_PROBLEMS: tuple[tuple[dict[str, Any], str], ...] = (
    (
        {"evaluation": {"x": np.zeros((0, 3), np.float32)}},
        "evaluation.x is empty; at least one sample is needed",
    ),
    (
        {"calibration": {"x": np.zeros((0, 3), np.float32)}},
        "calibration.x is empty; at least one sample is needed",
    ),
    ({"evaluation": {}}, "evaluation.x is missing"),
    (
        {"calibration": {"x": np.zeros((2, 3), np.float32), "y": np.zeros((2, 3), np.float32)}},
        "calibration.y: graph.json has no such name; known: x",
    ),
    (
        {"evaluation": {"x": np.zeros((5, 4), np.float32)}},
        "evaluation: workload 'tiny', input 'x': expected shape (batch, 3), got (5, 4)",
    ),
    (
        {"evaluation": {"x": np.zeros((5, 3))}},
        (
            "evaluation: workload 'tiny', input 'x': expected float32 of shape (batch, 3), got "
            "element type float64; convert it"
        ),
    ),
    (
        {"evaluation": {"x": NAN_IMAGES}},
        (
            "evaluation.x has 15 of 15 values that are NaN or infinite; correct or leave out these "
            "samples and save the workload again"
        ),
    ),
    (
        {"labels": np.zeros(4, np.int64)},
        "labels have shape (4,); one label is needed for each of the 5 evaluation samples",
    ),
    (
        {"labels": np.array([0, 1, 2, 0, -1])},
        (
            "labels reach from -1 to 2, but the 2 classes of the output are 0 to 1; correct the "
            "labels"
        ),
    ),
    (
        {"labels": np.zeros((5, 2), np.int64)},
        "labels have shape (5, 2); one label is needed for each row of the output, (5,)",
    ),
    ({"labels": np.zeros(5, np.int32)}, "labels have element type int32, must be int64"),
    (
        {"reference": {"answer": np.zeros((4, 2), np.float32)}},
        "reference.answer has shape (4, 2); the evaluation samples give (5, 2)",
    ),
    (
        {"reference": {"answer": np.full((5, 2), np.inf, np.float32)}},
        (
            "reference.answer has 10 of 10 values that are NaN or infinite; correct or leave out "
            "these samples and save the workload again"
        ),
    ),
)


@pytest.mark.parametrize(("change", "message"), SAMPLE_PROBLEMS)
def test_samples_that_do_not_fit(tiny: Workload, change: dict[str, Any], message: str) -> None:
    assert tiny.samples is not None
    samples: Samples = replace(tiny.samples, **change)
    with pytest.raises(WorkloadError) as caught:
        check_samples(tiny, samples, "s")
    assert str(caught.value) == f"s: {message}"


def test_outputs_of_the_traced_model_may_be_left_out(tiny: Workload) -> None:
    assert tiny.samples is not None
    check_samples(tiny, replace(tiny.samples, reference={}), "s")
