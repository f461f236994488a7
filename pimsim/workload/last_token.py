"""What the last token of a tensor takes of the tensors before it.

Which question this module answers: *to compute this operation for the newest token alone, which
operands are needed for that token, and which for all tokens?*

A :class:`Last` names the token axis of a tensor: an axis whose length is the sequence dimension
times a constant. Operations that work on every token alone (element-wise, linear, normalization,
view, permute) pass it on to their operands; a product of two computed operands passes it to one of
them and needs the other whole. :func:`operands_for_last` answers ``None`` where an operation mixes
the tokens themselves, as a running sum does: then it is computed for all tokens, and the last one
is cut out.

Which axis a ``view`` moves the tokens to follows from the number of elements before them, which no
view changes; sizes are compared at two settings of the dimensions, large primes for the sequence,
so that a fixed size is never taken for one that grows with it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from pimsim.workload.dimensions import substitute
from pimsim.workload.graph import BINARY_KINDS, UNARY_KINDS, Op, TensorSpec, Workload
from pimsim.workload.shapes import Size, SizeTable, resolve

_SEQUENCES: Final = (1009, 2003)
_BATCHES: Final = (3, 5)

Counts = tuple[int, ...]
"""One number per setting of the dimensions."""


@dataclass(frozen=True, slots=True)
class Last:
    """Only the last token of a tensor is wanted."""

    axis: int
    """Axis that the tokens lie along."""
    outer: Counts
    """Entries of the axis for each token of one sequence before it: 1, or the batch in (batch *
    seq, width)."""


Need = Last | None
"""What is wanted of a tensor: its last token, or, ``None``, all of it."""


@dataclass(frozen=True, slots=True)
class Passed:
    """How an operation is computed for the last token alone."""

    needs: tuple[Need, ...]
    """Of each operand."""
    attributes: Mapping[str, Any]
    """Of the operation, for one token."""


@final
class TokenShapes:
    """Shapes of a workload at two settings of its dimensions, and where the tokens are in them."""

    def __init__(self, workload: Workload, sequence: str) -> None:
        self.sequence = sequence
        self.tensors: Mapping[str, TensorSpec] = workload.tensors
        self._settings = [
            SizeTable({**dict.fromkeys(workload.dims, batch), sequence: length})
            for batch, length in zip(_BATCHES, _SEQUENCES, strict=True)
        ]
        self._single = [SizeTable({**table, sequence: 1}) for table in self._settings]

    def size(self, size: Size) -> Counts:
        """One size at every setting."""
        return tuple(resolve(size, table, minimum=0) for table in self._settings)

    def before(self, tensor: str, axis: int) -> Counts:
        """Product of the sizes in front of an axis."""
        columns = [self.size(size) for size in self.tensors[tensor].shape[:axis]]
        return tuple(
            math.prod(column[index] for column in columns) for index in range(len(_SEQUENCES))
        )

    def holds_tokens(self, size: Size) -> bool:
        """Whether an axis of this size has a constant number of entries per token."""
        if isinstance(size, int) or self.sequence not in size:
            return False
        single = [resolve(size, table, minimum=0) for table in self._single]
        return self.size(size) == tuple(
            one * length for one, length in zip(single, _SEQUENCES, strict=True)
        )

    def token_axes(self, tensor: str) -> list[int]:
        """Axes of a tensor that are the sequence dimension itself."""
        shape = self.tensors[tensor].shape
        return [
            axis
            for axis, size in enumerate(shape)
            if isinstance(size, str) and self.size(size) == _SEQUENCES
        ]

    def plain(self, axis: int) -> Last:
        """The last token along an axis that is the sequence dimension itself."""
        return Last(axis, (1,) * len(_SEQUENCES))

    def restricted(self, tensor: str, need: Need) -> tuple[Size, ...]:
        """Shape of a tensor of which only this is wanted."""
        shape = self.tensors[tensor].shape
        if need is None:
            return shape
        one = substitute(shape[need.axis], {self.sequence: 1})
        return (*shape[: need.axis], one, *shape[need.axis + 1 :])

    def through_view(self, source: str, output: str, need: Last) -> Last | None:
        """Where the tokens lie in the operand of a view; ``None`` if they lie across axes."""
        before = self.before(output, need.axis)
        place = tuple(a * b for a, b in zip(before, need.outer, strict=True))
        for axis, size in enumerate(self.tensors[source].shape):
            lead, lengths = self.before(source, axis), self.size(size)
            if self.holds_tokens(size) and all(
                p % c == 0 and (c * n) % (p * s) == 0
                for p, c, n, s in zip(place, lead, lengths, _SEQUENCES, strict=True)
            ):
                return Last(axis, tuple(p // c for p, c in zip(place, lead, strict=True)))
        return None


def operands_for_last(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    """What an operation needs of its operands to yield its last token.

    Parameters
    ----------
    op
        An operation of the traced graph.
    need
        The last token of its output.
    shapes
        Of the graph that it belongs to.

    Returns
    -------
    Passed or None
        ``None`` if the operation cannot be computed for one token alone.
    """
    return _RULES[op.kind](op, need, shapes) if op.kind in _RULES else None


def _aligned(op: Op, operands: Sequence[str], need: Last, shapes: TokenShapes) -> list[Need] | None:
    """Needs of operands that are broadcast against each other to the output's shape."""
    rank = len(shapes.tensors[op.output].shape)
    found: list[Need] = []
    for name in operands:
        shape = shapes.tensors[name].shape
        axis = need.axis - (rank - len(shape))
        if axis < 0 or shape[axis] == 1:
            found.append(None)
        elif shapes.holds_tokens(shape[axis]):
            found.append(Last(axis, need.outer))
        else:
            return None
    return found


