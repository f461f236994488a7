"""The crossbar product: operands in, noisy integer product, cycles and counts out.

Which question this module answers: *what does this macro, as built and with its noise, make of
``inputs @ weights``, and what did it do for it?*

:func:`program` writes a matrix into crossbars and draws their cells once: that is one chip.
:func:`mvm` drives vectors through them. :func:`dynamic` and :func:`mvm_dynamic` do the same for
operands written at run time (Q·Kᵀ, P·V), where each head has cells of its own and each sample new
contents. Matrices larger than a macro are cut into row and column blocks; their partial sums are
added digitally, exactly.

A read drives as many word lines every time: dummy rows of off cells stand in for input zeros and
for missing rows. The off current of all driven cells is therefore the same pedestal in every read,
and the converter's zero is set to it, so that a column sum counts conducting cells from 0.

Not modelled: variation of the dummy rows.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int, Int64
from numpy.typing import NDArray

from pimsim.analog.action_counts import with_writes
from pimsim.analog.blocks import Block, Product, program_blocks, reserve_blocks
from pimsim.analog.chunked import MvmOutput, Operands, counted_product, product_values
from pimsim.analog.coding import encode_weights
from pimsim.config.macros import Macro
from pimsim.config.pvt import Pvt
from pimsim.errors import ModelRangeError


@dataclass(frozen=True, slots=True)
class ProgrammedCrossbar:
    """A static matrix in the cells of one chip."""

    macro: Macro
    product: Product
    blocks: tuple[Block, ...]
    program_pulses: int
    """Pulses that programming took; one per cell where it does not count them."""


@dataclass(frozen=True, slots=True)
class DynamicCrossbars:
    """Writable crossbars of one chip: one set per instance (head), contents given per product."""

    macro: Macro
    product: Product
    instances: int
    blocks: tuple[Block, ...]


def program(
    weights: Int[np.ndarray, "rows cols"],
    macro: Macro,
    key: int,
    *,
    pvt: Pvt | None = None,
    converters: int | None = None,
) -> ProgrammedCrossbar:
    """Write a matrix into crossbars, drawing the static variation of cells and converters.

    Parameters
    ----------
    weights
        Integers that fit ``macro.weights``.
    macro
        The kind of macro.
    key
        ``rng.key(seed, "chip", i, ...)``: the same key is the same piece of silicon.
    pvt
        Operating point of the run; ``None``: nominal.
    converters
        Key of the converters, where rows of other matrices share them; ``None``: ``key``.

    Raises
    ------
    TypeError
        If ``weights`` is not an integer array.
    ModelRangeError
        If a weight does not fit its slices, the array is not a matrix, or a model is used outside
        its range.
    """
    if weights.ndim != 2:
        raise ModelRangeError(f"weights must be a matrix, got an array of shape {weights.shape}")
    product = Product(macro, *weights.shape)
    digits = encode_weights(weights, macro).digits
    blocks, pulses = program_blocks(
        product, digits, key, pvt, key if converters is None else converters
    )
    return ProgrammedCrossbar(macro, product, blocks, pulses)


def mvm(
    programmed: ProgrammedCrossbar,
    inputs: Int[np.ndarray, "batch rows"],
    key: int,
    *,
    first_row: int = 0,
) -> MvmOutput:
    """Multiply vectors by a programmed matrix, bit-plane by bit-plane and read by read.

    Parameters
    ----------
    programmed
        From :func:`program`.
    inputs
        Integers that fit ``macro.inputs``, one vector per row.
    key
        Key of the read noise.
    first_row
        Number of the first vector within the whole run, so that splitting a batch, with
        ``first_row`` advanced, changes nothing.

    Raises
    ------
    TypeError
        If ``inputs`` is not an integer array.
    ModelRangeError
        If an input does not fit its bit-planes, the shapes do not match, or a product does not fit
        the declared accumulator.
    """
    operands = _driven(programmed, inputs, first_row)
    return counted_product(programmed.product, programmed.blocks, operands, key)


def mvm_values(
    programmed: ProgrammedCrossbar,
    inputs: Int[np.ndarray, "batch rows"],
    key: int,
    *,
    first_row: int = 0,
) -> Int64[np.ndarray, "batch cols"]:
    """Multiply as :func:`mvm`, and give the values alone, in less time.

    Further chips of a study are run for their values: their counts would differ from those of the
    first by what little variation does to saturations and, through the values, to skipped zeros.
    """
    operands = _driven(programmed, inputs, first_row)
    return product_values(programmed.product, programmed.blocks, operands, key)


def _driven(programmed: ProgrammedCrossbar, inputs: NDArray[Any], first_row: int) -> Operands:
    rows = programmed.product.rows
    if inputs.ndim != 2 or inputs.shape[1] != rows:
        raise ModelRangeError(
            f"inputs of shape {inputs.shape} do not fit weights of {rows} rows; (batch, {rows}) "
            "is needed"
        )
    return Operands(inputs, None, np.arange(first_row, first_row + len(inputs)))


def dynamic(
    macro: Macro,
    *,
    instances: int,
    rows: int,
    cols: int,
    key: int,
    pvt: Pvt | None = None,
    converters: int | None = None,
) -> DynamicCrossbars:
    """Set aside writable crossbars for ``instances`` matrices of (rows, cols), drawing their cells.

    Parameters
    ----------
    macro, key, pvt, converters
        As for :func:`program`.
    instances
        Sets of crossbars, such as attention heads.
    rows, cols
        Shape of each matrix.

    Raises
    ------
    ModelRangeError
        If the macro is not writable, or a model is used outside its range.
    """
    if not macro.writable:
        raise ModelRangeError("operands computed at run time need a writable macro")
    product = Product(macro, rows, cols)
    silicon = key if converters is None else converters
    blocks = reserve_blocks(product, instances, key, pvt, silicon)
    return DynamicCrossbars(macro, product, instances, blocks)


def mvm_dynamic(
    crossbars: DynamicCrossbars,
    stored: Int[np.ndarray, "samples instances rows cols"],
    inputs: Int[np.ndarray, "samples instances vectors rows"],
    key: int,
    *,
    first_row: int = 0,
    fresh: NDArray[np.bool_] | None = None,
) -> MvmOutput:
    """Write matrices into their crossbars and multiply, for many samples on the same silicon.

    Parameters
    ----------
    crossbars
        From :func:`dynamic`.
    stored
        The operand written into the cells, one matrix per sample and instance.
    inputs
        The operand driven on the word lines.
    key
        Key of the read noise.
    first_row
        Number of the first vector within the whole run: samples before this batch, times
        instances, times vectors.
    fresh
        (instances, rows, cols), true where an element is written; the others are in their cells
        from earlier steps, whose counts hold their writing. All are written when absent.

    Returns
    -------
    MvmOutput
        ``values`` of shape (samples * instances * vectors, cols).

    Raises
    ------
    TypeError, ModelRangeError
        As in :func:`mvm`.
    """
    operands, digits = _written(crossbars, stored, inputs, first_row)
    output = counted_product(crossbars.product, crossbars.blocks, operands, key)
    counts = with_writes(output.counts, crossbars.product, digits, fresh)
    return replace(output, counts=counts)


def mvm_dynamic_values(
    crossbars: DynamicCrossbars,
    stored: Int[np.ndarray, "samples instances rows cols"],
    inputs: Int[np.ndarray, "samples instances vectors rows"],
    key: int,
    *,
    first_row: int = 0,
) -> Int64[np.ndarray, "vectors cols"]:
    """Multiply as :func:`mvm_dynamic`, and give the values alone; see :func:`mvm_values`."""
    operands, _ = _written(crossbars, stored, inputs, first_row)
    return product_values(crossbars.product, crossbars.blocks, operands, key)


def _written(
    crossbars: DynamicCrossbars, stored: NDArray[Any], inputs: NDArray[Any], first_row: int
) -> tuple[Operands, NDArray[np.uint8]]:
    """Operands, and the digits that are written."""
    macro, product = crossbars.macro, crossbars.product
    expected = (crossbars.instances, product.rows, product.cols)
    if (
        stored.ndim != 4
        or inputs.ndim != 4
        or stored.shape[1:] != expected
        or inputs.shape[:2] != stored.shape[:2]
        or inputs.shape[3] != product.rows
    ):
        raise ModelRangeError(
            f"stored operand of shape {stored.shape} and inputs of shape {inputs.shape} do not fit "
            f"crossbars for {expected}"
        )
    digits = encode_weights(stored.reshape(-1, *expected[1:]), macro).digits
    flat = inputs.reshape(-1, product.rows)
    return Operands(flat, digits, np.arange(first_row, first_row + len(flat))), digits
