"""Shapes that follow from an op equal those that the reference computes."""

from typing import Any

import numpy as np
import pytest

from pimsim.errors import WorkloadError
from pimsim.workload.graph import OP_KINDS, Op
from pimsim.workload.reference import execute
from pimsim.workload.shape_inference import _RULES, output_shape

DIMS = {"batch": 2, "seq": 5}
CONVOLUTION = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}

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
)


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
    values = [np.ones(shape, np.float32) for shape in shapes]
    assert output_shape(op, shapes, DIMS) == execute(op, values, DIMS).shape


@pytest.mark.parametrize(("kind", "attributes", "shapes", "message"), BAD)
def test_operands_that_do_not_go_together_are_refused_with_their_shapes(
    kind: str, attributes: dict[str, Any], shapes: tuple[tuple[int, ...], ...], message: str
) -> None:
    with pytest.raises(WorkloadError, match=message):
        output_shape(make(kind, attributes, len(shapes)), shapes, DIMS)
