"""Which kernels a GPU runs for a traced transformer, after the usual fusions.

Which question this module answers: *how many kernels does one inference launch, and how many
operations and bytes does each have?*

The fusions are those of an inference compiler such as TensorRT:

- products of one tensor with several weights (the projections to queries, keys and values, the two
  halves of a gated layer) are one kernel, whether the model stores them as one matrix or as three;
- one attention layer, from Q·Kᵀ over scale, mask and softmax to P·V, with the rotary embedding
  before it, is one kernel that keeps its logits on the chip, as FlashAttention does [1]_; a causal
  one leaves out what its mask hides;
- a normalization is one kernel, and takes the residual addition and the look-up of embeddings
  before it along;
- activation functions, biases, masks, index arithmetic and data movement join their neighbours.

Not modelled: activation functions between two normalizations, caches of a fixed window, padding.

References
----------
.. [1] T. Dao et al., FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness,
   NeurIPS 2022.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, prod
from typing import Final, Literal

from pimsim.workload.graph import Op, Workload
from pimsim.workload.shapes import SizeTable, elements, resolve_shape
from pimsim.workload.summary import macs_by_op

TILE: Final = 64
"""Rows and columns of the results that one multiprocessor computes at a time: the smallest tile of
the usual libraries, which they take when work is scarce."""
ATTENTION_TILE: Final = 512
"""Queries, or keys where there are few queries, that one multiprocessor takes of one head."""

_CORE_ROLES: Final = frozenset({"logits", "scale", "softmax", "context"})
_ROW_KINDS: Final = frozenset({"softmax", "layer_norm", "rms_norm"})
_STORED: Final = frozenset({"weight", "constant"})

KernelKind = Literal["product", "attention", "rows", "joined"]
"""``joined``: no kernel of its own, but bytes that a neighbour moves for it."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One launch, for one inference."""

    name: str
    kind: KernelKind
    macs: int
    activation_values: int
    """Values read and written, which grow with the batch."""
    weight_values: int = 0
    """Values read once, whatever the batch."""
    rows: int = 0
    """Of the result of one matrix product; those of a stored matrix grow with the batch."""
    columns: int = 0
    matrices: int = 1
    """Independent products; they grow with the batch where no weight is stored."""
    cached_values: int = 0
    """Keys and values that a decoder keeps for the tokens to come."""

    @property
    def launches(self) -> int:
        """1, or 0 for what joins a neighbour."""
        return 0 if self.kind == "joined" else 1

    @property
    def streamed_values(self) -> int:
        """Of the activations, keys and values of earlier steps.

        They come from memory, however few: the weights of all layers pass through the cache between
        two steps.

        Examples
        --------
        >>> Kernel("core", "attention", 0, 8, rows=1, columns=4, cached_values=8).streamed_values
        6
        """
        return (
            self.cached_values * (self.columns - self.rows) // self.columns if self.columns else 0
        )

    @property
    def padding_ratio(self) -> float:
        """Work on whole tiles over work asked for: attention pads queries and keys of each head.

        Examples
        --------
        >>> Kernel("core", "attention", 0, 0, rows=192, columns=200).padding_ratio
        1.28
        """
        if self.kind != "attention" or self.rows < TILE:
            return 1.0
        whole = ceil(self.rows / TILE) * ceil(self.columns / TILE) * TILE**2
        return whole / (self.rows * self.columns)

    def blocks(self, batch: int) -> int:
        """Parts that different multiprocessors can work on at the same time.

        Examples
        --------
        >>> Kernel("fc", "product", 0, 0, 1, rows=128, columns=768).blocks(batch=2)
        48
        """
        if self.kind == "attention":
            return self.matrices * batch * ceil(max(self.rows, self.columns) / ATTENTION_TILE)
        rows, matrices = self.rows, self.matrices
        if self.weight_values:
            rows *= batch
        else:
            matrices *= batch
        return matrices * ceil(rows / TILE) * ceil(self.columns / TILE)


def kernels(workload: Workload, dims: Mapping[str, int]) -> tuple[Kernel, ...]:
    """List the kernels of one inference.

    Parameters
    ----------
    workload
        The traced graph; weights are not needed.
    dims
        A number for every symbolic dimension.

    Raises
    ------
    WorkloadError
        If a dimension has no number.
    """
    macs = {name: counts.total for name, counts in macs_by_op(workload, dims).items()}
    reader = _Reader(workload, SizeTable(dims), macs)
    found: dict[str, list[Op]] = {}
    for op in workload.ops:
        label = _label(op)
        if label is not None:
            found.setdefault(label, []).append(op)
    return tuple(reader.kernel(label, ops) for label, ops in found.items())


