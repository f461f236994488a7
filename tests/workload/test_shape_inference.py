"""Shapes that follow from an op equal those that the reference computes."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pimsim.errors import WorkloadError
from pimsim.workload.graph import BINARY_KINDS, OP_KINDS, UNARY_KINDS, Op
from pimsim.workload.reference import execute
from pimsim.workload.shape_inference import _RULES, output_shape

DIMS = {"batch": 2, "seq": 5}
CONVOLUTION = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
SEQUENCE = {"stride": (2,), "padding": (0,), "dilation": (1,), "groups": 4}

GOOD: tuple[tuple[str, dict[str, Any], tuple[tuple[int, ...], ...]], ...] = (
    ("linear", {}, ((2, 5, 3), (7, 3))),
    ("linear", {}, ((2, 3), (7, 3), (7,))),
    ("matmul", {}, ((2, 4, 5, 3), (2, 4, 3, 5))),
    ("matmul", {}, ((2, 4, 5, 3), (3, 5))),
    ("convolution", CONVOLUTION, ((2, 4, 6, 7), (6, 2, 3, 3), (6,))),
    ("softmax", {"axis": -2}, ((2, 5, 3),)),
    ("layer_norm", {"epsilon": 1e-5, "normalized_axes": 2}, ((2, 5, 3), (5, 3), (5, 3))),
    ("gelu", {"approximate": "none"}, ((2, 5),)),
    ("add", {}, ((2, 5, 3), (5, 1))),
    ("add", {}, ((5, 1), (2, 5, 3))),
    ("mul", {"scalar": 2.0}, ((2, 5),)),
    ("view", {"shape": ("batch*seq", 3)}, ((2, 5, 3),)),
    ("permute", {"axes": (2, 0, 1)}, ((2, 5, 3),)),
    ("expand", {"shape": ("batch", "seq", 3)}, ((5, 1),)),
    ("slice", {"axis": -1, "start": 1, "stop": "seq", "step": 3}, ((2, 5),)),
    ("select", {"axis": 1, "index": -5}, ((2, 5, 3),)),
    ("cat", {"axis": -2}, ((2, 5, 3), (2, 1, 3))),
    ("convolution", SEQUENCE, ((2, 4, 9), (8, 1, 3), (8,))),
    ("rms_norm", {"epsilon": 1e-5, "normalized_axes": 1}, ((2, 5, 3), (3,))),
    *((kind, {}, ((2, 5, 3),)) for kind in ("relu", "silu", "sigmoid", "tanh")),
    *((kind, {}, ((),)) for kind in sorted(UNARY_KINDS - {"clamp"})),
    ("clamp", {"low": 0}, ((2, 5),)),
    ("rotary", {}, ((2, 3, 5, 4), (5, 4), (1, 1, 5, 4))),
    ("mask", {"fill": -math.inf}, ((1, 5, 5), (2, 1, 5))),
    ("embedding", {}, ((2, 5), (7, 3))),
    ("embedding", {}, ((), (7, 3))),
    *((kind, {}, ((5, 1), (2, 5, 3))) for kind in sorted(BINARY_KINDS)),
    ("sub", {"scalar": "seq - 5", "reverse": True}, ((),)),
    ("where", {}, ((5, 1), (2, 1, 3), ())),
    *(
        (kind, {"axes": axes, "keepdims": keep}, ((2, 5, 3),))
        for kind in ("sum", "mean", "max", "min", "any", "all")
        for axes, keep in (((-1, 0), False), ((1,), True), ((0, 1, 2), False))
    ),
    *(
        (kind, {"axis": axis, "keepdims": keep}, ((2, 5, 3),))
        for kind in ("argmax", "argmin")
        for axis, keep in ((-2, False), (0, True))
    ),
    ("cumsum", {"axis": -1}, ((2, 5),)),
    ("arange", {"start": 0, "stop": "seq", "step": 1}, ()),
    ("arange", {"start": "seq", "stop": -1, "step": -2}, ()),
    ("arange", {"start": 0, "stop": 1, "step": 0.3}, ()),
    ("full", {"shape": ("batch", 1, "seq % 3"), "value": 0.0}, ()),
    ("full", {"shape": (), "value": True}, ()),
    ("flip", {"axes": (0, -1)}, ((2, 5, 3),)),
    ("pad", {"padding": ((0, 0), ("seq - 5", "max(seq, 7) - seq")), "value": 0}, ((2, 5),)),
    ("slice", {"axis": 0, "start": "batch - 2", "stop": "min(seq, 2)", "step": 1}, ((2, 5),)),
    ("gather", {"axis": -1}, ((2, 5), (2, 3))),
    ("gather", {"axis": 0}, ((5, 3), (9, 3))),
    ("index", {"axes": (1, -2)}, ((2, 5, 4, 3), (6, 1), (7,))),
    ("index", {"axes": (0,)}, ((5,), ())),
)

BAD: tuple[tuple[str, dict[str, Any], tuple[tuple[int, ...], ...], str], ...] = (
    ("linear", {}, ((2, 3), (3, 7)), r"weight must be \(out, in\).* \(inputs are \(2, 3\) and"),
    ("linear", {}, ((2, 3), (7, 3), (3,)), "bias must have one value per row"),
    ("matmul", {}, ((2, 3), (2, 3)), "last axis of the first must equal"),
    ("matmul", {}, ((2, 4, 3), (5, 3, 4)), "do not broadcast"),
    ("convolution", CONVOLUTION, ((2, 4, 6, 7), (6, 4, 3, 3)), r"channels / 2, height, width"),
    ("convolution", CONVOLUTION, ((2, 4, 6, 7), (6, 2, 3, 3), (5,)), "one value per filter"),
    ("convolution", CONVOLUTION, ((2, 4, 6, 4), (6, 2, 3, 3)), "larger than the padded image"),
    ("softmax", {"axis": 3}, ((2, 5, 3),), "there is no axis 3"),
    ("layer_norm", {"normalized_axes": 1}, ((2, 5), (5,), (2,)), "shape of the normalized"),
    ("add", {}, ((2, 5), (2, 4)), "do not broadcast"),
    ("view", {"shape": (3, 3)}, ((2, 5),), "cannot change the number of elements"),
    ("permute", {"axes": (0, 0)}, ((2, 5),), "must name each axis once"),
    ("expand", {"shape": (2, 6)}, ((2, 5),), "do not broadcast"),
    ("expand", {"shape": (2, 1)}, ((2, 5),), "only axes of length 1"),
    ("slice", {"axis": 1, "start": 2, "stop": 6, "step": 1}, ((2, 5),), "start < stop <= length"),
    ("select", {"axis": 0, "index": 2}, ((2, 5),), "index 2 is outside axis 0"),
    ("cat", {"axis": 0}, ((2, 5), (2, 4)), "all axes but axis 0 must be equal"),
    ("cat", {"axis": 0}, ((2, 5), (2,)), "all axes but axis 0 must be equal"),
    ("convolution", SEQUENCE, ((2, 4, 9), (8, 1, 3, 1)), r"channels, length\) and the weight"),
    ("convolution", SEQUENCE, ((2, 4, 1), (8, 1, 3)), "larger than the padded image"),
    ("rms_norm", {"normalized_axes": 1}, ((2, 5), (2,)), "the gain must have the shape"),
    ("rms_norm", {"normalized_axes": 3}, ((2, 5), (2, 5)), "the gain must have the shape"),
    ("rotary", {}, ((2, 3), (3,), (3,)), "last axis must be even"),
    ("rotary", {}, ((5, 4), (2, 5, 4), (5, 4)), "cosine and sine must broadcast"),
    ("rotary", {}, ((5, 4), (5, 4), (5, 2)), "do not broadcast"),
    ("embedding", {}, ((2, 5), (7, 3, 1)), r"table must be \(rows, width\)"),
    ("where", {}, ((2, 1), (5,), (4,)), "do not broadcast"),
    ("mul", {"scalar": "sequ"}, ((2,),), "no dimension 'sequ'; did you mean 'seq'?"),
    ("sum", {"axes": (0, -2), "keepdims": True}, ((2, 5),), r"stands twice in axes: \[0, -2\]"),
    ("mean", {"axes": (2,), "keepdims": True}, ((2, 5),), "there is no axis 2"),
    ("argmax", {"axis": 0, "keepdims": True}, ((),), "there is no axis 0"),
    ("arange", {"start": "seq", "stop": 5, "step": 1}, (), "from 5 to 5 by 1 is empty"),
    ("arange", {"start": 0, "stop": 5, "step": -1}, (), "from 0 to 5 by -1 is empty"),
    ("arange", {"start": 0, "stop": 5, "step": 0}, (), "needs finite numbers and a step: 0:5:0"),
    ("arange", {"start": 0, "stop": math.inf, "step": 1}, (), "needs finite numbers and a step"),
    (
        "full",
        {"shape": ("seq - 5",), "value": 0},
        (),
        "'seq - 5' is 0; every axis needs at least 1",
    ),
    ("flip", {"axes": (0, 0)}, ((2, 5),), "an axis stands twice"),
    ("pad", {"padding": ((0, 1),), "value": 0}, ((2, 5),), "one pair per axis, it holds 1"),
    ("pad", {"padding": ((0, "1 - seq"),), "value": 0}, ((5,),), "is -4; it must not be negative"),
    (
        "slice",
        {"axis": 0, "start": "batch - 3", "stop": 1, "step": 1},
        ((2, 5),),
        "'batch - 3' is -1; it must not be negative",
    ),
    ("gather", {"axis": 1}, ((2, 5), (1, 5)), "all axes but axis 1 must be equal"),
    ("gather", {"axis": 1}, ((2, 5), (5,)), "all axes but axis 1 must be equal"),
    (
        "index",
        {"axes": (0, 2)},
        ((2, 5, 4), (6,), (6,)),
        r"neighbours in ascending order: \[0, 2\]",
    ),
    ("index", {"axes": (1, 0)}, ((2, 5, 4), (6,), (6,)), "neighbours in ascending order"),
    ("index", {"axes": (0,)}, ((2, 5, 4), (6,), (6,)), "each of the 2 indices needs an axis"),
    ("index", {"axes": ()}, ((2, 5, 4), (6,)), "each of the 1 indices needs an axis"),
    ("index", {"axes": (0, 1)}, ((2, 5, 4), (6,), (5,)), "do not broadcast"),
)

INDICES = {"embedding": 0, "gather": 1, "index": 1}
"""Where the first index stands among the operands; the rest of ``index`` are indices too."""


def make(kind: str, attributes: dict[str, Any], count: int) -> Op:
    return Op("layer", kind, tuple(f"x{index}" for index in range(count)), ("y",), attributes)


def test_every_kind_has_a_rule_and_a_case() -> None:
    assert _RULES.keys() == OP_KINDS
    assert {kind for kind, _, _ in GOOD} == OP_KINDS


@pytest.mark.parametrize(("kind", "attributes", "shapes"), GOOD)
def test_the_rule_agrees_with_what_execution_gives(
    kind: str, attributes: dict[str, Any], shapes: tuple[tuple[int, ...], ...]
) -> None:
    op = make(kind, attributes, len(shapes))
    values: list[NDArray[Any]] = [np.ones(shape, np.float32) for shape in shapes]
    for position in range(
        INDICES.get(kind, len(shapes)), 1 if kind == "embedding" else len(shapes)
    ):
        values[position] = np.zeros(shapes[position], np.int64)
    assert output_shape(op, shapes, DIMS) == execute(op, values, DIMS, "float32").shape


@pytest.mark.parametrize(("kind", "attributes", "shapes", "message"), BAD)
def test_operands_that_do_not_go_together_are_refused_with_their_shapes(
    kind: str, attributes: dict[str, Any], shapes: tuple[tuple[int, ...], ...], message: str
) -> None:
    with pytest.raises(WorkloadError, match=message):
        output_shape(make(kind, attributes, len(shapes)), shapes, DIMS)
