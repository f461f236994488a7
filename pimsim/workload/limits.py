"""How long a sequence may be: the tables of the model that positions look up.

Which question this module answers: *which table ends before this many tokens, and where?*

A traced graph limits its dimensions twice: by the bounds that ``torch.export`` found, and by stored
tables, of which a slice is taken (a causal mask, position numbers) or rows are looked up (learned
position embeddings). The second kind is found here: bounds of every integer tensor follow from
those of its operands, and an index beyond its table is an error that names both.

Assumed: an integer input of the graph holds ones, as an attention mask without padding does; what
the caller feeds is checked when the graph runs.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from pimsim.errors import WorkloadError
from pimsim.workload.graph import MOVEMENT_KINDS, Op, Workload
from pimsim.workload.reference import apply_movement
from pimsim.workload.shapes import Number, SizeTable, evaluate, resolve_number, resolve_shape

Bounds = tuple[float, float]
"""Smallest and largest value that a tensor can hold."""

_TRUTH: Final = (0.0, 1.0)
_COMPARISONS: Final = frozenset(
    {"eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "logical_not"}
    | {"any", "all"}
)


def check_limits(workload: Workload, sizes: Mapping[str, int]) -> None:
    """Raise if a stored table of the model is too short for these sizes.

    Parameters
    ----------
    workload
        With or without weights.
    sizes
        Dimension to number, within the bounds of the trace; others take their smallest.

    Raises
    ------
    WorkloadError
        Naming the size, the table, what it has and the largest size that it allows.
    """
    problem = _problem(workload, sizes)
    if problem is None:
        return
    asked = ", ".join(f"{name} = {size}" for name, size in sizes.items())
    remedy = ""
    for name in sizes:
        largest = _largest(workload, sizes, name)
        if largest is not None:
            asked, remedy = f"{name} = {sizes[name]}", f"; {name} can be at most {largest}"
            break
    raise WorkloadError(f"workload {workload.name!r}: {asked} needs {problem}{remedy}")


def _largest(workload: Workload, sizes: Mapping[str, int], name: str) -> int | None:
    """Largest size of one dimension that all tables allow; ``None`` if it is not what limits."""
    low, high = workload.dims[name][0], sizes[name]
    if _problem(workload, {**sizes, name: low}) is not None:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if _problem(workload, {**sizes, name: middle}) is None:
            low = middle
        else:
            high = middle
    return low


def _problem(workload: Workload, sizes: Mapping[str, int]) -> str | None:
    """What a table lacks, after "needs"; ``None`` if all are long enough."""
    analysis = _Analysis(workload, workload.bind(**sizes))
    for op in workload.ops:
        found = analysis.problem(op)
        if found is not None:
            return found
        bounds = analysis.bounds_of(op)
        if bounds is not None:
            analysis.bounds[op.output] = bounds
    return None


class _Analysis:
    """Bounds of the values of integer tensors at given dimensions."""

    def __init__(self, workload: Workload, dims: Mapping[str, int]) -> None:
        self.workload = workload
        self.dims = SizeTable(dims)
        self.origin = {name: name for name in workload.stored}
        self.bounds: dict[str, Bounds] = {}
        self.values: dict[str, NDArray[Any]] = {}
        """Stored integers, and what of them data movement takes."""
        for name, spec in workload.tensors.items():
            if spec.dtype.startswith("float"):
                continue
            if spec.kind == "input":
                self.bounds[name] = (1.0, 1.0)
            elif spec.kind == "constant" and name in workload.weights:
                self.values[name] = workload.weights[name]

    def problem(self, op: Op) -> str | None:
        """Whether an operation reaches beyond the end of what it takes from."""
        if op.kind == "slice":
            return self._slice_problem(op)
        if op.kind == "embedding":
            return self._row_problem(op, op.inputs[0], op.inputs[1], 0)
        if op.kind == "index":
            pairs = zip(op.inputs[1:], op.attributes["axes"], strict=True)
            found = (self._row_problem(op, index, op.inputs[0], axis) for index, axis in pairs)
            return next((problem for problem in found if problem is not None), None)
        if op.kind == "gather":
            return self._row_problem(op, op.inputs[1], op.inputs[0], op.attributes["axis"])
        return None

    def _slice_problem(self, op: Op) -> str | None:
        length = self._shape(op.inputs[0])[op.attributes["axis"]]
        stop = evaluate(op.attributes["stop"], self.dims)
        if stop <= length:
            return None
        table = self.origin.get(op.inputs[0], op.inputs[0])
        return f"{stop} entries of table {table!r} (op {op.name!r}), which has {length}"

    def _row_problem(self, op: Op, index: str, table: str, axis: int) -> str | None:
        bounds, length = self._known(index), self._shape(table)[axis]
        if bounds is None or bounds[1] < length or table not in self.origin:
            return None
        return (
            f"row {int(bounds[1])} of table {self.origin[table]!r} (op {op.name!r}), whose "
            f"{length} rows are 0 to {length - 1}"
        )

    def bounds_of(self, op: Op) -> Bounds | None:
        """Bounds of the output of an operation; ``None`` where they are not known."""
        if op.kind in MOVEMENT_KINDS and op.inputs[0] in self.origin:
            self.origin[op.output] = self.origin[op.inputs[0]]
            stored = self.values.get(op.inputs[0])
            if stored is not None and len(op.inputs) == 1:
                self.values[op.output] = apply_movement(op, [stored], self.dims)
                return None
        if op.kind in _COMPARISONS:
            return _TRUTH
        if op.kind in ("arange", "full"):
            return self._source(op)
        given = [self._known(name) for name in op.inputs]
        known = [bounds for bounds in given if bounds is not None]
        if len(known) < len(given):
            return None
        if op.kind in _RULES:
            return _RULES[op.kind](self, op, known)
        return None

    def _known(self, tensor: str) -> Bounds | None:
        value = self.values.get(tensor)
        if value is not None and value.size and tensor not in self.bounds:
            self.bounds[tensor] = (float(value.min()), float(value.max()))
        return self.bounds.get(tensor)

    def _source(self, op: Op) -> Bounds:
        if op.kind == "full":
            value = float(self.number(op.attributes["value"]))
            return value, value
        start, stop, step = (self.number(op.attributes[name]) for name in ("start", "stop", "step"))
        count = max(1, math.ceil((stop - start) / step))
        last = start + (count - 1) * step
        return float(min(start, last)), float(max(start, last))

    def number(self, value: Number) -> float:
        """An attribute as a number."""
        return float(resolve_number(value, self.dims))

    def entries(self, op: Op) -> int:
        """How many entries of its input a reduction or running sum takes together."""
        shape = self._shape(op.inputs[0])
        axes: Sequence[int] = op.attributes.get("axes") or (op.attributes.get("axis", -1),)
        return math.prod(shape[axis] for axis in axes)

    def _shape(self, tensor: str) -> tuple[int, ...]:
        return resolve_shape(self.workload.tensors[tensor].shape, self.dims)


def _same(analysis: _Analysis, op: Op, given: Sequence[Bounds]) -> Bounds:
    return given[0]


def _union(analysis: _Analysis, op: Op, given: Sequence[Bounds]) -> Bounds:
    return min(low for low, _ in given), max(high for _, high in given)


def _where(analysis: _Analysis, op: Op, given: Sequence[Bounds]) -> Bounds:
    return _union(analysis, op, given[1:])


def _padded(analysis: _Analysis, op: Op, given: Sequence[Bounds]) -> Bounds:
    value = analysis.number(op.attributes["value"])
    return min(given[0][0], value), max(given[0][1], value)


def _masked(analysis: _Analysis, op: Op, given: Sequence[Bounds]) -> Bounds:
    fill = analysis.number(op.attributes["fill"])
    return min(given[0][0], fill), max(given[0][1], fill)


def _clamped(analysis: _Analysis, op: Op, given: Sequence[Bounds]) -> Bounds:
    low, high = given[0]
    least, most = (op.attributes.get(name) for name in ("low", "high"))
    if least is not None:
        low, high = max(low, least), max(high, least)
    return (low, high) if most is None else (min(low, most), min(high, most))


def _summed(analysis: _Analysis, op: Op, given: Sequence[Bounds]) -> Bounds:
    (low, high), count = given[0], analysis.entries(op)
    return min(low, low * count), max(high, high * count)


def _negated(analysis: _Analysis, op: Op, given: Sequence[Bounds]) -> Bounds:
    low, high = given[0]
    return -high, -low


def _binary(function: Callable[[float, float], float]) -> Callable[..., Bounds]:
    """A function that is monotone in either operand: its extremes lie at the corners."""

    def rule(analysis: _Analysis, op: Op, given: Sequence[Bounds]) -> Bounds:
        pair = list(given)
        if len(pair) == 1:
            scalar = analysis.number(op.attributes["scalar"])
            pair.insert(0 if op.attributes.get("reverse") else 1, (scalar, scalar))
        corners = [function(a, b) for a in pair[0] for b in pair[1]]
        return min(corners), max(corners)

    return rule


_RULES: Final[Mapping[str, Callable[[_Analysis, Op, Sequence[Bounds]], Bounds]]] = {
    **dict.fromkeys(MOVEMENT_KINDS - {"cat", "pad", "gather", "index"}, _same),
    **dict.fromkeys(("cast", "max", "min", "gather"), _same),
    "cat": _union,
    "pad": _padded,
    "mask": _masked,
    "where": _where,
    "clamp": _clamped,
    "cumsum": _summed,
    "sum": _summed,
    "neg": _negated,
    "add": _binary(lambda a, b: a + b),
    "sub": _binary(lambda a, b: a - b),
    "mul": _binary(lambda a, b: a * b),
    "maximum": _binary(max),
    "minimum": _binary(min),
}
"""Bounds of the output from those of the inputs; kinds without a rule have unknown bounds."""
