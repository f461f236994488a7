"""The float32 executor, each kind against a formula that shares no code with it."""

import itertools
import math
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal, special

from pimsim.errors import UnsupportedOpError, WorkloadError
from pimsim.workload.graph import MOVEMENT_KINDS, OP_KINDS, Op, TensorSpec, Workload
from pimsim.workload.reference import (
    _ARITHMETIC,
    _MOVEMENTS,
    apply_movement,
    bind_inputs,
    execute,
    run,
    unfold_convolution,
)


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def op(kind: str, count: int = 1, **attributes: Any) -> Op:
    return Op("layer", kind, tuple("abc"[:count]), ("y",), attributes)


def test_every_kind_has_exactly_one_function() -> None:
    assert _ARITHMETIC.keys() | _MOVEMENTS.keys() == OP_KINDS
    assert _MOVEMENTS.keys() == MOVEMENT_KINDS
    assert _ARITHMETIC.keys().isdisjoint(_MOVEMENTS)


def test_linear_sums_over_the_last_axis_of_both_and_adds_the_bias() -> None:
    x, weight, bias = normal(2, 5, 3), normal(4, 3, seed=1), normal(4, seed=2)
    exact = np.einsum("bti,oi->bto", x.astype(float), weight.astype(float))
    assert np.allclose(execute(op("linear", 2), [x, weight], {}), exact, atol=1e-6)
    biased = execute(op("linear", 3), [x, weight, bias], {})
    assert biased.dtype == np.float32
    assert np.allclose(biased, exact + bias, atol=1e-6)


