"""A graph that can be rewritten, one operation at a time.

Which question this module answers: *what does the graph look like after this operation is replaced
by that one?*

Operations are known by the tensor that they compute. A rewritten operation keeps its place and its
tensor, so that whatever reads it need not change; operations that nothing reads any more disappear
at once. Names are given at the end: an operation that stands for a pattern is named by the module
that the pattern was written in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

from numpy.typing import NDArray

from pimsim.workload.graph import MOVEMENT_KINDS, Op, TensorKind, TensorSpec, Workload
from pimsim.workload.shapes import Size


@final
class Editor:
    """A workload's graph while patterns are replaced.

    Parameters
    ----------
    workload
        Every operation is named by the tensor that it computes.
    """

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._tensors = dict(workload.tensors)
        self._weights = dict(workload.weights)
        self._ops = {op.output: op for op in workload.ops}
        self._order = [op.output for op in workload.ops]
        self._inserted: dict[str, list[str]] = {}
        self._readers: dict[str, dict[str, None]] = {}
        self._outputs = list(workload.outputs)
        self._members: dict[str, tuple[str, ...]] = {}
        self._wanted_names: dict[str, str] = {}
        for op in workload.ops:
            self._read(op)
        for op in reversed(workload.ops):
            self._drop_if_unread(op.output)

    @property
    def shape_only(self) -> bool:
        """Whether there are no values."""
        return self._workload.shape_only

    def ops(self) -> Iterator[Op]:
        """All operations in execution order; those rewritten meanwhile as they are now."""
        for output in self._order:
            op = self._ops.get(output)
            if op is not None:
                yield op

    def spec(self, tensor: str) -> TensorSpec:
        """Shape, element type and role of a tensor."""
        return self._tensors[tensor]

    def shape(self, tensor: str) -> tuple[Size, ...]:
        """Shape of a tensor."""
        return self._tensors[tensor].shape

    def value(self, tensor: str) -> NDArray[Any] | None:
        """Values of a stored tensor, ``None`` if it is computed or the graph has shapes only."""
        return self._weights.get(tensor)

    def is_stored(self, tensor: str) -> bool:
        """Whether a tensor is a weight or constant."""
        return self._tensors[tensor].kind in ("weight", "constant")

    def producer(self, tensor: str, *kinds: str) -> Op | None:
        """The operation that computes a tensor, if it is of one of the kinds (of any, if none)."""
        op = self._ops.get(tensor)
        return op if op is not None and (not kinds or op.kind in kinds) else None

    def readers(self, tensor: str) -> tuple[Op, ...]:
        """The operations that read a tensor."""
        return tuple(self._ops[output] for output in self._readers.get(tensor, ()))

    def only_reader(self, tensor: str, *kinds: str) -> Op | None:
        """The one operation that reads a tensor, if it is of one of the kinds, and nobody else."""
        readers = self._readers.get(tensor, {})
        if len(readers) != 1 or tensor in self._outputs:
            return None
        return self.producer(next(iter(readers)), *kinds)

    def is_output(self, tensor: str) -> bool:
        """Whether the graph returns a tensor."""
        return tensor in self._outputs

    def rewrite(
        self,
        op: Op,
        kind: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Any] | None = None,
        *,
        members: Sequence[Op] = (),
    ) -> Op:
        """Compute the tensor of an operation in another way.

        Parameters
        ----------
        op
            The operation that is replaced.
        kind, inputs, attributes
            Of the new one; the inputs are computed before ``op``.
        members
            Operations of the pattern that the new one stands for; they give it its name.
        """
        old = self._ops[op.output]
        new = replace(old, kind=kind, inputs=tuple(inputs), attributes=dict(attributes or {}))
        self._ops[op.output] = new
        self._read(new)
        self._unread(old, kept=new.inputs)
        if members:
            self._members[op.output] = tuple(member.name for member in members)
        return new

    def insert(
        self,
        before: Op,
        kind: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Any],
        spec: tuple[tuple[Size, ...], str],
    ) -> str:
        """Add an operation in front of another one and return its tensor.

        ``spec`` is shape and element type of the result.
        """
        stem = before.name.rpartition(".")[0]
        name = self._unused(f"{stem}.{kind}" if stem else kind)
        op = Op(name, kind, tuple(inputs), (name,), dict(attributes))
        self._ops[name] = op
        self._tensors[name] = TensorSpec(name, *spec, "activation")
        self._inserted.setdefault(before.output, []).append(name)
        self._read(op)
        return name

    def store(
        self,
        name: str,
        shape: tuple[Size, ...],
        dtype: str,
        kind: TensorKind,
        value: NDArray[Any] | None,
    ) -> str:
        """Add a stored tensor and return its name; ``value`` is ``None`` in a graph of shapes."""
        name = self._unused(name)
        self._tensors[name] = TensorSpec(name, shape, dtype, kind)
        if value is not None:
            self._weights[name] = value
        return name

    def store_result(self, op: Op, kind: TensorKind, value: NDArray[Any] | None) -> None:
        """Keep the result of an operation as a stored tensor instead of computing it."""
        spec = self._tensors[op.output]
        self._tensors[op.output] = replace(spec, kind=kind)
        if value is not None:
            self._weights[op.output] = value
        del self._ops[op.output]
        self._unread(op)

    def redirect(self, tensor: str, other: str) -> None:
        """Let everything that reads a tensor read another one, computed earlier, instead."""
        for output in tuple(self._readers.get(tensor, ())):
            op = self._ops[output]
            inputs = tuple(other if name == tensor else name for name in op.inputs)
            self._ops[output] = replace(op, inputs=inputs)
            self._read(self._ops[output])
        self._readers.pop(tensor, None)
        self._outputs = [other if name == tensor else name for name in self._outputs]
        self._drop_if_unread(tensor)

    def name_as(self, tensor: str, name: str) -> None:
        """Ask for another name for a tensor; it gets it if that is free in the end."""
        self._wanted_names[tensor] = name

    def finish(self) -> Workload:
        """Return the rewritten workload."""
        for inserted in tuple(self._inserted.values()):
            for name in inserted:
                self._drop_if_unread(name)
        ops = list(self._in_order())
        used = {name for op in ops for name in op.inputs}
        kept = [
            name
            for name, spec in self._tensors.items()
            if spec.kind == "input" or name in used or name in self._outputs or name in self._ops
        ]
        names = self._final_names(ops, kept)
        tensors = {names[name]: replace(self._tensors[name], name=names[name]) for name in kept}
        return replace(
            self._workload,
            outputs=tuple(names[name] for name in self._outputs),
            tensors=tensors,
            ops=tuple(
                replace(
                    op,
                    name=names[op.output],
                    inputs=tuple(names[name] for name in op.inputs),
                    outputs=(names[op.output],),
                )
                for op in ops
            ),
            weights={names[name]: self._weights[name] for name in kept if name in self._weights},
        )

    def _in_order(self) -> Iterator[Op]:
        for output in self._order:
            yield from self._with_inserted(output)

    def _with_inserted(self, output: str) -> Iterator[Op]:
        for name in self._inserted.get(output, ()):
            yield from self._with_inserted(name)
        if output in self._ops:
            yield self._ops[output]

    def _final_names(self, ops: Sequence[Op], kept: Sequence[str]) -> dict[str, str]:
        """Tensor to its name at the end: patterns by module, others as they are."""
        names = {name: name for name in kept}
        taken = set(kept)
        sharing = _computing_per_module(ops)
        wanted = {name: want for name, want in self._wanted_names.items() if name in names}
        for op in ops:
            if op.output in self._members:
                path = _shared_path(self._members[op.output])
                alone = path and sharing.get(path, 0) == 1
                wanted[op.output] = path if alone else f"{path}.{op.kind}".lstrip(".")
        for name, want in wanted.items():
            if want == name:
                continue
            taken.discard(name)
            final, count = want, 0
            while final in taken:
                count += 1
                final = f"{want}_{count}"
            names[name] = final
            taken.add(final)
        return names

    def _read(self, op: Op) -> None:
        for name in op.inputs:
            self._readers.setdefault(name, {})[op.output] = None

    def _unread(self, op: Op, kept: Sequence[str] = ()) -> None:
        for name in set(op.inputs) - set(kept):
            readers = self._readers.get(name, {})
            readers.pop(op.output, None)
            self._drop_if_unread(name)

    def _drop_if_unread(self, tensor: str) -> None:
        """Remove the operation behind a tensor that nothing reads, and what only it read."""
        waiting = [tensor]
        while waiting:
            name = waiting.pop()
            if self._readers.get(name) or name in self._outputs or name not in self._ops:
                continue
            op = self._ops.pop(name)
            for source in set(op.inputs):
                self._readers[source].pop(name, None)
                waiting.append(source)

    def _unused(self, name: str) -> str:
        candidate, count = name, 0
        while candidate in self._tensors:
            count += 1
            candidate = f"{name}_{count}"
        return candidate


def _computing_per_module(ops: Sequence[Op]) -> dict[str, int]:
    """How many operations other than movement stand under each module path."""
    counts: dict[str, int] = {}
    for op in ops:
        if op.kind in MOVEMENT_KINDS:
            continue
        parts = op.name.split(".")
        for length in range(1, len(parts) + 1):
            path = ".".join(parts[:length])
            counts[path] = counts.get(path, 0) + 1
    return counts


def _shared_path(names: Sequence[str]) -> str:
    """Longest run of leading path parts that all names share, without the last part of any."""
    paths = [name.split(".")[:-1] for name in names]
    shared: list[str] = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)
