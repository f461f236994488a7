"""Lower look-ups: embeddings, gathers and index arrays.

Which question this module answers: *which entries does an index pick?*
"""

from collections.abc import Sequence

from torch.fx import Node

from pimsim.workload.trace_torch.emitter import Emitter, Operand
from pimsim.workload.trace_torch.lowerings.table import arguments, is_boolean, rank, register
from pimsim.workload.trace_torch.places import unsupported


@register("embedding.default")
def _embedding(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    emitter.emit(node, "embedding", [given["indices"], given["weight"]])


@register("gather.default")
def _gather(node: Node, emitter: Emitter) -> None:
    """PyTorch lets the index be shorter along the other axes: cut the source to it."""
    given = arguments(node)
    axis = given["dim"] % rank(node)
    x: Operand = given["self"]
    wanted = emitter.shape(node)
    for other, size in enumerate(wanted):
        shape = list(emitter.shape(x))
        if other == axis or shape[other] == size:
            continue
        shape[other] = size
        bounds = {"axis": other, "start": 0, "stop": size, "step": 1}
        x = emitter.step(node, "slice", [x], bounds, shape=shape)
    emitter.emit(node, "gather", [x, given["index"]], {"axis": axis})


@register("index.Tensor", "_unsafe_index.Tensor")
def _index(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    picks = {axis: index for axis, index in enumerate(given["indices"]) if index is not None}
    if any(is_boolean(index) for index in picks.values()):
        raise unsupported(node, "a mask as an index: how many entries it picks depends on values")
    x: Operand = given["self"]
    axes = tuple(picks)
    if axes != tuple(range(axes[0], axes[0] + len(axes))):
        x = _moved_to_front(node, emitter, given["self"], axes)
        axes = tuple(range(len(axes)))  # PyTorch too puts axes that are apart in front
    emitter.emit(node, "index", [x, *picks.values()], {"axes": axes})


def _moved_to_front(node: Node, emitter: Emitter, x: Node, axes: Sequence[int]) -> Operand:
    order = (*axes, *(axis for axis in range(rank(x)) if axis not in axes))
    shape = emitter.shape(x)
    return emitter.step(
        node, "permute", [x], {"axes": order}, shape=[shape[axis] for axis in order]
    )
