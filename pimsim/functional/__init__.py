"""Runs values through the mapped graph: outputs, accuracy, exact counts, data-dependent cycles.

Which question this package answers: *what does this chip answer, and what did it do for it?*
There is no clock here; the timing pass gets the cycles as plain arrays.
"""

from pimsim.functional.accuracy import Answers, measure
from pimsim.functional.engines import AnalogEngine, IdealEngine, ProductEngine
from pimsim.functional.executor import FunctionalRun, execute
from pimsim.functional.shape_only import estimate

__all__ = [
    "AnalogEngine",
    "Answers",
    "FunctionalRun",
    "IdealEngine",
    "ProductEngine",
    "estimate",
    "execute",
    "measure",
]
