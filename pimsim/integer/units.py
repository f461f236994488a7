"""The contract of an integer unit, and the names under which units are found.

Which question this module answers: *which unit does ``model: ibert_softmax`` in a YAML file mean,
and what may I expect of it?*

A unit is a frozen object built from integer constants. Called on rows of codes it returns a
:class:`UnitOutput`; each row depends on no other row. :func:`pimsim.testing.check_integer_unit`
checks the contract, for plug-ins too.
"""

from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from jaxtyping import Int

from pimsim.integer.hardware import UnitHardware


class UnitOutput(NamedTuple):
    """What a unit returns: codes, and how many of them its output range cut off."""

    values: Int[np.ndarray, "*rows length"]
    """Codes of the operand's shape, in the smallest signed type of the declared output width."""
    saturations: int
    """Elements that lay outside the output range and were set to its nearest end."""


class RowCodes(NamedTuple):
    """What a unit returns whose rows are normalized later: codes, and the sum of each row."""

    values: Int[np.ndarray, "*rows length"]
    """Codes of the operand's shape."""
    sums: Int[np.ndarray, "*rows 1"]
    """Sum of the codes of each row."""
    saturations: int
    """Elements that lay outside the output range, and rows outside the range of the tables."""


class IntegerUnit(Protocol):
    """An arithmetic unit: integers in, integers out, no float between."""

    name: ClassVar[str]
    """Name in :data:`pimsim.registry.UNITS` and in YAML."""

    @property
    def hardware(self) -> UnitHardware:
        """Operations, cycles and storage, from which cost and timing derive."""

    def __call__(self, *operands: Any, **options: Any) -> UnitOutput:
        """Work on signed integer arrays whose last axis is a row.

        Raises
        ------
        TypeError
            If an operand is not an array of a signed integer type.
        ModelRangeError
            If a value does not fit the unit's declared input width.
        """
