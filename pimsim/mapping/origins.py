"""Which operation really computed the numbers of a tensor, movements looked through.

Which question this module answers: *when an operation reads this tensor, from whose output does
each element come?*

Movements (view, permute, expand, slice, select, cat) and boundaries are address arithmetic on a
chip: they take no time and store nothing. Traffic and dependencies therefore go to the operation
behind them, or to the global buffer when there is none (inputs of the graph and stored constants).
A concatenation has several origins; how many elements a later slice takes from each is found
exactly, by moving an array of origin labels as the elements would be moved. Constants that a scheme
has folded into an operation (a class token into a ``cat``) are no tensors and have no origin: all
elements count as the other operand's.

States of a decoding step (the keys and values of earlier tokens) are *resident*: they lie in the
cells of the products that multiply with them, and nothing of them travels. That holds for a state
that is only ever the stored operand of dynamic products; any other is an input like the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import MappingError
from pimsim.mapping.labels import distinct, move_labels
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.workload.graph import MOVEMENT_KINDS
from pimsim.workload.shapes import resolve_shape

Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where some elements of a tensor come from."""

    producer: str | None
    """Operation that computed them; ``None``: they lie in the global buffer from the start."""
    tensor: str
    """Tensor in whose encoding they are stored on the chip."""
    elements: int
    resident: bool = False
    """The elements lie in the cells already: earlier tokens of a cache."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """Origins of one tensor; ``labels`` says which element has which, ``None`` if all have one."""

    origins: tuple[tuple[str | None, str], ...]
    shape: tuple[int, ...]
    labels: Labels | None


def trace_origins(
    quantized: QuantizedWorkload, dims: Mapping[str, int]
) -> dict[str, tuple[Origin, ...]]:
    """Find the origins of every tensor that an operation or the outside world takes.

    Parameters
    ----------
    quantized
        The integer graph, operations in execution order.
    dims
        A number for every symbolic dimension.

    Returns
    -------
    dict
        Tensor name → its origins; their element counts sum to the size of the tensor.

    Raises
    ------
    MappingError
        If an operation uses a tensor before it is computed, or if a movement of tensors of several
        origins is of unknown kind, lacks an attribute, or contradicts its declared shape.

    Notes
    -----
    A movement of a tensor of a single origin needs no attributes: only its size counts. Kinds that
    a scheme adds to those of the traced graph are followed by running their executable on labels.
    """
    return trace(quantized, dims)[0]


def fresh_elements(
    quantized: QuantizedWorkload, dims: Mapping[str, int]
) -> dict[str, NDArray[np.bool_]]:
    """Find which elements of its stored operand a product writes when the others are resident.

    Parameters
    ----------
    quantized, dims
        As in :func:`trace_origins`.

    Returns
    -------
    dict
        Dynamic product with resident elements → (matrices, rows, cols), true where an element is
        written; one matrix per sample of the batch and instance (head). Read-only.
    """
    return trace(quantized, dims)[1]


def trace(
    quantized: QuantizedWorkload, dims: Mapping[str, int]
) -> tuple[dict[str, tuple[Origin, ...]], dict[str, NDArray[np.bool_]]]:
    """Both at once: :func:`trace_origins` and :func:`fresh_elements`."""
    parts = _all_parts(quantized, dims)
    resident = _resident_tensors(quantized, parts)
    found = {}
    for op in quantized.ops:
        part = parts[op.inputs[1]] if op.kind == "dynamic_product" else None
        if part is None or not any(tensor in resident for _, tensor in part.origins):
            continue
        fresh = np.array([tensor not in resident for _, tensor in part.origins])
        found[op.name] = _renamed(part, fresh).reshape(-1, *part.shape[-2:])
    return {name: _counted(part, resident) for name, part in parts.items()}, found


def _resident_tensors(quantized: QuantizedWorkload, parts: Mapping[str, _Parts]) -> frozenset[str]:
    """States, as the chip codes them, that dynamic products alone take, as their stored operand."""
    traced = quantized.workload.tensors
    states = {name for name in quantized.inputs if name in traced and traced[name].kind == "state"}
    for op in quantized.ops:
        if op.kind == "boundary" and not states.isdisjoint(op.inputs):
            states.add(op.output)
    taken = set(quantized.outputs)
    held: set[str] = set()
    for op in quantized.ops:
        if op.kind in ("movement", "boundary"):
            continue
        for index, name in enumerate(op.inputs):
            (held if op.kind == "dynamic_product" and index == 1 else taken).add(name)
    elsewhere = {tensor for name in taken for _, tensor in parts[name].origins}
    inside = {tensor for name in held for _, tensor in parts[name].origins}
    return frozenset((states & inside) - elsewhere)


def _all_parts(quantized: QuantizedWorkload, dims: Mapping[str, int]) -> dict[str, _Parts]:
    """Origins of every tensor, element by element where there are several."""
    produced = {name for op in quantized.ops for name in (op.output, op.shifts)}
    parts: dict[str, _Parts] = {}

    def shape_of(tensor: str) -> tuple[int, ...]:
        return resolve_shape(quantized.tensors[tensor].shape, dims)

    for op in quantized.ops:
        for name in op.inputs:
            if name not in parts:
                if name in produced:
                    raise MappingError(
                        f"op {op.name!r} uses tensor {name!r} before it is computed; "
                        "list the operations in execution order"
                    )
                parts[name] = _Parts(((None, name),), shape_of(name), None)
        if op.kind in ("movement", "boundary"):
            parts[op.output] = _moved(
                op, [parts[name] for name in op.inputs], shape_of(op.output), dims
            )
        else:
            for output in (op.output, op.shifts):
                if output is not None:
                    parts[output] = _Parts(((op.name, output),), shape_of(output), None)
    for name in quantized.outputs:
        parts.setdefault(name, _Parts(((None, name),), shape_of(name), None))
    return parts


def _counted(parts: _Parts, resident: frozenset[str]) -> tuple[Origin, ...]:
    if parts.labels is None:
        ((producer, tensor),) = parts.origins
        count = int(np.prod(parts.shape, dtype=np.int64))
        return (Origin(producer, tensor, count, resident=tensor in resident),)
    labels = distinct(parts.labels)
    repeats = parts.labels.size // labels.size if labels.size else 0
    counts = np.bincount(labels.ravel(), minlength=len(parts.origins)) * repeats
    return tuple(
        Origin(producer, tensor, int(count), resident=tensor in resident)
        for (producer, tensor), count in zip(parts.origins, counts, strict=True)
        if count
    )


def _moved(
    op: QuantizedOp, inputs: Sequence[_Parts], shape: tuple[int, ...], dims: Mapping[str, int]
) -> _Parts:
    """Origins of the output of a movement or boundary."""
    if not inputs:  # positions and constants that the host makes
        return _Parts(((None, op.output),), shape, None)
    if op.function in ("gather", "index"):  # indices say which elements, and are none of them
        if len(inputs[0].origins) > 1:
            raise MappingError(
                f"op {op.name!r} picks elements of a tensor of several origins by computed "
                "indices, so it cannot be told before the run what travels from where"
            )
        inputs = inputs[:1]
    # What the global buffer holds behind a boundary are the chip's integers, not the host's floats.
    renamed = [
        tuple(
            (None, op.output) if op.kind == "boundary" and producer is None else (producer, tensor)
            for producer, tensor in part.origins
        )
        for part in inputs
    ]
    union = tuple(dict.fromkeys(origin for origins in renamed for origin in origins))
    if len(union) == 1:
        return _Parts(union, shape, None)
    arrays = []
    for part, origins in zip(inputs, renamed, strict=True):
        codes = np.array([union.index(origin) for origin in origins], dtype=np.int32)
        arrays.append(_renamed(part, codes))
    labels = arrays[0] if op.kind == "boundary" else _apply(op, arrays, dims)
    if labels.shape != shape:
        raise MappingError(
            f"op {op.name!r} ({op.function}): its attributes give shape {labels.shape}, "
            f"tensor {op.output!r} is declared as {shape}"
        )
    return _Parts(union, shape, labels)


def _renamed(part: _Parts, names: NDArray[Any]) -> NDArray[Any]:
    """Labels of a tensor, each replaced by what ``names`` has in its place."""
    if part.labels is None:
        return np.broadcast_to(names[0], part.shape)
    return np.broadcast_to(names[distinct(part.labels)], part.shape)


def _apply(op: QuantizedOp, arrays: Sequence[Labels], dims: Mapping[str, int]) -> Labels:
    """Move labels as the operation moves elements."""
    if op.function in MOVEMENT_KINDS:
        try:
            return move_labels(op, arrays, dims)
        except KeyError as error:
            raise MappingError(
                f"op {op.name!r} ({op.function}) has no attribute {error}, needed to follow the "
                "elements of its several origins"
            ) from None
        except (ValueError, IndexError) as error:
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise MappingError(
                f"op {op.name!r} ({op.function}) cannot move tensors of shape {shapes}: {error}"
            ) from None
    if op.execute is None:
        raise MappingError(
            f"op {op.name!r}: movement {op.function!r} has neither a known kind nor an executable; "
            f"known: {', '.join(sorted(MOVEMENT_KINDS))}"
        )
    return np.asarray(op.execute(arrays, dims).values)
