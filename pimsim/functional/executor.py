"""Executes the quantized graph on real samples.

Which question this module answers: *what comes out, what was done for it, in how many cycles?*
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError, SimulationError
from pimsim.functional.counts import add_counts, times, unit_counts
from pimsim.functional.engines import IdealEngine, ProductEngine, ProductOutput
from pimsim.functional.group_products import by_groups, with_shifts
from pimsim.functional.reprogramming import with_reprogramming
from pimsim.integer.leading_one import GroupCodes
from pimsim.integer.units import RowCodes, UnitOutput
from pimsim.mapping.mapped import MappedOp, MappedWorkload
from pimsim.mapping.writing import Writing, writings_of
from pimsim.quantization.quantized import QuantizedOp
from pimsim.records import ActionCounts, MacroCounts
from pimsim.workload.shapes import elements

_CHUNK_ELEMENTS: Final = 1 << 24
"""Elements of the largest tensor of one chunk of samples: bounds memory, moves no result."""

Values = NDArray[Any]


@dataclass(frozen=True, slots=True)
class FunctionalRun:
    """What one engine made of the samples."""

    outputs: Mapping[str, NDArray[np.float32]]
    """Output of the workload → values, first axis = sample."""
    counts: tuple[ActionCounts, ...]
    """One per mapped operation, summed over the samples; no macros from an engine that has none, or
    does not count."""
    service_cycles: Mapping[str, NDArray[np.int32]]
    """Product → (tokens, row blocks) of the first inference, heads in lock-step."""
    token_reads: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """Product → (tokens): macro reads of each token of the first inference, summed over macros."""


@dataclass(slots=True)
class _Tally:
    """Running sums over chunks."""

    macros: dict[str, MacroCounts] = field(default_factory=dict)
    saturations: dict[str, int] = field(default_factory=dict)
    cycles: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    reads: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    outputs: dict[str, list[Values]] = field(default_factory=dict)


def execute(
    mapped: MappedWorkload,
    inputs: Mapping[str, Values],
    engine: ProductEngine,
    *,
    advance: Callable[[int], None] | None = None,
) -> FunctionalRun:
    """Run all samples through the quantized graph.

    Parameters
    ----------
    mapped
        A mapped workload with weights.
    inputs
        Input → values, first axis = sample; a whole number of inferences (batches).
    engine
        Computes the products.
    advance
        Called with the number of samples × products done, for a progress bar.

    Raises
    ------
    SimulationError
        If the workload is shape-only.
    """
    if mapped.quantized.shape_only:
        raise SimulationError("a shape-only workload has no values to run")
    samples = len(next(iter(inputs.values())))
    size = chunk_samples(mapped)
    tally = _Tally()
    for start in range(0, samples, size):
        chunk = {name: values[start : start + size] for name, values in inputs.items()}
        _Chunk(mapped, engine, start, tally, advance).run(chunk)
    outputs = {name: np.concatenate(parts) for name, parts in tally.outputs.items()}
    writings = writings_of(mapped)
    counts = tuple(
        _counts(op, mapped, tally, samples, writings.get(op.op.name)) for op in mapped.ops
    )
    return FunctionalRun(outputs, counts, tally.cycles, tally.reads)


def chunk_samples(mapped: MappedWorkload) -> int:
    """Samples that are run together, a multiple of the batch."""
    batch = mapped.dims["batch"]
    per_batch = max(
        elements(tensor.shape, mapped.dims) for tensor in mapped.quantized.tensors.values()
    )
    return max(1, _CHUNK_ELEMENTS // per_batch) * batch


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One chunk of samples on its way through the graph."""

    mapped: MappedWorkload
    engine: ProductEngine
    first_sample: int
    tally: _Tally
    advance: Callable[[int], None] | None

    def run(self, inputs: Mapping[str, Values]) -> None:
        graph = self.mapped.quantized
        values: dict[str, Values] = dict(inputs)
        samples = len(next(iter(inputs.values())))
        dims = {**self.mapped.dims, "batch": samples}
        last_use = {name: index for index, op in enumerate(graph.ops) for name in op.inputs}
        for index, op in enumerate(graph.ops):
            operands = [values[name] for name in op.inputs]
            if op.is_product:
                values[op.output] = self._product(op, operands, samples)
            else:
                self._digital(op, operands, dims, values)
            for name in op.inputs:
                if last_use[name] == index:
                    values.pop(name, None)
        for name, tensor in zip(graph.workload.outputs, graph.outputs, strict=True):
            self.tally.outputs.setdefault(name, []).append(values[tensor])

    def _digital(
        self, op: QuantizedOp, operands: list[Values], dims: Mapping[str, int],
        values: dict[str, Values],
    ) -> None:  # fmt: skip
        if op.execute is None:
            raise SimulationError(f"op {op.name!r} has nothing to execute")
        try:
            output = op.execute(operands, dims)
        except ModelRangeError as error:
            raise ModelRangeError(f"op {op.name!r}: {error}") from error
        if output.saturations:
            total = self.tally.saturations.get(op.name, 0) + output.saturations
            self.tally.saturations[op.name] = total
        values[op.output] = output.values
        if op.shifts is not None:
            values[op.shifts] = shifts_of(op, output)

    def _product(self, op: QuantizedOp, operands: list[Values], samples: int) -> Values:
        mapped = self.mapped.op(op.name)
        driven = operands[0]
        if op.kind == "static_product":
            flat = driven.reshape(-1, driven.shape[-1])
            vectors = len(flat) // samples
            output = self._multiply(mapped, flat, None, operands, first=self.first_sample * vectors)
            shape = (*driven.shape[:-1], output.values.shape[-1])
        else:
            stored, steps = operands[1], samples
            if mapped.placement is not None and mapped.placement.fresh is not None:
                steps = samples // self.mapped.dims["batch"]  # samples lie side by side
            cells = stored.reshape(steps, -1, *stored.shape[-2:])
            by_head = driven.reshape(steps, cells.shape[1], -1, driven.shape[-1])
            first = self.first_sample * (by_head.size // driven.shape[-1] // samples)
            output = self._multiply(mapped, by_head, cells, operands, first=first)
            shape = (*driven.shape[:-1], stored.shape[-1])
        self._record(mapped, output)
        if self.advance is not None:
            self.advance(samples)
        return output.values.reshape(shape)

    def _multiply(
        self, mapped: MappedOp, driven: Values, stored: Values | None, found: list[Values], *,
        first: int,
    ) -> ProductOutput:  # fmt: skip
        if mapped.placement is None:  # on the chip's MAC array, exact whatever the crossbars are
            return _on_mac_array(mapped, driven, stored)
        grouped = with_shifts(mapped.op, driven, stored, found)
        if grouped is not None:
            macros = self.mapped.architecture.macros
            return by_groups(self.engine, macros, mapped, grouped, first_vector=first)
        if stored is None:
            return self.engine.static(mapped, driven, first)
        return self.engine.dynamic(mapped, driven, stored, first)

    def _record(self, mapped: MappedOp, output: ProductOutput) -> None:
        name, tally = mapped.op.name, self.tally
        if output.counts is not None:
            earlier = tally.macros.get(name)
            tally.macros[name] = (
                output.counts if earlier is None else add_counts(earlier, output.counts)
            )
        if output.service_cycles is not None and name not in tally.cycles:
            tally.cycles[name] = representative_cycles(
                mapped, output.service_cycles, self.mapped.dims["batch"]
            )
        if output.vector_reads is not None and name not in tally.reads:
            by_token = _by_token(mapped, output.vector_reads[:, None], self.mapped.dims["batch"])
            tally.reads[name] = by_token.sum(axis=1).reshape(mapped.tokens)


def _on_mac_array(mapped: MappedOp, driven: Values, stored: Values | None) -> ProductOutput:
    if stored is None:
        raise SimulationError(f"op {mapped.op.name!r} has weights, but no macros that hold them")
    return IdealEngine().dynamic(mapped, driven, stored, 0)


def shifts_of(op: QuantizedOp, output: UnitOutput | GroupCodes | RowCodes) -> Values:
    """Shifts of the groups, or sums of the rows, that a unit yields beside its codes.

    Raises
    ------
    SimulationError
        If it yields none.
    """
    if isinstance(output, RowCodes):
        return output.sums
    if not isinstance(output, GroupCodes):
        raise SimulationError(f"op {op.name!r} declares shifts but yields none")
    return output.shifts


def representative_cycles(
    mapped: MappedOp, cycles: NDArray[np.int32], batch: int
) -> NDArray[np.int32]:
    """Cycles of the first inference, (tokens, row blocks); the slowest head sets the pace.

    Parameters
    ----------
    mapped
        A product.
    cycles
        (vectors, row blocks); vectors run over sample, head, token.
    batch
        Samples per inference.
    """
    slowest: NDArray[np.int32] = _by_token(mapped, cycles, batch).max(axis=1)
    return slowest.reshape(mapped.tokens, cycles.shape[1])


def _by_token(mapped: MappedOp, found: NDArray[Any], batch: int) -> NDArray[Any]:
    """Rows of the first inference, given by sample, head and token: (batch, heads, tokens, ...)."""
    if mapped.placement is None:
        raise SimulationError(f"op {mapped.op.name!r} has no macros")
    instances = mapped.placement.instances
    if mapped.placement.fresh is not None:
        batch = 1  # its samples are instances
    first = found[: mapped.tokens * instances]
    return first.reshape(batch, instances, -1, found.shape[1])


def _counts(
    op: MappedOp, mapped: MappedWorkload, tally: _Tally, samples: int, writing: Writing | None
) -> ActionCounts:
    inferences = math.ceil(samples / mapped.dims["batch"])
    macros = tally.macros.get(op.op.name)
    if macros is not None:
        if writing is not None:  # the engine wrote whole operands, word line by word line
            macros = replace(macros, row_writes=writing.total * inferences)
        macros = with_reprogramming(macros, op, mapped, inferences=inferences)
    return ActionCounts(
        op=op.op.name,
        inferences=inferences,
        macros=() if macros is None else (macros,),
        units=unit_counts(op, inferences, tally.saturations.get(op.op.name, 0)),
        moved=times(op.moved, inferences),
    )
