"""Matrices cut into blocks, and blocks given to macros.

Which question this module answers: *in which macro does each element of each stored operand lie?*

A stored operand of ``rows x cols`` is cut into row blocks of ``crossbar.rows`` and column blocks of
``logical_cols`` (all bit slices of a column lie side by side, as many as the operand has bits). One
whose rows share shifts in groups is cut between groups where a group fits into a macro. Each block
takes a macro of its own.
The policy ``layer_order`` hands out macros in the order of the operations: the next free macro of
the tile, then the next tile. Static weights are placed once; every instance (head) of an operand
written at run time has macros of its own, which successive elements of a batch share. The cache of
a decoding step stays in its macros between steps, so that each element of a batch has its own, and
only the new token's row of keys and of values is written.

Not modelled yet: several small blocks in one macro, replication, reprogramming during a run.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.coding import weight_range
from pimsim.config.architecture import Architecture, Macro
from pimsim.errors import MappingError
from pimsim.mapping.mapped import Block, Placement
from pimsim.mapping.widths import narrowed
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.workload.shapes import Size, elements, resolve, resolve_shape


@dataclass(frozen=True, slots=True)
class Product:
    """Numbers of one product, dimensions resolved."""

    op: QuantizedOp
    operand: Literal["static", "dynamic"]
    rows: int
    cols: int
    instances: int
    """Matrices that work side by side."""
    stored_matrices: int
    """Matrices written one after another onto each instance in one inference; 0 when static."""
    input_vectors: int
    """Vectors driven onto each instance in one inference."""
    driven_bits: int
    """Width of the driven operand. [bit]"""
    stored_bits: int | None
    """Width of the stored operand; ``None``: that of the macro's weights. [bit]"""

    def row_cut(self, macro: Macro) -> tuple[tuple[int, int], ...]:
        """Row blocks; a macro holds whole groups of rows if one fits at all."""
        size, groups = macro.crossbar.rows, self.op.groups
        if groups is not None and groups.size < size:
            size -= size % groups.size
        return cut(self.rows, size)

    def col_cut(self, macro: Macro) -> tuple[tuple[int, int], ...]:
        """Column blocks of the slices that the stored operand needs."""
        return cut(self.cols, narrowed(macro, stored_bits=self.stored_bits).logical_cols)

    def macros(self, macro: Macro) -> int:
        """How many macros of this kind the operand fills."""
        return len(self.row_cut(macro)) * len(self.col_cut(macro)) * self.instances


def cut(length: int, size: int) -> tuple[tuple[int, int], ...]:
    """Cut a length into pieces of at most ``size``, as (start, stop).

    Examples
    --------
    >>> cut(10, 4)
    ((0, 4), (4, 8), (8, 10))
    """
    return tuple((start, min(start + size, length)) for start in range(0, length, size))


def resolve_product(
    op: QuantizedOp,
    quantized: QuantizedWorkload,
    dims: Mapping[str, int],
    *,
    resident: bool = False,
) -> Product:
    """Resolve the sizes of a product.

    The stored operand of a dynamic product has shape ``(batch, *instances, rows, cols)``, or
    ``(rows, cols)``. Where a part of it is ``resident``, all matrices lie side by side.

    Raises
    ------
    MappingError
        If the sizes of the operation, its stored operand and its output contradict each other.
    """
    rows, cols = _size(op, op.rows, "rows", dims), _size(op, op.cols, "cols", dims)
    outputs = elements(quantized.tensors[op.output].shape, dims)
    stored: tuple[int, ...]
    if op.kind == "static_product":
        stored = (rows, cols) if op.weights is None else op.weights.shape
        instances, stored_matrices = 1, 0
    else:
        stored = resolve_shape(quantized.tensors[op.inputs[1]].shape, dims)
        instances = math.prod(stored[1:-2])
        stored_matrices = stored[0] if len(stored) > 2 else 1
        if resident:
            instances, stored_matrices = instances * stored_matrices, 1
    vectors, rest = divmod(outputs, cols * instances)
    if stored[-2:] != (rows, cols) or rest or vectors % max(stored_matrices, 1):
        raise MappingError(
            f"op {op.name!r} multiplies with a {rows}x{cols} matrix, but its stored operand has "
            f"shape {stored} and its output {op.output!r} has {outputs} elements"
        )
    return Product(
        op=op,
        operand="static" if op.kind == "static_product" else "dynamic",
        rows=rows,
        cols=cols,
        instances=instances,
        stored_matrices=stored_matrices,
        input_vectors=vectors,
        driven_bits=quantized.tensors[op.inputs[0]].encoding.bits,
        stored_bits=(
            op.weight_bits
            if op.kind == "static_product"
            else quantized.tensors[op.inputs[1]].encoding.bits
        ),
    )


