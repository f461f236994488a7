"""How much of its operands each token of an operation needs.

Which question this module answers: *which tokens of an earlier operation must be done before this
token of this one can start?*

Rules
-----
- What is driven onto word lines, and what a digital unit takes, is needed token by token.
- The stored operand of a dynamic product is needed whole: the product of one vector takes elements
  of every token of it.
- A unit whose rows lie along another axis than the last one, or along several, needs all tokens.
- Movements keep elements together with the token that they came with. Every element is followed,
  so that slices of tokens, joined tokens and heads laid side by side are known exactly. What is
  picked by computed indices, padded, joined with stored constants, or rearranged in a way that only
  a scheme knows, is needed whole.
"""

import math
from collections.abc import Mapping
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from pimsim.mapping.labels import distinct, move_labels
from pimsim.mapping.mapped import Need
from pimsim.mapping.origins import Origin
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.workload.graph import MOVEMENT_KINDS
from pimsim.workload.shapes import resolve_shape

Labels = NDArray[np.int64]

_BUFFER: Final = -1
"""Label of an element that no operation computed."""
_UNFOLLOWED: Final = frozenset({"pad", "gather", "index"})
"""Movements that add elements, or pick them by values."""


def find_needs(
    quantized: QuantizedWorkload,
    dims: Mapping[str, int],
    tokens: Mapping[str, int],
    origins: Mapping[str, tuple[Origin, ...]],
) -> dict[str, tuple[Need, ...]]:
    """Say of every executed operation how much of which others its tokens need.

    Parameters
    ----------
    quantized
        The integer graph, operations in execution order.
    dims
        A number for every symbolic dimension.
    tokens
        Executed operation → its tokens, as in :class:`pimsim.mapping.MappedOp`.
    origins
        From :func:`pimsim.mapping.origins.trace_origins`.

    Returns
    -------
    dict
        Executed operation → what it needs, in the order in which its inputs name it first.
    """
    walk = _Walk(quantized, dims, tokens, origins)
    return {op.name: found for op in quantized.ops if (found := walk.visit(op)) is not None}


@final
class _Walk:
    """Labels of all tensors so far: which token of which operation each element came with."""

    def __init__(
        self,
        quantized: QuantizedWorkload,
        dims: Mapping[str, int],
        tokens: Mapping[str, int],
        origins: Mapping[str, tuple[Origin, ...]],
    ) -> None:
        self._quantized, self._dims = quantized, dims
        self._tokens, self._origins = tokens, origins
        self._labels: dict[str, Labels | None] = {}
        """``None`` where elements could not be followed."""
        self._first: dict[str, int] = {}
        """Label of token 0 of each operation; the others follow."""
        self._next = 0

    def visit(self, op: QuantizedOp) -> tuple[Need, ...] | None:
        """What an executed operation needs; ``None`` of a movement. In execution order."""
        for name in op.inputs:
            if name not in self._labels:
                whole = np.broadcast_to(np.int64(_BUFFER), self._shape(name))
                self._labels[name] = whole
        if op.name not in self._tokens:
            self._labels[op.output] = self._moved(op)
            return None
        needs = self._needs(op)
        count = self._tokens[op.name]
        for output in (op.output, op.shifts):
            if output is not None:
                shape = self._shape(output)
                numbers = _token_numbers(shape, count)
                self._labels[output] = (
                    None if numbers is None else np.broadcast_to(numbers + self._next, shape)
                )
        self._first[op.name] = self._next
        self._next += count
        return needs

    def _shape(self, tensor: str) -> tuple[int, ...]:
        return resolve_shape(self._quantized.tensors[tensor].shape, self._dims)

    def _moved(self, op: QuantizedOp) -> Labels | None:
        """Labels behind a movement or boundary, or ``None``."""
        shape = self._shape(op.output)
        found = [self._labels[name] for name in op.inputs]
        if all(
            origin.producer is None for name in op.inputs for origin in self._origins[name]
        ):  # from the buffer, however it is arranged
            return np.broadcast_to(np.int64(_BUFFER), shape)
        labels = [array for array in found if array is not None]
        if len(labels) < len(found) or op.function in _UNFOLLOWED:
            return None
        if op.kind == "boundary":
            moved: Labels = labels[0]
        elif op.function == "fold":  # (batch, position, channel) back to an image
            moved = labels[0].transpose(0, 2, 1).reshape(shape)
        elif op.function == "view":
            moved = labels[0].reshape(shape)
        elif op.function in MOVEMENT_KINDS:
            try:
                moved = move_labels(op, labels, self._dims)
            except (KeyError, ValueError, IndexError):  # only sizes of this movement are known
                return None
        else:
            return None
        return moved if moved.shape == shape else None

    def _needs(self, op: QuantizedOp) -> tuple[Need, ...]:
        found: dict[str, Need] = {}
        stored = _stored_operands(op)
        for name in op.inputs:
            for producer in dict.fromkeys(origin.producer for origin in self._origins[name]):
                if producer is None:
                    continue
                need = Need(producer, whole=True)
                if name not in stored:
                    need = self._token_by_token(op, name, producer)
                found[producer] = _joined(found.get(producer, need), need)
        return tuple(found.values())

    def _token_by_token(self, op: QuantizedOp, tensor: str, producer: str) -> Need:
        """Which token of ``producer`` each token of ``op`` takes through ``tensor``."""
        labels, count = self._labels[tensor], self._tokens[op.name]
        by_token = None if labels is None else self._by_token(op, labels)
        if by_token is None:
            return Need(producer, whole=True)
        own = by_token - self._first[producer]
        taken = (own >= 0) & (own < self._tokens[producer])
        highest = np.where(taken, own, -1).max(axis=1)
        lowest = np.where(taken, own, self._tokens[producer]).min(axis=1)
        present = np.asarray(taken.any(axis=1))
        if (lowest[present] != highest[present]).any():
            return Need(producer, whole=True)
        if count == self._tokens[producer] and (highest == np.arange(count)).all():
            return Need(producer, whole=False)
        numbers = zip(highest.tolist(), present.tolist(), strict=True)
        return Need(producer, whole=False, tokens=tuple(n if use else None for n, use in numbers))

    def _by_token(self, op: QuantizedOp, labels: Labels) -> Labels | None:
        """Labels as (tokens of the operation, labels of each), or ``None``."""
        count = self._tokens[op.name]
        shape = labels.shape if op.is_product else self._shape(op.output)
        axes = token_axes(shape, count)
        if axes is None or (not op.is_product and not _row_by_row(op, len(shape))):
            return None
        try:
            spread = np.broadcast_to(_beside(labels, shape), shape[:-1] + labels.shape[-1:])
        except ValueError:  # not one element for each element of the output
            return None
        front = np.moveaxis(distinct(spread, keep=axes), axes, range(len(axes)))
        return front.reshape(count, -1)


