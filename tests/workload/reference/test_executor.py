"""Running a graph: order, element types, memory, and what is refused."""

import itertools
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pimsim.errors import UnsupportedOpError, WorkloadError
from pimsim.workload.checks import check_graph
from pimsim.workload.graph import MOVEMENT_KINDS, OP_KINDS, Op, TensorSpec, Workload
from pimsim.workload.reference import bind_inputs, execute, run
from pimsim.workload.reference.executor import COMPUTED
from pimsim.workload.reference.movement import MOVEMENTS


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def op(kind: str, count: int = 1, **attributes: Any) -> Op:
    return Op("layer", kind, tuple("abc"[:count]), ("y",), attributes)


def test_every_kind_has_exactly_one_function() -> None:
    assert COMPUTED.keys() | MOVEMENTS.keys() == OP_KINDS
    assert MOVEMENTS.keys() == MOVEMENT_KINDS
    assert COMPUTED.keys().isdisjoint(MOVEMENTS)


def test_a_kind_without_a_function_is_named() -> None:
    with pytest.raises(UnsupportedOpError, match="op 'layer': kind 'fft' has no reference"):
        execute(op("fft"), [normal(2)], {})


def test_the_declared_element_type_is_the_one_of_the_computation() -> None:
    """200 + 100 does not fit eight bits: the sum is formed in the type of the result."""
    x = np.array([200], np.uint8)
    assert execute(op("add", scalar=100), [x], {}, "int64").tolist() == [300]
    assert execute(op("sum", axes=(0,), keepdims=False), [x.repeat(2)], {}, "int32") == 400
    half = execute(op("div", scalar=2), [np.array([2**24 + 1])], {}, "float64")
    assert half.tolist() == [2**23 + 0.5]  # float32 would lose the half
    moved = execute(op("cat", 2, axis=0), [x, normal(1)], {}, "float32")
    assert moved.dtype == np.float32


def test_a_cast_needs_an_element_type() -> None:
    assert execute(op("cast"), [np.array([-1.7, 2.7])], {}, "int32").tolist() == [-1, 2]
    with pytest.raises(WorkloadError, match="op 'layer': a cast needs the element type"):
        execute(op("cast"), [normal(2)], {})


@pytest.mark.parametrize(
    ("kind", "x", "expected"),
    [
        ("exp", 1000.0, np.inf),
        ("log", 0.0, -np.inf),
        ("log", -1.0, np.nan),
        ("rsqrt", 0.0, np.inf),
        ("silu", -1000.0, 0.0),
    ],
)
def test_overflow_and_undefined_values_follow_ieee_754_without_a_warning(
    kind: str, x: float, expected: float
) -> None:
    y = execute(op(kind), [np.array([x], np.float32)], {})
    assert np.array_equal(y, [expected], equal_nan=True)


def test_the_observer_sees_inputs_and_every_result_in_order(tiny: Workload) -> None:
    assert tiny.samples is not None
    seen: dict[str, NDArray[Any]] = {}
    outputs = run(tiny, tiny.samples.evaluation["x"], observe=seen.__setitem__)
    assert list(seen) == ["x", "fc", "answer"]
    assert outputs.keys() == {"answer"}
    assert np.array_equal(seen["answer"], outputs["answer"])
    assert np.allclose(outputs["answer"], tiny.samples.reference["answer"], atol=1e-6)


@given(st.integers(1, 5))
def test_results_do_not_depend_on_the_batch_they_are_in(count: int) -> None:
    workload = chain(3)
    x = normal(5, 4)
    assert np.array_equal(run(workload, x[:count])["y2"], run(workload, x)["y2"][:count])


def chain(length: int) -> Workload:
    """Add 1 again and again."""
    names = ["x", *(f"y{index}" for index in range(length))]
    return Workload(
        name="chain",
        task=None,
        factory=None,
        dims={"batch": (1, 8)},
        inputs=("x",),
        outputs=(names[-1],),
        tensors={
            name: TensorSpec(
                name, ("batch", 4), "float32", "input" if name == "x" else "activation"
            )
            for name in names
        },
        ops=tuple(
            Op(name, "add", (before,), (name,), {"scalar": 1.0})
            for before, name in itertools.pairwise(names)
        ),
        weights={"unused": np.zeros(1, np.float32)},
    )


def test_a_tensor_is_freed_after_its_last_use() -> None:
    references: dict[str, weakref.ref[NDArray[Any]]] = {}
    alive: list[set[str]] = []

    def observe(name: str, value: NDArray[Any]) -> None:
        references[name] = weakref.ref(value)
        alive.append({known for known, reference in references.items() if reference() is not None})

    run(chain(5), normal(2, 4), observe=observe)
    assert alive[-1] - {"x"} == {"y3", "y4"}  # an operand lives until its op is done, no longer


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((), r"workload 'tiny' takes 1 inputs \(x\), got 0"),
        (
            (normal(2, 3).astype(float),),
            r"input 'x': expected float32 of shape \(batch, 3\), got element type float64; convert",
        ),
        ((normal(2, 3, 1),), r"expected float32 of shape \(batch, 3\), got 3 axes: \(2, 3, 1\)"),
        ((normal(2, 4),), r"input 'x': expected shape \(batch, 3\), got \(2, 4\)"),
        ((normal(65, 3),), r"batch = 65 is outside 1 to 64"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    tiny: Workload, inputs: tuple[NDArray[Any], ...], message: str
) -> None:
    with pytest.raises(WorkloadError, match=message):
        run(tiny, *inputs)


