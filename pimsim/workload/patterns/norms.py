"""Recognize root-mean-square normalization.

Which question this module answers: *which operations together are an RMS norm?*

``x / sqrt(mean(x**2) + epsilon) * gain`` over the last axis (Zhang and Sennrich, Root Mean Square
Layer Normalization, arXiv:1910.07467, equation 4), however it is written: with ``rsqrt`` or a
division, with a square or a product, the gain before or after, or ``1 + gain``, which is folded
into the gain that is stored.
"""

from dataclasses import dataclass

import numpy as np

from pimsim.workload.graph import Op
from pimsim.workload.patterns.editor import Editor


@dataclass(frozen=True, slots=True)
class _Scale:
    """The factor ``1 / sqrt(mean(x**2) + epsilon)`` and what it is made of."""

    x: str
    epsilon: float
    members: tuple[Op, ...]


def recognize_norms(editor: Editor) -> None:
    """Replace every RMS norm by one operation."""
    for op in tuple(editor.ops()):
        if editor.producer(op.output) is None:
            continue
        if op.kind == "mul" and len(op.inputs) == 2:
            first, second = op.inputs
            for x, factor in ((first, second), (second, first)):
                root = editor.producer(factor, "rsqrt")
                scale = _scale(editor, root) if root is not None else None
                if root is not None and scale is not None and scale.x == x:
                    _replace(editor, op, scale)
                    break
        elif op.kind == "div" and len(op.inputs) == 2:
            root = editor.producer(op.inputs[1], "sqrt")
            scale = _scale(editor, root) if root is not None else None
            if scale is not None and scale.x == op.inputs[0]:
                _replace(editor, op, scale)


def _scale(editor: Editor, root: Op) -> _Scale | None:
    """Match ``mean(x**2) + epsilon`` behind a root."""
    total = editor.producer(root.inputs[0], "add")
    if total is None or not isinstance(total.attributes.get("scalar"), float):
        return None
    mean = editor.producer(total.inputs[0], "mean")
    epsilon = total.attributes["scalar"]
    if mean is None or not mean.attributes["keepdims"] or epsilon <= 0:
        return None
    rank = len(editor.shape(mean.inputs[0]))
    square = editor.producer(mean.inputs[0], "pow", "mul")
    if square is None or tuple(axis % rank for axis in mean.attributes["axes"]) != (rank - 1,):
        return None
    squared = (
        square.attributes.get("scalar") == 2 and not square.attributes.get("reverse")
        if square.kind == "pow"
        else len(square.inputs) == 2 and square.inputs[0] == square.inputs[1]
    )
    if not squared:
        return None
    return _Scale(square.inputs[0], epsilon, (square, mean, total, root))


def _replace(editor: Editor, normalized: Op, scale: _Scale) -> None:
    """Rewrite the last operation of the norm: the product with the gain, if there is one."""
    width = editor.shape(scale.x)[-1]
    if not isinstance(width, int):
        return
    last, gain = _gain(editor, normalized, width)
    if gain is None:
        module = normalized.name.rpartition(".")[0]
        ones = None if editor.shape_only else np.ones(width, np.float32)
        name = f"{module}.gain" if module else "gain"
        gain = editor.store(name, (width,), "float32", "constant", ones)
    attributes = {"epsilon": scale.epsilon, "normalized_axes": 1}
    members = (*scale.members, normalized, last)
    editor.rewrite(last, "rms_norm", [scale.x, gain], attributes, members=members)


def _gain(editor: Editor, normalized: Op, width: int) -> tuple[Op, str | None]:
    """The operation that applies a stored gain to the normalized values, and the gain."""
    product = editor.only_reader(normalized.output, "mul")
    for name in product.inputs if product is not None else ():
        if product is not None and editor.is_stored(name) and editor.shape(name) == (width,):
            return product, name
    return normalized, None
