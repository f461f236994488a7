"""Check that the parts of a workload agree with each other.

Which question this module answers: *can this graph be executed, in this order, on these tensors?*
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import UnsupportedOpError, WorkloadError, nearest
from pimsim.workload.graph import OP_KINDS, Op, Samples, TensorSpec, Workload
from pimsim.workload.reference import bind_inputs
from pimsim.workload.shape_inference import output_shape
from pimsim.workload.shapes import Size, resolve

_OPERANDS: Final[Mapping[str, tuple[int, int]]] = {
    "linear": (2, 3),
    "matmul": (2, 2),
    "convolution": (2, 3),
    "softmax": (1, 1),
    "layer_norm": (3, 3),
    "gelu": (1, 1),
    "add": (1, 2),
    "mul": (1, 2),
    "view": (1, 1),
    "permute": (1, 1),
    "expand": (1, 1),
    "slice": (1, 1),
    "select": (1, 1),
    "cat": (1, 1024),
}
"""Fewest and most inputs of each kind."""


_OTHER_TRACE: Final = "the two files are not of one trace; trace the model again"
_CLEAN: Final = "correct or leave out these samples and save the workload again"


def check_graph(workload: Workload, where: str) -> None:
    """Check names, order and dimensions of the graph.

    Parameters
    ----------
    workload
        Weights and samples are not looked at.
    where
        The file, for messages.

    Raises
    ------
    WorkloadError
        At the first contradiction: a tensor that nothing produces, that two ops produce or that is
        read before it is there, a repeated name, an unknown dimension, a wrong number of inputs.
    UnsupportedOpError
        If an operation is of an unknown kind.
    """
    _check_dimensions(workload, where)
    _check_ends(workload, where)
    available = {name for name, spec in workload.tensors.items() if spec.kind != "activation"}
    producers = _producers(workload, available, where)
    for index, op in enumerate(workload.ops):
        place = f"{where}: ops[{index}] {op.name!r}"
        _check_operands(op, place)
        for name in op.inputs:
            _check_available(name, workload, available, producers, place)
        available.update(op.outputs)
    for name in workload.outputs:
        if name not in available:
            raise WorkloadError(
                f"{where}: outputs: no op produces {name!r}{nearest(name, workload.tensors)}"
            )
    _check_shapes(workload, where)


def check_weights(workload: Workload, where: str) -> None:
    """Check that each stored tensor is there, has the declared form and only finite values.

    Raises
    ------
    WorkloadError
        At the first weight that is missing, surplus, of another shape or type, or not finite.
    """
    surplus = [name for name in workload.weights if name not in workload.stored]
    for name in workload.stored:
        if name not in workload.weights:
            raise WorkloadError(
                f"{where}: tensor {name!r} of graph.json is missing"
                f"{nearest(name, surplus) or f'; {_OTHER_TRACE}'}"
            )
        check_stored(workload.tensors[name], workload.weights[name], where)
    for name in surplus:
        raise WorkloadError(
            f"{where}: tensor {name!r} is not a weight of graph.json; {_OTHER_TRACE}"
        )


def check_stored(spec: TensorSpec, value: NDArray[Any], where: str) -> None:
    """Check one stored tensor against its declaration.

    Raises
    ------
    WorkloadError
        If shape or type differ, or a value is NaN or infinite.
    """
    place = f"{where}: tensor {spec.name!r}"
    if value.shape != spec.shape:
        raise WorkloadError(
            f"{place} has shape {value.shape}, graph.json declares {spec.shape}; {_OTHER_TRACE}"
        )
    if value.dtype != np.dtype(spec.dtype):
        raise WorkloadError(
            f"{place} has element type {value.dtype}, graph.json declares {spec.dtype}; "
            f"{_OTHER_TRACE}"
        )
    check_finite(value, place, "train or export the model again")


def check_finite(value: NDArray[Any], place: str, remedy: str) -> None:
    """Check that no value is NaN or infinite.

    Parameters
    ----------
    value
        Any array; integers are finite.
    place
        File and tensor, for the message.
    remedy
        What to do about it.

    Raises
    ------
    WorkloadError
        With the number of bad values.
    """
    if value.dtype.kind != "f":
        return
    bad = value.size - int(np.count_nonzero(np.isfinite(value)))
    if bad:
        raise WorkloadError(
            f"{place} has {bad} of {value.size} values that are NaN or infinite; {remedy}"
        )


def check_samples(workload: Workload, samples: Samples, where: str) -> None:
    """Check that the samples fit the graph's inputs and outputs and one another.

    Raises
    ------
    WorkloadError
        If a set is empty or incomplete, an array has another shape or type than its input, counts
        differ, or a value is not finite.
    """
    for role, arrays in (("calibration", samples.calibration), ("evaluation", samples.evaluation)):
        _check_names(role, arrays, workload.inputs, where)
        for name, array in arrays.items():
            if array.ndim == 0 or len(array) == 0:
                raise WorkloadError(
                    f"{where}: {role}.{name!s} is empty; at least one sample is needed"
                )
            check_finite(array, f"{where}: {role}.{name}", _CLEAN)
        try:
            dims = bind_inputs(workload, [arrays[name] for name in workload.inputs])
        except WorkloadError as error:
            raise WorkloadError(f"{where}: {role}: {error}") from None
    if samples.labels is not None:
        classes = workload.tensors[workload.outputs[0]].resolved(dims)[-1]
        _check_labels(samples.labels, samples.count, classes, where)
    _check_names("reference", samples.reference, workload.outputs, where)
    for name, array in samples.reference.items():
        place = f"{where}: reference.{name}"
        expected = workload.tensors[name].resolved(dims)  # of the evaluation samples
        if array.shape != expected:
            raise WorkloadError(
                f"{place} has shape {array.shape}; the evaluation samples give {expected}"
            )
        check_finite(array, place, _CLEAN)


def _check_labels(labels: NDArray[Any], count: int, classes: int, where: str) -> None:
    if labels.dtype != np.int64:
        raise WorkloadError(f"{where}: labels have element type {labels.dtype}, must be int64")
    if labels.ndim == 0 or len(labels) != count:
        raise WorkloadError(
            f"{where}: labels have shape {labels.shape}; one label is needed for each of the "
            f"{count} evaluation samples"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise WorkloadError(
            f"{where}: labels reach from {labels.min()} to {labels.max()}, but the {classes} "
            f"classes of the output are 0 to {classes - 1}; correct the labels"
        )


def _check_names(
    role: str, arrays: Mapping[str, NDArray[Any]], expected: Sequence[str], where: str
) -> None:
    for name in expected:
        if name not in arrays:
            raise WorkloadError(f"{where}: {role}.{name} is missing")
    for name in arrays:
        if name not in expected:
            raise WorkloadError(
                f"{where}: {role}.{name}: graph.json has no such name{nearest(name, expected)}"
            )


def _check_dimensions(workload: Workload, where: str) -> None:
    for name, (low, high) in workload.dims.items():
        if low > high:
            raise WorkloadError(f"{where}: dims.{name}: smallest {low} is above largest {high}")
    for tensor, spec in workload.tensors.items():
        _check_sizes(spec.shape, workload, f"{where}: tensors.{tensor}.shape")
        if spec.kind in ("weight", "constant") and any(isinstance(s, str) for s in spec.shape):
            raise WorkloadError(
                f"{where}: tensors.{tensor}.shape: a stored tensor has fixed sizes, "
                f"got {list(spec.shape)}"
            )
    for index, op in enumerate(workload.ops):
        place = f"{where}: ops[{index}] {op.name!r}"
        _check_sizes(op.attributes.get("shape", ()), workload, f"{place}: shape")


def _check_shapes(workload: Workload, where: str) -> None:
    """Every declared shape follows from its op, for small and for large dimensions."""
    for dims in _extremes(workload):
        shapes = {name: spec.resolved(dims) for name, spec in workload.tensors.items()}
        for index, op in enumerate(workload.ops):
            place = f"{where}: ops[{index}] {op.name!r} ({op.kind})"
            try:
                computed = output_shape(op, [shapes[name] for name in op.inputs], dims)
            except WorkloadError as error:
                raise WorkloadError(f"{place}: {error}") from None
            if computed != shapes[op.output]:
                raise WorkloadError(
                    f"{place}: gives shape {computed}, but tensors.{op.output} declares "
                    f"{list(workload.tensors[op.output].shape)}; trace the model again"
                )


def _extremes(workload: Workload) -> tuple[dict[str, int], dict[str, int]]:
    """Every dimension at its smallest, and at its largest, value."""
    low = {name: bounds[0] for name, bounds in workload.dims.items()}
    return low, {name: bounds[1] for name, bounds in workload.dims.items()}


def _check_sizes(shape: Sequence[Size], workload: Workload, place: str) -> None:
    for dims in _extremes(workload):
        for size in shape:
            try:
                resolve(size, dims)
            except WorkloadError as error:
                raise WorkloadError(f"{place}: {error}") from None


def _check_ends(workload: Workload, where: str) -> None:
    """Every graph input is a tensor of kind input, and the other way round."""
    for name in workload.inputs:
        spec = workload.tensors.get(name)
        if spec is None or spec.kind != "input":
            kind = "is not in tensors" if spec is None else f"is of kind {spec.kind!r}"
            raise WorkloadError(
                f"{where}: inputs: {name!r} {kind}; must be a tensor of kind 'input'"
            )
    for name, spec in workload.tensors.items():
        if spec.kind == "input" and name not in workload.inputs:
            raise WorkloadError(
                f"{where}: tensors.{name}: is of kind 'input' but not listed in inputs"
            )


def _producers(workload: Workload, given: set[str], where: str) -> dict[str, str]:
    """Map each activation to the op that produces it; every op and tensor name once."""
    producers: dict[str, str] = {}
    names: set[str] = set()
    for index, op in enumerate(workload.ops):
        place = f"{where}: ops[{index}] {op.name!r}"
        if op.kind not in OP_KINDS:
            raise UnsupportedOpError(
                f"{place}: unknown kind {op.kind!r}; supported: {', '.join(sorted(OP_KINDS))}"
            )
        if op.name in names:
            raise WorkloadError(f"{place}: another op has this name; names must be unique")
        names.add(op.name)
        for output in op.outputs:
            if output not in workload.tensors:
                raise WorkloadError(f"{place}: output {output!r} is not in tensors")
            if output in given:
                kind = workload.tensors[output].kind
                raise WorkloadError(
                    f"{place}: output {output!r} is of kind {kind!r}, not activation"
                )
            if output in producers:
                raise WorkloadError(
                    f"{place}: output {output!r} is produced already by op {producers[output]!r}"
                )
            producers[output] = op.name
    for name in workload.tensors:
        if name not in given and name not in producers:
            consumers = [op.name for op in workload.ops if name in op.inputs]
            used = f"consumed by op {consumers[0]!r}" if consumers else "declared"
            raise WorkloadError(f"{where}: tensors.{name}: {used}, but no op produces it")
    return producers


def _check_available(
    name: str,
    workload: Workload,
    available: set[str],
    producers: Mapping[str, str],
    place: str,
) -> None:
    if name in available:
        return
    if name in producers:
        raise WorkloadError(
            f"{place}: consumes {name!r}, which op {producers[name]!r} produces only later; "
            "ops must stand in execution order"
        )
    raise WorkloadError(
        f"{place}: consumes {name!r}, which nothing produces{nearest(name, workload.tensors)}"
    )


def _check_operands(op: Op, place: str) -> None:
    fewest, most = _OPERANDS[op.kind]
    count = len(op.inputs)
    if not fewest <= count <= most:
        allowed = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise WorkloadError(f"{place}: kind {op.kind!r} takes {allowed} inputs, got {count}")
    if op.kind in ("add", "mul") and (count == 1) != ("scalar" in op.attributes):
        raise WorkloadError(
            f"{place}: kind {op.kind!r} takes two inputs, or one and the attribute 'scalar'; "
            f"got {count} and {'a' if 'scalar' in op.attributes else 'no'} scalar"
        )
