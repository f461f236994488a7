"""Functions of a row or of an element against formulas that share no code with them."""

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from pimsim.errors import WorkloadError
from pimsim.workload.graph import FUNCTION_KINDS, Op
from pimsim.workload.reference import execute
from pimsim.workload.reference.functions import FUNCTIONS


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def op(kind: str, count: int = 1, **attributes: Any) -> Op:
    return Op("layer", kind, tuple("abc"[:count]), ("y",), attributes)


def test_every_function_is_there() -> None:
    assert FUNCTIONS.keys() == FUNCTION_KINDS


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


def test_softmax_of_a_row_that_is_masked_out_is_nan_and_gives_no_warning() -> None:
    x = np.array([[0, -np.inf], [-np.inf, -np.inf]], np.float32)
    y = execute(op("softmax", axis=-1), [x], {})
    assert y[0].tolist() == [1, 0]
    assert np.isnan(y[1]).all()  # 0 / 0, as IEEE 754 and PyTorch have it


def test_rms_norm_divides_by_the_root_of_the_mean_square() -> None:
    x, gain = normal(2, 3, 4), normal(4, seed=1)
    y = execute(op("rms_norm", 2, epsilon=0.01, normalized_axes=1), [x, gain], {})
    for index in np.ndindex(2, 3):
        square = sum(value**2 for value in x[index].tolist()) / 4
        assert np.allclose(y[index], x[index] / math.sqrt(square + 0.01) * gain, atol=1e-6)


X = (-200.0, -30.0, -1.5, 0.0, 0.25, 30.0, 200.0)
ELEMENTWISE: dict[str, Any] = {
    "relu": lambda value: max(value, 0.0),
    "sigmoid": lambda value: math.exp(min(value, 0)) / (1 + math.exp(-abs(value))),
    "silu": lambda value: value * math.exp(min(value, 0)) / (1 + math.exp(-abs(value))),
    "tanh": math.tanh,
}


@pytest.mark.parametrize("kind", sorted(ELEMENTWISE))
def test_activation_functions_follow_their_definition_far_from_zero_too(kind: str) -> None:
    y = execute(op(kind), [np.array(X, np.float32)], {})
    assert y.dtype == np.float32
    exact = [ELEMENTWISE[kind](value) for value in X]
    assert np.allclose(y, exact, rtol=1e-5, atol=1e-12)  # tails too; subnormal ones may be 0


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_turns_each_pair_by_the_angle_of_its_place(*, interleaved: bool) -> None:
    """A pair is a complex number; its embedding is the product with exp(i * angle)."""
    x, angles = normal(2, 3, 5, 8), normal(5, 4, seed=1)
    pairs = (
        x[..., 0::2] + 1j * x[..., 1::2] if interleaved else x[..., :4] + 1j * x[..., 4:]
    ) * np.exp(1j * angles)
    doubled = np.repeat(angles, 2, axis=-1) if interleaved else np.concatenate([angles] * 2, -1)
    y = execute(op("rotary", 3, interleaved=interleaved), [x, np.cos(doubled), np.sin(doubled)], {})
    real, imaginary = (y[..., 0::2], y[..., 1::2]) if interleaved else (y[..., :4], y[..., 4:])
    assert y.dtype == np.float32
    assert np.allclose(real, pairs.real, atol=1e-6)
    assert np.allclose(imaginary, pairs.imag, atol=1e-6)


def test_mask_fills_what_is_not_kept_and_broadcasts_both_ways() -> None:
    x, keep = normal(1, 4), np.array([[True], [False]])
    y = execute(op("mask", 2, fill=-math.inf), [x, keep], {})
    assert np.array_equal(y[0], x[0])
    assert (y[1] == -np.inf).all()


def test_embedding_looks_rows_up() -> None:
    table = normal(7, 3)
    y = execute(op("embedding", 2), [np.array([[6, 0], [1, 6]]), table], {})
    assert np.array_equal(y, [[table[6], table[0]], [table[1], table[6]]])


@pytest.mark.parametrize("index", [7, -1])
def test_a_row_that_the_table_lacks_is_an_error_not_another_row(index: int) -> None:
    with pytest.raises(
        WorkloadError, match=rf"op 'layer' \(embedding\): index {index} is outside 0 to 6"
    ):
        execute(op("embedding", 2), [np.array([0, index, 3]), normal(7, 3)], {})


WIDE: tuple[tuple[Op, tuple[int, ...]], ...] = (
    (op("softmax", axis=-1), ()),
    (op("layer_norm", 3, epsilon=1e-5, normalized_axes=1), (1024,)),
    (op("rms_norm", 2, epsilon=1e-5, normalized_axes=1), (1024,)),
    (op("gelu", approximate="none"), ()),
    (op("gelu", approximate="tanh"), ()),
    (op("silu"), ()),
    (op("sigmoid"), ()),
    (op("rotary", 3), (256, 1024)),
)


@pytest.mark.parametrize(("function", "stored"), WIDE)
def test_a_function_needs_little_memory_besides_its_result(
    function: Op, stored: tuple[int, ...]
) -> None:
    inputs = [normal(256, 1024), *(normal(*stored) for _ in function.inputs[1:])]
    execute(function, inputs, {})  # imports are not counted
    tracemalloc.start()
    try:
        execute(function, inputs, {})
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2.1 * inputs[0].nbytes  # the result and one intermediate, in float32