def _elementwise(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    needs = _aligned(op, op.inputs, need, shapes)
    return None if needs is None else Passed(tuple(needs), op.attributes)


def _reshaped(op: Op, needs: Sequence[Need], need: Last, shapes: TokenShapes) -> Passed:
    """An operation whose attribute ``shape`` is the shape of its output."""
    shape = shapes.restricted(op.output, need)
    return Passed(tuple(needs), {**op.attributes, "shape": shape})


def _expand(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    needs = _aligned(op, op.inputs, need, shapes)
    return None if needs is None else _reshaped(op, needs, need, shapes)


def _view(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    source = shapes.through_view(op.inputs[0], op.output, need)
    return None if source is None else _reshaped(op, [source], need, shapes)


def _full(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    return _reshaped(op, [], need, shapes)


def _arange(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    """The last number: ``start + (count - 1) * step``."""
    start, stop, step = (op.attributes[name] for name in ("start", "stop", "step"))
    if isinstance(start, float) or isinstance(stop, float) or not isinstance(step, int) or step < 1:
        return None
    last = f"{start} + ({stop} - ({start}) - 1) // {step} * {step}"
    return Passed((), {**op.attributes, "start": last, "stop": f"{last} + {step}"})


def _along(axis_name: str) -> Callable[[Op, Last, TokenShapes], Passed | None]:
    """A function of rows along one axis: tokens must lie along another."""

    def rule(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
        rank = len(shapes.tensors[op.output].shape)
        if op.attributes[axis_name] % rank == need.axis:
            return None
        return _elementwise(op, need, shapes)

    return rule


def _normalization(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    rank = len(shapes.tensors[op.output].shape)
    if need.axis >= rank - op.attributes["normalized_axes"]:
        return None
    return Passed((need, *(None,) * (len(op.inputs) - 1)), op.attributes)


def _linear(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    if need.axis == len(shapes.tensors[op.output].shape) - 1:
        return None
    return Passed((need, *(None,) * (len(op.inputs) - 1)), op.attributes)


def _matmul(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    rank = len(shapes.tensors[op.output].shape)
    ranks = [len(shapes.tensors[name].shape) for name in op.inputs]
    if need.axis == rank - 2:
        return Passed((Last(ranks[0] - 2, need.outer), None), op.attributes)
    if need.axis == rank - 1:
        return Passed((None, Last(ranks[1] - 1, need.outer)), op.attributes)
    return _elementwise(op, need, shapes)


def _permute(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    return Passed((Last(op.attributes["axes"][need.axis], need.outer),), op.attributes)


def _slice(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    source = op.inputs[0]
    size = shapes.tensors[source].shape
    axis, stop = op.attributes["axis"] % len(size), op.attributes["stop"]
    if axis != need.axis:
        return _elementwise(op, need, shapes)
    if op.attributes["step"] != 1:
        return None
    if shapes.holds_tokens(size[axis]) and shapes.size(stop) == shapes.size(size[axis]):
        one = shapes.restricted(source, need)[axis]
        return Passed((need,), {**op.attributes, "start": 0, "stop": one})
    return Passed((None,), {**op.attributes, "start": f"{stop} - 1"})


def _select(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    rank = len(shapes.tensors[op.inputs[0]].shape)
    axis = need.axis if need.axis < op.attributes["axis"] % rank else need.axis + 1
    return Passed((Last(axis, need.outer),), op.attributes)


def _cat(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    if op.attributes["axis"] % len(shapes.tensors[op.output].shape) == need.axis:
        return None
    return Passed((need,) * len(op.inputs), op.attributes)


def _flip(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    rank = len(shapes.tensors[op.output].shape)
    if need.axis in [axis % rank for axis in op.attributes["axes"]]:
        return None
    return Passed((need,), op.attributes)


def _pad(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    if tuple(op.attributes["padding"][need.axis]) != (0, 0):
        return None
    return Passed((need,), op.attributes)


def _gather(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    if op.attributes["axis"] % len(shapes.tensors[op.output].shape) == need.axis:
        return Passed((None, need), op.attributes)
    return _elementwise(op, need, shapes)


def _index(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    ranks = [len(shapes.tensors[name].shape) for name in op.inputs]
    first, picked = min(axis % ranks[0] for axis in op.attributes["axes"]), max(ranks[1:])
    if need.axis < first or need.axis >= first + picked:
        shift = 0 if need.axis < first else len(op.attributes["axes"]) - picked
        whole: tuple[Need, ...] = (None,) * (len(op.inputs) - 1)
        return Passed((Last(need.axis + shift, need.outer), *whole), op.attributes)
    needs: list[Need] = [None]
    for name, rank in zip(op.inputs[1:], ranks[1:], strict=True):
        axis = need.axis - first - (picked - rank)
        size = shapes.tensors[name].shape[axis] if axis >= 0 else 1
        if size != 1 and not shapes.holds_tokens(size):
            return None
        needs.append(None if size == 1 else Last(axis, need.outer))
    return Passed(tuple(needs), op.attributes)


def _embedding(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    if need.axis >= len(shapes.tensors[op.inputs[0]].shape):
        return None
    return Passed((need, None), op.attributes)


def _reduction(op: Op, need: Last, shapes: TokenShapes) -> Passed | None:
    rank = len(shapes.tensors[op.inputs[0]].shape)
    axes = op.attributes["axes"] if "axes" in op.attributes else (op.attributes["axis"],)
    reduced = {axis % rank for axis in axes}
    if op.attributes.get("keepdims", False):
        if need.axis in reduced:
            return None
        return Passed((need,), op.attributes)
    kept = [axis for axis in range(rank) if axis not in reduced]
    return Passed((Last(kept[need.axis], need.outer),), op.attributes)


_RULES: Final[Mapping[str, Callable[[Op, Last, TokenShapes], Passed | None]]] = {
    **dict.fromkeys(BINARY_KINDS | UNARY_KINDS, _elementwise),
    **dict.fromkeys(("gelu", "relu", "silu", "sigmoid", "tanh", "mask", "where"), _elementwise),
    **dict.fromkeys(("sum", "mean", "max", "min", "any", "all", "argmax", "argmin"), _reduction),
    **dict.fromkeys(("softmax", "cumsum"), _along("axis")),
    **dict.fromkeys(("layer_norm", "rms_norm"), _normalization),
    "rotary": _elementwise,
    "linear": _linear,
    "matmul": _matmul,
    "embedding": _embedding,
    "arange": _arange,
    "full": _full,
    "view": _view,
    "expand": _expand,
    "permute": _permute,
    "slice": _slice,
    "select": _select,
    "cat": _cat,
    "flip": _flip,
    "pad": _pad,
    "gather": _gather,
    "index": _index,
}
"""One rule per kind; a convolution mixes tokens, or has none."""
