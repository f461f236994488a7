"""Lower tensors that come from nothing: ranges and constants.

Which question this module answers: *which numbers does the graph make up by itself?*
"""

from torch.fx import Node

from pimsim.workload.trace_torch.emitter import Emitter
from pimsim.workload.trace_torch.lowerings.table import arguments, number, register


@register("arange.start_step")
def _arange(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    bounds = {"start": given["start"], "stop": given["end"], "step": given["step"]}
    attributes = {name: number(value, node, emitter) for name, value in bounds.items()}
    emitter.emit(node, "arange", [], attributes)


@register("full.default", "full_like.default")
def _full(node: Node, emitter: Emitter) -> None:
    _constant(node, emitter, arguments(node)["fill_value"])


@register("scalar_tensor.default")
def _scalar(node: Node, emitter: Emitter) -> None:
    _constant(node, emitter, arguments(node)["s"])


@register("empty.memory_format", "empty_permuted.default", "empty_strided.default")
def _empty(node: Node, emitter: Emitter) -> None:
    """Memory with any content: zeros are as good as any."""
    _constant(node, emitter, 0)


def _constant(node: Node, emitter: Emitter, value: object) -> None:
    known = number(value, node, emitter)
    if not isinstance(known, str):
        dtype = emitter.dtype(node)
        convert = {"bool": bool, "float32": float}.get(dtype, int)
        known = convert(known)
    emitter.emit(node, "full", [], {"shape": emitter.shape(node), "value": known})
