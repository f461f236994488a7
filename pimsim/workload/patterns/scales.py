"""Write a division by a number as the product that hardware does.

Which question this module answers: *by which factor are these logits scaled?*
"""

from pimsim.workload.patterns.editor import Editor


def recognize_scales(editor: Editor) -> None:
    """Replace float divisions by a constant with products."""
    for op in tuple(editor.ops()):
        divisor = op.attributes.get("scalar")
        if (
            op.kind != "div"
            or op.attributes.get("reverse")
            or not isinstance(divisor, (int, float))
        ):
            continue
        if divisor and editor.spec(op.inputs[0]).dtype == "float32":
            editor.rewrite(op, "mul", op.inputs, {"scalar": 1.0 / divisor}, members=[op])
