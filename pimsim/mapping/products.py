"""Products: their sizes, and what their operands need of a chip.

Which question this module answers: *how large is the matrix, how wide are its operands, and which
hardware can multiply by it?*
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pimsim.analog.coding import weight_range
from pimsim.config.architecture import Architecture, Macro
from pimsim.errors import MappingError
from pimsim.mapping.mapped import pieces_of
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
    driven_signed: bool = True
    """Whether the driven operand has a sign."""

    @property
    def outputs(self) -> int:
        """Elements of the product in one inference."""
        return self.input_vectors * self.cols * self.instances

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

    def reads(self, macro: Macro, start: int, stop: int) -> int:
        """Reads of the rows of one block per vector, if none is skipped."""
        active = macro.crossbar.active_rows
        group = None if self.op.groups is None else self.op.groups.size
        pieces = pieces_of(start, stop, group)
        used = narrowed(
            macro, driven_bits=self.driven_bits, driven_signed=self.driven_signed,
            stored_bits=self.stored_bits,
        )  # fmt: skip
        return used.planes * sum(-(-(piece.stop - piece.start) // active) for piece in pieces)


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
        driven_signed=quantized.tensors[op.inputs[0]].encoding.signed,
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


def hardware_of(product: Product, architecture: Architecture) -> str | None:
    """Kind of macro that holds the stored operand; ``None``: the chip's MAC array multiplies.

    Raises
    ------
    MappingError
        If the chip has neither.
    """
    kind = architecture.macro_for(product.operand)
    if kind is not None:
        return kind
    if product.operand == "static":
        raise MappingError(
            f"op {product.op.name!r} needs a macro for its {product.rows}x{product.cols} weights, "
            f"but no tile of architecture {architecture.name!r} has any.\n"
            "  Give tile.macros a count of at least 1 for a macro kind."
        )
    if architecture.units.mac_array is not None:
        return None
    writable = [name for name, macro in architecture.macros.items() if macro.writable]
    remedy = "Add a macro kind with 'writable: true' and 'write', and its count to tile.macros"
    if writable:
        remedy = f"Raise tile.macros.{writable[0]} to at least 1"
    raise MappingError(
        f"op {product.op.name!r} writes its {product.rows}x{product.cols} operand into cells at "
        f"run time, but no tile of architecture {architecture.name!r} has a writable macro.\n"
        f"  {remedy}, or give units.mac_array, which multiplies without cells."
    )


def check_widths(product: Product, quantized: QuantizedWorkload, kind: str, macro: Macro) -> None:
    """Raise unless the operands of a product fit the drivers and slices of a kind of macro.

    Raises
    ------
    MappingError
        Naming the operand, its width and the key to raise.
    """
    op = product.op
    signed = quantized.tensors[op.inputs[0]].encoding.signed
    if macro.inputs.coding == "unsigned" and signed:
        raise MappingError(
            f"op {op.name!r}: the operands of numerics.scheme {quantized.scheme!r} are signed, but "
            f"macros.{kind}.inputs.coding is 'unsigned'.\n"
            f"  Set macros.{kind}.inputs.coding to twos_complement."
        )
    _check_width(
        op, quantized, op.inputs[0], f"macros.{kind}.inputs.bits", macro.inputs.bits,
        idle_bits=int(macro.inputs.coding != "unsigned" and not signed),  # that of the sign
    )  # fmt: skip
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
    op: QuantizedOp, quantized: QuantizedWorkload, tensor: str, key: str, bits: int, *,
    idle_bits: int = 0,
) -> None:  # fmt: skip
    encoding = quantized.tensors[tensor].encoding
    needed = encoding.bits + idle_bits
    if needed > bits:
        without = " and no sign" if idle_bits else ""
        raise MappingError(
            f"op {op.name!r}: operand {tensor!r} has {encoding.bits} bits{without}, but {key} is "
            f"{bits}.\n"
            f"  Raise {key} to at least {needed}, or choose a narrower numerics.scheme."
        )
