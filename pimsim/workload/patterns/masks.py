"""Recognize attention masks.

Which question this module answers: *which logits are hidden from the softmax, and by what?*

A mask comes as a selection (``where``), or as a sum with a tensor that holds nothing but zeros and
numbers so low that the sum is that number whatever the logit is. Both become ``mask`` with the
truth values that the tensor was made from; whatever moved the tensor moves the truth values. A
selection that guards against rows without any key is dropped where the mask depends on no input and
leaves every row a key.
"""

from collections.abc import Callable
from typing import Final, final

import numpy as np

from pimsim.workload.graph import MOVEMENT_KINDS, Op, Workload
from pimsim.workload.patterns.editor import Editor
from pimsim.workload.probe import Probe

_LOWEST: Final = -1e30
"""From here on downwards, a logit below 1e22 is lost when it is added: float32 has 24 bits."""

_GUARD_SIZES: Final = (1, 2, 7)
"""Lengths at which a mask that depends on nothing else is evaluated."""

_MOVED: Final = MOVEMENT_KINDS - {"pad", "cat"}


def recognize_masks(editor: Editor) -> None:
    """Replace selections and sums that hide logits by ``mask``."""
    finder = _Finder(editor)
    for op in tuple(editor.ops()):
        if editor.producer(op.output) is None:
            continue
        if op.kind == "where":
            _selection(editor, op)
        elif op.kind == "add" and len(op.inputs) == 2:
            _sum(editor, finder, op)


def _selection(editor: Editor, op: Op) -> None:
    condition, first, second = op.inputs
    if editor.spec(op.output).dtype != "float32" or editor.spec(condition).dtype != "bool":
        return
    shape = editor.shape(op.output)
    fill = _number(editor, second)
    if fill is not None and editor.shape(first) == shape and _number(editor, first) is None:
        editor.rewrite(op, "mask", [first, condition], {"fill": fill}, members=[op])
        return
    fill = _number(editor, first)
    if fill is not None and editor.shape(second) == shape and _number(editor, second) is None:
        keep = _inverted(editor, op, condition)
        editor.rewrite(op, "mask", [second, keep], {"fill": fill}, members=[op])


def _sum(editor: Editor, finder: "_Finder", op: Op) -> None:
    for logits, addend in (op.inputs, op.inputs[::-1]):
        if editor.shape(logits) != editor.shape(op.output) or logits == addend:
            continue
        found = finder.keep(addend)
        if found is not None:
            keep, fill = found
            editor.rewrite(op, "mask", [logits, keep], {"fill": fill}, members=[op])
            return


def drop_idle_guards(workload: Workload) -> Workload:
    """Drop masks that guard rows without any key, where every row has one whatever the inputs."""
    probes = [Probe(workload, size) for size in _GUARD_SIZES]
    editor = Editor(workload)
    for op in workload.ops:
        keep = editor.producer(op.inputs[1], "any") if op.kind == "mask" else None
        if keep is None or probes[0].depends_on_inputs(keep.inputs[0]):
            continue
        if all(probe.value(keep.output).all() for probe in probes):
            editor.redirect(op.output, op.inputs[0])
    return editor.finish()


def _number(editor: Editor, tensor: str) -> float | None:
    """The number that a tensor is full of, if it is one number."""
    source = editor.producer(tensor, "full")
    if source is not None:
        value = source.attributes["value"]
        return float(value) if not isinstance(value, str) else None
    stored = editor.value(tensor) if editor.is_stored(tensor) else None
    return float(stored.item()) if stored is not None and stored.size == 1 else None


def _inverted(editor: Editor, before: Op, condition: str) -> str:
    negation = editor.producer(condition, "logical_not")
    if negation is not None and editor.spec(negation.inputs[0]).dtype == "bool":
        return negation.inputs[0]
    spec = (editor.shape(condition), "bool")
    return editor.insert(before, "logical_not", [condition], {}, spec)


