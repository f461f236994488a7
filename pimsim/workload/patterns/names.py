"""Give the outputs of a graph the names that the model gives them.

Which question this module answers: *which tensor is "logits"?*
"""

from collections.abc import Sequence
from dataclasses import replace

from pimsim.workload.graph import Op, TensorSpec, Workload


def with_output_names(workload: Workload, names: Sequence[str | None]) -> Workload:
    """Rename the output tensors; the operations that compute them keep their own names.

    Parameters
    ----------
    workload
        Any graph.
    names
        One per output, ``None`` to leave a tensor its name. An output that is an input, a stored
        tensor or an output under another name already becomes a tensor of its own.
    """
    tensors = dict(workload.tensors)
    ops = list(workload.ops)
    renamed: dict[str, str] = {}
    outputs: list[str] = []
    for tensor, wanted in zip(workload.outputs, names, strict=True):
        if wanted is None:
            outputs.append(tensor)
            continue
        name = _unused(wanted, tensors) if wanted != tensor else wanted
        spec = tensors[tensor]
        if spec.kind != "activation" or tensor in renamed or tensor in outputs:
            op = _identity(name, tensor, spec)
            ops.append(op)
            tensors[name] = TensorSpec(name, spec.shape, spec.dtype, "activation")
        else:
            renamed[tensor] = name
            tensors[name] = replace(spec, name=name)  # only reserves the name so far
        outputs.append(name)
    return replace(
        workload,
        outputs=tuple(outputs),
        tensors=_renamed_tensors(workload, tensors, renamed),
        ops=tuple(_renamed_op(op, renamed) for op in ops),
    )


def _identity(name: str, tensor: str, spec: TensorSpec) -> Op:
    return Op(name, "view", (tensor,), (name,), {"shape": spec.shape})


def _renamed_tensors(
    workload: Workload, tensors: dict[str, TensorSpec], renamed: dict[str, str]
) -> dict[str, TensorSpec]:
    """Tensors in their order, renamed ones in the place of the old."""
    result = {
        renamed.get(name, name): replace(spec, name=renamed.get(name, name))
        for name, spec in workload.tensors.items()
    }
    return {
        **result,
        **{
            name: spec
            for name, spec in tensors.items()
            if name not in result and name not in renamed
        },
    }


def _renamed_op(op: Op, renamed: dict[str, str]) -> Op:
    return replace(
        op,
        inputs=tuple(renamed.get(name, name) for name in op.inputs),
        outputs=tuple(renamed.get(name, name) for name in op.outputs),
    )


def _unused(name: str, taken: dict[str, TensorSpec]) -> str:
    candidate, count = name, 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    return candidate
