"""Recognize rotary position embeddings.

Which question this module answers: *where are pairs of features rotated by the token's position?*

``x * cos + rotate(x) * sin`` (Su et al., RoFormer, arXiv:2104.09864, equation 34), where
``rotate`` turns the halves ``(a, b)`` of the last axis into ``(-b, a)``, as GPT-NeoX and Llama do,
or each pair of neighbours, as GPT-J does. A head of which only the first part is rotated has the
rotation on that part.
"""

from dataclasses import dataclass

from pimsim.workload.graph import Op
from pimsim.workload.patterns.editor import Editor


@dataclass(frozen=True, slots=True)
class _Rotation:
    x: str
    interleaved: bool
    result: str
    """Tensor that holds the rotated values."""
    members: tuple[Op, ...]


def recognize_rotary(editor: Editor) -> None:
    """Replace every rotary embedding by one operation."""
    for op in tuple(editor.ops()):
        if op.kind != "cat" or editor.producer(op.output) is None or len(op.inputs) != 2:
            continue
        rotation = _halves(editor, op) or _neighbours(editor, op)
        if rotation is not None:
            _replace(editor, rotation)


def _replace(editor: Editor, rotation: _Rotation) -> None:
    sine = editor.only_reader(rotation.result, "mul")
    total = editor.only_reader(sine.output, "add") if sine is not None else None
    if sine is None or total is None or len(sine.inputs) != 2 or len(total.inputs) != 2:
        return
    other = total.inputs[1] if total.inputs[0] == sine.output else total.inputs[0]
    cosine = editor.producer(other, "mul")
    if cosine is None or rotation.x not in cosine.inputs or len(cosine.inputs) != 2:
        return
    cos = _other(cosine, rotation.x)
    sin = _other(sine, rotation.result)
    if editor.shape(total.output) != editor.shape(rotation.x):
        return
    members = (*rotation.members, sine, cosine, total)
    attributes = {"interleaved": True} if rotation.interleaved else {}
    editor.rewrite(total, "rotary", [rotation.x, cos, sin], attributes, members=members)


def _other(product: Op, operand: str) -> str:
    first, second = product.inputs
    return second if first == operand else first


def _halves(editor: Editor, join: Op) -> _Rotation | None:
    """Match ``cat(-x[..., half:], x[..., :half])``."""
    rank = len(editor.shape(join.output))
    if join.attributes["axis"] % rank != rank - 1:
        return None
    negated = editor.producer(join.inputs[0], "neg")
    second = editor.producer(negated.inputs[0], "slice") if negated is not None else None
    first = editor.producer(join.inputs[1], "slice")
    if negated is None or first is None or second is None or first.inputs != second.inputs:
        return None
    x = first.inputs[0]
    width = editor.shape(x)[-1]
    if not isinstance(width, int) or width % 2 or editor.shape(join.output)[-1] != width:
        return None
    half = width // 2
    if _span(editor, first) != (0, half, 1) or _span(editor, second) != (half, width, 1):
        return None
    return _Rotation(x, False, join.output, (negated, join))


def _neighbours(editor: Editor, join: Op) -> _Rotation | None:
    """Match ``stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)``."""
    merge = editor.only_reader(join.output, "view")
    views = [editor.producer(name, "view") for name in join.inputs]
    if merge is None or views[0] is None or views[1] is None:
        return None
    negated = editor.producer(views[0].inputs[0], "neg")
    odd = editor.producer(negated.inputs[0], "slice") if negated is not None else None
    even = editor.producer(views[1].inputs[0], "slice")
    if negated is None or odd is None or even is None or odd.inputs != even.inputs:
        return None
    x = even.inputs[0]
    shape = editor.shape(x)
    width = shape[-1]
    if not isinstance(width, int) or width % 2 or editor.shape(merge.output) != shape:
        return None
    if editor.shape(join.output) != (*shape[:-1], width // 2, 2):
        return None
    starts = (_span(editor, even), _span(editor, odd))
    if starts[0] not in ((0, width, 2), (0, width - 1, 2)) or starts[1] != (1, width, 2):
        return None
    return _Rotation(x, True, merge.output, (negated, join))


def _span(editor: Editor, op: Op) -> tuple[object, object, object] | None:
    """Start, stop and step of a slice along the last axis."""
    rank = len(editor.shape(op.output))
    if op.attributes["axis"] % rank != rank - 1:
        return None
    return op.attributes["start"], op.attributes["stop"], op.attributes["step"]
