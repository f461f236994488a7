"""The residual stream of a transformer, and where a tensor that a product makes goes.

Which question this module answers: *which tensors are sums that share one 16-bit scale, and which
products are branches that enter them, keys and values, or queries?*
"""

from collections.abc import Mapping
from typing import Final, Literal

from pimsim.errors import QuantizationError
from pimsim.quantization.encodings import (
    data_operands,
    feeds_only_products,
    final_readers,
    operand_places,
    without_activations,
)
from pimsim.workload.graph import MOVEMENT_KINDS, Op, Workload

Destination = Literal["stored", "rows", "static"]
"""``stored``: keys and values; ``rows``: the operand of a product or a branch, with a shift per
row; ``static``: anything else, on a scale of its own."""
_STREAM_KINDS: Final = frozenset({"add", "layer_norm", "embedding"})
"""Operations whose results stay in the residual stream when they are added to something."""


def destination(workload: Workload, readers: Mapping[str, list[Op]], op: Op) -> Destination:
    """Say what becomes of the output of a static product.

    Raises
    ------
    QuantizationError
        If some of it is driven on word lines and some written into cells.
    """
    if is_embedding(workload, op):
        return "static"
    found = final_readers(workload, readers, op.output)
    if feeds_only_products(found):
        places = {min(place, 1) for _, place in operand_places(workload, readers, op.output)}
        if len(places) > 1:
            raise QuantizationError(
                "one matrix makes both queries and keys or values, which have different codes "
                "here; split it into one linear layer each"
            )
        return "stored" if places == {1} else "rows"
    if found and all(reader is not None and reader.kind == "add" for reader, _ in found):
        return "rows"
    return "static"


def is_embedding(workload: Workload, op: Op) -> bool:
    """Whether a product takes an input of the graph: it is driven by nothing that was computed."""
    if op.kind not in ("linear", "convolution"):
        return False
    producers = {made.output: made for made in workload.ops}
    tensor = op.inputs[0]
    while tensor in producers and producers[tensor].kind in MOVEMENT_KINDS:
        tensor = producers[tensor].inputs[0]
    return tensor in workload.inputs


def depends_on_inputs(workload: Workload, tensor: str) -> bool:
    """Whether anything that the graph is given enters a tensor."""
    reached = set(workload.inputs)
    for op in workload.ops:
        if not reached.isdisjoint(op.inputs):
            reached.add(op.output)
    return tensor in reached


def joined_streams(
    workload: Workload, connected: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Every computed tensor → all that share its encoding, residual streams joined.

    Parameters
    ----------
    workload
        The traced graph.
    connected
        Tensors that movement links (:func:`pimsim.quantization.encodings.connected_by_movement`).

    Notes
    -----
    A sum and those of its operands that are sums, normalized sums, embeddings or inputs have one
    scale; the other operands are branches and come to it.
    """
    host, constants = without_activations(workload)
    makers = {op.output: op for op in workload.ops if op.kind not in MOVEMENT_KINDS}
    groups = {name: set(members) for name, members in connected.items()}

    def stays(tensor: str) -> bool:
        if tensor in host or tensor in constants or tensor not in groups:
            return False
        made = [makers[name] for name in connected[tensor] if name in makers]
        return all(op.kind in _STREAM_KINDS or is_embedding(workload, op) for op in made)

    for op in workload.ops:
        if op.kind != "add" or op.output in host or op.output in constants:
            continue
        for tensor in data_operands(op):
            if stays(tensor) and groups[tensor] is not groups[op.output]:
                merged = groups[tensor] | groups[op.output]
                groups.update(dict.fromkeys(merged, merged))
    return {name: tuple(sorted(members)) for name, members in groups.items()}