def _size(op: QuantizedOp, size: Size | None, name: str, dims: Mapping[str, int]) -> int:
    if size is None:
        raise MappingError(f"product {op.name!r} has no {name!r}; its scheme must set it")
    return resolve(size, dims)


def check_integers(quantized: QuantizedWorkload) -> None:
    """Raise unless all operands of products are integers.

    Raises
    ------
    MappingError
        Naming the operation and the operand.
    """
    for op in quantized.ops:
        for tensor in op.inputs if op.is_product else ():
            if quantized.tensors[tensor].encoding.number != "integer":
                raise MappingError(
                    f"op {op.name!r}: operand {tensor!r} is floating-point; crossbars take "
                    f"integers only.\n  Scheme {quantized.scheme!r} serves comparisons only; "
                    "choose an integer numerics.scheme."
                )


def place_products(
    quantized: QuantizedWorkload,
    architecture: Architecture,
    dims: Mapping[str, int],
    fresh: Mapping[str, NDArray[np.bool_]] = MappingProxyType({}),
) -> dict[str, Placement]:
    """Give every block of every product a macro, in the order of the operations.

    Parameters
    ----------
    quantized, architecture, dims
        As in :func:`pimsim.mapping.map_workload`.
    fresh
        From :func:`pimsim.mapping.origins.fresh_elements`.

    Raises
    ------
    MappingError
        If the chip has no macro for a kind of operand, if an operand is wider than the macro's
        inputs or weights, or if there are too few macros; the message says how many are needed.
    """
    check_integers(quantized)
    products = [
        resolve_product(op, quantized, dims, resident=op.name in fresh)
        for op in quantized.ops
        if op.is_product
    ]
    kinds = [_macro_kind(product, architecture) for product in products]
    needed: dict[str, int] = {}
    for product, kind in zip(products, kinds, strict=True):
        _check_widths(product, quantized, kind, architecture.macros[kind])
        needed[kind] = needed.get(kind, 0) + product.macros(architecture.macros[kind])
    used = dict.fromkeys(needed, 0)
    placements = {}
    for product, kind in zip(products, kinds, strict=True):
        count = product.macros(architecture.macros[kind])
        free = architecture.chip.tiles * architecture.tile.macros[kind] - used[kind]
        if count > free:
            resident = product.op.name in fresh
            raise MappingError(
                _too_small(product, kind, architecture, used[kind], needed[kind], resident=resident)
            )
        placed = _place(product, kind, architecture, used[kind])
        placements[product.op.name] = replace(placed, fresh=fresh.get(product.op.name))
        used[kind] += count
    return placements


def _place(product: Product, kind: str, architecture: Architecture, first: int) -> Placement:
    """Hand out macros from number ``first`` on, counted over all tiles."""
    macro, per_tile = architecture.macros[kind], architecture.tile.macros[kind]
    pieces = [
        (instance, rows, cols)
        for instance in range(product.instances)
        for rows in product.row_cut(macro)
        for cols in product.col_cut(macro)
    ]
    groups = product.op.groups
    return Placement(
        macro=kind,
        rows=product.rows,
        cols=product.cols,
        instances=product.instances,
        blocks=tuple(
            Block(
                tile=number // per_tile,
                macro=number % per_tile,
                instance=instance,
                row_start=rows[0],
                row_stop=rows[1],
                col_start=cols[0],
                col_stop=cols[1],
            )
            for number, (instance, rows, cols) in enumerate(pieces, start=first)
        ),
        input_vectors=product.input_vectors,
        driven_bits=product.driven_bits,
        stored_bits=product.stored_bits,
        group=None if groups is None else groups.size,
        shift_places=0 if groups is None else groups.places,
    )


