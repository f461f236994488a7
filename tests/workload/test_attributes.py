"""Attributes of each kind: which, of which form, in memory and in JSON."""

import json
import math
from typing import Any

import pytest
from pydantic import ValidationError

from pimsim.workload.attributes import ATTRIBUTES, to_json
from pimsim.workload.graph import BINARY_KINDS, OP_KINDS

GOOD: dict[str, tuple[dict[str, Any], ...]] = {
    **dict.fromkeys(
        OP_KINDS - BINARY_KINDS,
        ({},),
    ),
    **dict.fromkeys(
        BINARY_KINDS,
        (
            {},
            {"scalar": 2},
            {"scalar": 2.0},
            {"scalar": "seq - 1", "reverse": True},
            {"scalar": math.inf},
            {"scalar": False},
        ),
    ),
    "convolution": (
        {"stride": (2,), "padding": (0,), "dilation": (1,), "groups": 3},
        {"stride": (2, 1), "padding": (0, 3), "dilation": (1, 1), "groups": 1},
    ),
    **dict.fromkeys(("softmax", "cumsum", "cat", "gather"), ({"axis": -1}, {"axis": 7})),
    **dict.fromkeys(("layer_norm", "rms_norm"), ({"epsilon": 1e-5, "normalized_axes": 1},)),
    "gelu": ({"approximate": "none"}, {"approximate": "tanh"}),
    "rotary": ({}, {"interleaved": True}, {"interleaved": False}),
    "mask": ({"fill": -math.inf}, {"fill": -3.4e38}, {"fill": 0}, {"fill": True}),
    "clamp": ({"low": 0}, {"high": 0.5}, {"low": -1, "high": math.inf}),
    **dict.fromkeys(
        ("sum", "mean", "max", "min", "any", "all"),
        ({"axes": (0, -1), "keepdims": True}, {"axes": (), "keepdims": False}),
    ),
    **dict.fromkeys(("argmax", "argmin"), ({"axis": -1, "keepdims": False},)),
    "arange": ({"start": 0, "stop": "seq", "step": 1}, {"start": -0.5, "stop": 4, "step": 0.25}),
    "full": (
        {"shape": ("batch", 1), "value": True},
        {"shape": (), "value": "seq"},
        {"shape": (), "value": -math.inf},
    ),
    **dict.fromkeys(("view", "expand"), ({"shape": ("batch*seq", 4)}, {"shape": ()})),
    "permute": ({"axes": (1, 0)}, {"axes": ()}),
    "slice": (
        {"axis": 1, "start": 0, "stop": "seq", "step": 1},
        {"axis": -1, "start": "seq - 1", "stop": 8, "step": 2},
    ),
    "select": ({"axis": 1, "index": -1},),
    "flip": ({"axes": (-1,)},),
    "pad": ({"padding": ((0, 0), ("seq % 7", 2)), "value": 0.0},),
    "index": ({"axes": (0, 1)},),
}

BAD: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("linear", {"axis": 0}, "axis"),
    ("relu", {"scalar": 1}, "scalar"),
    ("convolution", {"stride": [1], "padding": [0, 0], "dilation": [1], "groups": 1}, "one number"),
    ("convolution", {"stride": [0], "padding": [0], "dilation": [1], "groups": 1}, "stride"),
    (
        "convolution",
        {"stride": [1] * 3, "padding": [0] * 3, "dilation": [1] * 3, "groups": 1},
        "stride",
    ),
    ("softmax", {"axis": 8}, "axis"),
    ("softmax", {"axis": "seq"}, "axis"),
    ("layer_norm", {"epsilon": 0.0, "normalized_axes": 1}, "epsilon"),
    ("rms_norm", {"epsilon": math.inf, "normalized_axes": 1}, "epsilon"),
    ("gelu", {"approximate": "sigmoid"}, "approximate"),
    ("mask", {}, "fill"),
    ("mask", {"fill": "seq"}, "fill"),
    ("mask", {"fill": math.nan}, "NaN"),
    ("clamp", {}, "low, high or both"),
    ("clamp", {"low": None}, "low, high or both"),
    ("add", {"scalar": ""}, "scalar"),
    ("add", {"scalar": math.nan}, "NaN"),
    ("add", {"scalar": [1]}, "scalar"),
    ("add", {"scalar": 1, "reverse": 1}, "reverse"),
    ("sum", {"axes": [0]}, "keepdims"),
    ("sum", {"axes": 0, "keepdims": True}, "axes"),
    ("argmax", {"axes": [0], "keepdims": True}, "axis"),
    ("arange", {"start": 0, "stop": 4}, "step"),
    ("full", {"shape": [0], "value": 1}, "shape"),
    ("full", {"shape": [1]}, "value"),
    ("permute", {"axes": [-1, 0]}, "axes"),
    ("slice", {"axis": 0, "start": -1, "stop": 4, "step": 1}, "start"),
    ("slice", {"axis": 0, "start": 0, "stop": 4, "step": 0}, "step"),
    ("select", {"axis": 0, "index": "seq"}, "index"),
    ("pad", {"padding": [[0, -1]], "value": 0}, "padding"),
    ("pad", {"padding": [0, 1], "value": 0}, "padding"),
    ("index", {"axes": []}, "axes"),
)


def test_every_kind_states_its_attributes_and_is_tried() -> None:
    assert ATTRIBUTES.keys() == OP_KINDS
    assert GOOD.keys() == OP_KINDS


@pytest.mark.parametrize("kind", sorted(OP_KINDS))
def test_attributes_survive_json_with_their_types(kind: str) -> None:
    for attributes in GOOD[kind]:
        text = json.dumps(to_json(attributes), allow_nan=False)
        form = ATTRIBUTES[kind].model_validate(json.loads(text))
        read = form.model_dump(exclude_none=True, exclude_unset=True)
        assert read == attributes
        assert {name: type(value) for name, value in read.items()} == {
            name: type(value) for name, value in attributes.items()
        }


@pytest.mark.parametrize(("kind", "attributes", "named"), BAD)
def test_a_wrong_attribute_is_named(kind: str, attributes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        ATTRIBUTES[kind].model_validate(attributes)
