"""What each ATen operation becomes in a workload.

Which question this module answers: *which PyTorch operations can be traced, and to what?*

A lowering is a function of the node and the :class:`~pimsim.workload.trace_torch.emitter.Emitter`;
:data:`LOWERINGS` holds ours by ATen name with overload, ``aten.linear.default``. A plug-in adds one
under a new name in the entry-point group ``pimsim.lowerings``. A lowering that meets a case it does
not cover raises; none drops anything that would change a value.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch.fx import Node

from pimsim.registry import Registry
from pimsim.workload.trace_torch.emitter import Emitter, unsupported

Lowering = Callable[[Node, Emitter], None]

LOWERINGS: Final[Registry[Lowering]] = Registry("lowering", "pimsim.lowerings")
"""Lowerings by ATen name with overload."""


def _register(*names: str) -> Callable[[Lowering], Lowering]:
    def decorate(lowering: Lowering) -> Lowering:
        for name in names:
            LOWERINGS.register(name)(lowering)
        return lowering

    return decorate


def _arguments(node: Node) -> Mapping[str, Any]:
    """Arguments by the name in the operation's schema, defaults filled in."""
    operation: Any = node.target
    schema = operation._schema  # noqa: SLF001  torch has no public accessor
    values = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    values |= {a.name: value for a, value in zip(schema.arguments, node.args, strict=False)}
    return {**values, **node.kwargs}


def _rank(node: Node) -> int:
    rank: int = node.meta["val"].dim()
    return rank


@_register("aten.linear.default")
def _linear(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, "linear", [operand for operand in node.args if operand is not None])


@_register("aten.matmul.default", "aten.bmm.default")
def _matmul(node: Node, emitter: Emitter) -> None:
    if any(_rank(operand) < 2 for operand in node.args if isinstance(operand, Node)):
        raise unsupported(node, "a product with a vector; unsqueeze it to a matrix")
    emitter.emit(node, "matmul", node.args)


@_register("aten.convolution.default")
def _convolution(node: Node, emitter: Emitter) -> None:
    given = _arguments(node)
    if given["transposed"] or _rank(node) != 4:
        raise unsupported(node, "only 2-D convolutions that are not transposed are lowered")
    operands = [given[name] for name in ("input", "weight", "bias") if given[name] is not None]
    attributes: dict[str, Any] = {
        name: _pair(given[name]) for name in ("stride", "padding", "dilation")
    }
    emitter.emit(node, "convolution", operands, {**attributes, "groups": given["groups"]})


def _pair(values: Sequence[int]) -> tuple[int, int]:
    """One number stands for both axes."""
    return (values[0], values[-1])


@_register("aten.softmax.int")
def _softmax(node: Node, emitter: Emitter) -> None:
    given = _arguments(node)
    if given["dtype"] not in (None, given["self"].meta["val"].dtype):
        raise unsupported(node, f"softmax in another element type, {given['dtype']}")
    emitter.emit(node, "softmax", [given["self"]], {"axis": given["dim"]})


@_register("aten.layer_norm.default")
def _layer_norm(node: Node, emitter: Emitter) -> None:
    given = _arguments(node)
    if given["weight"] is None or given["bias"] is None:
        raise unsupported(node, "layer norm without gain and bias; use elementwise_affine and bias")
    emitter.emit(
        node,
        "layer_norm",
        [given["input"], given["weight"], given["bias"]],
        {"epsilon": given["eps"], "normalized_axes": len(given["normalized_shape"])},
    )


@_register("aten.gelu.default")
def _gelu(node: Node, emitter: Emitter) -> None:
    given = _arguments(node)
    emitter.emit(node, "gelu", [given["self"]], {"approximate": given["approximate"]})


@_register("aten.add.Tensor", "aten.mul.Tensor", "aten.add.Scalar", "aten.mul.Scalar")
def _elementwise(node: Node, emitter: Emitter) -> None:
    given = _arguments(node)
    if given.get("alpha", 1) != 1:
        raise unsupported(node, f"addition with alpha = {given['alpha']}")
    kind = "add" if "aten.add" in str(node.target) else "mul"
    first, second = given["self"], given["other"]
    if isinstance(second, (int, float)) and not isinstance(second, bool):
        emitter.emit(node, kind, [first], {"scalar": second})
    else:
        emitter.emit(node, kind, [first, second])


@_register(
    "aten.view.default",
    "aten._unsafe_view.default",
    "aten.reshape.default",
    "aten.unsqueeze.default",
    "aten.squeeze.dim",
    "aten.squeeze.dims",
)
def _view(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, "view", node.args[:1], {"shape": emitter.shape(node)})


@_register("aten.permute.default")
def _permute(node: Node, emitter: Emitter) -> None:
    axes = tuple(axis % _rank(node) for axis in _arguments(node)["dims"])
    emitter.emit(node, "permute", node.args[:1], {"axes": axes})


@_register("aten.transpose.int")
def _transpose(node: Node, emitter: Emitter) -> None:
    given, rank = _arguments(node), _rank(node)
    axes = list(range(rank))
    first, second = given["dim0"] % rank, given["dim1"] % rank
    axes[first], axes[second] = axes[second], axes[first]
    emitter.emit(node, "permute", node.args[:1], {"axes": tuple(axes)})


@_register("aten.expand.default")
def _expand(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, "expand", node.args[:1], {"shape": emitter.shape(node)})


@_register("aten.slice.Tensor")
def _slice(node: Node, emitter: Emitter) -> None:
    given, rank = _arguments(node), _rank(node)
    axis = given["dim"] % rank
    length = emitter.size(given["self"].meta["val"].shape[axis], node)
    start, stop = given["start"] or 0, given["end"]
    if not isinstance(start, int):
        raise unsupported(node, f"slice that starts at {start}; only constant starts are lowered")
    if isinstance(length, int):
        start, stop, _ = slice(start, stop).indices(length)
    elif start < 0:
        raise unsupported(node, f"slice from {start} of an axis of dynamic length {length}")
    elif stop is None or stop == torch.iinfo(torch.int64).max:
        stop = length
    elif isinstance(stop, int) and stop < 0:
        stop = f"({length} - {-stop})"
    else:
        stop = emitter.size(stop, node)
    bounds = {"start": start, "stop": stop, "step": given["step"]}
    emitter.emit(node, "slice", [given["self"]], {"axis": axis, **bounds})


@_register("aten.select.int")
def _select(node: Node, emitter: Emitter) -> None:
    given = _arguments(node)
    axis = given["dim"] % (_rank(node) + 1)
    if not isinstance(given["index"], int):
        raise unsupported(node, "selection by a computed index")
    emitter.emit(node, "select", [given["self"]], {"axis": axis, "index": given["index"]})


@_register("aten.cat.default")
def _cat(node: Node, emitter: Emitter) -> None:
    given = _arguments(node)
    emitter.emit(node, "cat", given["tensors"], {"axis": given["dim"] % _rank(node)})


@_register(
    "aten.clone.default",
    "aten.contiguous.default",
    "aten.alias.default",
    "aten.detach.default",
)
def _alias(node: Node, emitter: Emitter) -> None:
    emitter.alias(node, node.args[0])


@_register("aten.dropout.default")
def _dropout(node: Node, emitter: Emitter) -> None:
    given = _arguments(node)
    if given["train"] and given["p"] > 0:
        raise unsupported(node, "dropout while training; call model.eval() before tracing")
    emitter.alias(node, given["input"])


@_register("aten._assert_tensor_metadata.default")
def _nothing(node: Node, emitter: Emitter) -> None:
    """A check that torch.export put in; it computes nothing."""
