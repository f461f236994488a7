"""One decoding step cut out of the graph of a whole sequence.

Which question this module answers: *which operations, on which operands, yield the newest token
when the keys and values of the earlier ones are already there?*

The graph is walked from its outputs to its inputs. Of every output the last token is wanted; what
that takes of the operands is :mod:`pimsim.workload.last_token`'s answer. Where an operation needs
all tokens of a tensor

- that depends on no activation (positions, masks), the tensor is computed whole, for context + 1
  tokens;
- that is an activation, its earlier tokens become a ``state`` input and the new one is appended.
  The place is chosen among the tensors that only data movement separates from the operation: the
  smallest, so that keys and values are held once per key-value head, not once per query head, and
  among equals the nearest of shape ``(batch, heads, tokens, depth)``, if there is one.

Appending is right only if a token's row never changes when later ones come, that is, if attention
is causal; :mod:`pimsim.workload.phases` checks that first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, final

from pimsim.errors import WorkloadError
from pimsim.workload.graph import PRODUCT_KINDS, Op, TensorSpec, Workload
from pimsim.workload.last_token import Last, Need, TokenShapes, operands_for_last

PAST: Final = ".past"
"""Ending of the name of a state input: earlier tokens of the tensor before it."""
LAST: Final = ".last"
"""Ending of the last token of a tensor whose own name stands for something else."""
ALL: Final = ".all"
"""Ending of a tensor for all tokens where the tensor's own name stands for its last one."""

_CACHE_RANK: Final = 4
"""(batch, heads, tokens, depth), as PyTorch libraries lay out their caches."""

_MOVED: Final = frozenset({"view", "permute", "expand"})
"""Movements that the place of a cache is sought behind: they take all of their operand."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A tensor whose earlier tokens are kept between steps."""

    tensor: str
    """Name in the traced graph; in a decoding step the name of the new token's row."""
    axis: int
    """Axis of the tokens."""

    @property
    def state(self) -> str:
        """Name of the state input that holds the earlier tokens."""
        return f"{self.tensor}{PAST}"


@dataclass(frozen=True, slots=True)
class Step:
    """A decoding step, sizes still in terms of the sequence dimension (context + 1)."""

    workload: Workload
    caches: tuple[Cache, ...]
    """In the order in which they are used: of every attention layer the keys, then the values."""


def slice_step(workload: Workload, sequence: str) -> Step:
    """Cut the graph of one decoding step out of a traced graph.

    Parameters
    ----------
    workload
        A causal decoder.
    sequence
        Its dimension of tokens.

    Returns
    -------
    Step
        Inputs: those of the traced graph, reduced to one token where only the last is used, then
        one state per cache. Outputs: those of the traced graph for the new token, then its row of
        each cache.

    Raises
    ------
    WorkloadError
        If an output has its tokens along no axis or along several.
    """
    slicer = _Slicer(workload, sequence)
    slicer.walk()
    return slicer.step()


def activations(workload: Workload) -> frozenset[str]:
    """Tensors that depend on an input through a weight; others are index and mask arithmetic."""
    fed = set(workload.inputs)
    weights = {name for name, spec in workload.tensors.items() if spec.kind == "weight"}
    found: set[str] = set()
    for op in workload.ops:
        if fed.isdisjoint(op.inputs):
            continue
        fed.add(op.output)
        learned = not weights.isdisjoint(op.inputs) or (
            op.kind in PRODUCT_KINDS and not set(workload.stored).isdisjoint(op.inputs)
        )
        if learned or not found.isdisjoint(op.inputs):
            found.add(op.output)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Part:
    """An operation of the step, tensors still called as in the traced graph."""

    source: str
    """Tensor of the traced graph that it yields a part of."""
    need: Need
    op: Op
    operands: tuple[Need, ...]


