"""The demo on both shipped chips, from its shapes alone, for tests of what a run costs."""

import dataclasses
from dataclasses import dataclass

import pytest

from pimsim.config import load_architecture, workload_path
from pimsim.cost import roll_up, service_times
from pimsim.functional.shape_only import estimate
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.quantization import quantize
from pimsim.records import ActionCounts, CostBreakdown, Timeline
from pimsim.timing.replay import replay
from pimsim.workload.files import load

SHIPPED = ("rap", "rap_int8", "conventional")


@dataclass(frozen=True)
class Costed:
    """One chip's passes, and what they cost."""

    mapped: MappedWorkload
    counts: tuple[ActionCounts, ...]
    timeline: Timeline
    costs: CostBreakdown


@pytest.fixture(scope="session")
def costed() -> dict[str, Costed]:
    """By chip; the default cost variant."""
    workload = dataclasses.replace(load(workload_path("vit_digits")), weights={}, samples=None)
    found = {}
    for name in SHIPPED:
        chip = load_architecture(name)
        mapped = map_workload(quantize(workload, chip, None), chip, {"batch": 1})
        run = estimate(mapped)
        line = replay(mapped, service_times(chip), run.service_cycles)
        costs = roll_up(mapped, run.counts, line, chip.cost.default)
        found[name] = Costed(mapped, run.counts, line, costs)
    return found
