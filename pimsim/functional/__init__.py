"""Runs values through the mapped graph: outputs, accuracy, exact counts, data-dependent cycles.

Which question this package answers: *what does this chip answer, and what did it do for it?*
There is no clock here; the timing pass gets the cycles as plain arrays.
"""

from pimsim.functional.accuracy import Answers, measure
from pimsim.functional.engines import AnalogEngine, IdealEngine, ProductEngine
from pimsim.functional.exact import run_exact
from pimsim.functional.executor import FunctionalRun, execute
from pimsim.functional.ranges import freeze_ranges
from pimsim.functional.shape_only import estimate

__all__ = [
    "AnalogEngine",
    "Answers",
    "FunctionalRun",
    "IdealEngine",
    "ProductEngine",
    "estimate",
    "execute",
    "freeze_ranges",
    "measure",
    "run_exact",
]
