"""Lower the functions of a row or an element that a workload keeps whole.

Which question this module answers: *which operations have a unit of their own on a chip?*
"""

from typing import Any

import numpy as np
import torch
from torch.fx import Node

from pimsim.workload.trace_torch.emitter import Emitter, Operand
from pimsim.workload.trace_torch.lowerings.table import arguments, is_tensor, number, register
from pimsim.workload.trace_torch.places import unsupported


@register("softmax.int", "_softmax.default")
def _softmax(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    emitter.emit(node, "softmax", [given["self"]], {"axis": given["dim"]})


@register("layer_norm.default")
def _layer_norm(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    gain, bias = _gain(node, emitter), given["bias"]
    if bias is None:
        bias = emitter.constant(node, "bias", np.zeros(given["normalized_shape"], np.float32))
    attributes = {"epsilon": given["eps"], "normalized_axes": len(given["normalized_shape"])}
    emitter.emit(node, "layer_norm", [given["input"], gain, bias], attributes)


@register("rms_norm.default")
def _rms_norm(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    epsilon = given["eps"]
    if epsilon is None:  # PyTorch's documented default: that of the element type
        epsilon = torch.finfo(given["input"].meta["val"].dtype).eps
    attributes = {"epsilon": epsilon, "normalized_axes": len(given["normalized_shape"])}
    emitter.emit(node, "rms_norm", [given["input"], _gain(node, emitter)], attributes)


def _gain(node: Node, emitter: Emitter) -> Operand:
    given = arguments(node)
    if isinstance(given["weight"], Node):
        return given["weight"]
    return emitter.constant(node, "gain", np.ones(given["normalized_shape"], np.float32))


@register("gelu.default")
def _gelu(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    emitter.emit(node, "gelu", [given["self"]], {"approximate": given["approximate"]})


@register("relu.default", "silu.default", "sigmoid.default", "tanh.default")
def _activation(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, str(node.target).split(".")[1], node.args[:1])


@register("clamp.default", "hardtanh.default")
def _clamp(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    low, high = (given["min"], given["max"]) if "min" in given else _hardtanh_bounds(given)
    bounds: dict[str, Any] = {"low": low, "high": high}
    emitter.emit(
        node,
        "clamp",
        [given["self"]],
        {name: number(value, node, emitter) for name, value in bounds.items() if value is not None},
    )


def _hardtanh_bounds(given: Any) -> tuple[float, float]:
    return given["min_val"], given["max_val"]


@register("clamp.Tensor")
def _clamp_between(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    bounds = [
        (kind, given[name])
        for kind, name in (("maximum", "min"), ("minimum", "max"))
        if is_tensor(given[name])
    ]
    x: Operand = given["self"]
    for kind, bound in bounds[:-1]:
        x = emitter.step(node, kind, [x, bound])
    kind, bound = bounds[-1]
    emitter.emit(node, kind, [x, bound])


@register("dropout.default", "native_dropout.default")
def _dropout(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    if given["train"] and given["p"] > 0:
        raise unsupported(
            node,
            "dropout while training; call model.eval() before tracing, and pass "
            "training=self.training to torch.nn.functional.dropout",
        )
    emitter.alias(node, given["input"])


@register(
    "_assert_tensor_metadata.default",
    "_assert_scalar.default",
    "_assert_async.msg",
    "sym_constrain_range_for_size.default",
    "sym_constrain_range.default",
)
def _nothing(node: Node, emitter: Emitter) -> None:
    """A check that torch.export put in; it computes nothing."""