def test_matmul_is_batched_over_the_leading_axes() -> None:
    first, second = normal(2, 4, 5, 3), normal(2, 4, 3, 6, seed=1)
    exact = np.einsum("bhik,bhkj->bhij", first.astype(float), second.astype(float))
    assert np.allclose(execute(op("matmul", 2), [first, second], {}), exact, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation"),
    [((1, 1), (0, 0), (1, 1)), ((2, 2), (0, 0), (1, 1)), ((2, 1), (1, 2), (1, 2))],
)
def test_convolution_equals_scipys_correlation(
    groups: int, stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int]
) -> None:
    x, bias = normal(2, 4, 7, 9), normal(6, seed=2)
    weight = normal(6, 4 // groups, 2, 3, seed=1)
    y = execute(
        op("convolution", 3, stride=stride, padding=padding, dilation=dilation, groups=groups),
        [x, weight, bias],
        {},
    )
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2)).astype(float)
    spread = np.zeros((6, 4 // groups, dilation[0] + 1, 2 * dilation[1] + 1))
    spread[:, :, :: dilation[0], :: dilation[1]] = weight
    for image, out in np.ndindex(2, 6):
        first = out // (6 // groups) * (4 // groups)
        planes = [
            signal.correlate2d(padded[image, first + channel], spread[out, channel], mode="valid")
            for channel in range(4 // groups)
        ]
        exact = sum(planes)[:: stride[0], :: stride[1]] + bias[out]
        assert y[image, out].shape == exact.shape
        assert np.allclose(y[image, out], exact, atol=1e-5)


def test_unfolded_patches_are_the_receptive_fields_in_order_and_keep_the_element_type() -> None:
    x = np.arange(2 * 3 * 5 * 6, dtype=np.int16).reshape(2, 3, 5, 6)
    patches = unfold_convolution(x, (2, 2), stride=(2, 3), padding=(1, 0), dilation=(1, 2))
    assert patches.dtype == np.int16
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    rows = [
        padded[:, :, top : top + 2, left : left + 3 : 2].reshape(2, -1)
        for top in (0, 2, 4)
        for left in (0, 3)
    ]
    assert np.array_equal(patches, np.stack(rows, axis=1))


def test_a_kernel_larger_than_the_image_is_an_error() -> None:
    with pytest.raises(WorkloadError, match=r"kernel spanning \(3, 3\) pixels does not fit"):
        unfold_convolution(normal(1, 1, 2, 2), (3, 3))


def test_softmax_is_scipys_and_does_not_overflow() -> None:
    x = normal(2, 3, 5) * 300
    y = execute(op("softmax", axis=1), [x], {})
    assert y.dtype == np.float32
    assert np.allclose(y, special.softmax(x.astype(float), axis=1), atol=1e-6)


def test_layer_norm_follows_its_definition_over_all_normalized_axes() -> None:
    x, gain, bias = normal(2, 3, 4), normal(3, 4, seed=1), normal(3, 4, seed=2)
    y = execute(op("layer_norm", 3, epsilon=0.01, normalized_axes=2), [x, gain, bias], {})
    for row, result in zip(x.astype(float), y, strict=True):
        mean = row.sum() / 12
        variance = ((row - mean) ** 2).sum() / 12  # the biased estimate, as in the paper
        assert np.allclose(
            result, (row - mean) / math.sqrt(variance + 0.01) * gain + bias, atol=1e-5
        )


def test_gelu_weighs_by_the_normal_distribution() -> None:
    x = np.linspace(-5, 5, 41, dtype=np.float32)
    exact = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x.tolist()]
    y = execute(op("gelu", approximate="none"), [x], {})
    assert y.dtype == np.float32
    assert np.allclose(y, exact, atol=1e-6)
    approximate = execute(op("gelu", approximate="tanh"), [x], {})
    assert approximate.dtype == np.float32
    assert 1e-5 < np.abs(approximate - exact).max() < 5e-4  # Hendrycks and Gimpel: close, not equal


@pytest.mark.parametrize(("kind", "function"), [("add", np.add), ("mul", np.multiply)])
def test_elementwise_kinds_broadcast_and_take_a_scalar(kind: str, function: Any) -> None:
    first, second = normal(2, 3, 4), normal(3, 1, seed=1)
    assert np.array_equal(execute(op(kind, 2), [first, second], {}), function(first, second))
    scaled = execute(op(kind, scalar=0.1), [first], {})
    assert scaled.dtype == np.float32
    assert np.array_equal(scaled, function(first, np.float32(0.1)))


MOVEMENTS = (
    (op("view", shape=("batch", 6, "2*batch")), (2, 3, 8), lambda i: None),
    (op("permute", axes=(2, 0, 1)), (2, 3, 8), lambda i: (i[1], i[2], i[0])),
    (op("expand", shape=("batch", 2, 3, 8)), (1, 3, 8), lambda i: (0, i[2], i[3])),
    (
        op("slice", axis=2, start=1, stop="4*batch", step=3),
        (2, 3, 8),
        lambda i: (*i[:2], 1 + 3 * i[2]),
    ),
    (op("select", axis=1, index=-1), (2, 3, 8), lambda i: (i[0], 2, i[1])),
)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32, np.bool_])
@pytest.mark.parametrize(
    ("movement", "shape", "origin"), MOVEMENTS, ids=[case[0].kind for case in MOVEMENTS]
)
def test_movement_puts_every_element_where_its_definition_says(
    movement: Op, shape: tuple[int, ...], origin: Any, dtype: Any
) -> None:
    x = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    y = apply_movement(movement, [x], {"batch": 2})
    assert y.dtype == dtype
    if movement.kind == "view":
        assert y.shape == (2, 6, 4)
        assert y.ravel().tolist() == x.ravel().tolist()
        return
    for index in np.ndindex(y.shape):
        assert y[index] == x[origin(index)]


def test_cat_joins_any_number_of_operands() -> None:
    parts = [np.full((2, count, 2), count, np.int32) for count in (1, 2, 3)]
    y = apply_movement(op("cat", 3, axis=1), parts, {})
    assert y.dtype == np.int32
    assert y[0, :, 0].tolist() == [1, 2, 2, 3, 3, 3]


def test_a_kind_without_a_function_is_named() -> None:
    with pytest.raises(UnsupportedOpError, match="op 'layer': kind 'tanh' has no reference"):
        execute(op("tanh"), [normal(2)], {})
    with pytest.raises(UnsupportedOpError, match="op 'layer': kind 'gelu' is not data movement"):
        apply_movement(op("gelu"), [normal(2)], {})


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
