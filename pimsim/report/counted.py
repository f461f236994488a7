"""Which counts a result is written with.

Which question this module answers: *which actions does actions.csv name, in which order?*

Apart from the tables themselves, so that a result can be read without them.
"""

from typing import Final

from pimsim.records import MovedBits

MACRO_ACTIONS: Final = (
    "reads",
    "conversions",
    "driven_word_lines",
    "dummy_word_lines",
    "programmed_zeros",
    "programmed_ones",
    "program_pulses",
    "row_writes",
    "saturations",
)
"""Counts of :class:`MacroCounts` that are one number; ``reads`` opens each record's rows."""
MOVEMENT_ACTIONS: Final = tuple(MovedBits.__dataclass_fields__)
