"""The traced transformer as plain data: tensors, operations, dimensions.

Which question this module answers: *what does the network compute, in which order, on what shapes?*

A :class:`Workload` is what ``torch.export`` saw, lowered to a closed set of operation kinds
(:data:`OP_KINDS`), with names taken from the module path of the model. It holds no PyTorch object
and is read back from a folder by :mod:`pimsim.workload.files`.

Conventions of the operation kinds
----------------------------------
``linear``
    inputs ``(x, weight[, bias])``; ``y = x @ weight.T + bias``, weight ``(out, in)``.
``matmul``
    inputs ``(a, b)``; two computed operands, batched over the leading axes.
``convolution``
    inputs ``(x, weight[, bias])``; 2-D, ``(batch, channel, height, width)``; attributes
    ``stride``, ``padding``, ``dilation`` (pairs) and ``groups``.
``softmax``
    input ``(x,)``; attribute ``axis``.
``layer_norm``
    inputs ``(x, gain, bias)``; attributes ``epsilon`` and ``normalized_axes``, how many trailing
    axes are normalized together.
``gelu``
    input ``(x,)``; attribute ``approximate``, ``"none"`` or ``"tanh"``.
``add``, ``mul``
    inputs ``(a, b)`` broadcast against each other, or ``(a,)`` with attribute ``scalar``.
``view``, ``permute``, ``expand``, ``slice``, ``select``, ``cat``
    data movement; attributes ``shape`` (sizes), ``axes``, ``shape``, ``axis/start/stop/step``,
    ``axis/index`` and ``axis``. ``start`` counts from the front, ``stop`` is a size.

An ``axis`` or ``index`` counts from the front, or from the back where it is negative; axes of
``permute`` are never negative. Attributes that hold several values are tuples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import WorkloadError, nearest
from pimsim.workload.shapes import Size, resolve_shape

FORMAT_VERSION: Final = 1

TensorKind = Literal["input", "weight", "constant", "activation"]
"""``weight``: a trained parameter; ``constant``: a stored buffer; both are saved with the graph."""

AttentionRole = Literal["query", "key", "value", "logits", "scale", "softmax", "context", "output"]
"""What an operation does in its attention layer: a projection, Q·Kᵀ, its scale, softmax or P·V."""

MOVEMENT_KINDS: Final = frozenset({"view", "permute", "expand", "slice", "select", "cat"})
PRODUCT_KINDS: Final = frozenset({"linear", "matmul", "convolution"})
OP_KINDS: Final = (
    MOVEMENT_KINDS | PRODUCT_KINDS | frozenset({"softmax", "layer_norm", "gelu", "add", "mul"})
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
    reference: Mapping[str, NDArray[np.float32]]
    """The traced model's own outputs on the evaluation inputs."""

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
            If a dimension is unknown or outside what the trace allows.
        """
        for name, value in dims.items():
            if name not in self.dims:
                raise WorkloadError(
                    f"workload {self.name!r} has no dimension {name!r}{nearest(name, self.dims)}"
                )
            low, high = self.dims[name]
            if not low <= value <= high:
                raise WorkloadError(
                    f"workload {self.name!r}: {name} = {value} is outside {low} to {high}, "
                    "what the trace allows"
                )
        return {name: dims.get(name, low) for name, (low, _) in self.dims.items()}
