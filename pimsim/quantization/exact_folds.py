"""Scales that move from one matrix to another without changing what a network computes.

Which question this module answers: *how do channels of different size come to share one scale?*

Where one scale serves a whole matrix, channels with small weights waste codes. Three places of an
attention layer allow a factor per channel that another matrix takes back exactly:

* gain and bias of a layer normalization, into the weights and bias of the linear layers that
  follow, where nothing else reads it;
* channel ``j`` of the values, into input ``j`` of the output projection, because a weighted mean of
  rows keeps channels apart;
* channel ``j`` of the queries against channel ``j`` of the keys, because the two are multiplied.

In real arithmetic the network stays what it was. Reconstruction: RAP's paper does not say how
weights are scaled.

Not modelled: factors between the two matrices of a perceptron, which the function between them does
not let through.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.quantization.attention_paths import Attention, attentions
from pimsim.quantization.encodings import consumers
from pimsim.workload.graph import MOVEMENT_KINDS, Op, TensorSpec, Workload

Real = NDArray[Any]
_LAST_AXIS_KEPT = ("select", "slice", "flip", "expand")
_NEGLIGIBLE_RATIO = 2.0**-12
"""Channels below this share of the largest are scaled as if at it."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The same network with other weights, and by what its tensors differ."""

    workload: Workload
    factors: Mapping[str, Real]
    """Tensor → what it must be multiplied by to be the original's, broadcast to its shape."""
    offsets: Mapping[str, Real]
    """Tensor → what must be added then."""


def fold(workload: Workload) -> Folded:
    """Return the same network with its per-channel factors moved to where they fold exactly.

    Parameters
    ----------
    workload
        With weights.
    """
    folding = _Folding(workload)
    for op in workload.ops:
        if op.kind == "layer_norm":
            folding.layer_norm(op)
    for attention in attentions(workload):
        folding.values(attention)
        folding.queries(attention)
    return folding.result()


class _Folding:
    """Collects changed weights and operations."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.readers = consumers(workload)
        self.weights: dict[str, Real] = dict(workload.weights)
        self.tensors = dict(workload.tensors)
        self.ops = {op.name: op for op in workload.ops}
        self.factors: dict[str, Real] = {}
        self.offsets: dict[str, Real] = {}

    def result(self) -> Folded:
        """The network with all changes."""
        ops = tuple(self.ops[op.name] for op in self.workload.ops)
        changed = replace(self.workload, ops=ops, tensors=self.tensors, weights=self.weights)
        return Folded(changed, self.factors, self.offsets)

    def layer_norm(self, op: Op) -> None:
        """Move gain and bias into the linear layers behind, if these are all that read it."""
        layers = self._linear_readers(op.output)
        constants = [self._own(name) for name in op.inputs[1:]]
        if layers is None or any(constant is None for constant in constants):
            return
        gain, bias = (self.weights[name].astype(np.float64) for name in op.inputs[1:])
        if gain.ndim != 1:
            return
        for layer in layers:
            matrix = self.weights[layer.inputs[1]].astype(np.float64)
            self._add_bias(layer, matrix @ bias)
            self._set(layer.inputs[1], matrix * gain)
        self.factors[op.output], self.offsets[op.output] = gain, bias
        self._set(op.inputs[1], np.ones_like(gain))
        self._set(op.inputs[2], np.zeros_like(bias))

    def values(self, attention: Attention) -> None:
        """Give every channel of the values the same largest weight."""
        value, output, channels = attention.value, attention.output, attention.value_channels
        if value is None or output is None or channels is None:
            return
        if not (self._own_layer(value) and self._own_layer(output)):
            return
        factors = _peaks(self.weights[value.inputs[1]])
        factors /= factors.max()
        self._divide(value, factors)
        if attention.context_channels is not None:
            self.factors[attention.context.output] = factors[attention.context_channels]
        matrix = self.weights[output.inputs[1]].astype(np.float64)
        self._set(output.inputs[1], matrix * factors[channels])

    def queries(self, attention: Attention) -> None:
        """Give a channel of the queries and its partner of the keys the same largest weight."""
        query, key, paired = attention.query, attention.key, attention.paired
        if query is None or key is None or paired is None or query.name == key.name:
            return
        if not (self._own_layer(query) and self._own_layer(key)):
            return
        asked, held = paired
        ratio = np.sqrt(
            _peaks(self.weights[query.inputs[1]])[asked] / _peaks(self.weights[key.inputs[1]])[held]
        )
        by_query, by_key = np.ones(asked.size), np.ones(held.size)
        by_query[asked], by_key[held] = ratio, 1.0 / ratio
        self._divide(query, by_query)
        self._divide(key, by_key)

    def _divide(self, op: Op, factors: Real) -> None:
        """Divide the output channels of a linear layer."""
        op = self.ops[op.name]  # a bias may have been added
        self.factors[op.output] = factors
        self._set(op.inputs[1], self.weights[op.inputs[1]] / factors[:, np.newaxis])
        if len(op.inputs) > 2:
            self._set(op.inputs[2], self.weights[op.inputs[2]] / factors)

    def _linear_readers(self, tensor: str) -> list[Op] | None:
        """Linear layers that take a tensor along its last axis; ``None`` if anything else does."""
        if tensor in self.workload.outputs:
            return None
        found: list[Op] = []
        for op in self.readers.get(tensor, []):
            if op.kind == "linear" and op.inputs[0] == tensor and self._own_layer(op):
                found.append(op)
                continue
            if op.kind not in MOVEMENT_KINDS or not self._keeps_channels(op):
                return None
            further = self._linear_readers(op.output)
            if further is None:
                return None
            found += further
        return found or None

    def _keeps_channels(self, op: Op) -> bool:
        """Whether a movement leaves the last axis what it was."""
        before, after = (self.tensors[name].shape for name in (op.inputs[0], op.output))
        if not after or before[-1] != after[-1] or op.kind not in _LAST_AXIS_KEPT:
            return False
        axis = op.attributes.get("axis", op.attributes.get("axes", ()))
        axes = axis if isinstance(axis, tuple) else (axis,)
        return all(one not in (-1, len(before) - 1) for one in axes)

    def _own_layer(self, op: Op) -> bool:
        """Whether weights and bias of a layer are stored, and no other operation's."""
        return all(self._own(name) is not None for name in op.inputs[1:])

    def _own(self, name: str) -> Real | None:
        once = len(self.readers.get(name, ())) == 1
        return self.workload.weights.get(name) if once else None

    def _add_bias(self, op: Op, extra: Real) -> None:
        op = self.ops[op.name]
        if len(op.inputs) > 2:
            self._set(op.inputs[2], self.weights[op.inputs[2]] + extra)
            return
        name = f"{op.name}.folded_bias"
        self.tensors[name] = TensorSpec(name, extra.shape, "float32", "weight")
        self._set(name, extra)
        self.ops[op.name] = replace(op, inputs=(*op.inputs, name))

    def _set(self, name: str, values: Real) -> None:
        self.weights[name] = values.astype(np.float32)


def _peaks(weight: Real) -> Real:
    """Largest magnitude of each output channel, none negligible."""
    peaks = np.abs(weight.astype(np.float64)).max(axis=1)
    return np.asarray(np.maximum(peaks, (peaks.max() or 1.0) * _NEGLIGIBLE_RATIO))
