"""Macros without YAML, for tests and for users of the engine alone.

Which question this module answers: *what does the ideal version of a macro look like?*
"""

from typing import Literal

from pimsim.config.architecture import (
    Adc,
    Cell,
    Crossbar,
    Inputs,
    Macro,
    Weights,
    Write,
    ZeroSkipping,
)


def ideal_macro(
    *,
    rows: int,
    cols: int,
    active_rows: int,
    weight_bits: int,
    input_bits: int,
    weight_coding: Literal["twos_complement"] = "twos_complement",
    input_coding: Literal["twos_complement", "unsigned"] = "twos_complement",
    cell_bits: int = 1,
    bits_per_cycle: int = 1,
    adc_levels: int | None = None,
) -> Macro:
    """Build a macro without any error: equal cells, no noise, one code per column sum.

    Parameters
    ----------
    rows, cols
        Cells of the crossbar.
    active_rows
        Word lines per read.
    weight_bits, input_bits
        Operand widths; one column per weight bit, one read per input bit.
    weight_coding, input_coding, cell_bits, bits_per_cycle
        As in the YAML file.
    adc_levels
        Codes of the converter; ``active_rows + 1`` when absent, which loses nothing.

    Examples
    --------
    >>> ideal_macro(rows=64, cols=64, active_rows=8, weight_bits=8, input_bits=8).adc.codes
    9
    """
    return Macro(
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
        read_time_ns=1.0,
        adc=Adc(
            model="flash",
            levels=active_rows + 1 if adc_levels is None else adc_levels,
            columns_per_adc=1,
            conversion_time_ns=1.0,
            reference="fixed",
            trim="none",
        ),
        write=Write(port="row", cycle_time_ns=1.0),
    )
