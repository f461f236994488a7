"""Check that the parts of a workload agree with each other.

Which question this module answers: *can this graph be executed, in this order, on these tensors?*
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import UnsupportedOpError, WorkloadError, nearest
from pimsim.workload.graph import OP_KINDS, Samples, TensorSpec, Workload
from pimsim.workload.operands import check_operands, check_types
from pimsim.workload.reference import bind_inputs
from pimsim.workload.shape_inference import output_shape
from pimsim.workload.shapes import SizeTable, resolve

_OTHER_TRACE: Final = "the two files are not of one trace; trace the model again"
_PART: Final = 2**18
"""Elements examined at a time: they stay in the processor's cache, whatever a tensor's size."""
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
        check_operands(op, place)
        for name in op.inputs:
            _check_available(name, workload, available, producers, place)
        check_types(op, workload.tensors, place)
        available.update(op.outputs)
    for name in workload.outputs:
        if name not in available:
            raise WorkloadError(
                f"{where}: outputs: no op produces {name!r}{nearest(name, workload.tensors)}"
            )
    _check_shapes(workload, where)


def check_weights(workload: Workload, where: str, *, values: bool = True) -> None:
    """Check that each stored tensor is there, has the declared form and only finite values.

    Parameters
    ----------
    workload
        Its weights are not read where ``values`` is false.
    where
        The file, for messages.
    values
        Whether to look at the values, too.

    Raises
    ------
    WorkloadError
        At the first weight that is missing, surplus, of another shape or type, or not finite.
    """
    stored = dict.fromkeys(workload.stored)
    surplus = [name for name in workload.weights if name not in stored]
    for name in stored:
        if name not in workload.weights:
            raise WorkloadError(
                f"{where}: tensor {name!r} of graph.json is missing"
                f"{nearest(name, surplus) or f'; {_OTHER_TRACE}'}"
            )
        check_stored(workload.tensors[name], workload.weights[name], where, values=values)
    for name in surplus:
        raise WorkloadError(
            f"{where}: tensor {name!r} is not a weight of graph.json; {_OTHER_TRACE}"
        )


def check_stored(spec: TensorSpec, value: NDArray[Any], where: str, *, values: bool = True) -> None:
    """Check one stored tensor against its declaration.

    Raises
    ------
    WorkloadError
        If shape or type differ, or a value is NaN or, in a trained weight, infinite: a stored
        attention mask may hold minus infinity.
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
    if values:
        remedy = "train or export the model again"
        check_finite(value, place, remedy, infinities=spec.kind == "constant")


def check_finite(value: NDArray[Any], place: str, remedy: str, *, infinities: bool = False) -> None:
    """Check that no value is NaN or infinite.

    Parameters
    ----------
    value
        Any array; integers are finite.
    place
        File and tensor, for the message.
    remedy
        What to do about it.
    infinities
        Whether infinite values are allowed.

    Raises
    ------
    WorkloadError
        With the number of bad values.
    """
    if value.dtype.kind != "f":
        return
    flat = value.reshape(-1)
    bad = 0
    for first in range(0, flat.size, _PART):
        part = flat[first : first + _PART]
        wrong = np.isnan(part) if infinities else ~np.isfinite(part)
        bad += int(np.count_nonzero(wrong))
    if bad:
        found = "NaN" if infinities else "NaN or infinite"
        raise WorkloadError(f"{place} has {bad} of {value.size} values that are {found}; {remedy}")


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
        scores = workload.tensors[workload.outputs[0]].resolved(dims)
        _check_labels(samples.labels, samples.count, scores, where)
    if samples.reference:
        _check_names("reference", samples.reference, workload.outputs, where)
    for name, array in samples.reference.items():
        place = f"{where}: reference.{name}"
        expected = workload.tensors[name].resolved(dims)  # of the evaluation samples
        if array.shape != expected:
            raise WorkloadError(
                f"{place} has shape {array.shape}; the evaluation samples give {expected}"
            )
        check_finite(array, place, _CLEAN)


def _check_labels(labels: NDArray[Any], count: int, scores: tuple[int, ...], where: str) -> None:
    """Check that there is a class for every row of the output, whose shape is ``scores``."""
    *rows, classes = scores
    if labels.dtype != np.int64:
        raise WorkloadError(f"{where}: labels have element type {labels.dtype}, must be int64")
    if labels.ndim == 0 or len(labels) != count:
        raise WorkloadError(
            f"{where}: labels have shape {labels.shape}; one label is needed for each of the "
            f"{count} evaluation samples"
        )
    if labels.shape != tuple(rows):
        raise WorkloadError(
            f"{where}: labels have shape {labels.shape}; one label is needed for each row of the "
            f"output, {tuple(rows)}"
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
    tables = _extremes(workload)
    for tensor, spec in workload.tensors.items():
        symbolic = [size for size in spec.shape if isinstance(size, str)]
        if symbolic and spec.kind in ("weight", "constant"):
            raise WorkloadError(
                f"{where}: tensors.{tensor}.shape: a stored tensor has fixed sizes, "
                f"got {list(spec.shape)}"
            )
        for size in symbolic:
            for dims in tables:
                try:
                    resolve(size, dims)
                except WorkloadError as error:
                    raise WorkloadError(f"{where}: tensors.{tensor}.shape: {error}") from None


def _check_shapes(workload: Workload, where: str) -> None:
    """Every declared shape follows from its op, for small and for large dimensions."""
    for dims in _extremes(workload):
        shapes = {name: spec.resolved(dims) for name, spec in workload.tensors.items()}
        for index, op in enumerate(workload.ops):
            try:
                computed = output_shape(op, [shapes[name] for name in op.inputs], dims)
            except WorkloadError as error:
                place = f"{where}: ops[{index}] {op.name!r} ({op.kind})"
                raise WorkloadError(f"{place}: {error}") from None
            if computed != shapes[op.output]:
                raise WorkloadError(
                    f"{where}: ops[{index}] {op.name!r} ({op.kind}): gives shape {computed}, but "
                    f"tensors.{op.output} declares {list(workload.tensors[op.output].shape)}; "
                    "trace the model again"
                )


def _extremes(workload: Workload) -> tuple[SizeTable, SizeTable]:
    """Every dimension at its smallest, and at its largest, value."""
    low = SizeTable({name: bounds[0] for name, bounds in workload.dims.items()})
    return low, SizeTable({name: bounds[1] for name, bounds in workload.dims.items()})


def _check_ends(workload: Workload, where: str) -> None:
    """Every graph input is a tensor of kind input or state, and the other way round."""
    for name in workload.inputs:
        spec = workload.tensors.get(name)
        if spec is None or spec.kind not in ("input", "state"):
            kind = "is not in tensors" if spec is None else f"is of kind {spec.kind!r}"
            raise WorkloadError(
                f"{where}: inputs: {name!r} {kind}; must be a tensor of kind 'input' or 'state'"
            )
    for name, spec in workload.tensors.items():
        if spec.kind in ("input", "state") and name not in workload.inputs:
            raise WorkloadError(
                f"{where}: tensors.{name}: is of kind {spec.kind!r} but not listed in inputs"
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