def test_inputs_that_disagree_on_a_dimension_are_refused(tiny: Workload) -> None:
    second = TensorSpec("mask", ("batch", "batch"), "float32", "input")
    workload = replace(tiny, inputs=("x", "mask"), tensors={**tiny.tensors, "mask": second})
    assert bind_inputs(workload, [normal(4, 3), normal(4, 4)]) == {"batch": 4}
    with pytest.raises(WorkloadError, match=r"input 'mask': .* got \(4, 5\): batch is 4 elsewhere"):
        bind_inputs(workload, [normal(4, 3), normal(4, 5)])


def test_shapes_without_weights_cannot_be_executed(tiny: Workload) -> None:
    with pytest.raises(WorkloadError, match="workload 'tiny' has shapes only, no weights"):
        run(replace(tiny, weights={}, samples=None), normal(2, 3))


def test_a_result_of_another_shape_than_declared_is_an_error(tiny: Workload) -> None:
    wrong = {**tiny.tensors, "fc": TensorSpec("fc", ("batch", 3), "float32", "activation")}
    with pytest.raises(WorkloadError, match=r"op 'fc': computed shape \(2, 2\), but graph.json"):
        run(replace(tiny, tensors=wrong), normal(2, 3))


def decoder_step() -> Workload:
    """One new key joins the keys of earlier tokens, which the chip holds."""
    return Workload(
        name="step",
        task=None,
        factory=None,
        dims={"context": (1, 16)},
        inputs=("x", "keys"),
        outputs=("logits",),
        tensors={
            "x": TensorSpec("x", (1, 1, 3), "float32", "input"),
            "keys": TensorSpec("keys", (1, "context", 3), "float32", "state"),
            "all": TensorSpec("all", (1, "context + 1", 3), "float32", "activation"),
            "turned": TensorSpec("turned", (1, 3, "context + 1"), "float32", "activation"),
            "logits": TensorSpec("logits", (1, 1, "context + 1"), "float32", "activation"),
        },
        ops=(
            Op("all", "cat", ("keys", "x"), ("all",), {"axis": 1}),
            Op("turned", "permute", ("all",), ("turned",), {"axes": (0, 2, 1)}),
            Op("logits", "matmul", ("x", "turned"), ("logits",)),
        ),
    )


def test_states_are_passed_like_inputs_and_bind_dimensions() -> None:
    workload = decoder_step()
    check_graph(workload, "here")
    assert not workload.shape_only
    x, keys = normal(1, 1, 3), normal(1, 5, 3, seed=1)
    seen: list[str] = []
    outputs = run(workload, x, keys, observe=lambda name, _: seen.append(name))
    assert seen == ["x", "keys", "all", "turned", "logits"]
    assert np.allclose(outputs["logits"][0, 0, :5], keys[0] @ x[0, 0], atol=1e-6)
    with pytest.raises(WorkloadError, match=r"takes 2 inputs \(x, keys\), got 1"):
        run(workload, x)


def test_a_graph_of_sources_masks_and_integers_runs_at_any_length() -> None:
    """Positions, a causal mask and their element types, as a traced decoder holds them."""
    specs = {
        "x": TensorSpec("x", ("seq", "seq"), "float32", "input"),
        "rows": TensorSpec("rows", ("seq",), "int64", "activation"),
        "column": TensorSpec("column", ("seq", 1), "int64", "activation"),
        "keep": TensorSpec("keep", ("seq", "seq"), "bool", "activation"),
        "masked": TensorSpec("masked", ("seq", "seq"), "float32", "activation"),
        "y": TensorSpec("y", ("seq", "seq"), "float32", "activation"),
        "place": TensorSpec("place", ("seq",), "int64", "activation"),
    }
    ops = (
        Op("rows", "arange", (), ("rows",), {"start": 0, "stop": "seq", "step": 1}),
        Op("column", "view", ("rows",), ("column",), {"shape": ("seq", 1)}),
        Op("keep", "le", ("rows", "column"), ("keep",)),
        Op("masked", "mask", ("x", "keep"), ("masked",), {"fill": -np.inf}),
        Op("y", "softmax", ("masked",), ("y",), {"axis": -1}),
        Op("place", "argmax", ("y",), ("place",), {"axis": -1, "keepdims": False}),
    )
    workload = Workload("causal", None, None, {"seq": (1, 9)}, ("x",), ("y", "place"), specs, ops)
    check_graph(workload, "here")
    x = normal(7, 7)
    types: dict[str, str] = {}
    outputs = run(workload, x, observe=lambda name, value: types.update({name: str(value.dtype)}))
    assert types == {name: spec.dtype for name, spec in specs.items()}
    for row in range(7):
        weights = np.exp(x[row, : row + 1].astype(float))
        assert np.allclose(outputs["y"][row, : row + 1], weights / weights.sum(), atol=1e-6)
        assert not outputs["y"][row, row + 1 :].any()
        assert outputs["place"][row] == x[row, : row + 1].argmax()
