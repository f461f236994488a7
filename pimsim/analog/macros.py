"""Macros without YAML, for tests and for users of the engine alone.

Which question this module answers: *what does the ideal version of a macro look like?*
"""

from typing import Literal

from pimsim.analog.coding import sum_range
from pimsim.config.architecture import (
    Accumulate,
    Adc,
    Cell,
    Crossbar,
    Inputs,
    Macro,
    Weights,
    Write,
    ZeroSkipping,
)
from pimsim.errors import ModelRangeError

_CODES_MAX = 65536
"""As many codes as ``adc.levels`` may have."""

WeightCoding = Literal["twos_complement", "sign_magnitude", "differential", "offset"]
InputCoding = Literal["twos_complement", "sign_magnitude", "unsigned"]


def ideal_macro(
    *,
    rows: int,
    cols: int,
    active_rows: int,
    weight_bits: int,
    input_bits: int,
    weight_coding: WeightCoding = "twos_complement",
    input_coding: InputCoding = "twos_complement",
    cell_bits: int = 1,
    bits_per_cycle: int = 1,
    adc_levels: int | None = None,
    accumulate: Accumulate | None = None,
) -> Macro:
    """Build a macro without any error: equal cells, no noise, one code per column sum.

    Parameters
    ----------
    rows, cols
        Cells of the crossbar.
    active_rows
        Word lines per read.
    weight_bits, input_bits
        Operand widths, sign included.
    weight_coding, input_coding, cell_bits, bits_per_cycle, accumulate
        As in the YAML file.
    adc_levels
        Codes of the converter; when absent one for every column sum that can occur, which loses
        nothing.

    Raises
    ------
    ModelRangeError
        If a converter that loses nothing would need more codes than a converter can have.

    Examples
    --------
    >>> ideal_macro(rows=64, cols=64, active_rows=8, weight_bits=8, input_bits=8).adc.codes
    9
    >>> ideal_macro(rows=64, cols=64, active_rows=8, weight_bits=8, input_bits=8,
    ...             weight_coding="differential", cell_bits=2).adc.codes
    49
    """
    macro = Macro(
        writable=True,
        sync="plane",
        crossbar=Crossbar(
            rows=rows,
            cols=cols,
            active_rows=active_rows,
            cell=Cell(model="ideal", bits=cell_bits),
        ),
        weights=Weights(coding=weight_coding, bits=weight_bits),
        inputs=Inputs(coding=input_coding, bits=input_bits, bits_per_cycle=bits_per_cycle),
        zero_skipping=ZeroSkipping(model="none"),
        accumulate=Accumulate() if accumulate is None else accumulate,
        read_time_ns=1.0,
        adc=_adc(2 if adc_levels is None else adc_levels),
        write=Write(port="row", cycle_time_ns=1.0),
    )
    if adc_levels is not None:
        return macro
    lowest, highest = sum_range(macro)
    if highest - lowest >= _CODES_MAX:
        raise ModelRangeError(
            f"column sums from {lowest} to {highest} need {highest - lowest + 1} codes, a "
            f"converter has at most {_CODES_MAX}; give adc_levels, or lower active_rows, cell_bits "
            "or bits_per_cycle"
        )
    return macro.model_copy(update={"adc": _adc(highest - lowest + 1)})


def _adc(levels: int) -> Adc:
    return Adc(
        model="flash",
        levels=levels,
        columns_per_adc=1,
        conversion_time_ns=1.0,
        reference="fixed",
        trim="none",
    )
