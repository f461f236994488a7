"""What sweeps use again: ``pytest tests/benchmarks/test_sweep.py --benchmark-only -n 0``.

Each benchmark is a small sweep of real points on the demo over one family of axes. It asserts how
many points ran each pass themselves, never a time; ``extra_info`` has the counts and the seconds of
processor time per point.

``python -m tests.benchmarks.test_sweep`` prints the same, with more points.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from pimsim.dse import task
from pimsim.dse.pace import Tally
from pimsim.dse.sweeping import explore

AXES = {
    "costs": "cost.variants.paper_table.table1_active_arrays: {from: 1, to: 72, points: POINTS}",
    "times": "chip.clock_ghz: {from: 0.5, to: 2.0, points: POINTS}",
    "network": "tile.buffer.capacity_bytes: {from: 65536, to: 131072, points: POINTS}",
    "corners": "pvt.temperature_degc: {from: 0.0, to: 85.0, points: POINTS}",
    "converters": "macros.mram.adc.levels: {from: 5, to: 17, points: POINTS}",
}
PASSES = {
    "costs": (1, 1, 1),
    "times": (1, 1, 0),
    "network": (0, 1, 0),
    "corners": (1, 0, 0),
    "converters": (0, 0, 0),
}
"""Whether placement, values and timeline are computed once for all points, or for each."""

TEXT = """\
schema_version: 1
name: benchmark
architecture: rap
workloads: [vit_digits]
axes:
  AXIS
samples: SAMPLES
"""


def run(folder: Path, family: str, *, points: int, samples: int) -> Tally:
    """A sweep over one axis, in this process."""
    text = TEXT.replace("AXIS", AXES[family]).replace("SAMPLES", str(samples))
    file = folder / f"{family}.yaml"
    file.write_text(text.replace("POINTS", str(points)))
    return explore(file).tally


@pytest.mark.parametrize("family", AXES)
def test_points_run_only_the_passes_that_their_axis_touches(
    benchmark: Any, tmp_path: Path, family: str
) -> None:
    points = 2
    task._simulator.cache_clear()  # earlier sweeps of this process must not help
    began = time.process_time()
    tally = benchmark.pedantic(
        run, args=(tmp_path, family), kwargs={"points": points, "samples": 1}
    )
    benchmark.extra_info |= {
        "passes": dict(tally.passes), "cpu_s_per_point": (time.process_time() - began) / points,
    }  # fmt: skip
    assert (tally.computed, tally.failed) == (points, 0)
    names = ("layout", "values", "timeline")
    expected = {
        name: 1 if once else points for name, once in zip(names, PASSES[family], strict=True)
    }
    assert {name: tally.passes.get(name, 0) for name in names} == expected


def main() -> None:
    """Print passes and processor time of each family."""
    with tempfile.TemporaryDirectory() as folder:
        for family in AXES:
            began = time.process_time()
            tally = run(Path(folder), family, points=20, samples=16)
            seconds = (time.process_time() - began) / tally.computed
            sys.stdout.write(f"{family:12} {seconds:6.3f} s of processor time per point; {tally}\n")


if __name__ == "__main__":
    main()
