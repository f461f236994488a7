"""Codings: which digits stand for an operand on cells and on word lines, and what they weigh.

Which question this module answers: *which cell contents and which drives stand for these integers,
and how are the sums of their products put together again?*

A stored operand becomes *slices*, one digit of ``cell.bits`` bits each; a driven operand becomes
*planes*, one digit of ``inputs.bits_per_cycle`` bits each. For every coding::

    inputs @ weights = sum over planes p and slices s of
                       w_p * w_s * (digits_p @ digits_s)  -  correction

Digits are never negative, as neither a cell nor a drive is: signs are in the weights. Where the
sums of several planes or slices meet before a converter, :class:`Readout` says which and how.

Notes
-----
- ``twos_complement``: bits below the sign in digits, lowest first, then the sign bit alone with a
  negative weight. A digit of several bits that held the sign too would need negative contents.
- ``sign_magnitude``, ``differential`` (weights only): digits of ``max(x, 0)``, then the digits of
  ``max(-x, 0)`` with negative weights. The most negative two's complement number does not fit.
- ``offset`` (weights only): digits of ``w + 2**(bits - 1)``. Subtracting the zero point times the
  sum of the inputs undoes it [1]_; the sum is taken digitally here, exactly.
- ``unsigned`` (inputs only): digits of ``x``.

References
----------
.. [1] A. Shafiee et al., "ISAAC: A Convolutional Neural Network Accelerator with In-Situ Analog
   Arithmetic in Crossbars", ISCA 2016, section 5 (biased weights). Its inverted columns, which save
   one bit of the converter, are not modelled.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, Int64, UInt8
from numpy.typing import NDArray

from pimsim.analog.cells import CURRENT_ONE
from pimsim.config.macros import Macro
from pimsim.errors import ModelRangeError


@dataclass(frozen=True, slots=True)
class Coded:
    """Operands as digits."""

    digits: UInt8[np.ndarray, "parts *shape"]
    """(slices, rows, cols) of a stored operand, (planes, batch, rows) of a driven one."""
    weights: Int64[np.ndarray, " parts"]
    """What a one in each slice or plane stands for, sign included."""


@dataclass(frozen=True, slots=True)
class Readout:
    """Which column sums meet before a converter, and what its code weighs.

    Conversion ``(g, h)`` of a column sees ``sum of planes[g, p] * slices[h, s] * column_sum[p, s]``
    and its code counts ``plane_weights[g] * slice_weights[h]`` in the product.
    """

    planes: Int64[np.ndarray, "plane_conversions planes"]
    slices: Int64[np.ndarray, "slice_conversions slices"]
    plane_weights: Int64[np.ndarray, " plane_conversions"]
    slice_weights: Int64[np.ndarray, " slice_conversions"]

    @property
    def mixes(self) -> bool:
        """Whether any conversion sees more than one column sum."""
        return bool(
            len(self.planes) < self.planes.shape[1] or len(self.slices) < self.slices.shape[1]
        )


def slice_count(macro: Macro) -> int:
    """Cells per weight."""
    return macro.slices


def plane_count(macro: Macro) -> int:
    """Reads per vector and group of active rows while no zero is skipped."""
    return macro.planes


def weight_range(macro: Macro) -> tuple[int, int]:
    """Smallest and largest weight that the coding can store.

    Examples
    --------
    >>> from pimsim.analog import ideal_macro
    >>> weight_range(ideal_macro(rows=8, cols=8, active_rows=8, weight_bits=8, input_bits=8))
    (-128, 127)
    """
    half = 1 << (macro.weights.bits - 1)
    symmetric = macro.weights.coding in ("sign_magnitude", "differential")
    return (1 - half if symmetric else -half), half - 1


def input_range(macro: Macro) -> tuple[int, int]:
    """Smallest and largest input that the coding can drive."""
    if macro.inputs.coding == "unsigned":
        return 0, (1 << macro.inputs.bits) - 1
    half = 1 << (macro.inputs.bits - 1)
    return (1 - half if macro.inputs.coding == "sign_magnitude" else -half), half - 1


def slice_weights(macro: Macro) -> Int64[np.ndarray, " slices"]:
    """What a one in each slice of a weight stands for."""
    return _part_weights(macro.weights.coding, macro.weights.bits, macro.crossbar.cell.bits)


def plane_weights(macro: Macro) -> Int64[np.ndarray, " planes"]:
    """What a one in each input plane stands for."""
    return _part_weights(macro.inputs.coding, macro.inputs.bits, macro.inputs.bits_per_cycle)


def slice_digit_max(macro: Macro) -> Int64[np.ndarray, " slices"]:
    """Largest digit that each slice can hold; less than the cell's where bits run out."""
    return _digit_max(macro.weights.coding, macro.weights.bits, macro.crossbar.cell.bits)