def _beside(labels: Labels, shape: tuple[int, ...]) -> Labels:
    """Labels of one number per row, such as a token's shift, laid beside all heads of the rows."""
    heads = len(shape) - labels.ndim
    of_rows = labels.ndim > 2 and labels.shape[-1] == 1
    if heads < 1 or not of_rows or (labels.shape[0], labels.shape[-2]) != (shape[0], shape[-2]):
        return labels
    return np.expand_dims(labels, tuple(range(1, 1 + heads)))


def token_axes(shape: tuple[int, ...], count: int) -> tuple[int, ...] | None:
    """Axes of a tensor along which ``count`` tokens lie, in order; ``None`` if there are none.

    Examples
    --------
    Rows of a matrix, vectors of a batch with all heads together, and one vector of all samples:

    >>> token_axes((2, 5, 8), 10), token_axes((2, 3, 5, 8), 10), token_axes((2, 3, 1, 8), 1)
    ((0, 1), (0, 2), (2,))
    """
    last = len(shape) - 2
    candidates = [tuple(range(last + 1))]
    if last > 0:
        candidates += [(0, last), (last,)]
    for axes in candidates:
        if math.prod(shape[axis] for axis in axes) == count:
            return axes
    return None


def _token_numbers(shape: tuple[int, ...], count: int) -> Labels | None:
    """Number of the token of every element, of a shape that broadcasts to ``shape``."""
    axes = token_axes(shape, count)
    if axes is None:
        return None
    return np.arange(count, dtype=np.int64).reshape(
        [size if axis in axes else 1 for axis, size in enumerate(shape)]
    )


def _stored_operands(op: QuantizedOp) -> frozenset[str]:
    """Inputs of a product that are written into cells."""
    if op.kind != "dynamic_product":
        return frozenset()
    shifts = None if op.groups is None else op.groups.stored
    return frozenset(name for name in (op.inputs[1], shifts) if name is not None)


def _row_by_row(op: QuantizedOp, dims: int) -> bool:
    """Whether a unit works along the last axis alone."""
    axes = op.attributes.get("normalized_axes", 1) if op.function == "layer_norm" else 1
    return axes == 1 and op.attributes.get("axis", -1) in (-1, dims - 1)


def _joined(one: Need, other: Need) -> Need:
    """What is needed through either of two operands."""
    return one if one == other else Need(one.op, whole=True)
