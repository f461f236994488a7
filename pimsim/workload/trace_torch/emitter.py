"""Collect tensors and operations while a graph is lowered, and name them.

Which question this module answers: *what is this node called, and which shape does it have?*

Names come from the module path of the model: the one operation of ``blocks.0.attention.query`` is
called just that; an operation of a module that does several things is called
``<module path>.<kind>``. A name that is taken gets ``_1``, ``_2``. An activation has the name of
the operation that computes it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import torch
from torch.fx import Node

from pimsim.errors import UnsupportedOpError
from pimsim.workload.graph import Op, TensorKind, TensorSpec
from pimsim.workload.shapes import Size

_FRAME: Final = re.compile(
    r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)\n(?P<code>.*)'
)


@final
class Emitter:
    """What a lowering sees: operands by name, sizes as expressions, and :meth:`emit`.

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
        self._names: dict[Node, str] = {}
        self._kinds: dict[str, set[str]] = {}
        self._pending: list[tuple[Node, str, tuple[Node, ...], Mapping[str, Any]]] = []
        self._aliases: dict[Node, Node] = {}
        self._given: dict[Node, tuple[str, TensorKind]] = {}

    def given(self, node: Node, name: str, kind: TensorKind) -> None:
        """Declare an input, weight or constant of the graph."""
        self._given[node] = (name, kind)

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
            Nodes that compute tensors.
        attributes
            As :mod:`pimsim.workload.graph` defines for the kind.
        """
        operands = tuple(self._source(node, operand) for operand in inputs)
        self._pending.append((node, kind, operands, dict(attributes or {})))
        self._kinds.setdefault(module_path(node), set()).add(kind)

    def alias(self, node: Node, source: object) -> None:
        """Let ``node`` be another name of ``source``: no operation is needed."""
        self._aliases[node] = self._source(node, source)

    def shape(self, node: Node) -> tuple[Size, ...]:
        """Shape of the tensor that ``node`` computes, dynamic axes as expressions."""
        return tuple(self.size(size, node) for size in node.meta["val"].shape)

    def size(self, value: object, node: Node) -> Size:
        """Return one size as a number or an expression of dimension names.

        Raises
        ------
        UnsupportedOpError
            If the size depends on values, not on shapes only, or uses an operation other than
            ``+ - * //``.
        """
        if isinstance(value, Node):
            value = value.meta["val"]
        if isinstance(value, int):
            return value
        if isinstance(value, torch.SymInt):
            expression = value.node.expr
            text = _expression(expression, self._symbols)
            if text is not None:
                return int(text) if text.isdigit() else text
        raise unsupported(node, f"size {value} is not an expression of the dynamic dimensions")

    def finish(self) -> tuple[tuple[Op, ...], dict[str, TensorSpec]]:
        """Name everything and return the operations and the tensors they use."""
        tensors: dict[str, TensorSpec] = {}
        used = {operand for _, _, operands, _ in self._pending for operand in operands}
        for node, (name, origin) in self._given.items():
            self._names[node] = name
            if node in used or origin == "input":
                tensors[name] = self._spec(node, name, origin)
        ops = []
        taken = {name for name, _ in self._given.values()}
        for node, kind, operands, attributes in self._pending:
            name = self._free_name(node, kind, taken)
            taken.add(name)
            self._names[node] = name
            inputs = tuple(self._names[operand] for operand in operands)
            ops.append(Op(name, kind, inputs, (name,), attributes))
            tensors[name] = self._spec(node, name, "activation")
        return tuple(ops), tensors

    def name_of(self, node: Node) -> str:
        """Tensor name of a node after :meth:`finish`."""
        return self._names[self._aliases.get(node, node)]

    def _source(self, node: Node, operand: object) -> Node:
        if not isinstance(operand, Node) or not isinstance(operand.meta.get("val"), torch.Tensor):
            raise unsupported(node, f"operand {operand} is not a tensor")
        return self._aliases.get(operand, operand)

    def _spec(self, node: Node, name: str, kind: TensorKind) -> TensorSpec:
        dtype = str(node.meta["val"].dtype).removeprefix("torch.")
        return TensorSpec(name, self.shape(node), dtype, kind)

    def _free_name(self, node: Node, kind: str, taken: set[str]) -> str:
        path = module_path(node)
        own = path in self._leaves and len(self._kinds[path]) == 1
        name = path if own else f"{path}.{kind}".lstrip(".")
        candidate, count = name, 0
        while candidate in taken:
            count += 1
            candidate = f"{name}_{count}"
        return candidate


def module_path(node: Node) -> str:
    """Path of the module whose ``forward`` computed the node, ``""`` for the model itself."""
    stack = node.meta.get("nn_module_stack") or {}
    if not stack:
        return ""
    path: str = list(stack.values())[-1][0]
    return path


def unsupported(node: Node, reason: str) -> UnsupportedOpError:
    """Return the error for a node that cannot be lowered: what, where in the model, why."""
    return UnsupportedOpError(f"{describe(node)}: {reason}")


def describe(node: Node) -> str:
    """Name an ATen node, its module and the line of the model's source it comes from."""
    path = module_path(node)
    place = f"module {path!r}" if path else "the model's own forward"
    line = source_line(node)
    return f"{node.target} in {place}" + (f" ({line})" if line else "")


def source_line(node: Node) -> str | None:
    """Line of the user's model that a node comes from: the innermost one outside torch."""
    frames = list(_FRAME.finditer(node.meta.get("stack_trace") or ""))
    library = str(torch.__path__[0])
    own = [frame for frame in frames if not frame["file"].startswith(library)]
    if not own:
        return None
    frame = own[-1]
    return f"{frame['file']}:{frame['line']}: {frame['code'].strip()}"


def _expression(expression: Any, symbols: Mapping[str, str]) -> str | None:
    """Write a sympy expression in the language of :mod:`pimsim.workload.shapes`, if it can be."""
    if expression.is_Integer:
        return str(int(expression))
    if expression.is_Symbol:
        return symbols.get(str(expression))
    if expression.is_Add:
        return _sum(expression, symbols)
    parts = [_expression(part, symbols) for part in expression.args]
    if any(part is None for part in parts):
        return None
    return _product(expression, [str(part) for part in parts])


def _product(expression: Any, parts: Sequence[str]) -> str | None:
    if expression.is_Mul:
        return "*".join(parts)
    if expression.is_Pow and parts[1].isdigit():
        return "*".join([parts[0]] * int(parts[1]))
    if type(expression).__name__ == "FloorDiv":  # torch's own sympy function
        return f"({parts[0]} // ({parts[1]}))"
    return None


def _sum(expression: Any, symbols: Mapping[str, str]) -> str | None:
    """Write a sum with its positive terms first: the language has no sign of its own."""
    negative = [part for part in expression.args if part.could_extract_minus_sign()]
    positive = [part for part in expression.args if part not in negative]
    added = [_expression(part, symbols) for part in positive]
    taken = [_expression(-part, symbols) for part in negative]
    if not added or any(part is None for part in (*added, *taken)):
        return None
    return "(" + " + ".join(map(str, added)) + "".join(f" - {part}" for part in taken) + ")"