def plane_digit_max(macro: Macro) -> Int64[np.ndarray, " planes"]:
    """Largest digit that each plane can drive; less than the DAC's where bits run out."""
    return _digit_max(macro.inputs.coding, macro.inputs.bits, macro.inputs.bits_per_cycle)


def encode_weights(values: Int[np.ndarray, "rows cols"], macro: Macro) -> Coded:
    """Write weights as cell contents.

    Parameters
    ----------
    values
        Integers, (rows, cols); any further leading axes are carried along.
    macro
        ``weights`` and ``crossbar.cell.bits`` say how.

    Raises
    ------
    TypeError
        If the values are not integers.
    ModelRangeError
        If a value does not fit the coding.

    Examples
    --------
    >>> from pimsim.analog import ideal_macro
    >>> macro = ideal_macro(rows=8, cols=8, active_rows=8, weight_bits=4, input_bits=4, cell_bits=2)
    >>> coded = encode_weights(np.array([[-3]]), macro)
    >>> coded.digits.ravel().tolist(), coded.weights.tolist()
    ([1, 1, 1], [1, 4, -8])
    """
    bits = f"weights.bits {macro.weights.bits} with coding '{macro.weights.coding}'"
    _check("weights", values, weight_range(macro), bits)
    digits = _digits(values, macro.weights.coding, macro.weights.bits, macro.crossbar.cell.bits)
    return Coded(digits, slice_weights(macro))


def encode_inputs(values: Int[np.ndarray, "batch rows"], macro: Macro) -> Coded:
    """Write inputs as drives of the word lines, plane by plane.

    Parameters, errors as in :func:`encode_weights`, with ``macro.inputs``.

    Examples
    --------
    >>> from pimsim.analog import ideal_macro
    >>> macro = ideal_macro(rows=8, cols=8, active_rows=8, weight_bits=4, input_bits=4,
    ...                     input_coding="sign_magnitude")
    >>> coded = encode_inputs(np.array([[5, -3]]), macro)
    >>> coded.digits[:, 0].tolist()
    [[1, 0], [0, 0], [1, 0], [0, 1], [0, 1], [0, 0]]
    >>> coded.weights.tolist()
    [1, 2, 4, -1, -2, -4]
    """
    check_inputs(values, macro)
    digits = _digits(values, macro.inputs.coding, macro.inputs.bits, macro.inputs.bits_per_cycle)
    return Coded(digits, plane_weights(macro))


def check_inputs(values: NDArray[Any], macro: Macro) -> None:
    """Raise as :func:`encode_inputs` if inputs do not fit their coding."""
    bits = f"inputs.bits {macro.inputs.bits} with coding '{macro.inputs.coding}'"
    _check("inputs", values, input_range(macro), bits)


def correction(inputs: Int[np.ndarray, "batch rows"], macro: Macro) -> Int64[np.ndarray, " batch"]:
    """Return what to subtract from every column of a product: zero point times sum of inputs.

    Examples
    --------
    >>> from pimsim.analog import ideal_macro
    >>> macro = ideal_macro(rows=8, cols=8, active_rows=8, weight_bits=8, input_bits=8,
    ...                     weight_coding="offset")
    >>> correction(np.array([[1, -3]]), macro).tolist()
    [-256]
    """
    zero_point = 1 << (macro.weights.bits - 1) if macro.weights.coding == "offset" else 0
    total: NDArray[np.int64] = inputs.sum(axis=-1, dtype=np.int64) * zero_point
    return total


