"""How much of each output lies in its buffer at once.

Which question this module answers: *must the whole tensor have room, or only what is in flight?*

``layer_by_layer``
    The whole tensor: an operation starts when those before it have finished.
``token_streaming``
    One token, unless what takes the tensor waits for something that this tensor is made of, token
    by token: queries wait for all keys, so all of them must have room, or the operations that
    yield keys as well would come to a stop; and what bypasses the attention must have room until
    the attention has begun.
``rap_fused``
    As where tokens stream, but only between operations of one attention layer; anything else waits
    for all tokens, as layer by layer. A token's query is made when all keys and values are there,
    from an input that is kept, so that queries need room for one token.

Of a tensor of which tokens are dropped, or taken in another order, all of it needs room, and so
does all of one that is taken when the macros have been programmed anew.

Operations take *turns*. Layer by layer, a turn is a product with the units that stream from it, in
listed order. Where tokens stream, a turn is everything between one wait for all tokens and the
next: a chain such as the attention's output, the feed-forward part and the projections of the next
layer, through which each token passes without stopping.

Sets of operations are bit masks in whole numbers.

Not modelled: more than one token of a tensor on its way, which a timing model may allow if there is
room for more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from pimsim.errors import MappingError
from pimsim.mapping.mapped import Need


@dataclass(frozen=True, slots=True)
class Fusing:
    """What the fused dataflow must know of the operations."""

    layers: Mapping[str, str]
    """Operation → the attention layer that it belongs to, if any."""
    queries: frozenset[str]
    """Products that make queries alone."""


def in_dataflow(
    needs: Mapping[str, tuple[Need, ...]],
    heads: Mapping[str, str],
    fusing: Fusing,
    dataflow: str,
    rounds: Mapping[str, int] | None = None,
) -> dict[str, tuple[Need, ...]]:
    """What operations wait for, given a dataflow, each listed after what it waits for.

    Parameters
    ----------
    needs
        Operation → what its tokens need, in execution order.
    heads
        Operation → the product that it streams from, or itself.
    fusing
        Attention layers and queries.
    dataflow
        Value of ``mapping.dataflow``.
    rounds
        Operation → programming of the macros that it needs; ``None``: all the same.
    """
    layers, round_of = fusing.layers, dict.fromkeys(needs, 0) if rounds is None else rounds

    def by_token(one: str, other: str) -> bool:
        if round_of[one] != round_of[other]:
            return False
        if dataflow == "token_streaming" or heads[one] == heads[other]:
            return True
        return dataflow == "rap_fused" and one in layers and layers[one] == layers.get(other)

    waits = {
        name: tuple(
            need if by_token(name, need.op) else Need(need.op, whole=True) for need in found
        )
        for name, found in needs.items()
    }
    if dataflow != "rap_fused":
        return waits
    written: dict[str, dict[str, None]] = {}
    for name, found in needs.items():
        if name in layers:
            stored = written.setdefault(layers[name], {})
            stored.update((need.op, None) for need in found if need.whole)
    graph = _Reach(needs)
    for name in fusing.queries & waits.keys():
        stored = written[layers[name]]
        after = [
            Need(op, whole=True)
            for op in stored
            if not graph.comes_before(name, op) and round_of[op] <= round_of[name]
        ]
        waits[name] = (*waits[name], *after)
    return _in_order_of(waits)


def _in_order_of(waits: Mapping[str, tuple[Need, ...]]) -> dict[str, tuple[Need, ...]]:
    """The same, every operation after all that it waits for, in the given order otherwise."""
    order: dict[str, tuple[Need, ...]] = {}
    for root in waits:
        path = [root]
        while path:
            following = next((need.op for need in waits[path[-1]] if need.op not in order), None)
            if following is None:
                name = path.pop()
                order[name] = waits[name]
            else:
                path.append(following)
    return order


def whole_outputs(waits: Mapping[str, Sequence[Need]]) -> frozenset[str]:
    """Operations whose whole output must have room at once.

    Parameters
    ----------
    waits
        From :func:`in_dataflow`.
    """
    graph = _Reach(waits)
    return frozenset(
        need.op
        for name, found in waits.items()
        for need in found
        if need.whole or not _in_order(need) or graph.blocked(need.op, name)
    )


def find_turns(
    waits: Mapping[str, Sequence[Need]], heads: Mapping[str, str], dataflow: str
) -> tuple[tuple[str, ...], ...]:
    """Say which operations run together, and in which order such sets take turns.

    Parameters
    ----------
    waits
        From :func:`in_dataflow`.
    heads
        Operation → the product that it streams from, or itself.
    dataflow
        Value of ``mapping.dataflow``.

    Raises
    ------
    MappingError
        If two streams wait for each other.
    """
    if dataflow == "layer_by_layer":
        return _streams(waits, heads)
    whole, level = whole_outputs(waits), dict.fromkeys(waits, 0)
    settled = False
    while not settled:
        before = dict(level)
        for name, found in waits.items():
            level[name] = max([level[name], *(level[need.op] + need.whole for need in found)])
        for name in reversed(list(waits)):  # of what has room for one token, takers are at hand
            for need in waits[name]:
                if need.op not in whole:
                    level[need.op] = max(level[need.op], level[name])
        settled = level == before
    turns: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name, number in level.items():
        turns[number].append(name)
    return tuple(map(tuple, turns))


def _streams(
    waits: Mapping[str, Sequence[Need]], heads: Mapping[str, str]
) -> tuple[tuple[str, ...], ...]:
    """Streams in listed order, but each after all those whose outputs it takes."""
    streams: dict[str, list[str]] = {}
    for name in waits:
        streams.setdefault(heads[name], []).append(name)
    needed = {
        head: dict.fromkeys(
            heads[need.op] for name in stream for need in waits[name] if heads[need.op] != head
        )
        for head, stream in streams.items()
    }
    order: dict[str, None] = {}
    for root in streams:
        path = [root]
        while path:
            following = next((name for name in needed[path[-1]] if name not in order), None)
            if following is None:
                order[path.pop()] = None
            elif following in path:
                raise MappingError(
                    f"the outputs that stream from {following!r} and those that stream from "
                    f"{path[-1]!r} wait for each other; list and stream them otherwise"
                )
            else:
                path.append(following)
    return tuple(tuple(streams[name]) for name in order)


def _in_order(need: Need) -> bool:
    """Whether tokens are taken one after another, each once."""
    if need.tokens is None:
        return True
    taken = [token for token in need.tokens if token is not None]
    return taken == list(range(taken[0], taken[0] + len(taken))) if taken else True


@final
class _Reach:
    """Which operations come before which, and through how many waits for all tokens."""

    def __init__(self, waits: Mapping[str, Sequence[Need]]) -> None:
        self._bit = {name: 1 << index for index, name in enumerate(waits)}
        self._before = before = dict.fromkeys(waits, 0)
        """All operations that one is made of."""
        self._done = dict.fromkeys(waits, 0)
        """Those that are done with all tokens before one begins."""
        self._flow = dict.fromkeys(waits, 0)
        """Those of which a token needs one token."""
        for name, found in waits.items():
            for need in found:
                bit = self._bit[need.op]
                before[name] |= before[need.op] | bit
                if need.whole:
                    self._done[name] |= before[need.op] | bit
                else:
                    self._done[name] |= self._done[need.op]
                    self._flow[name] |= self._flow[need.op] | bit

    def comes_before(self, one: str, other: str) -> bool:
        """Whether the other is made of the one, or is the same."""
        return one == other or bool(self._before[other] & self._bit[one])

    def blocked(self, producer: str, consumer: str) -> bool:
        """Whether the consumer waits for all of something that each token of the producer needs."""
        waits = self._done[consumer] & ~self._done[producer]
        return bool(waits & (self._flow[producer] | self._bit[producer]))
