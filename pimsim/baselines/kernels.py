"""Which kernels a GPU runs for a traced transformer, after the usual fusions.

Which question this module answers: *how many kernels does one inference launch, and how many
operations and bytes does each have?*

The fusions are those of an inference compiler such as TensorRT: the projections of one attention
layer that read the same tensor are one kernel, Q·Kᵀ to P·V is one kernel that keeps logits on chip,
activation functions, biases and data movement cost nothing of their own, and a residual addition
adds the reading of one operand to its neighbour.

Not modelled: tile and wave quantization, caches that keep activations between kernels, padding.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Final

from pimsim.workload.graph import Op, Workload
from pimsim.workload.shapes import elements, resolve_shape
from pimsim.workload.summary import macs_by_op

_PROJECTION_ROLES: Final = frozenset({"query", "key", "value"})
_CORE_ROLES: Final = frozenset({"logits", "scale", "softmax", "context"})
_STORED: Final = frozenset({"weight", "constant"})


@dataclass(frozen=True, slots=True)
class Kernel:
    """One launch, for one inference."""

    name: str
    macs: int
    activation_values: int
    """Values read and written, which grow with the batch."""
    weight_values: int
    """Values read once, whatever the batch."""
    instances: int | None = None
    """Independent matrices, each on one multiprocessor; ``None`` if work spreads over all."""
    launches: int = 1
    """0 for work that joins a neighbouring kernel."""


def kernels(workload: Workload, dims: Mapping[str, int]) -> tuple[Kernel, ...]:
    """List the kernels of one inference.

    Parameters
    ----------
    workload
        The traced graph; weights are not needed.
    dims
        A number for every symbolic dimension.
    """
    macs = {name: counts.total for name, counts in macs_by_op(workload, dims).items()}
    reader = _Reader(workload, dims, macs)
    found: dict[str, list[Op]] = {}
    for op in workload.ops:
        label = _kernel_label(op)
        if label is not None:
            found.setdefault(label, []).append(op)
    return tuple(reader.kernel(label, ops) for label, ops in found.items())


def _kernel_label(op: Op) -> str | None:
    """Name of the kernel that ``op`` runs in; ``None`` if it costs nothing of its own."""
    if op.group is not None and op.kind == "linear" and op.group.role in _PROJECTION_ROLES:
        return f"{op.group.name}|{op.inputs[0]}"
    if op.group is not None and op.group.role in _CORE_ROLES:
        return f"{op.group.name}|core"
    if op.kind in ("linear", "convolution", "matmul", "softmax", "layer_norm"):
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
        if label.endswith("|core"):
            return self._core(label, ops)
        first = ops[0]
        if first.kind == "add":
            read = min(self._count(name) for name in first.inputs)
            stored = any(self._stored(name) for name in first.inputs)
            return Kernel(label, 0, 0 if stored else read, 0, launches=0)
        inputs = dict.fromkeys(name for op in ops for name in op.inputs)
        activations = [name for name in inputs if not self._stored(name)]
        return Kernel(
            name=label,
            macs=sum(self.macs.get(op.name, 0) for op in ops),
            activation_values=self._sum([*activations, *(op.output for op in ops)]),
            weight_values=self._sum(name for name in inputs if self._stored(name)),
            instances=self._matrices(first) if first.kind == "matmul" else None,
        )

    def _core(self, label: str, ops: list[Op]) -> Kernel:
        """Q·Kᵀ, softmax and P·V in one kernel: reads Q, K and V, writes the context."""
        products = [op for op in ops if op.kind == "matmul"]
        made = {op.output for op in ops}
        moved: list[str] = []
        for op in products:
            role = op.group.role if op.group is not None else None
            taken = op.inputs if role == "logits" else op.inputs[1:]
            moved += [name for name in taken if name not in made]
            if role == "context":
                moved.append(op.output)
        return Kernel(
            name=label,
            macs=sum(self.macs[op.name] for op in products),
            activation_values=self._sum(moved),
            weight_values=0,
            instances=self._matrices(products[0]) if products else None,
        )

    def _matrices(self, op: Op) -> int:
        shape = resolve_shape(self.workload.tensors[op.output].shape, self.dims)
        return prod(shape[:-2])

    def _stored(self, tensor: str) -> bool:
        return self.workload.tensors[tensor].kind in _STORED

    def _count(self, tensor: str) -> int:
        return elements(self.workload.tensors[tensor].shape, self.dims)

    def _sum(self, tensors: Iterable[str]) -> int:
        return sum(self._count(name) for name in tensors)
