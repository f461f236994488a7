"""Drop operations that do nothing and join those that one can do.

Which question this module answers: *which reshapes did the export leave behind?*
"""

from collections.abc import Callable, Sequence
from typing import Final

from pimsim.workload.graph import BINARY_KINDS, Op
from pimsim.workload.patterns.editor import Editor
from pimsim.workload.shapes import Size


def clean(editor: Editor) -> None:
    """Apply every rule to every operation, in execution order."""
    for op in tuple(editor.ops()):
        for rule in _RULES:
            current = editor.producer(op.output)
            if current is None:
                break
            rule(editor, current)


def _join_views(editor: Editor, op: Op) -> None:
    """A view of a view is a view; one that changes nothing is none."""
    if op.kind != "view":
        return
    source = editor.producer(op.inputs[0], "view")
    if source is not None:
        op = editor.rewrite(op, "view", source.inputs, op.attributes)
    if editor.shape(op.inputs[0]) == editor.shape(op.output):
        editor.redirect(op.output, op.inputs[0])


def _join_permutations(editor: Editor, op: Op) -> None:
    if op.kind != "permute":
        return
    source = editor.producer(op.inputs[0], "permute")
    if source is not None:
        before = source.attributes["axes"]
        axes = tuple(before[axis] for axis in op.attributes["axes"])
        op = editor.rewrite(op, "permute", source.inputs, {"axes": axes})
    if op.attributes["axes"] == tuple(range(len(op.attributes["axes"]))):
        editor.redirect(op.output, op.inputs[0])


def _permutation_as_view(editor: Editor, op: Op) -> None:
    """A permutation that moves only axes of length 1 is a view."""
    if op.kind != "permute":
        return
    shape = editor.shape(op.inputs[0])
    moved = [axis for axis in op.attributes["axes"] if shape[axis] != 1]
    if moved == sorted(moved):
        view = editor.rewrite(op, "view", op.inputs, {"shape": editor.shape(op.output)})
        _join_views(editor, view)


def _drop_idle(editor: Editor, op: Op) -> None:
    """An expansion, cast or movement to what the operand is already."""
    if op.kind not in ("expand", "cast") or editor.is_stored(op.inputs[0]):
        return
    before, after = editor.spec(op.inputs[0]), editor.spec(op.output)
    if before.shape == after.shape and before.dtype == after.dtype:
        editor.redirect(op.output, op.inputs[0])


def _drop_neutral(editor: Editor, op: Op) -> None:
    """Adding 0, multiplying by 1, asking for truth as well."""
    if len(op.inputs) != 1 or "scalar" not in op.attributes or op.kind not in _NEUTRAL:
        return
    number, reverse = op.attributes["scalar"], op.attributes.get("reverse", False)
    if isinstance(number, str) or number != _NEUTRAL[op.kind]:
        return
    if reverse and op.kind not in _COMMUTATIVE:
        return
    if editor.spec(op.inputs[0]).dtype == editor.spec(op.output).dtype:
        editor.redirect(op.output, op.inputs[0])


def _number_operand(editor: Editor, op: Op) -> None:
    """An operand that is one number becomes an attribute."""
    if op.kind not in BINARY_KINDS or len(op.inputs) != 2:
        return
    for position in (1, 0):
        source = editor.producer(op.inputs[position], "full")
        other = op.inputs[1 - position]
        if source is None or editor.shape(other) != editor.shape(op.output):
            continue
        if editor.producer(other, "full") is not None and not editor.shape(other):
            continue  # two numbers: left as they are
        attributes = {"scalar": source.attributes["value"]}
        if position == 0:
            attributes["reverse"] = True
        editor.rewrite(op, op.kind, [other], attributes)
        return


def _unmerged_linear(editor: Editor, op: Op) -> None:
    """Apply a linear layer to all axes instead of merging them before and splitting them after."""
    if op.kind != "view":
        return
    linear = editor.producer(op.inputs[0], "linear")
    if linear is None or editor.only_reader(linear.output) is None:
        return
    merge = editor.producer(linear.inputs[0], "view")
    if merge is None:
        return
    columns = editor.shape(linear.inputs[0])[-1:], editor.shape(linear.output)[-1:]
    if editor.shape(op.output)[-1:] != columns[1]:
        return
    source, rows = merge.inputs[0], (*editor.shape(op.output)[:-1], *columns[0])
    if editor.shape(source) != rows:
        dtype = editor.spec(source).dtype
        source = editor.insert(merge, "view", [source], {"shape": rows}, (rows, dtype))
    editor.rewrite(op, "linear", (source, *linear.inputs[1:]))
    editor.name_as(op.output, linear.name)


def _unmerged_matmul(editor: Editor, op: Op) -> None:
    """Multiply heads apart from the batch instead of merging the two axes before."""
    if op.kind != "view":
        return
    product = editor.producer(op.inputs[0], "matmul")
    if product is None or editor.only_reader(product.output) is None:
        return
    wanted = editor.shape(op.output)
    operands = []
    for name in product.inputs:
        merge = editor.producer(name, "view")
        merged = editor.shape(name)
        if merge is None or len(merged) != 3:
            return
        source = editor.shape(merge.inputs[0])
        if not _splits(source, wanted[:-2], merged[-2:]):
            return
        operands.append(merge.inputs[0])
    columns = (editor.shape(operands[0])[-2], editor.shape(operands[1])[-1])
    if wanted[-2:] == columns:
        editor.rewrite(op, "matmul", operands)
        editor.name_as(op.output, product.name)


def _splits(shape: Sequence[Size], leading: Sequence[Size], matrix: Sequence[Size]) -> bool:
    return tuple(shape) == (*leading, *matrix)


_NEUTRAL: Final = {
    "add": 0,
    "sub": 0,
    "mul": 1,
    "div": 1,
    "logical_and": True,
    "logical_or": False,
}
_COMMUTATIVE: Final = frozenset({"add", "mul", "logical_and", "logical_or"})

_RULES: Final[tuple[Callable[[Editor, Op], None], ...]] = (
    _join_views,
    _join_permutations,
    _permutation_as_view,
    _drop_idle,
    _number_operand,
    _drop_neutral,
    _unmerged_linear,
    _unmerged_matmul,
)
