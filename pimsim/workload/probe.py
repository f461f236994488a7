"""Evaluate index and mask arithmetic of a graph at a small size, without running the network.

Which question this module answers: *which logits does this mask let through?*

Only what leads to the tensor asked for is computed, by the reference executor. Inputs are all ones
unless asked otherwise, as an attention mask without padding is; results of products, normalizations
and softmax, which no mask is made from, are zeros, and so are weights of a graph of shapes.
"""

from collections.abc import Mapping
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from pimsim.workload.graph import PRODUCT_KINDS, Op, Workload
from pimsim.workload.reference import execute
from pimsim.workload.shapes import SizeTable

_SIZE: Final = 5
"""Of every dimension but the batch: small, and more than one window of the shortest masks."""

_NOT_COMPUTED: Final = PRODUCT_KINDS | {"layer_norm", "rms_norm", "softmax"}


@final
class Probe:
    """Values of the tensors of one graph, computed when asked for.

    Parameters
    ----------
    workload
        With or without weights.
    size
        Every dimension but the batch has this size, or the nearest that the trace allows.
    inputs
        What every element of the inputs is.
    """

    def __init__(self, workload: Workload, size: int = _SIZE, *, inputs: int = 1) -> None:
        self._workload = workload
        self._inputs = inputs
        self._dims = SizeTable(
            {
                name: low if name == "batch" else min(max(low, size), high)
                for name, (low, high) in workload.dims.items()
            }
        )
        self._producers = {op.output: op for op in workload.ops}
        self._values: dict[str, NDArray[Any]] = {}

    @property
    def dims(self) -> Mapping[str, int]:
        """The sizes that tensors are evaluated at."""
        return self._dims

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Shape of a tensor at these sizes."""
        return self._workload.tensors[tensor].resolved(self._dims)

    def value(self, tensor: str, given: Mapping[str, NDArray[Any]] | None = None) -> NDArray[Any]:
        """Compute a tensor.

        Parameters
        ----------
        tensor
            Any tensor of the graph.
        given
            Values of tensors that are taken as they are instead of being computed.
        """
        fixed = given or {}
        fresh: dict[str, NDArray[Any]] = dict(fixed)
        changed = set(fixed)
        waiting = [tensor]
        while waiting:
            name = waiting[-1]
            if name in fresh or name in self._values:
                waiting.pop()
                continue
            op = self._producers.get(name)
            if op is None or op.kind in _NOT_COMPUTED:
                self._values[name] = self._leaf(name)
                continue
            missing = [one for one in op.inputs if one not in fresh and one not in self._values]
            if missing:
                waiting.extend(missing)
                continue
            value = self._computed(op, fresh)
            if changed.isdisjoint(op.inputs):
                self._values[name] = value
            else:
                changed.add(name)
                fresh[name] = value
        return fresh[tensor] if tensor in fresh else self._values[tensor]

    def depends_on_inputs(self, tensor: str) -> bool:
        """Whether a tensor has other values for other inputs or weights."""
        waiting, seen = [tensor], {tensor}
        while waiting:
            name = waiting.pop()
            if name not in self._producers:
                if self._workload.tensors[name].kind != "constant":
                    return True
                continue
            new = set(self._producers[name].inputs) - seen
            seen |= new
            waiting.extend(new)
        return False

    def _computed(self, op: Op, fresh: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        operands = [fresh[name] if name in fresh else self._values[name] for name in op.inputs]
        return execute(op, operands, self._dims, self._workload.tensors[op.output].dtype)

    def _leaf(self, name: str) -> NDArray[Any]:
        spec = self._workload.tensors[name]
        stored = self._workload.weights.get(name)
        if stored is not None:
            return stored
        fill = self._inputs if spec.kind == "input" else 0
        return np.full(self.shape(name), fill, np.dtype(spec.dtype))
