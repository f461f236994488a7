"""Contract checks that any model of pimsim, also one of a plug-in, must pass.

Which question this module answers: *does my unit behave as the passes expect?*

Call the check from a test of your own; it raises ``AssertionError`` with what was violated.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pimsim.integer import IntegerUnit

__all__ = ["check_integer_unit"]

_LANES = 8


def check_integer_unit(unit: "IntegerUnit", *operands: np.ndarray) -> None:
    """Check the contract of an integer unit on sample operands.

    The unit must take signed integers and refuse floats; return signed integers of the operands'
    shape and a count of saturations; leave its operands alone; give the same result again, and for
    each row the result it gives for that row alone; and declare hardware whose operations are
    positive, whose cycles never fall with the row's length, and which refuses rows that are empty
    or longer than its maximum.

    Parameters
    ----------
    unit
        The unit.
    *operands
        One array for each operand, of one shape ``(rows, length)``, with two rows or more.

    Raises
    ------
    ValueError
        If the sample operands cannot test the contract.
    AssertionError
        If the unit violates it.

    Examples
    --------
    >>> from pimsim.integer import IBertGelu
    >>> codes = np.arange(-8, 8, dtype=np.int16).reshape(2, 8)
    >>> check_integer_unit(IBertGelu(q_clip=2501, q_c=6925207, input_bits=16), codes)
    """
    shapes = {operand.shape for operand in operands}
    if len(shapes) != 1 or any(len(shape) != 2 or shape[0] < 2 for shape in shapes):
        raise ValueError(
            f"operands must share one shape (rows, length) with two rows or more, got {shapes}"
        )
    _require(isinstance(unit.name, str) and bool(unit.name), "it has no name")
    _check_integers(unit, operands)
    _check_rows(unit, operands)
    _check_hardware(unit, operands[0].shape[1])


def _check_integers(unit: "IntegerUnit", operands: tuple[np.ndarray, ...]) -> None:
    originals = [operand.copy() for operand in operands]
    values, saturations = unit(*operands)
    _require(
        all(np.array_equal(*pair) for pair in zip(operands, originals, strict=True)),
        "it changes its operands",
    )
    _require(np.issubdtype(values.dtype, np.signedinteger), f"its result is of type {values.dtype}")
    _require(
        values.shape == operands[0].shape,
        f"its result has shape {values.shape} for operands of shape {operands[0].shape}",
    )
    _require(
        type(saturations) is int and 0 <= saturations <= values.size,
        f"its saturations are {saturations!r}, not a count of elements",
    )
    for position in range(len(operands)):
        floats = [*operands]
        floats[position] = operands[position].astype(np.float64)
        try:
            unit(*floats)
        except TypeError:
            continue
        _require(False, f"it takes a float as operand {position}, where a TypeError is due")


def _check_rows(unit: "IntegerUnit", operands: tuple[np.ndarray, ...]) -> None:
    values, saturations = unit(*operands)
    again = unit(*operands)
    _require(
        np.array_equal(values, again.values) and saturations == again.saturations,
        "the same operands give another result the second time",
    )
    alone = [
        unit(*(operand[row : row + 1] for operand in operands)) for row in range(values.shape[0])
    ]
    _require(
        np.array_equal(values, np.concatenate([output.values for output in alone])),
        "a row's result depends on the other rows",
    )
    _require(
        saturations == sum(output.saturations for output in alone),
        "its saturations are not the sum over rows",
    )


def _check_hardware(unit: "IntegerUnit", length: int) -> None:
    hardware = unit.hardware
    counts = hardware.operations(length)
    _require(bool(counts), "it declares no operation")
    _require(
        all(count > 0 and operation.width_bits > 0 for operation, count in counts.items()),
        f"it declares operations that are not positive: {counts}",
    )
    maximum = hardware.maximum_row_length
    lengths = range(1, min(8 * _LANES, maximum or 8 * _LANES) + 1)
    cycles = [hardware.cycles_per_row(size, _LANES) for size in lengths]
    _require(cycles[0] > 0, f"a row of one element takes {cycles[0]} cycles")
    _require(cycles == sorted(cycles), "its cycles fall where the row grows")
    for refused in (0,) if maximum is None else (0, maximum + 1):
        try:
            hardware.cycles_per_row(refused, _LANES)
        except ValueError:
            continue
        _require(False, f"it takes rows of {refused} elements, where a ModelRangeError is due")


def _require(holds: bool, violation: str) -> None:
    if not holds:
        raise AssertionError(f"integer unit contract: {violation}")