@final
class _Slicer:
    def __init__(self, workload: Workload, sequence: str) -> None:
        self.workload = workload
        self.sequence = sequence
        self.shapes = TokenShapes(workload, sequence)
        self.activations = activations(workload)
        self.producer = {op.output: op for op in workload.ops}
        self.position = {op.output: index for index, op in enumerate(workload.ops)}
        self.reader: dict[str, int] = {}
        """Tensor needed whole → position of the first operation behind movements that takes it."""
        self.needs: dict[str, set[Need]] = {}
        self.parts: list[_Part] = []
        """In reverse order of execution."""
        self.caches: list[Cache] = []

    def walk(self) -> None:
        """Decide what is computed of every tensor, from the outputs to the inputs."""
        for name in self.workload.outputs:
            self._want(name, self._last_of_output(name))
        for op in reversed(self.workload.ops):
            if op.output in self.needs:
                self._cut(op)
        for name in self.workload.inputs:
            wants = self.needs.get(name, set())
            if None in wants:
                lasts = [need for need in wants if need is not None]
                self.parts.extend(self._extraction(name, need) for need in lasts)
            elif len(wants) > 1:
                raise WorkloadError(
                    f"workload {self.workload.name!r}: the last token of input {name!r} is taken "
                    "along several of its axes"
                )

    def step(self) -> Step:
        """Put the parts together."""
        workload = self.workload
        caches = tuple(sorted(self.caches, key=lambda cache: self.reader[cache.tensor]))
        parts = tuple(reversed(self.parts))
        inputs = [name for name in workload.inputs if name in self.needs]
        states = [self._state_spec(cache) for cache in caches]
        specs = [self._part_spec(name, min(self.needs[name], key=_whole_first)) for name in inputs]
        specs += states
        specs += [workload.tensors[name] for name in workload.stored if name in self.needs]
        specs += [self._part_spec(part.source, part.need) for part in parts]
        tensors = {spec.name: spec for spec in specs}
        outputs = (
            *(self._name(name, self._last_of_output(name)) for name in workload.outputs),
            *(cache.tensor for cache in caches),
        )
        stepped = replace(
            workload,
            inputs=(*inputs, *(spec.name for spec in states)),
            outputs=tuple(dict.fromkeys(outputs)),
            tensors=tensors,
            ops=tuple(self._finished(part) for part in parts),
            weights={name: workload.weights[name] for name in workload.weights if name in tensors},
            samples=None,
        )
        return Step(stepped, caches)

    # --- what is wanted --------------------------------------------------------------------------

    def _want(self, tensor: str, need: Need) -> None:
        self.needs.setdefault(tensor, set()).add(need)

    def _last_of_output(self, name: str) -> Need:
        spec, axes = self.workload.tensors[name], self.shapes.token_axes(name)
        if axes:
            return self.shapes.plain(axes[0])
        if any(self.shapes.holds_tokens(size) for size in spec.shape):
            raise WorkloadError(
                f"workload {self.workload.name!r}: output {name!r} of shape {list(spec.shape)} "
                "has its tokens and something else along one axis, so that the last token cannot "
                "be told; return it with an axis of its own for tokens"
            )
        return None

    def _cut(self, op: Op) -> None:
        """Decide how an operation is computed, and what that needs of its operands."""
        wants = self.needs[op.output]
        found = {
            need: operands_for_last(op, need, self.shapes) for need in wants if need is not None
        }
        mixed = [need for need, passed in found.items() if passed is None]
        cache = None if mixed or None not in wants else self._cache_of(op)
        if cache is not None:
            need = self.shapes.plain(cache.axis)
            found[need] = operands_for_last(op, need, self.shapes)
            wants.add(need)
            self.caches.append(cache)
            self.parts.append(self._append(cache))
        self.parts.extend(self._extraction(op.output, need) for need in mixed)
        for need, passed in found.items():
            if passed is not None:
                cut = replace(op, attributes=passed.attributes)
                self._add(_Part(op.output, need, cut, passed.needs))
        if cache is None and (mixed or None in wants):
            wants.add(None)
            self._add(_Part(op.output, None, op, self._needs_of_whole(op)))

    def _add(self, part: _Part) -> None:
        self.parts.append(part)
        reader = self.position[part.source]
        if part.op.kind in _MOVED:
            reader = self.reader.get(part.source, reader)
        for name, need in zip(part.op.inputs, part.operands, strict=True):
            self._want(name, need)
            if need is None:
                self.reader[name] = min(reader, self.reader.get(name, reader))

    def _needs_of_whole(self, op: Op) -> tuple[Need, ...]:
        """All of every operand, but of a tensor of which the last token is selected, only that."""
        if op.kind == "select" and op.attributes["index"] == -1:
            axis = op.attributes["axis"] % len(self.workload.tensors[op.inputs[0]].shape)
            if axis in self.shapes.token_axes(op.inputs[0]):
                return (self.shapes.plain(axis),)
        return (None,) * len(op.inputs)

    def _append(self, cache: Cache) -> _Part:
        op = Op(cache.tensor, "cat", (cache.state, cache.tensor), (), {"axis": cache.axis})
        return _Part(cache.tensor, None, op, (None, self.shapes.plain(cache.axis)))

    def _extraction(self, tensor: str, need: Last) -> _Part:
        """Cut the last token out of a tensor that is there for all tokens."""
        shape = self.workload.tensors[tensor].shape
        if need.axis not in self.shapes.token_axes(tensor):
            raise WorkloadError(
                f"workload {self.workload.name!r}: the last token of {tensor!r}, of shape "
                f"{list(shape)}, lies scattered along axis {need.axis}; decoding needs an axis of "
                "its own for tokens there"
            )
        size = shape[need.axis]
        bounds = {"axis": need.axis, "start": f"{size} - 1", "stop": size, "step": 1}
        return _Part(tensor, need, Op(tensor, "slice", (tensor,), (), bounds), (None,))

    # --- where a cache is ------------------------------------------------------------------------

    def _cache_of(self, op: Op) -> Cache | None:
        """The cache, if the output of the operation is the best place for it; else ``None``."""
        places = [cache for cache in map(self._cacheable, self._chain(op)) if cache is not None]
        if not places:
            return None
        least = min(self._elements(cache.tensor) for cache in places)
        smallest = [cache for cache in places if self._elements(cache.tensor) == least]
        usual = [cache for cache in smallest if self._rank(cache.tensor) - 2 == cache.axis]
        by_head = [cache for cache in usual if self._rank(cache.tensor) == _CACHE_RANK]
        best = (by_head or usual or smallest[::-1])[0]
        return best if best.tensor == op.output else None

    def _chain(self, op: Op) -> Iterable[Op]:
        """An operation and those behind it that only data movement separates from it."""
        while True:
            yield op
            before = self.producer.get(op.inputs[0]) if op.inputs else None
            if op.kind not in _MOVED or before is None:
                return
            op = before

    def _cacheable(self, op: Op) -> Cache | None:
        """A cache of the operation's output, if that is an activation with one axis of tokens."""
        spec, axes = self.workload.tensors[op.output], self.shapes.token_axes(op.output)
        growing = [size for size in spec.shape if isinstance(size, str) and self.sequence in size]
        if op.output not in self.activations or len(axes) != 1 or len(growing) != 1:
            return None
        if "batch" in self.workload.dims and spec.shape[0] != "batch":
            return None
        if operands_for_last(op, self.shapes.plain(axes[0]), self.shapes) is None:
            return None
        return Cache(op.output, axes[0])

    def _rank(self, tensor: str) -> int:
        return len(self.workload.tensors[tensor].shape)

    def _elements(self, tensor: str) -> int:
        return self.shapes.before(tensor, self._rank(tensor))[0]

    # --- names and specs -------------------------------------------------------------------------

    def _name(self, tensor: str, need: Need) -> str:
        """Name of a part of a tensor: its own for the only part or for the last token."""
        if tensor not in self.needs:
            return tensor  # the state of a cache
        lasts = sorted(want.axis for want in self.needs[tensor] if want is not None)
        if self.workload.tensors[tensor].kind != "activation":
            # an input that is needed whole keeps its name, because it is fed from outside
            return tensor if need is None or None not in self.needs[tensor] else f"{tensor}{LAST}"
        if need is None:
            return f"{tensor}{ALL}" if lasts else tensor
        return tensor if need.axis == lasts[0] else f"{tensor}{LAST}{need.axis}"

    def _finished(self, part: _Part) -> Op:
        """An operation with the names of the parts that it takes and yields."""
        name, source = self._name(part.source, part.need), self.producer.get(part.source)
        given = zip(part.op.inputs, part.operands, strict=True)
        return replace(
            part.op,
            name=name if source is None else f"{source.name}{name.removeprefix(part.source)}",
            inputs=tuple(self._name(tensor, need) for tensor, need in given),
            outputs=(name,),
        )

    def _part_spec(self, tensor: str, need: Need) -> TensorSpec:
        spec = self.workload.tensors[tensor]
        name = self._name(tensor, need)
        kind = spec.kind if name == tensor else "activation"
        return TensorSpec(name, self.shapes.restricted(tensor, need), spec.dtype, kind)

    def _state_spec(self, cache: Cache) -> TensorSpec:
        spec = self.workload.tensors[cache.tensor]
        shape = list(spec.shape)
        shape[cache.axis] = f"{shape[cache.axis]} - 1"
        return TensorSpec(cache.state, tuple(shape), spec.dtype, "state")


def _whole_first(need: Need) -> bool:
    return need is not None
