"""Every kind of operation gives PyTorch's values in PyTorch's element type."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pimsim.workload.graph import (
    BINARY_KINDS,
    FUNCTION_KINDS,
    MOVEMENT_KINDS,
    OP_KINDS,
    PRODUCT_KINDS,
    REDUCTION_KINDS,
    SOURCE_KINDS,
    UNARY_KINDS,
    Op,
)
from pimsim.workload.reference import execute
from pimsim.workload.shape_inference import output_shape

Case = tuple[str, tuple[str, ...], dict[str, Any], Callable[..., Any]]
"""Kind; operands as ``"<type> <sizes>"``; attributes; the same in PyTorch, whose module comes
first: types are f float32, p positive float32, i int64, j int32, s int8, u uint8, n nonzero int64,
b bool."""

DIMS = {"batch": 2, "seq": 4}
INF = math.inf

PRODUCTS: tuple[Case, ...] = (
    ("linear", ("f 2 5 3", "f 4 3", "f 4"), {}, lambda t, x, w, b: t.nn.functional.linear(x, w, b)),
    ("linear", ("f 3", "f 4 3"), {}, lambda t, x, w: t.nn.functional.linear(x, w)),
    ("matmul", ("f 2 4 5 3", "f 2 4 3 6"), {}, lambda t, a, b: a @ b),
    ("matmul", ("f 2 1 5 3", "f 4 3 6"), {}, lambda t, a, b: a @ b),
    ("matmul", ("i 2 5 3", "i 3 6"), {}, lambda t, a, b: a @ b),
    (
        "convolution",
        ("f 2 4 9", "f 6 2 3", "f 6"),
        {"stride": (2,), "padding": (1,), "dilation": (2,), "groups": 2},
        lambda t, x, w, b: t.nn.functional.conv1d(x, w, b, 2, 1, 2, 2),
    ),
    (
        "convolution",
        ("f 3 5 8", "f 5 1 4"),
        {"stride": (1,), "padding": (3,), "dilation": (1,), "groups": 5},
        lambda t, x, w: t.nn.functional.conv1d(x, w, None, 1, 3, 1, 5),
    ),
    (
        "convolution",
        ("f 2 4 9 8", "f 6 4 3 2", "f 6"),
        {"stride": (3, 2), "padding": (1, 0), "dilation": (1, 3), "groups": 1},
        lambda t, x, w, b: t.nn.functional.conv2d(x, w, b, (3, 2), (1, 0), (1, 3)),
    ),
    (
        "convolution",
        ("f 2 6 5 5", "f 6 2 3 3"),
        {"stride": (1, 1), "padding": (2, 1), "dilation": (1, 1), "groups": 3},
        lambda t, x, w: t.nn.functional.conv2d(x, w, None, 1, (2, 1), 1, 3),
    ),
)

FUNCTIONS: tuple[Case, ...] = (
    ("softmax", ("f 2 5 3",), {"axis": -2}, lambda t, x: t.softmax(x, -2)),
    ("softmax", ("i 2 5",), {"axis": 1}, lambda t, x: t.softmax(x, 1, dtype=t.float32)),
    (
        "layer_norm",
        ("f 2 5 3", "f 5 3", "f 5 3"),
        {"epsilon": 1e-3, "normalized_axes": 2},
        lambda t, x, g, b: t.nn.functional.layer_norm(x, (5, 3), g, b, 1e-3),
    ),
    (
        "rms_norm",
        ("f 2 5 8", "f 8"),
        {"epsilon": 1e-2, "normalized_axes": 1},
        lambda t, x, g: t.nn.functional.rms_norm(x, (8,), g, 1e-2),
    ),
    ("gelu", ("f 2 5",), {"approximate": "none"}, lambda t, x: t.nn.functional.gelu(x)),
    (
        "gelu",
        ("f 2 5",),
        {"approximate": "tanh"},
        lambda t, x: t.nn.functional.gelu(x, approximate="tanh"),
    ),
    (
        "gelu",
        ("f",),
        {"approximate": "tanh"},
        lambda t, x: t.nn.functional.gelu(x, approximate="tanh"),
    ),
    ("gelu", ("f",), {"approximate": "none"}, lambda t, x: t.nn.functional.gelu(x)),
    ("relu", ("f 2 5",), {}, lambda t, x: t.relu(x)),
    ("relu", ("j 2 5",), {}, lambda t, x: t.relu(x)),
    ("silu", ("f 2 5",), {}, lambda t, x: t.nn.functional.silu(x)),
    ("silu", ("f",), {}, lambda t, x: t.nn.functional.silu(x)),
    ("sigmoid", ("f 2 5",), {}, lambda t, x: t.sigmoid(x)),
    ("sigmoid", ("i 2 5",), {}, lambda t, x: t.sigmoid(x)),
    ("tanh", ("f 2 5",), {}, lambda t, x: t.tanh(x)),
    ("tanh", ("b 2 5",), {}, lambda t, x: t.tanh(x)),
    (
        "rotary",
        ("f 2 3 4 6", "f 4 6", "f 1 1 4 6"),
        {},
        lambda t, x, c, s: x * c + t.cat((-x[..., 3:], x[..., :3]), -1) * s,
    ),
    (
        "rotary",
        ("f 2 3 4 6", "f 4 6", "f 4 6"),
        {"interleaved": True},
        lambda t, x, c, s: x * c + t.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2) * s,
    ),
    (
        "mask",
        ("f 2 3 4 4", "b 2 1 1 4"),
        {"fill": -INF},
        lambda t, x, keep: x.masked_fill(~keep, -INF),
    ),
    ("mask", ("i 4", "b 4"), {"fill": -100}, lambda t, x, keep: x.masked_fill(~keep, -100)),
    ("mask", ("f 1 4", "b 3 1"), {"fill": 0.0}, lambda t, x, keep: t.where(keep, x, 0.0)),
    (
        "embedding",
        ("u 2 5", "f 9 3"),
        {},
        lambda t, i, table: t.nn.functional.embedding(i.long(), table),
    ),
    ("embedding", ("j", "f 9 3"), {}, lambda t, i, table: t.nn.functional.embedding(i, table)),
)


def binary(kind: str, name: str | None = None) -> tuple[Case, ...]:
    """Two arrays, broadcast, of equal, mixed and lower types; a number on either side."""

    def compute(t: Any, *operands: Any) -> Any:
        return getattr(t, name or kind)(*operands)

    return (
        (kind, ("f 2 5 3", "f 5 1"), {}, compute),
        (kind, ("n 5 3", "f 2 1 3"), {}, compute),
        (kind, ("f 5", "n"), {}, compute),
        (kind, ("n 2 5", "n 2 5"), {}, compute),
        (kind, ("f", "f"), {}, compute),
        (kind, ("j 5", "n"), {}, compute),
        (kind, ("f 2 5",), {"scalar": 3}, lambda t, x: compute(t, x, 3)),
        (kind, ("n 2 5",), {"scalar": 3}, lambda t, x: compute(t, x, 3)),
        (kind, ("n 2 5",), {"scalar": 2.5}, lambda t, x: compute(t, x, 2.5)),
        (kind, ("f 5",), {"scalar": "seq - 1"}, lambda t, x: compute(t, x, 3)),
        (
            kind,
            ("p 2 5",),
            {"scalar": 2.5, "reverse": True},
            lambda t, x: compute(t, t.tensor(2.5), x),
        ),
        (
            kind,
            ("n 2 5",),
            {"scalar": 7, "reverse": True},
            lambda t, x: compute(t, t.tensor(7), x),
        ),
    )


def power(case: Case) -> bool:
    """Leave out integers with negative exponents, which PyTorch refuses or truncates."""
    _, operands, attributes, _ = case
    integer = all(operand[0] in "nj" for operand in operands)
    negative = len(operands) == 2 or attributes.get("reverse", False)
    return not (integer and negative and not isinstance(attributes.get("scalar"), float))


ARITHMETIC: tuple[Case, ...] = (
    *(case for kind in ("add", "sub", "mul", "floor_divide", "remainder") for case in binary(kind)),
    *binary("div"),
    *filter(power, binary("pow")),
    ("pow", ("u 2 5", "u 5"), {}, lambda t, x, y: t.pow(x, y)),
    ("pow", ("f 2 5",), {"scalar": 2}, lambda t, x: x**2),
    ("pow", ("p 2 5",), {"scalar": 0.5}, lambda t, x: x**0.5),
    ("pow", ("p 2 5",), {"scalar": -0.5}, lambda t, x: x**-0.5),
    ("pow", ("f",), {"scalar": 3.0}, lambda t, x: x**3.0),
    ("pow", ("i 4",), {"scalar": 10_000.0, "reverse": True}, lambda t, x: 10_000.0**x),
    ("pow", ("p 4",), {"scalar": 2, "reverse": True}, lambda t, x: 2**x),
    *(
        case
        for kind in ("minimum", "maximum", "eq", "ne", "lt", "le", "gt", "ge")
        for case in binary(kind)
        if kind not in ("minimum", "maximum") or "scalar" not in case[2]
    ),
    ("minimum", ("f 2 5",), {"scalar": 1}, lambda t, x: t.clamp(x, max=1)),
    ("maximum", ("i 2 5",), {"scalar": 1}, lambda t, x: t.clamp(x, min=1)),
    ("maximum", ("b 5", "b 5"), {}, lambda t, x, y: t.maximum(x, y)),
    ("add", ("b 5", "b 5"), {}, lambda t, x, y: x + y),
    ("mul", ("b 2 5", "f 5"), {}, lambda t, x, y: x * y),
    ("mul", ("b 5", "b 5"), {}, lambda t, x, y: x * y),
    ("div", ("b 5", "n 5"), {}, lambda t, x, y: x / y),
    ("add", ("s 5", "u 5"), {}, lambda t, x, y: x + y),
    ("eq", ("b 5",), {"scalar": True}, lambda t, x: x == True),  # noqa: E712  the case itself
    ("lt", ("s 5",), {"scalar": 0.5}, lambda t, x: x < 0.5),
    ("logical_and", ("b 2 5", "b 5"), {}, lambda t, x, y: t.logical_and(x, y)),
    ("logical_or", ("b 2 5", "i 5"), {}, lambda t, x, y: t.logical_or(x, y)),
    ("logical_xor", ("f 2 5", "b 5"), {}, lambda t, x, y: t.logical_xor(x, y)),
    ("logical_and", ("b 5",), {"scalar": False}, lambda t, x: t.logical_and(x, t.tensor(False))),
    ("where", ("b 2 1", "f 5", "f 2 5"), {}, lambda t, c, x, y: t.where(c, x, y)),
    ("where", ("b 4", "i", "f 4"), {}, lambda t, c, x, y: t.where(c, x, y)),
    ("where", ("b 3 1", "i", "i"), {}, lambda t, c, x, y: t.where(c, x, y)),
)

UNARIES: tuple[Case, ...] = (
    *(
        (kind, (operand,), {}, lambda t, x, kind=kind: getattr(t, kind)(x))
        for kind in ("sqrt", "rsqrt", "log")
        for operand in ("p 2 5", "p", "n 4", "f 6")
    ),
    *(
        (kind, (operand,), {}, lambda t, x, kind=kind: getattr(t, kind)(x))
        for kind in ("exp", "sin", "cos", "erf")
        for operand in ("f 2 5", "f", "i 4", "b 3")
    ),
    *(
        (kind, (operand,), {}, lambda t, x, kind=kind: getattr(t, kind)(x))
        for kind in ("neg", "abs", "floor", "ceil", "round", "sign")
        for operand in ("f 2 5", "f", "i 4", "s 3", "u 3")
    ),
    ("sign", ("b 3",), {}, lambda t, x: t.sign(x)),
    *(
        ("logical_not", (operand,), {}, lambda t, x: t.logical_not(x))
        for operand in ("b 2 5", "b", "i 5", "f 5")
    ),
    ("clamp", ("f 2 5",), {"low": -0.5, "high": 1}, lambda t, x: t.clamp(x, -0.5, 1)),
    ("clamp", ("i 2 5",), {"low": 1}, lambda t, x: t.clamp(x, min=1)),
    ("clamp", ("i 2 5",), {"high": 1.5}, lambda t, x: t.clamp(x, max=1.5)),
    ("clamp", ("f",), {"low": 2, "high": -2}, lambda t, x: t.clamp(x, 2, -2)),
    ("clamp", ("f 5",), {"low": -INF, "high": INF}, lambda t, x: t.clamp(x, -INF, INF)),
    ("cast", ("f 2 5",), {}, lambda t, x: x.to(t.int64)),
    ("cast", ("f 2 5",), {}, lambda t, x: x.to(t.bool)),
    ("cast", ("b",), {}, lambda t, x: x.to(t.float32)),
    ("cast", ("i 5",), {}, lambda t, x: x.to(t.uint8)),
    ("cast", ("f 5",), {}, lambda t, x: x.to(t.float64)),
)

AXES = (((0,), False), ((-1,), True), ((0, -2), False), ((2, 0, 1), True))
REDUCTIONS: tuple[Case, ...] = (
    *(
        (kind, (operand,), {"axes": axes, "keepdims": keep}, function)
        for axes, keep in AXES
        for kind, operand, function in (
            ("sum", "f 2 5 3", lambda t, x, a=axes, k=keep: t.sum(x, a, k)),
            ("sum", "b 2 5 3", lambda t, x, a=axes, k=keep: t.sum(x, a, k)),
            ("sum", "j 2 5 3", lambda t, x, a=axes, k=keep: t.sum(x, a, k)),
            ("mean", "f 2 5 3", lambda t, x, a=axes, k=keep: t.mean(x, a, k)),
            ("mean", "i 2 5 3", lambda t, x, a=axes, k=keep: t.mean(x, a, k, dtype=t.float32)),
            ("max", "f 2 5 3", lambda t, x, a=axes, k=keep: t.amax(x, a, k)),
            ("max", "s 2 5 3", lambda t, x, a=axes, k=keep: t.amax(x, a, k)),
            ("min", "f 2 5 3", lambda t, x, a=axes, k=keep: t.amin(x, a, k)),
            ("min", "b 2 5 3", lambda t, x, a=axes, k=keep: t.amin(x, a, k)),
            ("any", "b 2 5 3", lambda t, x, a=axes, k=keep: t.any(x, a, k)),
            ("any", "f 2 5 3", lambda t, x, a=axes, k=keep: t.any(x, a, k)),
            ("all", "b 2 5 3", lambda t, x, a=axes, k=keep: t.all(x, a, k)),
            ("all", "i 2 5 3", lambda t, x, a=axes, k=keep: t.all(x, a, k)),
        )
    ),
    *(
        (kind, (operand,), {"axis": axis, "keepdims": keep}, function)
        for axis, keep in ((0, False), (-2, True), (-1, False))
        for kind, operand, function in (
            ("argmax", "f 2 5 3", lambda t, x, a=axis, k=keep: t.argmax(x, a, k)),
            ("argmax", "s 2 5 3", lambda t, x, a=axis, k=keep: t.argmax(x, a, k)),
            ("argmin", "f 2 5 3", lambda t, x, a=axis, k=keep: t.argmin(x, a, k)),
            ("argmin", "i 2 5 3", lambda t, x, a=axis, k=keep: t.argmin(x, a, k)),
        )
    ),
    ("cumsum", ("f 2 5 3",), {"axis": -2}, lambda t, x: t.cumsum(x, -2)),
    ("cumsum", ("j 2 5",), {"axis": 1}, lambda t, x: t.cumsum(x, 1)),
    ("cumsum", ("j 2 5",), {"axis": 1}, lambda t, x: t.cumsum(x, 1, dtype=t.int32)),
    ("cumsum", ("b 2 5",), {"axis": 0}, lambda t, x: t.cumsum(x, 0)),
)

SOURCES: tuple[Case, ...] = (
    ("arange", (), {"start": 0, "stop": "seq", "step": 1}, lambda t: t.arange(4)),
    ("arange", (), {"start": 1, "stop": 8, "step": 3}, lambda t: t.arange(1, 8, 3)),
    ("arange", (), {"start": "seq - 1", "stop": -1, "step": -1}, lambda t: t.arange(3, -1, -1)),
    ("arange", (), {"start": "1 - seq", "stop": "seq", "step": 2}, lambda t: t.arange(-3, 4, 2)),
    (
        "arange",
        (),
        {"start": 0, "stop": 64, "step": 2},
        lambda t: t.arange(0, 64, 2, dtype=t.float32),
    ),
    ("arange", (), {"start": 0.5, "stop": 2, "step": 0.3}, lambda t: t.arange(0.5, 2, 0.3)),
    ("full", (), {"shape": ("batch", 3), "value": -INF}, lambda t: t.full((2, 3), -INF)),
    ("full", (), {"shape": (), "value": 7}, lambda t: t.full((), 7)),
    ("full", (), {"shape": ("2*seq",), "value": True}, lambda t: t.full((8,), True)),
    ("full", (), {"shape": (2,), "value": "seq - 4"}, lambda t: t.full((2,), 0)),
    ("full", (), {"shape": (2,), "value": 1}, lambda t: t.ones(2)),
)

MOVEMENTS: tuple[Case, ...] = (
    ("view", ("f 2 4 3",), {"shape": ("batch*seq", 3)}, lambda t, x: x.reshape(8, 3)),
    ("view", ("i 1",), {"shape": ()}, lambda t, x: x.reshape(())),
    ("permute", ("b 2 4 3",), {"axes": (2, 0, 1)}, lambda t, x: x.permute(2, 0, 1)),
    ("permute", ("f",), {"axes": ()}, lambda t, x: x),
    ("expand", ("f 4 1",), {"shape": ("batch", 4, 3)}, lambda t, x: x.expand(2, 4, 3)),
    ("expand", ("i",), {"shape": (2, 2)}, lambda t, x: x.expand(2, 2)),
    (
        "slice",
        ("f 2 9",),
        {"axis": -1, "start": "seq - 4", "stop": "2*seq", "step": 3},
        lambda t, x: x[:, 0:8:3],
    ),
    ("select", ("f 2 4 3",), {"axis": -2, "index": -1}, lambda t, x: x[:, -1]),
    ("select", ("i 4",), {"axis": 0, "index": 2}, lambda t, x: x[2]),
    ("cat", ("f 2 4", "f 2 1", "f 2 2"), {"axis": -1}, lambda t, *x: t.cat(x, -1)),
    ("cat", ("i 2", "f 2"), {"axis": 0}, lambda t, *x: t.cat(x)),
    ("flip", ("f 2 4 3",), {"axes": (0, -1)}, lambda t, x: t.flip(x, (0, -1))),
    (
        "pad",
        ("f 2 4 3",),
        {"padding": ((0, 0), ("seq - 3", 0), (0, 2)), "value": -INF},
        lambda t, x: t.nn.functional.pad(x, (0, 2, 1, 0), value=-INF),
    ),
    (
        "pad",
        ("i 4",),
        {"padding": ((1, 2),), "value": 5},
        lambda t, x: t.nn.functional.pad(x, (1, 2), value=5),
    ),
    (
        "pad",
        ("b 4",),
        {"padding": ((1, 2),), "value": True},
        lambda t, x: t.nn.functional.pad(x, (1, 2), value=True),
    ),
    ("gather", ("f 2 9", "u 2 4"), {"axis": -1}, lambda t, x, i: t.gather(x, -1, i.long())),
    ("gather", ("i 9 3", "u 5 3"), {"axis": 0}, lambda t, x, i: t.gather(x, 0, i.long())),
    ("index", ("f 9 3", "u 2 4"), {"axes": (0,)}, lambda t, x, i: x[i.long()]),
    (
        "index",
        ("f 2 9 9 3", "u 5 1", "u 6"),
        {"axes": (-3, 2)},
        lambda t, x, i, j: x[:, i.long(), j.long()],
    ),
    ("index", ("i 9 2", "u"), {"axes": (0,)}, lambda t, x, i: x[i.long()]),
    ("index", ("b 9", "v 3"), {"axes": (-1,)}, lambda t, x, i: x[i]),
)

CASES = (*PRODUCTS, *FUNCTIONS, *ARITHMETIC, *UNARIES, *REDUCTIONS, *SOURCES, *MOVEMENTS)


def operand(form: str, seed: int) -> NDArray[Any]:
    """Random values, the integers below 9 so that they can be indices and small exponents."""
    generator = np.random.default_rng(seed)
    kind, *sizes = form.split()
    shape = tuple(map(int, sizes))
    values: dict[str, Callable[[], Any]] = {
        "f": lambda: 1.5 * generator.standard_normal(shape, np.float32),
        "p": lambda: generator.uniform(0.1, 4, shape).astype(np.float32),
        "b": lambda: generator.integers(0, 2, shape).astype(np.bool_),
        "u": lambda: generator.integers(0, 5, shape, np.uint8),
        "n": lambda: generator.integers(1, 9, shape) * generator.choice([-1, 1], shape),
        "v": lambda: generator.integers(-9, 9, shape),
        "i": lambda: generator.integers(-6, 7, shape),
        "j": lambda: generator.integers(0, 9, shape, np.int32),
        "s": lambda: generator.integers(-6, 7, shape, np.int8),
    }
    return np.asarray(values[kind]())


def test_every_kind_is_compared_in_the_table_of_its_family() -> None:
    families = (
        (PRODUCTS, PRODUCT_KINDS),
        (FUNCTIONS, FUNCTION_KINDS),
        (ARITHMETIC, BINARY_KINDS | {"where"}),
        (UNARIES, UNARY_KINDS),
        (REDUCTIONS, REDUCTION_KINDS),
        (SOURCES, SOURCE_KINDS),
        (MOVEMENTS, MOVEMENT_KINDS),
    )
    for cases, kinds in families:
        assert {case[0] for case in cases} == kinds
    assert {case[0] for case in CASES} == OP_KINDS


@pytest.mark.torch
@pytest.mark.parametrize(
    ("kind", "operands", "attributes", "function"),
    CASES,
    ids=[f"{case[0]}-{','.join(case[1])}-{index}" for index, case in enumerate(CASES)],
)
def test_values_element_type_and_shape_are_pytorchs(
    kind: str, operands: tuple[str, ...], attributes: dict[str, Any], function: Callable[..., Any]
) -> None:
    import torch

    inputs = [operand(form, seed) for seed, form in enumerate(operands)]
    copies = [x.copy() for x in inputs]
    expected = function(torch, *(torch.from_numpy(x.copy()) for x in inputs)).numpy()
    op = Op("layer", kind, tuple(f"x{index}" for index in range(len(inputs))), ("y",), attributes)

    result = execute(op, inputs, DIMS, expected.dtype)

    assert isinstance(result, np.ndarray)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape == output_shape(op, [x.shape for x in inputs], DIMS)
    if expected.dtype.kind == "f":
        assert np.allclose(result, expected, rtol=2e-6, atol=2e-6, equal_nan=True)
    else:
        assert np.array_equal(result, expected)
    for x, copy in zip(inputs, copies, strict=True):
        assert np.array_equal(x, copy)  # no operand is written into


CONVERTED = {"cast", "mean", "softmax", "cumsum", "arange", "full"}
"""Kinds of which a case above asks PyTorch for another element type than its own choice."""


@pytest.mark.torch
@pytest.mark.parametrize(
    ("kind", "operands", "attributes", "function"),
    [case for case in CASES if case[0] not in CONVERTED | MOVEMENT_KINDS],
)
def test_without_a_declaration_the_element_type_is_the_one_pytorch_chooses(
    kind: str, operands: tuple[str, ...], attributes: dict[str, Any], function: Callable[..., Any]
) -> None:
    import torch

    inputs = [operand(form, seed) for seed, form in enumerate(operands)]
    expected = function(torch, *(torch.from_numpy(x.copy()) for x in inputs)).numpy()
    op = Op("layer", kind, tuple(f"x{index}" for index in range(len(inputs))), ("y",), attributes)
    assert execute(op, inputs, DIMS).dtype == expected.dtype
