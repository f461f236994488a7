"""The traced transformer as plain data: tensors, operations, dimensions.

Which question this module answers: *what does the network compute, in which order, on what shapes?*

A :class:`Workload` is what ``torch.export`` saw, lowered to a closed set of operation kinds
(:data:`OP_KINDS`), with names taken from the module path of the model. It holds no PyTorch object
and is read back from a folder by :mod:`pimsim.workload.files`.

Conventions of the operation kinds
----------------------------------
Products
    ``linear``: inputs ``(x, weight[, bias])``; ``y = x @ weight.T + bias``, weight ``(out, in)``.
    ``matmul``: inputs ``(a, b)``; two computed operands, batched over the leading axes.
    ``convolution``: inputs ``(x, weight[, bias])``; 1-D ``(batch, channel, length)`` or 2-D
    ``(batch, channel, height, width)``; attributes ``stride``, ``padding``, ``dilation`` (one
    number per spatial axis) and ``groups``.
Functions of a row or an element
    ``softmax``: ``(x,)``; attribute ``axis``.
    ``layer_norm``: ``(x, gain, bias)`` and ``rms_norm``: ``(x, gain)``; attributes ``epsilon`` and
    ``normalized_axes``, how many trailing axes are normalized together.
    ``gelu``: ``(x,)``; attribute ``approximate``, ``"none"`` or ``"tanh"``.
    ``relu``, ``silu``, ``sigmoid``, ``tanh``: ``(x,)``.
    ``rotary``: ``(x, cos, sin)``; ``x * cos + rotate(x) * sin``, where ``rotate`` swaps the halves
    ``(x1, x2)`` of the last axis to ``(-x2, x1)``, or with attribute ``interleaved`` each pair.
    ``mask``: ``(x, keep)``, broadcast against each other; ``x`` where ``keep``, else attribute
    ``fill``, a number.
Arithmetic
    ``add``, ``sub``, ``mul``, ``div``, ``pow``, ``minimum``, ``maximum``, ``floor_divide``,
    ``remainder``, ``eq``, ``ne``, ``lt``, ``le``, ``gt``, ``ge``, ``logical_and``, ``logical_or``,
    ``logical_xor``: ``(a, b)`` broadcast against each other, or ``(a,)`` with attribute
    ``scalar``, a number or a size expression, which is the left operand where attribute
    ``reverse`` is true.
    ``sqrt``, ``rsqrt``, ``exp``, ``log``, ``neg``, ``abs``, ``sin``, ``cos``, ``erf``, ``floor``,
    ``ceil``, ``round``, ``sign``, ``logical_not``: ``(x,)``. ``clamp``: ``(x,)`` with attributes
    ``low`` and ``high``, numbers of which one may be absent. ``where``: ``(condition, a, b)``.
    ``cast``: ``(x,)``; the element type is that of the output.
Reductions
    ``sum``, ``mean``, ``max``, ``min``, ``any``, ``all``: ``(x,)``; attributes ``axes``, all that
    are reduced (none if it is empty), and ``keepdims``. ``argmax``, ``argmin``, ``cumsum``:
    ``(x,)``; attribute ``axis`` (the index reductions also ``keepdims``).
Sources, without inputs
    ``arange``: attributes ``start``, ``stop``, ``step``, numbers or size expressions of any sign,
    never an empty range. ``full``: attributes ``shape`` (sizes) and ``value``, a number, a truth
    value or a size expression.
Data movement
    ``view``, ``expand``: attribute ``shape`` (sizes). ``permute``: ``axes``. ``slice``: ``axis``,
    ``start``, ``stop``, ``step``; both bounds count from the front and may be size expressions.
    ``select``: ``axis``, ``index``. ``cat``: ``axis``. ``flip``: ``axes``. ``pad``: attributes
    ``padding`` (a pair of sizes per axis, which may be 0) and ``value``, a number.
    ``gather``: ``(x, index)``, attribute ``axis``: as ``numpy.take_along_axis``, the other axes
    equal. ``index``: ``(x, index, ...)``, attribute ``axes``: each index array, broadcast against
    the others, picks along its axis; the axes are neighbours in ascending order, the picked axes
    stand in their place, and a negative index counts from the back.
    ``embedding``: ``(indices, table)``; rows of the table.

An ``axis`` or ``index`` counts from the front, or from the back where it is negative; axes of
``permute`` are never negative. Attributes that hold several values are tuples. A number may be
infinite, but not NaN. Every axis of a tensor has at least one entry. The element type of a result
is the one that its :class:`TensorSpec` declares, and arithmetic is done in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import WorkloadError, nearest
from pimsim.workload.shapes import Size, resolve_shape

FORMAT_VERSION: Final = 1

LANGUAGE_MODELING: Final = "language-modeling"
"""Task of a workload whose outputs score the next token at every place: its labels are the tokens
that follow, and it is judged by the probability that it gave them, not by how often it was right.
"""

TensorKind = Literal["input", "state", "weight", "constant", "activation"]
"""``weight``: a trained parameter; ``constant``: a stored buffer; both are saved with the graph.
``state``: an input that the chip holds between steps, the keys and values of earlier tokens."""

AttentionRole = Literal[
    "query", "key", "value", "query_key_value", "key_value",
    "logits", "scale", "softmax", "context", "output",
]  # fmt: skip
"""What an operation does in its attention layer: a projection (of queries, keys or values, or of
several by one matrix), Q·Kᵀ, its scale, softmax or P·V."""

MOVEMENT_KINDS: Final = frozenset(
    {"view", "permute", "expand", "slice", "select", "cat", "flip", "pad", "gather", "index"}
)
PRODUCT_KINDS: Final = frozenset({"linear", "matmul", "convolution"})
FUNCTION_KINDS: Final = frozenset(
    {"softmax", "layer_norm", "rms_norm", "gelu", "relu", "silu", "sigmoid", "tanh", "rotary"}
    | {"mask", "embedding"}
)
BINARY_KINDS: Final = frozenset(
    {"add", "sub", "mul", "div", "pow", "minimum", "maximum", "floor_divide", "remainder"}
    | {"eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"}
)
UNARY_KINDS: Final = frozenset(
    {"sqrt", "rsqrt", "exp", "log", "neg", "abs", "sin", "cos", "erf", "floor", "ceil", "round"}
    | {"sign", "logical_not", "clamp", "cast"}
)
REDUCTION_KINDS: Final = frozenset(
    {"sum", "mean", "max", "min", "any", "all", "argmax", "argmin", "cumsum"}
)
SOURCE_KINDS: Final = frozenset({"arange", "full"})
OP_KINDS: Final = (
    MOVEMENT_KINDS
    | PRODUCT_KINDS
    | FUNCTION_KINDS
    | BINARY_KINDS
    | UNARY_KINDS
    | REDUCTION_KINDS
    | SOURCE_KINDS
    | frozenset({"where"})
)
"""The closed set of operation kinds; every pass either handles a kind or raises."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape, element type and role of one tensor of the graph."""

    name: str
    shape: tuple[Size, ...]
    dtype: str
    kind: TensorKind

    def resolved(self, dims: Mapping[str, int]) -> tuple[int, ...]:
        """Shape with every symbolic size replaced by its number."""
        return resolve_shape(self.shape, dims)