@final
class _Finder:
    """Finds, once for each tensor, the truth values that an added mask is made from."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._found: dict[str, tuple[str, float] | None] = {}

    def keep(self, tensor: str) -> tuple[str, float] | None:
        """Truth values, true where the tensor is 0, and its number elsewhere."""
        if tensor not in self._found:
            self._found[tensor] = self._find(tensor)
        return self._found[tensor]

    def _find(self, tensor: str) -> tuple[str, float] | None:
        if self._editor.spec(tensor).dtype != "float32":
            return None
        if self._editor.is_stored(tensor):
            return self._of_stored(tensor)
        op = self._editor.producer(tensor)
        rule = self._rule(op.kind) if op is not None else None
        return rule(op) if rule is not None and op is not None else None

    def _rule(self, kind: str) -> Callable[[Op], tuple[str, float] | None] | None:
        if kind in _MOVED:
            return self._of_movement
        return {
            "where": self._of_selection,
            "mask": self._of_mask,
            "mul": self._of_product,
            "add": self._of_sum,
        }.get(kind)

    def _of_stored(self, tensor: str) -> tuple[str, float] | None:
        value = self._editor.value(tensor)
        if value is None or value.size < 2:
            return None
        low = float(value.min())
        if low > _LOWEST or not np.all((value == 0) | (value == low)):
            return None
        spec = self._editor.spec(tensor)
        keep = self._editor.store(f"{tensor}.keep", spec.shape, "bool", "constant", value == 0)
        return keep, low

    def _of_selection(self, op: Op) -> tuple[str, float] | None:
        condition, first, second = op.inputs
        values = _number(self._editor, first), _number(self._editor, second)
        if self._editor.shape(condition) != self._editor.shape(op.output):
            return None
        if values[0] == 0 and values[1] is not None and values[1] <= _LOWEST:
            return condition, values[1]
        if values[1] == 0 and values[0] is not None and values[0] <= _LOWEST:
            return _inverted(self._editor, op, condition), values[0]
        return None

    def _of_mask(self, op: Op) -> tuple[str, float] | None:
        """A mask that is masked further."""
        fill = op.attributes["fill"]
        inner = self.keep(op.inputs[0]) if fill <= _LOWEST else None
        if inner is None:
            return None
        return self._both(op, inner[0], op.inputs[1], max(inner[1], fill))

    def _of_product(self, op: Op) -> tuple[str, float] | None:
        """``(1 - kept) * lowest``, with ``kept`` cast from truth values."""
        low = op.attributes.get("scalar")
        reverse = self._editor.producer(op.inputs[0], "sub")
        if not isinstance(low, float) or low > _LOWEST or low == -np.inf or reverse is None:
            return None
        if reverse.attributes.get("scalar") != 1 or not reverse.attributes.get("reverse"):
            return None
        cast = self._editor.producer(reverse.inputs[0], "cast")
        if cast is None or self._editor.spec(cast.inputs[0]).dtype != "bool":
            return None
        return cast.inputs[0], low

    def _of_movement(self, op: Op) -> tuple[str, float] | None:
        inner = self.keep(op.inputs[0])
        if inner is None:
            return None
        inputs = [inner[0], *op.inputs[1:]]
        spec = (self._editor.shape(op.output), "bool")
        return self._editor.insert(op, op.kind, inputs, op.attributes, spec), inner[1]

    def _of_sum(self, op: Op) -> tuple[str, float] | None:
        """Two masks, both of which must let a logit through."""
        if len(op.inputs) != 2:
            return None
        first, second = (self.keep(name) for name in op.inputs)
        if first is None or second is None:
            return None
        return self._both(op, first[0], second[0], max(first[1], second[1]))

    def _both(self, op: Op, first: str, second: str, fill: float) -> tuple[str, float]:
        spec = (self._editor.shape(op.output), "bool")
        return self._editor.insert(op, "logical_and", [first, second], {}, spec), fill