def readout(macro: Macro) -> Readout:
    """Say which column sums meet before a converter, from ``accumulate`` and the codings.

    Examples
    --------
    Of a differential pair of three-bit magnitudes, each of three conversions sees a difference.

    >>> from pimsim.analog import ideal_macro
    >>> macro = ideal_macro(rows=8, cols=8, active_rows=8, weight_bits=4, input_bits=4,
    ...                     weight_coding="differential")
    >>> readout(macro).slices.tolist()
    [[1, 0, 0, -1, 0, 0], [0, 1, 0, 0, -1, 0], [0, 0, 1, 0, 0, -1]]
    >>> readout(macro).slice_weights.tolist()
    [1, 2, 4]
    """
    planes, plane_codes = _mixing(
        plane_weights(macro),
        charge=macro.accumulate.planes == "charge",
        passes=2 if macro.inputs.coding == "sign_magnitude" else 1,
    )
    slices, slice_codes = _mixing(
        slice_weights(macro),
        charge=macro.accumulate.slices == "charge",
        passes=2 if macro.weights.coding == "sign_magnitude" else 1,
        paired=macro.weights.coding == "differential",
    )
    return Readout(planes, slices, plane_codes, slice_codes)


def sum_range(macro: Macro) -> tuple[int, int]:
    """Smallest and largest ideal input of any conversion of the macro. [LSB]

    Examples
    --------
    >>> from pimsim.analog import ideal_macro
    >>> sum_range(ideal_macro(rows=8, cols=8, active_rows=8, weight_bits=4, input_bits=4))
    (0, 8)
    """
    out, rows = readout(macro), macro.crossbar.active_rows
    drives = _extremes(out.planes * plane_digit_max(macro))
    cells = _extremes(out.slices * slice_digit_max(macro))
    products = np.array([np.outer(drive, cell) for drive in drives for cell in cells])
    return rows * min(0, int(products.min())), rows * int(products.max())


def load_max(macro: Macro) -> int:
    """Largest ideal load of a conversion: column sums of all its bit lines and planes. [LSB]

    What the bit lines carry, without the weights with which charge is summed; equal to the largest
    column sum where a conversion sees one bit line in one plane.
    """
    out = readout(macro)
    planes = (out.planes != 0) @ plane_digit_max(macro)
    slices = (out.slices != 0) @ slice_digit_max(macro)
    return macro.crossbar.active_rows * int(planes.max()) * int(slices.max())


def drive_levels(macro: Macro) -> Int64[np.ndarray, " digits"]:
    """Drive that each input digit stands for, with the DAC's nonlinearity. [2**-12 digit]

    Notes
    -----
    With ``D`` the largest digit and ``r = inputs.dac_inl_ratio``, the level of digit ``d`` is
    ``d + 4 r D x (1 - x)``, ``x = d / D``: a bow with its peak ``r`` of full scale in the middle
    and none at the ends, the usual endpoint-fit form of a second-order nonlinearity.
    Mismatch between the DACs of different rows is not modelled.

    Examples
    --------
    >>> from pimsim.analog import ideal_macro
    >>> macro = ideal_macro(rows=8, cols=8, active_rows=8, weight_bits=4, input_bits=4,
    ...                     bits_per_cycle=2)
    >>> drive_levels(macro).tolist()
    [0, 4096, 8192, 12288]
    """
    largest = (1 << macro.inputs.bits_per_cycle) - 1
    digit = np.arange(largest + 1)
    position = digit / largest
    bow = 4.0 * (macro.inputs.dac_inl_ratio or 0.0) * largest * position * (1.0 - position)
    return digit * CURRENT_ONE + np.rint(bow * CURRENT_ONE).astype(np.int64)