def _macro_kind(product: Product, architecture: Architecture) -> str:
    kind = architecture.macro_for(product.operand)
    if kind is not None:
        return kind
    if product.operand == "static":
        raise MappingError(
            f"op {product.op.name!r} needs a macro for its {product.rows}x{product.cols} weights, "
            f"but no tile of architecture {architecture.name!r} has any.\n"
            "  Give tile.macros a count of at least 1 for a macro kind."
        )
    writable = [name for name, macro in architecture.macros.items() if macro.writable]
    remedy = "Add a macro kind with 'writable: true' and 'write', and its count to tile.macros."
    if writable:
        remedy = f"Raise tile.macros.{writable[0]} to at least 1."
    raise MappingError(
        f"op {product.op.name!r} writes its {product.rows}x{product.cols} operand into cells at "
        f"run time, but no tile of architecture {architecture.name!r} has a writable macro.\n"
        f"  {remedy}"
    )


def _check_widths(product: Product, quantized: QuantizedWorkload, kind: str, macro: Macro) -> None:
    op = product.op
    if macro.inputs.coding == "unsigned":
        raise MappingError(
            f"op {op.name!r}: the operands of numerics.scheme {quantized.scheme!r} are signed, but "
            f"macros.{kind}.inputs.coding is 'unsigned'.\n"
            f"  Set macros.{kind}.inputs.coding to twos_complement."
        )
    _check_width(op, quantized, op.inputs[0], f"macros.{kind}.inputs.bits", macro.inputs.bits)
    key, bits = f"macros.{kind}.weights.bits", macro.weights.bits
    if product.operand == "dynamic":
        _check_width(op, quantized, op.inputs[1], key, bits)
    elif op.weights is not None and op.weights.size:
        low, high = int(op.weights.min()), int(op.weights.max())
        smallest, largest = weight_range(macro)
        if low < smallest or high > largest:
            lowest = -low - 1 if smallest < -largest else -low  # a two's complement reaches further
            width = max(lowest, high).bit_length() + 1
            raise MappingError(
                f"op {op.name!r}: its weights reach from {low} to {high} and need {width} bits, "
                f"but {key} is {bits}.\n"
                f"  Raise {key} to at least {width}, or choose a narrower numerics.scheme."
            )
    elif op.weight_bits is not None and op.weight_bits > bits:
        raise MappingError(
            f"op {op.name!r}: its weights have {op.weight_bits} bits, but {key} is {bits}.\n"
            f"  Raise {key} to at least {op.weight_bits}, or choose a narrower numerics.scheme."
        )


def _check_width(
    op: QuantizedOp, quantized: QuantizedWorkload, tensor: str, key: str, bits: int
) -> None:
    encoding = quantized.tensors[tensor].encoding
    if encoding.bits > bits:
        raise MappingError(
            f"op {op.name!r}: operand {tensor!r} has {encoding.bits} bits, but {key} is {bits}.\n"
            f"  Raise {key} to at least {encoding.bits}, or choose a narrower numerics.scheme."
        )


def _too_small(
    product: Product,
    kind: str,
    architecture: Architecture,
    used: int,
    needed: int,
    *,
    resident: bool,
) -> str:
    macro = architecture.macros[kind]
    tiles, per_tile = architecture.chip.tiles, architecture.tile.macros[kind]
    slices = narrowed(macro, stored_bits=product.stored_bits).slices
    matrices = "" if product.instances == 1 else f" x {product.instances} instances"
    what = "weights" if product.operand == "static" else "operand written at run time"
    if resident:
        what = "cache of earlier tokens, which stays in its macros, and the new one"
    return (
        f"op {product.op.name!r} needs {product.macros(macro)} {kind!r} macros of "
        f"{macro.crossbar.rows}x{macro.crossbar.cols} cells ({what}: "
        f"{product.rows}x{product.cols}{matrices}, {slices} slices)\n"
        f"  but {tiles * per_tile - used} are free on architecture {architecture.name!r} "
        f"(tiles: {tiles}, {kind!r} macros per tile: {per_tile}, used: {used}).\n"
        f"  The whole workload needs {needed}: raise chip.tiles to at least "
        f"{-(-needed // per_tile)}, or tile.macros.{kind} to at least {-(-needed // tiles)}; "
        "time multiplexing is not modelled yet."
    )
