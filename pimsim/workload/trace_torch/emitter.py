"""Collect tensors and operations while a graph is lowered, and name them.

Which question this module answers: *what is this node called, and which shape does it have?*

Names come from the module path of the model: the one operation of ``blocks.0.attention.query`` is
called just that, whatever reshapes surround it; an operation of a module that does several things
is called ``<module path>.<kind>``. A name that is taken gets ``_1``, ``_2``. An activation has the
name of the operation that computes it.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import Node

from pimsim.workload.graph import MOVEMENT_KINDS, Op, TensorKind, TensorSpec
from pimsim.workload.shapes import Size
from pimsim.workload.trace_torch.expressions import expression
from pimsim.workload.trace_torch.places import module_path, unsupported


@final
@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor that a lowering computes on the way to its node's result."""

    node: Node
    """The node being lowered."""
    shape: tuple[Size, ...]
    dtype: str


Operand: TypeAlias = "Node | Value"

_WRITTEN: Final[Mapping[str, int]] = {
    "aten.scalar_tensor.default": 0,
    "aten.full.default": 1,
    "aten._to_copy.default": 0,
    "aten.clone.default": 0,
    "aten.alias.default": 0,
    "aten.detach.default": 0,
    "aten.lift_fresh_copy.default": 0,
}
"""Which argument holds the number that is in the result."""
_ARITHMETIC: Final = {"aten.add.Tensor": "+", "aten.sub.Tensor": "-", "aten.mul.Tensor": "*"}


@dataclass(frozen=True, slots=True)
class _Pending:
    result: Operand
    node: Node
    kind: str
    inputs: tuple[Operand, ...]
    attributes: Mapping[str, Any]