def check_accumulator(values: NDArray[np.int64], macro: Macro) -> None:
    """Raise if a product does not fit the accumulator that the macro declares.

    Only finished products are checked: a two's complement accumulator that wraps on the way and
    comes back is right in the end.

    Raises
    ------
    ModelRangeError
        If a value needs more than ``accumulate.accumulator_bits``.
    """
    bits = macro.accumulate.accumulator_bits
    if bits is None or not values.size:
        return
    low, high = int(values.min()), int(values.max())
    if low < -(1 << (bits - 1)) or high >= 1 << (bits - 1):
        need = max(low if low >= 0 else ~low, high if high >= 0 else ~high).bit_length() + 1
        raise ModelRangeError(
            f"products reach from {low} to {high} and need {need} bits, but "
            f"accumulate.accumulator_bits is {bits}; raise it to at least {need}"
        )


def _extremes(contributions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Smallest and largest sum of each row, if every entry may be left out."""
    return np.minimum(contributions, 0).sum(axis=1), np.maximum(contributions, 0).sum(axis=1)


def _part_widths(coding: str, bits: int, width: int) -> list[tuple[int, int, int]]:
    """(sign, lowest bit, number of bits) of every digit of one operand."""
    body = bits if coding in ("unsigned", "offset") else bits - 1
    parts = [(1, low, min(width, body - low)) for low in range(0, body, width)]
    if coding == "twos_complement":
        return [*parts, (-1, bits - 1, 1)]
    if coding in ("sign_magnitude", "differential"):
        return parts + [(-1, low, count) for _, low, count in parts]
    return parts


def _part_weights(coding: str, bits: int, width: int) -> NDArray[np.int64]:
    return np.array([sign << low for sign, low, _ in _part_widths(coding, bits, width)], np.int64)


def _digit_max(coding: str, bits: int, width: int) -> NDArray[np.int64]:
    return np.array(
        [(1 << count) - 1 for _, _, count in _part_widths(coding, bits, width)], np.int64
    )


def _digits(values: NDArray[Any], coding: str, bits: int, width: int) -> NDArray[np.uint8]:
    dtype: Any = np.uint8 if bits <= 8 else np.uint16  # operands have at most 16 bits
    if coding == "offset":
        sources = {1: (values.astype(np.int32) + (1 << (bits - 1))).astype(dtype)}
    elif coding in ("sign_magnitude", "differential"):
        wide = values.astype(np.int32)
        sources = {sign: np.maximum(sign * wide, 0).astype(dtype) for sign in (1, -1)}
    else:
        sources = dict.fromkeys((1, -1), values.astype(dtype))  # two's complement, cut to its bits
    parts = _part_widths(coding, bits, width)
    digits = np.empty((len(parts), *values.shape), np.uint8)
    for index, (sign, low, count) in enumerate(parts):
        np.right_shift(sources[sign], low, out=digits[index], casting="unsafe")
        digits[index] &= (1 << count) - 1
    return digits


def _mixing(
    weights: NDArray[np.int64], *, charge: bool, passes: int, paired: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of analog weights, one per conversion, and the digital weight of each conversion."""
    parts = len(weights)
    if charge:
        per_pass = parts // passes
        rows = np.zeros((passes, parts), np.int64)
        for index in range(passes):
            own = slice(index * per_pass, (index + 1) * per_pass)
            rows[index, own] = np.abs(weights[own]) if passes > 1 else weights[own]
        return rows, np.array([1, -1][:passes], np.int64)
    identity = np.eye(parts, dtype=np.int64)
    if paired:
        half = parts // 2
        return identity[:half] - identity[half:], weights[:half]
    return identity, weights


def _check(name: str, values: NDArray[Any], allowed: tuple[int, int], stated: str) -> None:
    if values.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {values.dtype}; quantize them first")
    if not values.size:
        return
    low, high = int(values.min()), int(values.max())
    if low < allowed[0] or high > allowed[1]:
        raise ModelRangeError(
            f"{name} span {low} to {high}, but {stated} hold {allowed[0]} to {allowed[1]}; raise "
            "the bits or choose another coding"
        )
