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
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import MappingError
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.workload.graph import MOVEMENT_KINDS, Op
from pimsim.workload.reference import apply_movement
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
    produced = {op.output for op in quantized.ops}
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
            parts[op.output] = _Parts(((op.name, op.output),), shape_of(op.output), None)
    for name in quantized.outputs:
        parts.setdefault(name, _Parts(((None, name),), shape_of(name), None))
    return {name: _counted(part) for name, part in parts.items()}


def _counted(parts: _Parts) -> tuple[Origin, ...]:
    if parts.labels is None:
        ((producer, tensor),) = parts.origins
        return (Origin(producer, tensor, int(np.prod(parts.shape, dtype=np.int64))),)
    counts = np.bincount(parts.labels.ravel(), minlength=len(parts.origins))
    return tuple(
        Origin(producer, tensor, int(count))
        for (producer, tensor), count in zip(parts.origins, counts, strict=True)
        if count
    )


def _moved(
    op: QuantizedOp, inputs: Sequence[_Parts], shape: tuple[int, ...], dims: Mapping[str, int]
) -> _Parts:
    """Origins of the output of a movement or boundary."""
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
        labels = np.zeros(part.shape, np.int32) if part.labels is None else part.labels
        arrays.append(codes[labels])
    labels = arrays[0] if op.kind == "boundary" else _apply(op, arrays, dims)
    if labels.shape != shape:
        raise MappingError(
            f"op {op.name!r} ({op.function}): its attributes give shape {labels.shape}, "
            f"tensor {op.output!r} is declared as {shape}"
        )
    return _Parts(union, shape, labels)


def _apply(op: QuantizedOp, arrays: Sequence[Labels], dims: Mapping[str, int]) -> Labels:
    """Move labels as the operation moves elements."""
    if op.function in MOVEMENT_KINDS:
        movement = Op(op.name, op.function, op.inputs, (op.output,), op.attributes)
        try:
            return apply_movement(movement, arrays, dims)
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
