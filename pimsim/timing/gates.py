"""What must be done before a step of an operation can start, under each dataflow.

Which question this module answers: *how early may a token of this operation use its operands?*

``layer_by_layer``
    When the operations that its stream needs have finished all their tokens.
``token_streaming``
    When the tokens are done that it needs (:mod:`pimsim.mapping.needs`); a product with a stored
    operand, when that is in the cells.
``rap_fused``
    As in RAP (arXiv 2411.14733): in an attention layer, the keys and values of all tokens of an
    input are written first, then each token goes on its own from its query over logits, softmax and
    context to the output projection, as in ``token_streaming``; queries wait for the last write, so
    that they are never stored. What is between attention layers goes as in ``layer_by_layer``: the
    paper has no hardware for it.

A group of tokens is done when all of its tokens are.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pimsim.mapping.mapped import MappedOp, MappedWorkload, Need
from pimsim.mapping.writing import TokenLayout, passes_tokens, stored_uses
from pimsim.timing.grouping import Steps
from pimsim.timing.plan import Gate


class Gates:
    """Makes the gates of all operations of a workload."""

    def __init__(self, mapped: MappedWorkload, steps: Mapping[str, Steps]) -> None:
        self.dataflow = mapped.architecture.mapping.dataflow
        self._mapped, self._steps = mapped, steps
        self._index = {op.op.name: index for index, op in enumerate(mapped.ops)}
        self._ops = {op.op.name: op for op in mapped.ops}
        self._stream = {op.op.name: op.op.stream_from or op.op.name for op in mapped.ops}
        self._stored = {} if self.dataflow == "layer_by_layer" else stored_uses(mapped)

    def start(self, mapped_op: MappedOp) -> tuple[Gate, ...]:
        """What must be done before the stream of an operation begins."""
        return tuple(
            self._whole(name, 1)
            for name in mapped_op.depends_on
            if self._outside(mapped_op, name) and not self._by_token(mapped_op, name)
        )

    def driven(self, mapped_op: MappedOp) -> tuple[Gate, ...]:
        """What each step needs of the operands that it drives or computes with."""
        steps = self._steps[mapped_op.op.name]
        stored = self._stored.get(mapped_op.op.name, {})
        gates = []
        for need in _needs(mapped_op):
            if not self._outside(mapped_op, need.op) or not steps.count:
                continue
            if not self._by_token(mapped_op, need.op):
                gates.append(self._last_frees(need.op, steps.count))
            elif stored.get(need.op) != "stored":
                gates.append(self._gate(need, steps))
        return tuple(gates)

    def whole_stored(self, mapped_op: MappedOp, matrices: int) -> tuple[Gate, ...]:
        """What each stored matrix needs when it is written at once."""
        return tuple(
            self._whole(name, matrices)
            for name, use in self._stored.get(mapped_op.op.name, {}).items()
            if use != "driven" and self._by_token(mapped_op, name)
        )

    def laid_out(self, layout: TokenLayout) -> tuple[Gate, ...]:
        """What each portion needs when one step of the producer is written after another."""
        done = tuple(range(1, self._steps[layout.producer].count + 1))
        return (Gate(self._index[layout.producer], done, done),)

    def written_first(
        self, mapped_op: MappedOp, matrices: Mapping[str, int]
    ) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """Products whose operands must be in the cells before each step of this one."""
        op, steps = mapped_op.op, self._steps[mapped_op.op.name]
        names = [op.name] if matrices.get(op.name) else []
        group = op.group
        if self.dataflow == "rap_fused" and group is not None and op.is_product:
            fused = group.role == "query" or op.name in matrices
            if fused:
                names += [
                    other
                    for other in matrices
                    if other != op.name
                    and (its := self._ops[other].op.group) is not None
                    and its.name == group.name
                    and self._round_of_writing(other) <= mapped_op.round
                ]
        waited = []
        for name in names:
            count = matrices[name]
            first = np.array(steps.bounds[:-1], dtype=np.int64)
            operands = first * count // max(steps.tokens, 1) + 1
            waited.append((self._index[name], tuple(operands.tolist())))
        return tuple(waited)

    def _round_of_writing(self, product: str) -> int:
        """Programming of the macros in which the stored operand of a product is made and written.

        Macros that are reprogrammed in the middle of an attention layer break its pipeline up.
        """
        mapped_op = self._ops[product]
        return max(self._ops[name].round for name in (product, *mapped_op.depends_on))

    def _outside(self, mapped_op: MappedOp, name: str) -> bool:
        return self._stream[mapped_op.op.name] != self._stream[name]

    def _by_token(self, mapped_op: MappedOp, name: str) -> bool:
        """Whether tokens of one operation pass to another before all of them are done."""
        return passes_tokens(mapped_op, self._ops[name], self._mapped)

    def _whole(self, name: str, count: int) -> Gate:
        steps = self._steps[name].count
        return Gate(self._index[name], (steps,) * count, (0,) * (count - 1) + (steps,))

    def _last_frees(self, name: str, count: int) -> Gate:
        """No condition of its own, but freed only when the last step has been read."""
        steps = self._steps[name].count
        return Gate(self._index[name], (0,) * count, (0,) * (count - 1) + (steps,))

    def _gate(self, need: Need, steps: Steps) -> Gate:
        producer = self._steps[need.op]
        if need.whole:
            return self._whole(need.op, steps.count)
        upto, still = _reach(need, steps.tokens, producer.tokens)
        bounds = np.array(steps.bounds, dtype=np.int64)
        return Gate(
            self._index[need.op],
            tuple(producer.reached(upto[bounds[1:] - 1]).tolist()),
            tuple(producer.passed(still[bounds[1:]]).tolist()),
        )


def _reach(need: Need, tokens: int, produced: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Producer tokens to be done per token, and those done with before each token and the end."""
    if need.tokens is None:
        own = np.arange(tokens, dtype=np.int64)
        used = np.ones(tokens, dtype=np.bool_)
    else:
        own = np.array([0 if token is None else token for token in need.tokens], dtype=np.int64)
        used = np.array([token is not None for token in need.tokens], dtype=np.bool_)
    upto = np.maximum.accumulate(np.where(used, own + 1, 0))
    lowest = np.append(np.where(used, own, produced), produced)
    still = np.minimum.accumulate(lowest[::-1])[::-1]
    return upto, still


def _needs(mapped_op: MappedOp) -> tuple[Need, ...]:
    """Needs as mapped, or of everything whole where the mapping says none."""
    if mapped_op.needs:
        return mapped_op.needs
    return tuple(Need(name, whole=True) for name in mapped_op.depends_on)