@dataclass(frozen=True, slots=True)
class AttentionGroup:
    """Membership of an operation in one attention layer."""

    name: str
    """Module path of the attention layer, ``"blocks.0.attn"``."""
    role: AttentionRole
    heads: int
    kv_heads: int
    causal: bool


@dataclass(frozen=True, slots=True)
class Op:
    """One operation: a node of the traced graph, named by its module path."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    group: AttentionGroup | None = None

    @property
    def output(self) -> str:
        """The one output of the operation (every kind so far has exactly one)."""
        return self.outputs[0]


@dataclass(frozen=True, slots=True)
class Samples:
    """Real data that travels with a workload; first axis = sample."""

    calibration: Mapping[str, NDArray[Any]]
    """Inputs on which scales and ranges are calibrated: never evaluation data."""
    evaluation: Mapping[str, NDArray[Any]]
    labels: NDArray[np.int64] | None
    """The right class of every row of the first output."""
    reference: Mapping[str, NDArray[np.float32]]
    """The traced model's own outputs on the evaluation inputs; none where they would be huge."""

    @property
    def count(self) -> int:
        """Number of evaluation samples."""
        return len(next(iter(self.evaluation.values()))) if self.evaluation else 0


@dataclass(frozen=True, slots=True)
class Workload:
    """A traced transformer: graph, weights and samples.

    ``weights`` is empty for a shape-only workload and ``samples`` is then ``None``.
    """

    name: str
    task: str | None
    factory: str | None
    """``module:function`` that rebuilds the PyTorch model."""
    dims: Mapping[str, tuple[int, int]]
    """Symbolic dimensions and the smallest and largest value the trace allows."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, TensorSpec]
    ops: tuple[Op, ...]
    weights: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    samples: Samples | None = None

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the tensors whose values the graph needs: weights and constants."""
        return tuple(
            name for name, spec in self.tensors.items() if spec.kind in ("weight", "constant")
        )

    @property
    def shape_only(self) -> bool:
        """Whether values of the weights are missing: time and cost can be had, accuracy cannot."""
        return any(name not in self.weights for name in self.stored)

    def bind(self, **dims: int) -> dict[str, int]:
        """Give every symbolic dimension a number: the one asked for, else its smallest.

        Raises
        ------
        WorkloadError
            If a dimension is unknown, no whole number, or outside what the trace allows.
        """
        for name, value in dims.items():
            if name not in self.dims:
                raise WorkloadError(
                    f"workload {self.name!r} has no dimension {name!r}{nearest(name, self.dims)}"
                )
            if not isinstance(value, Integral) or isinstance(value, bool):
                raise WorkloadError(
                    f"workload {self.name!r}: {name} must be a whole number, got {value!r}"
                )
            low, high = self.dims[name]
            if not low <= value <= high:
                raise WorkloadError(
                    f"workload {self.name!r}: {name} = {value} is outside {low} to {high}, "
                    "what the trace allows"
                )
        return {name: int(dims.get(name, low)) for name, (low, _) in self.dims.items()}

    def with_dims(self, **dims: int) -> "Workload":
        """Return the workload at fixed sizes, ``with_dims(batch=8, seq=512)``.

        See :func:`pimsim.workload.dimensions.fix`, also for the errors.
        """
        from pimsim.workload.dimensions import fix

        return fix(self, dims)

    def prefill(self, *, seq: int) -> "Workload":
        """Return a decoder's pass over a prompt of ``seq`` tokens, which fills its cache.

        See :func:`pimsim.workload.phases.prefill`, also for the errors.
        """
        from pimsim.workload.phases import prefill

        return prefill(self, seq)

    def decode(self, *, context: int, samples: int | None = None) -> "Workload":
        """Return a decoder's step for one new token against a cache of ``context`` tokens.

        See :func:`pimsim.workload.phases.decode`, also for the errors.
        """
        from pimsim.workload.phases import decode

        return decode(self, context, samples=samples)
