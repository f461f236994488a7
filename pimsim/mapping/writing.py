"""How operands that are computed at run time are written into cells, and how many cycles it takes.

Which question this module answers: *which rows or columns of the cells does one token of the
producer fill, and how many write cycles does that take?*

The stored operand of Q·Kᵀ has its tokens along columns, that of P·V along rows. A row port writes
one word line per cycle: a token along a row takes one cycle, a token along a column a masked write
of every word line. A column port, as transposable cells have [1]_, writes a token along a column in
one cycle, all its bit slices at once. RAP (arXiv 2411.14733) does not say how it writes Kᵀ.

Where an operand is gathered before it is written (dataflow ``layer_by_layer``, an operand written
in passes, the cache of a decoding step), its word lines are written whole, one after another,
whatever its tokens; a macro with a column port takes whichever way needs fewer cycles.

The timing pass takes its write cycles from here, one portion of an operand after another, the
functional pass and the counts without values theirs for the whole operand.

Not modelled: tokens of different operands that are written by one cycle; the current that flows in
the cells which a masked write leaves as they are.

References
----------
.. [1] J. Seo et al., A 45nm CMOS Neuromorphic Chip with a Scalable Architecture for Learning in
   Networks of Spiking Neurons, IEEE CICC, 2011: an SRAM with ports along rows and columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.mapping.labels import distinct, move_labels
from pimsim.mapping.mapped import Block, MappedOp, MappedWorkload, Placement
from pimsim.mapping.needs import token_axes
from pimsim.mapping.origins import trace_origins
from pimsim.mapping.products import resolve_product
from pimsim.quantization.quantized import QuantizedOp
from pimsim.workload.graph import MOVEMENT_KINDS
from pimsim.workload.shapes import resolve_shape

Side = Literal["rows", "cols"]
Port = Literal["row", "column"]


@dataclass(frozen=True, slots=True)
class TokenLayout:
    """An operand whose tokens lie side by side."""

    producer: str
    side: Side
    """``rows``: a token fills a row of the cells; ``cols``: a column."""
    tokens: int
    """Tokens of each matrix; those of one matrix follow those of the one before."""


@dataclass(frozen=True, slots=True)
class Writing:
    """How the stored operand of a product is written in one inference."""

    matrices: int
    """Operands written one after another onto each instance."""
    layout: TokenLayout | None
    """How it is written token by token; ``None``: whole."""
    port: Port
    """Through which port."""
    cycles: int
    """Write cycles of one token, or of one whole matrix: those of the busiest macro, which all
    others wait for."""
    counted: int
    """The same, summed over macros."""

    @property
    def total(self) -> int:
        """Write cycles of one inference, summed over macros."""
        tokens = 1 if self.layout is None else self.layout.tokens
        return self.matrices * tokens * self.counted


def writings_of(mapped: MappedWorkload) -> dict[str, Writing]:
    """Say how each operand computed at run time is written, by the name of its product.

    Depends on the dataflow, on the ports of the macros and on how the operand lies in them; not on
    times or values.
    """
    uses = stored_uses(mapped) if mapped.architecture.mapping.dataflow != "layer_by_layer" else {}
    found = {}
    for op in mapped.ops:
        if op.op.kind == "dynamic_product" and op.placement is not None:
            resident = op.placement.fresh is not None
            product = resolve_product(op.op, mapped.quantized, mapped.dims, resident=resident)
            found[op.op.name] = _writing(
                mapped, op, op.placement, product.stored_matrices, uses.get(op.op.name, {})
            )
    return found


def _writing(
    mapped: MappedWorkload,
    op: MappedOp,
    placement: Placement,
    matrices: int,
    uses: Mapping[str, str],
) -> Writing:
    write = mapped.architecture.macros[placement.macro].write
    column_port = write is not None and write.port == "column"
    streams = any(
        use == "stored" and passes_tokens(op, mapped.op(name), mapped) for name, use in uses.items()
    )
    layout = layout_of(mapped, op, matrices) if streams and placement.passes == 1 else None
    if layout is None:
        port, each = _whole(placement, column_port=column_port)
        return Writing(matrices, None, port, max(each), sum(each))
    side: Side = layout.side
    if side == "rows":
        return Writing(matrices, layout, "row", 1, _across(placement, side))
    if column_port:
        return Writing(matrices, layout, "column", 1, _across(placement, side))
    tallest = max(block.row_stop - block.row_start for block in placement.blocks)
    return Writing(matrices, layout, "row", tallest, placement.instances * placement.rows)


def _across(placement: Placement, side: Side) -> int:
    """Macros that one token along rows, or along columns, lies in."""
    others = placement.col_blocks if side == "rows" else placement.row_blocks
    return placement.instances * len(others)


def _whole(placement: Placement, *, column_port: bool) -> tuple[Port, list[int]]:
    """Port through which a whole operand is written, and the write cycles of each macro."""
    rows = [placement.written(block)[0] for block in placement.blocks]
    if column_port:
        cols = [_written_cols(placement, block) for block in placement.blocks]
        if max(cols) < max(rows):
            return "column", cols
    return "row", rows


def _written_cols(placement: Placement, block: Block) -> int:
    if placement.fresh is None:
        return block.col_stop - block.col_start
    rectangle = slice(block.row_start, block.row_stop), slice(block.col_start, block.col_stop)
    return int(placement.fresh[block.instance][rectangle].any(axis=0).sum())


def passes_tokens(op: MappedOp, producer: MappedOp, mapped: MappedWorkload) -> bool:
    """Whether tokens of one operation pass to another before all of them are done."""
    dataflow = mapped.architecture.mapping.dataflow
    if dataflow != "rap_fused":
        return dataflow == "token_streaming"
    mine, its = op.op.group, producer.op.group
    return mine is not None and its is not None and mine.name == its.name


def stored_uses(mapped: MappedWorkload) -> dict[str, dict[str, str]]:
    """Dynamic product → what it needs → as ``driven`` operand, as ``stored`` one, or ``both``."""
    origins = trace_origins(mapped.quantized, mapped.dims)
    found: dict[str, dict[str, str]] = {}
    for mapped_op in mapped.ops:
        op = mapped_op.op
        if op.kind != "dynamic_product" or mapped_op.placement is None:
            continue
        shifts = None if op.groups is None else op.groups.stored
        uses: dict[str, str] = {}
        for number, name in enumerate(op.inputs):
            use = "stored" if number == 1 or name == shifts else "driven"
            for origin in origins[name]:
                if origin.producer is not None:
                    uses[origin.producer] = use if uses.get(origin.producer, use) == use else "both"
        found[op.name] = uses
    return found


def layout_of(mapped: MappedWorkload, mapped_op: MappedOp, matrices: int) -> TokenLayout | None:
    """Say how the stored operand of a product is made of its producer's tokens.

    Parameters
    ----------
    mapped
        The mapped workload.
    mapped_op
        A dynamic product.
    matrices
        How many operands it writes one after another.

    Returns
    -------
    TokenLayout or None
        ``None`` if the operand has several producers, parts that are resident, or rows and columns
        that do not belong to one token each: it can then only be written whole.
    """
    walk = _Walk(mapped)
    found = walk.labels(mapped_op.op.inputs[1])
    if found is None or mapped_op.placement is None or mapped_op.placement.fresh is not None:
        return None
    producer, labels = found
    tokens, rest = divmod(mapped.op(producer).tokens, matrices)
    if labels.ndim < 2 or rest:
        return None
    spread = labels.reshape(1, 1, *labels.shape) if labels.ndim == 2 else labels
    cut = distinct(spread, keep=(0,))
    rows, cols = cut.shape[-2:]
    side: Side = "rows" if rows > 1 else "cols"
    along = cut.reshape(cut.shape[0], -1)
    wanted = np.arange(matrices * tokens).reshape(matrices, tokens)
    if min(rows, cols) > 1 or along.shape != wanted.shape or (along != wanted).any():
        return None
    return TokenLayout(producer, side, tokens)


class _Walk:
    """Follows tokens through movements, backwards from a tensor."""

    def __init__(self, mapped: MappedWorkload) -> None:
        self._quantized, self._dims = mapped.quantized, mapped.dims
        self._tokens = {op.op.name: op.tokens for op in mapped.ops}

    def labels(self, tensor: str) -> tuple[str, NDArray[np.int64]] | None:
        """The one producer of a tensor and, per element, the number of its token."""
        chain: list[QuantizedOp] = []
        op = self._quantized.producer(tensor)
        while op is not None and op.name not in self._tokens:
            if len(op.inputs) != 1:
                return None
            chain.append(op)
            op = self._quantized.producer(op.inputs[0])
        if op is None:
            return None
        shape = resolve_shape(self._quantized.tensors[op.output].shape, self._dims)
        axes = token_axes(shape, self._tokens[op.name])
        if axes is None:
            return None
        numbers = np.arange(self._tokens[op.name], dtype=np.int64).reshape(
            [size if axis in axes else 1 for axis, size in enumerate(shape)]
        )
        moved = _moved(np.broadcast_to(numbers, shape), reversed(chain), self._dims)
        return None if moved is None else (op.name, moved)


def _moved(
    labels: NDArray[np.int64], chain: "reversed[QuantizedOp]", dims: Mapping[str, int]
) -> NDArray[np.int64] | None:
    for op in chain:
        if op.kind == "boundary":
            continue
        if op.function not in MOVEMENT_KINDS:
            return None
        try:
            labels = move_labels(op, [labels], dims)
        except (KeyError, ValueError, IndexError):  # only the sizes of this movement are known
            return None
    return labels
