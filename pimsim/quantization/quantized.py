"""The integer graph: what a numerics scheme makes of a workload.

Which question this module answers: *which products, digital functions and data movements does the
chip execute, on operands of which width, and what do the integers stand for?*

A scheme (:data:`pimsim.registry.SCHEMES`) lowers each operation of the traced graph to one or more
:class:`QuantizedOp`. A shape-only workload yields the same graph without scales, weights and
executables, so that it can be mapped, timed and costed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.integer.hardware import UnitHardware
from pimsim.integer.leading_one import GroupCodes
from pimsim.integer.units import RowCodes, UnitOutput
from pimsim.workload.graph import AttentionGroup, Workload
from pimsim.workload.shapes import Size

QuantizedKind = Literal["static_product", "dynamic_product", "unit", "movement", "boundary"]
"""``boundary``: conversion between the host's floats and the chip's numbers, done by the host."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the numbers of one tensor are stored on the chip."""

    bits: int
    number: Literal["integer", "float"]
    scale: float | None
    """Real value of one step; ``None`` for plain floats and for shape-only workloads."""
    signed: bool = True
    """Whether one of the bits is a sign; unsigned codes are driven in one pass of all bits."""


@dataclass(frozen=True, slots=True)
class QuantizedTensor:
    """One tensor of the integer graph."""

    name: str
    shape: tuple[Size, ...]
    encoding: Encoding


Execute = Callable[[Sequence[NDArray[Any]], Mapping[str, int]], UnitOutput | GroupCodes | RowCodes]
"""Takes the input arrays of an operation and the dimensions, returns its output."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Shifts of a product whose operands are coded in groups along its rows.

    A code of row ``r`` stands for ``code << shift`` with the shift of group ``r // size``; the last
    group may be shorter. An operand without shifts stands for itself.
    """

    size: int
    """Rows of a group."""
    driven: str | None = None
    """Tensor of the driven operand's shifts, (..., vectors, groups), among the inputs."""
    stored: str | None = None
    """Tensor of the shifts of an operand written at run time, (..., groups, cols); an input too."""
    weights: NDArray[np.int64] | None = None
    """Shifts of static weights, (groups, cols); ``None`` also when shape-only."""
    driven_max: int = 0
    """Largest shift of the driven operand. [bit]"""
    stored_max: int = 0
    """Largest shift of the stored operand, static or dynamic. [bit]"""

    @property
    def places(self) -> int:
        """Farthest that a sum of products is shifted. [bit]"""
        return self.driven_max + self.stored_max


@dataclass(frozen=True, slots=True)
class QuantizedOp:
    """One operation of the integer graph.

    A ``static_product`` computes ``x @ weights`` for ``x`` of shape (..., rows); a
    ``dynamic_product`` computes ``a @ b`` for ``a`` (..., vectors, rows), driven on the word lines,
    and ``b`` (..., rows, cols), written into the cells at run time, one crossbar set per instance
    (head) of the axes between batch and the matrix.
    """

    name: str
    kind: QuantizedKind
    source: str
    """Name of the operation of the traced graph that this one came from."""
    inputs: tuple[str, ...]
    output: str
    function: str | None = None
    """Key in ``Architecture.units`` for a ``unit``; kind of movement for a ``movement``."""
    rows: Size | None = None
    """Reduction length of a product."""
    cols: Size | None = None
    """Outputs of a product."""
    weights: NDArray[Any] | None = None
    """Static operand, (rows, cols), already coded as integers; real numbers under ``float32``."""
    weight_bits: int | None = None
    """Width of a static operand, sign included; ``None``: that of the macro it comes to. [bit]"""
    groups: Groups | None = None
    """Shifts of a product's operands; ``None``: they have none."""
    shifts: str | None = None
    """Second output of a unit: the shift of each group that it codes, or the sum of each row."""
    execute: Execute | None = None
    """What a ``unit``, ``movement`` or ``boundary`` computes; ``None`` when shape-only."""
    hardware: UnitHardware | None = None
    """Cycles and operations of a ``unit``; also known when shape-only."""
    stream_from: str | None = None
    """Product whose outputs this unit takes one by one, without a trip through a buffer."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    group: AttentionGroup | None = None

    @property
    def is_product(self) -> bool:
        """Whether crossbars execute the operation."""
        return self.kind in ("static_product", "dynamic_product")


@dataclass(frozen=True, slots=True)
class QuantizedWorkload:
    """A workload under one numerics scheme."""

    workload: Workload
    scheme: str
    inputs: tuple[str, ...]
    """Tensors that the host hands over, named like those of the traced graph."""
    outputs: tuple[str, ...]
    """Tensors that the host gets back, in the order of the traced graph's outputs."""
    tensors: Mapping[str, QuantizedTensor]
    ops: tuple[QuantizedOp, ...]
    probes: tuple[QuantizedOp, ...] = ()
    """Boundary operations that turn codes without a single scale back to real numbers of the traced
    graph, for comparisons with it; nothing on the chip or the host executes them."""

    @property
    def shape_only(self) -> bool:
        """Whether the graph has no executables, so that only time and cost can be had."""
        return any(op.execute is None and not op.is_product for op in self.ops)

    def with_probes(self) -> "QuantizedWorkload":
        """The graph with its probes among the operations, each as early as its inputs are there."""
        waiting: dict[str, list[QuantizedOp]] = {}
        for probe in self.probes:
            waiting.setdefault(probe.inputs[0], []).append(probe)
        ops = [one for op in self.ops for one in (op, *waiting.get(op.output, ()))]
        return replace(self, ops=tuple(ops), probes=())

    def producer(self, tensor: str) -> QuantizedOp | None:
        """The operation that yields ``tensor``; ``None`` for an input of the graph."""
        return next((op for op in self.ops if tensor in (op.output, op.shifts)), None)
