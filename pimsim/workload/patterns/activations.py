"""Recognize GELU and SiLU, however they are written.

Which question this module answers: *which elementwise operations together are one activation?*

A region of elementwise operations around a ``tanh``, ``erf`` or ``sigmoid`` that depends on one
tensor only is a function of one number. It is evaluated on a dense grid and compared with the exact
GELU, its tanh approximation (Hendrycks and Gimpel, arXiv:1606.08415, section 2) and SiLU; equal to
:data:`_AGREEMENT_RATIO` everywhere, it is that function. No way of writing it needs to be known.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.workload.graph import Op
from pimsim.workload.patterns.editor import Editor
from pimsim.workload.reference import execute

_ANCHORS: Final = frozenset({"tanh", "erf", "sigmoid"})
_REGION: Final = _ANCHORS | {"add", "sub", "mul", "div", "pow", "neg"}
_LARGEST_REGION: Final = 16

_GRID: Final = np.concatenate(
    [np.linspace(-12.0, 12.0, 2401), np.linspace(-0.01, 0.01, 21)]
).astype(np.float32)
"""Both tails, where the functions are 0 and x to float32, and the middle in steps of 0.01."""

_AGREEMENT_RATIO: Final = 2e-6
"""Largest difference, relative to ``max(1, |x|)``: some ten float32 roundings. The exact GELU and
its approximation differ by 5e-4."""

_CANDIDATES: Final[Sequence[tuple[str, Mapping[str, Any]]]] = (
    ("silu", {}),
    ("gelu", {"approximate": "tanh"}),
    ("gelu", {"approximate": "none"}),
)


def recognize_activations(editor: Editor) -> None:
    """Replace every GELU and SiLU that is written out."""
    for op in tuple(editor.ops()):
        if op.kind in _ANCHORS and editor.producer(op.output) is not None:
            _recognize(editor, op)


def _recognize(editor: Editor, anchor: Op) -> None:
    for source, last in _spans(editor, anchor):
        region = _region(editor, source, last)
        if region is None or anchor not in region:
            continue
        values = _evaluate(region, source)
        for kind, attributes in _CANDIDATES:
            expected = execute(Op("f", kind, ("x",), ("y",), attributes), [_GRID], {}, np.float32)
            allowed = _AGREEMENT_RATIO * np.maximum(1.0, np.abs(_GRID))
            if np.all(np.abs(values - expected) <= allowed):
                editor.rewrite(last, kind, [source], attributes, members=region)
                return


def _spans(editor: Editor, anchor: Op) -> Iterator[tuple[str, Op]]:
    """Where the function may begin and end: from its argument to a product with the argument."""
    product = _product_behind(editor, anchor)
    if product is None:
        return
    ends = [product]
    scaled = editor.only_reader(product.output, "mul", "div")
    if scaled is not None and "scalar" in scaled.attributes:
        ends.insert(0, scaled)
    for name in product.inputs:
        sources = [name]
        factor = editor.producer(name, "mul", "div")
        if factor is not None and "scalar" in factor.attributes:
            sources.append(factor.inputs[0])
        for source in sources:
            for end in ends:
                yield source, end


def _product_behind(editor: Editor, anchor: Op) -> Op | None:
    """The first product of two tensors after the anchor."""
    op: Op | None = anchor
    for _ in range(_LARGEST_REGION):
        op = editor.only_reader(op.output, *_REGION) if op is not None else None
        if op is None:
            return None
        if len(op.inputs) == 2:
            return op if op.kind == "mul" else None
    return None


def _region(editor: Editor, source: str, last: Op) -> tuple[Op, ...] | None:
    """Operations between two tensors, in order, if they depend on nothing else."""
    found: dict[str, Op] = {}
    waiting = [last]
    while waiting:
        op = waiting.pop()
        if op.output in found:
            continue
        scalar = op.attributes.get("scalar", 0.0)
        same = editor.shape(op.output) == editor.shape(source)
        if op.kind not in _REGION or isinstance(scalar, str) or not same:
            return None
        found[op.output] = op
        for name in op.inputs:
            if name == source:
                continue
            before = editor.producer(name)
            if before is None or len(found) > _LARGEST_REGION:
                return None
            waiting.append(before)
    inner = {output for output in found if output != last.output}
    if any(editor.is_output(output) for output in inner):
        return None
    return _ordered(found, source)


def _ordered(found: Mapping[str, Op], source: str) -> tuple[Op, ...]:
    ready = {source}
    ordered: list[Op] = []
    waiting = list(found.values())
    while waiting:
        now = [op for op in waiting if ready.issuperset(op.inputs)]
        ordered += now
        ready |= {op.output for op in now}
        waiting = [op for op in waiting if op not in now]
    return tuple(ordered)


def _evaluate(region: Sequence[Op], source: str) -> NDArray[np.float32]:
    values: dict[str, NDArray[Any]] = {source: _GRID}
    for op in region:
        values[op.output] = execute(op, [values[name] for name in op.inputs], {}, np.float32)
    result: NDArray[np.float32] = values[region[-1].output]
    return result
