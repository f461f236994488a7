"""Index and mask arithmetic, and the look-up of embeddings: what the host does around the chip.

Which question this module answers: *what is computed without a crossbar or a digital unit?*

Token ids, attention masks and positions are integers and truth values, and what follows from them
alone (comparisons, cumulative sums, the angles of a rotary embedding) depends on no activation. The
host executes it as the traced model does, in its own precision; only results that an operation of
the chip takes cross over, as codes of the scheme. Rows of an embedding table are fetched by the
host too, and arrive as activations.

Not modelled: time and energy of the host, and the memory that holds the embedding table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.integer.units import UnitOutput
from pimsim.quantization.builder import FLOAT32, GraphBuilder, Value
from pimsim.quantization.encodings import code
from pimsim.quantization.quantized import Encoding, QuantizedOp
from pimsim.workload.graph import Op
from pimsim.workload.reference import execute as execute_reference


def lower_on_host(builder: GraphBuilder, op: Op) -> None:
    """Let the host execute an operation of index or mask arithmetic, exactly as traced."""
    workload = builder.workload
    constants = [_stored(builder, name) for name in op.inputs]
    dtype = workload.tensors[op.output].dtype

    def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
        computed = iter(arrays)
        operands = [next(computed) if value is None else value for value in constants]
        return UnitOutput(execute_reference(op, operands, dims, dtype), 0)

    builder.emit(
        QuantizedOp(
            name=op.name,
            kind="boundary",
            source=op.name,
            inputs=tuple(name for name in op.inputs if name in builder.host),
            output=op.output,
            execute=None if builder.shape_only else execute,
        ),
        builder.shape(op.output),
        FLOAT32,
    )


def look_up(builder: GraphBuilder, op: Op, encoding: Encoding) -> Value:
    """Let the host fetch rows of a stored table, coded as ``encoding`` says.

    Raises
    ------
    QuantizationError
        If the indices or the table are computed from activations.
    """
    indices, table = op.inputs
    if indices not in builder.host:
        raise QuantizationError(
            f"the indices {indices!r} are computed from activations; only indices that follow from "
            "token ids, masks and positions have a form"
        )
    stored = builder.stored(table)
    codes = code(np.zeros((1, 1)) if stored is None else stored, encoding)

    def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
        return UnitOutput(execute_reference(op, [arrays[0], codes], dims, codes.dtype), 0)

    return builder.emit(
        QuantizedOp(
            name=op.name,
            kind="boundary",
            source=op.name,
            inputs=(indices,),
            output=op.output,
            execute=None if builder.shape_only else execute,
        ),
        builder.shape(op.output),
        encoding,
    )


def keep_only(builder: GraphBuilder, op: Op) -> Value:
    """Note on the logits which of them a softmax takes; the fill value itself is not computed.

    A row of which nothing is kept becomes zeros, where float32 arithmetic with a finite fill gives
    equal weights: it stands for padding that nobody reads.

    Raises
    ------
    QuantizationError
        If the mask depends on activations or stands twice before one softmax.
    """
    value, keep = builder.computed(op.inputs[0]), builder.from_host(op.inputs[1])
    if keep is None:
        raise QuantizationError(
            f"the mask {op.inputs[1]!r} is computed from activations; only masks that follow from "
            "token ids, attention masks and positions have a form"
        )
    if value.keep is not None:
        raise QuantizationError("logits that are masked twice; combine the two masks in the model")
    return Value(value.name, value.encoding, keep=keep)


def _stored(builder: GraphBuilder, name: str) -> NDArray[np.generic] | None:
    """Values of a stored operand, moved at compile time if need be; ``None`` for the host's own."""
    return None if name in builder.host else builder.stored(name)