@final
class Emitter:
    """What a lowering sees: operands, sizes as expressions, and :meth:`emit`.

    Parameters
    ----------
    symbols
        Torch's symbol of each dynamic axis and the name of the dimension it stands for.
    leaves
        Module paths of the modules without children.
    """

    def __init__(self, symbols: Mapping[str, str], leaves: frozenset[str]) -> None:
        self._symbols = dict(symbols)
        self._leaves = leaves
        self._pending: list[_Pending] = []
        self._aliases: dict[Node, Operand] = {}
        self._parts: dict[Node, Sequence[Operand]] = {}
        self._given: dict[Operand, tuple[str, TensorKind]] = {}
        self._by_name: dict[str, Operand] = {}
        self._stored: dict[str, NDArray[Any]] = {}
        self._static: set[Operand] = set()
        self._names: dict[Operand, str] = {}
        self._sizes: dict[Any, Size | None] = {}

    def given(self, node: Node, name: str, kind: TensorKind) -> None:
        """Declare an input, weight or constant of the graph.

        Two nodes of one name are one tensor: a tied parameter has one value.
        """
        if name in self._by_name:
            self._aliases[node] = self._by_name[name]
            return
        self._given[node] = (name, kind)
        self._by_name[name] = node
        if kind != "input":
            self._static.add(node)

    def constant(self, node: Node, name: str, value: NDArray[Any]) -> Value:
        """Store a tensor that the model has no parameter for.

        Parameters
        ----------
        node
            The node being lowered.
        name
            What the tensor is, ``"gain"``; the module path stands before it.
        value
            Its numbers.
        """
        full = _unused(f"{module_path(node)}.{name}".lstrip("."), self._by_name)
        result = Value(node, value.shape, str(value.dtype))
        self._given[result] = (full, "constant")
        self._by_name[full] = result
        self._static.add(result)
        self._stored[full] = value
        return result

    def emit(
        self,
        node: Node,
        kind: str,
        inputs: Sequence[object],
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Add the operation that computes ``node``.

        Parameters
        ----------
        node
            The node being lowered; shape and element type of the result are its.
        kind
            One of :data:`pimsim.workload.graph.OP_KINDS`.
        inputs
            Nodes that compute tensors, or values from :meth:`step` or :meth:`constant`.
        attributes
            As :mod:`pimsim.workload.graph` defines for the kind.
        """
        self._add(node, node, kind, inputs, attributes)

    def step(
        self,
        node: Node,
        kind: str,
        inputs: Sequence[object],
        attributes: Mapping[str, Any] | None = None,
        *,
        shape: Sequence[Size] | None = None,
        dtype: str | None = None,
    ) -> Value:
        """Add an operation whose result ``node`` is computed from.

        Parameters
        ----------
        node, kind, inputs, attributes
            As for :meth:`emit`.
        shape, dtype
            Of the result; those of ``node`` when absent.

        Returns
        -------
        Value
            An operand for the next operation.
        """
        result = Value(
            node,
            tuple(shape) if shape is not None else self.shape(node),
            dtype if dtype is not None else self.dtype(node),
        )
        self._add(result, node, kind, inputs, attributes)
        return result

    def alias(self, node: Node, source: object) -> None:
        """Let ``node`` be another name of ``source``: no operation is needed."""
        self._aliases[node] = self._source(node, source)

    def parts(self, node: Node, values: Sequence[Operand]) -> None:
        """Say what the tensors are that a node with several results computes."""
        self._parts[node] = values

    def part(self, node: Node, index: int) -> Operand:
        """One of the results declared with :meth:`parts`."""
        return self._parts[node][index]

    def is_static(self, operand: object) -> bool:
        """Whether an operand follows from weights and constants only."""
        return isinstance(operand, (Node, Value)) and self._resolved(operand) in self._static

    def shape(self, operand: Operand) -> tuple[Size, ...]:
        """Shape of a tensor, dynamic axes as expressions."""
        if isinstance(operand, Value):
            return operand.shape
        return tuple(self.size(size, operand) for size in operand.meta["val"].shape)

    def dtype(self, operand: Operand) -> str:
        """Element type of a tensor in the workload: every floating type is float32."""
        if isinstance(operand, Value):
            return operand.dtype
        return element_type(operand.meta["val"].dtype, operand)

    def size(self, value: object, node: Node) -> Size:
        """Return one size as a number or an expression of dimension names.

        Raises
        ------
        UnsupportedOpError
            If the size depends on values, not on shapes only, or uses a function that
            :mod:`pimsim.workload.shapes` lacks.
        """
        if isinstance(value, Node):
            value = value.meta["val"]
        if isinstance(value, int):
            return value
        if isinstance(value, torch.SymInt):
            symbolic = value.node.expr
            if symbolic not in self._sizes:
                self._sizes[symbolic] = self._expression(symbolic)
            known = self._sizes[symbolic]
            if known is not None:
                return known
        raise unsupported(node, f"size {value} is not an expression of the dynamic dimensions")

    def size_from_tensor(self, node: Node) -> None:
        """Learn a size that the model wrote into a tensor and reads back from there.

        A node that reads anything else from a tensor is left alone; what uses its number is then
        not an expression of the dimensions.
        """
        if not str(node.target).endswith("_local_scalar_dense.default"):
            return
        value = node.meta["val"]
        number = self._written_number(node.args[0])
        if number is not None:
            self.define(value, number)

    def define(self, symbol: object, size: Size) -> None:
        """Say what a symbol of torch's is that stands for no dimension, if it is a new one."""
        if not isinstance(symbol, torch.SymInt) or not symbol.node.expr.is_Symbol:
            return
        if self._symbols.setdefault(str(symbol.node.expr), str(size)) == str(size):
            self._sizes.clear()  # what was no expression may now be one

    def _written_number(self, source: object) -> Size | None:
        """The integer in a tensor of rank 0, if the graph made it from sizes."""
        if isinstance(source, int):
            return source
        if not isinstance(source, Node):
            return None
        name = str(source.target)
        if isinstance(source.meta.get("val"), torch.SymInt):
            return self.size(source, source)
        if name in _WRITTEN and len(source.args) > _WRITTEN[name]:
            return self._written_number(source.args[_WRITTEN[name]])
        if name in _ARITHMETIC and not source.kwargs:
            parts = [self._written_number(part) for part in source.args[:2]]
            if None not in parts:
                return f"({parts[0]} {_ARITHMETIC[name]} {parts[1]})"
        return None

    def finish(self) -> tuple[tuple[Op, ...], dict[str, TensorSpec], dict[str, NDArray[Any]]]:
        """Name everything.

        Returns
        -------
        tuple
            The operations, the tensors they use, and the values given to :meth:`constant`.
        """
        tensors: dict[str, TensorSpec] = {}
        used = {operand for pending in self._pending for operand in pending.inputs}
        for operand, (name, origin) in self._given.items():
            self._names[operand] = name
            if operand in used or origin == "input":
                tensors[name] = TensorSpec(name, self.shape(operand), self.dtype(operand), origin)
        naming = _Naming(self._leaves, self._pending, set(self._by_name))
        ops = []
        for pending in self._pending:
            name = naming.name(pending)
            result = pending.result
            self._names[result] = name
            inputs = tuple(self._names[operand] for operand in pending.inputs)
            ops.append(Op(name, pending.kind, inputs, (name,), pending.attributes))
            tensors[name] = TensorSpec(name, self.shape(result), self.dtype(result), "activation")
        return tuple(ops), tensors, self._stored

    def name_of(self, node: Node) -> str:
        """Tensor name of a node after :meth:`finish`."""
        return self._names[self._resolved(node)]

    def _add(
        self,
        result: Operand,
        node: Node,
        kind: str,
        inputs: Sequence[object],
        attributes: Mapping[str, Any] | None,
    ) -> None:
        operands = tuple(self._source(node, operand) for operand in inputs)
        self._pending.append(_Pending(result, node, kind, operands, dict(attributes or {})))
        if operands and all(operand in self._static for operand in operands):
            self._static.add(result)

    def _source(self, node: Node, operand: object) -> Operand:
        if isinstance(operand, Value):
            return operand
        if not isinstance(operand, Node) or not isinstance(operand.meta.get("val"), torch.Tensor):
            raise unsupported(node, f"operand {operand} is not a tensor")
        if any(isinstance(size, int) and size == 0 for size in operand.meta["val"].shape):
            raise unsupported(node, f"operand {operand} is empty")
        return self._resolved(operand)

    def _resolved(self, operand: Operand) -> Operand:
        return self._aliases.get(operand, operand) if isinstance(operand, Node) else operand

    def _expression(self, symbolic: Any) -> Size | None:
        if symbolic.is_Integer:
            return int(symbolic)
        return expression(symbolic, self._symbols)


@final
class _Naming:
    """Names of operations, each given once."""

    def __init__(
        self, leaves: frozenset[str], pending: Sequence[_Pending], taken: set[str]
    ) -> None:
        self._leaves = leaves
        self._taken = taken
        self._counts: dict[str, int] = {}
        self._kinds: dict[str, set[str]] = {}
        for one in pending:
            self._kinds.setdefault(module_path(one.node), set()).add(one.kind)

    def name(self, pending: _Pending) -> str:
        path = module_path(pending.node)
        kinds = self._kinds[path]
        computing = kinds - MOVEMENT_KINDS or kinds
        own = path in self._leaves and computing == {pending.kind}
        name = path if own else f"{path}.{pending.kind}".lstrip(".")
        candidate, count = name, self._counts.get(name, 0)
        while candidate in self._taken:
            count += 1
            candidate = f"{name}_{count}"
        self._counts[name] = count
        self._taken.add(candidate)
        return candidate


def element_type(dtype: torch.dtype, node: Node) -> str:
    """Name of the element type that stands for one of PyTorch's.

    Raises
    ------
    UnsupportedOpError
        For complex and quantized types.
    """
    if dtype.is_floating_point:
        return "float32"
    name = str(dtype).removeprefix("torch.")
    try:
        known = np.dtype(name)
    except TypeError:
        known = np.dtype(object)
    if known.kind not in "biu":
        raise unsupported(node, f"element type {dtype}")
    return name


def _unused(name: str, taken: Container[str]) -> str:
    candidate, count = name, 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    return candidate
