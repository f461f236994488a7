"""The reference as a scheme: every operation in floating point.

Which question this module answers: *what would the network answer if no number were rounded to an
integer?*

Products stay products, of real numbers in single precision, and everything between them is computed
as the traced model does. A crossbar multiplies integers, so that such a graph is compared with and
never mapped: a run refuses it, and :func:`pimsim.functional.run_exact` executes it without a chip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.integer.units import UnitOutput
from pimsim.quantization.builder import FLOAT32, GraphBuilder, Value, host_side
from pimsim.quantization.forms import check_numerics
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.workload.graph import PRODUCT_KINDS, Op, Workload
from pimsim.workload.reference import execute as execute_reference

SCHEME: Final = "float32"


def quantize(
    workload: Workload, architecture: Architecture, statistics: Mapping[str, float] | None
) -> QuantizedWorkload:
    """Lower a workload to products of real numbers.

    Parameters
    ----------
    workload
        The traced graph.
    architecture
        Asked for nothing but that its file has no key that means nothing here.
    statistics
        ``None`` for a shape-only workload; not used otherwise.

    Raises
    ------
    QuantizationError
        If a product has no form as one matrix per sample and head.
    """
    check_numerics(architecture.numerics)
    return _Lowering(GraphBuilder(workload, architecture, statistics)).run()


@dataclass(frozen=True, slots=True)
class _Lowering:
    builder: GraphBuilder

    def run(self) -> QuantizedWorkload:
        builder = self.builder
        for name in builder.workload.inputs:
            builder.values[name] = Value(name, FLOAT32)
        builder.finish(SCHEME)  # inputs are tensors of the graph, too
        for op in builder.workload.ops:
            if op.output in builder.constants and "batch" not in builder.shape(op.output):
                builder.values[op.output] = builder.fold_constants(op)
            elif op.kind in PRODUCT_KINDS and op.output not in builder.host:
                builder.values[op.output] = self._product(op)
            else:
                builder.values[op.output] = self._as_traced(op)
        for name in builder.workload.outputs:
            self._step(f"{name}.fetch", builder.operand(name), host_side(name), lambda x: x)
        return builder.finish(SCHEME)

    def _as_traced(self, op: Op) -> Value:
        """Let the reference execute an operation."""
        builder = self.builder
        parts = [builder.operand(name) for name in op.inputs]
        dtype = builder.workload.tensors[op.output].dtype

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            computed = iter(arrays)
            operands = [next(computed) if p.constant is None else p.constant for p in parts]
            return UnitOutput(execute_reference(op, operands, dims, dtype), 0)

        return builder.emit(
            QuantizedOp(
                name=op.name,
                kind="boundary",
                source=op.name,
                inputs=tuple(part.name for part in parts if not part.is_constant),
                output=op.output,
                execute=None if builder.shape_only else execute,
                group=op.group,
            ),
            builder.shape(op.output),
            FLOAT32,
        )

    def _product(self, op: Op) -> Value:
        builder = self.builder
        first = builder.operand(op.inputs[0])
        if first.is_constant:
            raise QuantizationError(f"op {op.name!r}: its first operand is a stored constant")
        if op.kind == "matmul":
            product = builder.dynamic_product(op, first, builder.computed(op.inputs[1]), FLOAT32)
            return self._step(f"{op.name}.result", product, op.output, lambda x: x)
        weight = builder.stored(op.inputs[1])
        bias = builder.stored(op.inputs[2]) if len(op.inputs) > 2 else None
        matrix = None if weight is None else weight.reshape(len(weight), -1).T
        product = builder.product(op, builder.rows_of(op, first), matrix, FLOAT32)
        addend = np.float32(0) if bias is None else bias
        if op.kind == "linear":
            return self._step(f"{op.name}.bias", product, op.output, lambda x: x + addend)
        pixels = f"{op.output}.pixels"
        return builder.fold(
            op, self._step(f"{op.name}.bias", product, pixels, lambda x: x + addend)
        )

    def _step(self, name: str, value: Value, output: str, compute: Any) -> Value:
        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            return UnitOutput(compute(arrays[0]), 0)

        return self.builder.boundary(
            name, source=value.name, output=output, encoding=FLOAT32, execute=execute,
            shape=self.builder.tensors[value.name].shape,
        )  # fmt: skip
