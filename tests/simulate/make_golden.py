"""Write tests/golden/metrics.json: python -m tests.simulate.make_golden.

What a default result is made of, on 8 samples of the demo. Run it when a number is meant to move,
look at the difference, and say why under "Numbers changed" in CHANGELOG.md.
"""

import json
from pathlib import Path
from typing import Any

import pimsim

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "metrics.json"
CHIPS = ("rap", "conventional")


def metrics(chip: str) -> dict[str, Any]:
    """Counts per operation, and totals, of a small run."""
    result = pimsim.simulate(chip, "vit_digits", samples=8, chips=1, compare=())
    accuracy = result.accuracy
    assert accuracy is not None
    return {
        "counts": {
            counts.op: {
                "reads": sum(macro.reads for macro in counts.macros),
                "conversions": sum(macro.conversions for macro in counts.macros),
                "saturations": sum(macro.saturations for macro in counts.macros),
                "conducting_cells": sum(
                    cells * number
                    for macro in counts.macros
                    for cells, number in enumerate(macro.column_sum_histogram)
                ),
                "unit_rows": sum(sum(unit.invocations_by_length.values()) for unit in counts.units),
            }
            for counts in result.counts
        },
        "latency_ps": result.timeline.latency_ps,
        "energy_uj": dict(result.energy_breakdown_uj),
        "area_mm2": dict(result.area_breakdown_mm2),
        "integer_ratio": accuracy.integer,
        "analog_ratio": accuracy.analog[0],
    }


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({chip: metrics(chip) for chip in CHIPS}, indent=1) + "\n")