def _label(op: Op) -> str | None:
    """Which kernel ``op`` runs in; ``None`` if it costs nothing of its own."""
    if op.group is not None and op.group.role in _CORE_ROLES:
        return f"{op.group.name} core"
    if op.kind == "linear":
        return f"products of {op.inputs[0]}"
    if op.kind in ("convolution", "matmul", "embedding") or op.kind in _ROW_KINDS:
        return op.name
    if op.kind == "add" and len(op.inputs) == 2:
        return op.name
    return None


@dataclass(frozen=True, slots=True)
class _Reader:
    workload: Workload
    dims: Mapping[str, int]
    macs: Mapping[str, int]

    def kernel(self, label: str, ops: list[Op]) -> Kernel:
        first = ops[0]
        if first.group is not None and first.group.role in _CORE_ROLES:
            return self._attention(label, ops)
        if first.kind == "add":
            return self._addition(first)
        if first.kind == "embedding":
            return Kernel(first.name, "joined", 0, self._count(first.output))
        name = " + ".join([first.name, *(op.name.rpartition(".")[2] for op in ops[1:])])
        inputs = dict.fromkeys(tensor for op in ops for tensor in op.inputs)
        activations = [tensor for tensor in inputs if not self._stored(tensor)]
        moved = self._sum([*activations, *(op.output for op in ops)])
        weights = self._sum(tensor for tensor in inputs if self._stored(tensor))
        if first.kind in _ROW_KINDS:
            return Kernel(name, "rows", 0, moved, weights)
        macs = sum(self.macs[op.name] for op in ops)
        rows, columns, matrices = self._result(first)
        if first.kind == "linear":
            columns = sum(self._shape(op.output)[-1] for op in ops)
        return Kernel(name, "product", macs, moved, weights, rows, columns, matrices)

    def _addition(self, op: Op) -> Kernel:
        """A residual: one more operand for the kernel that follows."""
        learned = [tensor for tensor in op.inputs if not self._stored(tensor)]
        moved = min(map(self._count, learned)) if len(learned) == len(op.inputs) else 0
        return Kernel(op.name, "joined", 0, moved)

    def _attention(self, label: str, ops: list[Op]) -> Kernel:
        """Reads queries, keys and values, writes the context."""
        moved, macs, cached, rows, columns, matrices, causal = 0, 0, 0, 0, 0, 1, False
        for op in ops:
            if op.kind != "matmul" or op.group is None:
                continue
            shared = op.group.kv_heads / op.group.heads  # heads that share keys read them once
            left, right = op.inputs
            macs += self.macs[op.name]
            cached += round(self._count(right) * shared)
            if op.group.role == "logits":
                moved += self._count(left)
                *leading, rows, columns = self._shape(op.output)
                matrices = prod(leading)
                causal = op.group.causal
            else:
                moved += self._count(op.output)
        if causal:  # of n queries, the k-th from the last sees k keys fewer
            macs -= macs * (rows - 1) // (2 * columns)
        return Kernel(
            name=label,
            kind="attention",
            macs=macs,
            activation_values=moved + cached,
            rows=rows,
            columns=columns,
            matrices=matrices,
            cached_values=cached if causal else 0,
        )

    def _result(self, op: Op) -> tuple[int, int, int]:
        """Rows, columns and independent matrices of a product's result."""
        shape = self._shape(op.output)
        if op.kind == "matmul":
            *leading, rows, columns = shape
            return rows, columns, prod(leading)
        if op.kind == "convolution":
            return prod(shape) // shape[1], shape[1], 1
        return prod(shape[:-1]), shape[-1], 1

    def _shape(self, tensor: str) -> tuple[int, ...]:
        return resolve_shape(self.workload.tensors[tensor].shape, self.dims)

    def _stored(self, tensor: str) -> bool:
        return self.workload.tensors[tensor].kind in _STORED

    def _count(self, tensor: str) -> int:
        return elements(self.workload.tensors[tensor].shape, self.dims)

    def _sum(self, tensors: Iterable[str]) -> int:
        return sum(self._count(tensor) for tensor in tensors)
