"""Compute at trace time what follows from weights and constants alone.

Which question this module answers: *which operations need not run on a chip at all?*

Transposed and rescaled weights, ``1 + gain`` and position look-ups of fixed length are stored as
their result. Products stay: they are counted work. So does what would store much more than it
reads. In a graph of shapes the results are declared without values.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from pimsim.workload.graph import PRODUCT_KINDS, SOURCE_KINDS, Op, TensorKind
from pimsim.workload.patterns.editor import Editor
from pimsim.workload.reference import execute

_FREE_ELEMENTS: Final = 2**18
"""A result of up to this many elements is stored, however little it is made from."""

_WORDS: Final = frozenset({"approximate"})
"""Attributes whose text is no size."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A tensor that is the same in every run."""

    value: NDArray[Any] | None
    kind: TensorKind
    origins: frozenset[str]
    """Stored tensors that it follows from."""


def fold(editor: Editor) -> None:
    """Store the results of operations on stored tensors."""
    known: dict[str, _Known] = {}
    for op in tuple(editor.ops()):
        found = _folded(editor, op, known)
        if found is not None:
            known[op.output] = found
    for output in reversed(tuple(known)):
        last = editor.producer(output)
        if last is None or last.kind in SOURCE_KINDS or not known[output].origins:
            continue  # unread, or made from numbers that the graph makes up cheaply
        read = any(reader.output not in known for reader in editor.readers(output))
        if read or editor.is_output(output):
            editor.store_result(last, known[output].kind, known[output].value)
            _take_over_name(editor, last, known[output])


def _take_over_name(editor: Editor, op: Op, known: _Known) -> None:
    """Let a rearranged weight keep its name if the original is not used otherwise."""
    if len(known.origins) == 1:
        (origin,) = known.origins
        if not editor.readers(origin):
            editor.name_as(op.output, origin)


def _folded(editor: Editor, op: Op, known: Mapping[str, _Known]) -> _Known | None:
    if op.kind in PRODUCT_KINDS or _is_symbolic(editor, op):
        return None
    operands = [known.get(name) or _stored(editor, name) for name in op.inputs]
    found = [operand for operand in operands if operand is not None]
    if len(found) < len(operands):
        return None
    read = sum(_elements(editor, name) for name in op.inputs)
    if _elements(editor, op.output) > max(_FREE_ELEMENTS, read):
        return None
    kind: TensorKind = "weight" if any(one.kind == "weight" for one in found) else "constant"
    origins = frozenset().union(*(one.origins for one in found))
    if editor.shape_only:
        return _Known(None, kind, origins)
    values = [one.value for one in found if one.value is not None]
    value = execute(op, values, {}, editor.spec(op.output).dtype)
    return _Known(value, kind, origins)


def _stored(editor: Editor, name: str) -> _Known | None:
    if not editor.is_stored(name):
        return None
    return _Known(editor.value(name), editor.spec(name).kind, frozenset({name}))


def _is_symbolic(editor: Editor, op: Op) -> bool:
    if any(isinstance(size, str) for size in editor.shape(op.output)):
        return True
    return any(
        isinstance(part, str)
        for name, value in op.attributes.items()
        if name not in _WORDS
        for part in (value if isinstance(value, tuple) else (value,))
    )


def _elements(editor: Editor, tensor: str) -> int:
    """Elements of a tensor of fixed shape."""
    return math.prod(size for size in editor.shape(tensor) if isinstance(size, int))
