"""The attention layers of a traced graph, and which channel of one matrix meets which of another.

Which question this module answers: *which channel of the values does an input of the output
projection come from, which of the keys does a channel of the queries multiply, and to which head
does it belong?*

Between the projections lie views and permutations that a model may write in many ways. Labels of
channels and heads are moved through them as the elements would be, at sizes that merely serve to
tell axes apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.quantization.encodings import constant_factor, consumers
from pimsim.workload.graph import MOVEMENT_KINDS, Op, Workload
from pimsim.workload.reference import apply_movement
from pimsim.workload.shapes import resolve_shape

_PROBE_SIZE = 3
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Attention:
    """One attention layer: softmax between two products of computed operands."""

    logits: Op
    softmax: Op
    context: Op
    output: Op | None
    """Projection of the context; ``None`` if something else takes it."""
    heads: Labels | None
    """Head of each input channel of the output projection."""
    value: Op | None
    """Linear layer that makes the values, if nothing else takes them."""
    value_channels: Labels | None
    """Channel of the values behind each input channel of the output projection, each once."""
    context_channels: Labels | None
    """The same for the elements of the context, (heads, 1, channels of a head)."""
    query: Op | None
    key: Op | None
    paired: tuple[Labels, Labels] | None
    """Channels of queries and keys that are multiplied with each other, each once."""


def attentions(workload: Workload) -> tuple[Attention, ...]:
    """Find the attention layers of a graph, in order.

    Parameters
    ----------
    workload
        The traced graph; needs no weights.
    """
    return _Paths(workload).attentions()


def probe_dims(workload: Workload) -> dict[str, int]:
    """A small number for every symbolic dimension."""
    return {name: min(high, max(low, _PROBE_SIZE)) for name, (low, high) in workload.dims.items()}


class _Paths:
    """Walks between projections and products."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.readers = consumers(workload)
        self.producers = {op.output: op for op in workload.ops}
        self.dims = probe_dims(workload)

    def attentions(self) -> tuple[Attention, ...]:
        found = []
        for op in self.workload.ops:
            if op.kind != "matmul":
                continue
            _, softmax = self._source(op.inputs[0])
            if softmax is None or softmax.kind != "softmax":
                continue
            _, logits = self._source(softmax.inputs[0])
            if logits is not None and logits.kind == "matmul":
                found.append(self._attention(logits, softmax, op))
        return tuple(found)

    def _attention(self, logits: Op, softmax: Op, context: Op) -> Attention:
        output, moves = self._taker(context.output)
        heads, channels, value, seen = None, None, None, None
        if output is not None:
            heads = self._of_row(self._moved(moves, self._instances(context)))
            value, seen = self._made(context.inputs[1])
            if seen is not None:
                seen = seen[0, ..., :1, :]
                labels = np.broadcast_to(seen, self._shape(context.output))
                channels = _each_once(self._of_row(self._moved(moves, labels)))
        query, asked = self._made(logits.inputs[0])
        key, held = self._made(logits.inputs[1])
        pairs = None
        if asked is not None and held is not None:
            by_query, by_key = asked[0, ..., 0, :], held[0, ..., :, 0]
            if by_query.shape == by_key.shape:
                first, second = _each_once(by_query.ravel()), _each_once(by_key.ravel())
                pairs = None if first is None or second is None else (first, second)
        return Attention(
            logits=logits, softmax=softmax, context=context, output=output, heads=heads,
            value=None if channels is None else value, value_channels=channels,
            context_channels=None if channels is None else seen,
            query=None if pairs is None else query, key=None if pairs is None else key,
            paired=pairs,
        )  # fmt: skip

    def _source(self, tensor: str) -> tuple[list[Op], Op | None]:
        """What computed a tensor, movement, masks and constant factors apart; the path to it."""
        moves: list[Op] = []
        op = self.producers.get(tensor)
        while op is not None and _passes(op):
            moves.insert(0, op)
            op = self.producers.get(op.inputs[0])
        return moves, op

    def _taker(self, tensor: str) -> tuple[Op | None, list[Op]]:
        """The linear layer that alone takes a tensor, and the path to it."""
        moves: list[Op] = []
        while True:
            readers = self.readers.get(tensor, [])
            if len(readers) != 1 or tensor in self.workload.outputs:
                return None, moves
            op = readers[0]
            if op.kind == "linear" and op.inputs[0] == tensor:
                return op, moves
            if not _passes(op) or op.inputs[0] != tensor:
                return None, moves
            moves.append(op)
            tensor = op.output

    def _made(self, tensor: str) -> tuple[Op | None, Labels | None]:
        """The linear layer that makes an operand for one product alone, and its channels there."""
        moves, op = self._source(tensor)
        if op is None or op.kind != "linear":
            return None, None
        steps = [op.output, *(move.output for move in moves)]
        if any(len(self.readers[name]) != 1 or name in self.workload.outputs for name in steps):
            return None, None
        shape = self._shape(op.output)
        return op, self._moved(moves, np.broadcast_to(np.arange(shape[-1]), shape))

    def _instances(self, context: Op) -> Labels:
        """Heads as labels of the elements of a context."""
        shape = self._shape(context.output)
        count = int(np.prod(shape[1:-2]))
        labels = np.arange(count).reshape(1, *shape[1:-2], 1, 1)
        return np.broadcast_to(labels, shape)

    def _moved(self, moves: Sequence[Op], labels: Labels) -> Labels:
        return move_labels(moves, labels, self.dims)

    def _of_row(self, labels: Labels) -> Labels | None:
        """Labels of a row, if they are the same in all of them."""
        rows = labels.reshape(-1, labels.shape[-1])
        return rows[0] if bool((rows == rows[0]).all()) else None

    def _shape(self, tensor: str) -> tuple[int, ...]:
        return resolve_shape(self.workload.tensors[tensor].shape, self.dims)


def move_labels(moves: Sequence[Op], labels: NDArray[Any], dims: Mapping[str, int]) -> NDArray[Any]:
    """Move an array as the elements of a tensor are moved; factors and masks move nothing."""
    for op in moves:
        if op.kind in MOVEMENT_KINDS:
            labels = apply_movement(op, [labels], dims)
    return labels


def _passes(op: Op) -> bool:
    """Whether an operation of one computed operand leaves its elements what they were."""
    moved = op.kind in MOVEMENT_KINDS and len(op.inputs) == 1
    return moved or op.kind == "mask" or constant_factor(op) is not None


def _each_once(channels: Labels | None) -> Labels | None:
    """Channels of which each occurs once and none is missing; else nothing."""
    if channels is None or not np.array_equal(np.sort(channels), np.arange(channels.size)):
        return None
    return channels
