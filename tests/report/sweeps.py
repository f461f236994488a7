"""Sweeps that were run without a simulation: outcomes in closed form, and a hand-made knee."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pimsim.dse import executors, metrics
from pimsim.dse.folder import note
from pimsim.dse.record import open_sweep
from pimsim.dse.store import Outcome
from pimsim.dse.sweeping import explore
from pimsim.dse.task import Task

LEVELS, ROWS, CLOCK = (
    "macros.mram.adc.levels", "macros.mram.crossbar.active_rows", "chip.clock_ghz",
)  # fmt: skip

TEXT = """\
schema_version: 1
name: example
description: "levels <and> rows"
architecture: rap
workloads: [vit_digits]
axes:
  macros.mram.adc.levels: [3, 5, 9, 17]
  macros.mram.crossbar.active_rows: [2, 4, 8]
objectives: {accuracy: maximize, energy_uj: minimize, latency_us: minimize}
constraints: {accuracy: {min: 0.2}}
samples: 4
"""


def outcome(task: Task) -> Outcome:
    """Accuracy up with levels over rows, energy with levels, latency down with rows and clock."""
    values = dict(text.partition("=")[::2] for text in task.overrides)
    levels, rows = float(values.get(LEVELS, 9)), float(values.get(ROWS, 8))
    clock = float(values.get(CLOCK, 1.0))
    if levels == 3 and rows > 2:
        return Outcome(None, f"MappingError: {rows:.0f} rows need {2 * rows:.0f} levels <3>", 0.1)
    adc_uj = levels * clock
    row = dict.fromkeys(metrics.HEADLINES, 0.5) | {
        "accuracy": min(0.97, levels / (2.0 * rows)) + 0.001 * task.run.seed,
        "energy_uj": 2.0 + adc_uj,
        "latency_us": 100.0 / rows / clock,
        "area_mm2": 40.0 + levels,
        "energy.mram.adc_uj": adc_uj,
        "energy.noc_uj": 2.0,
    }
    return Outcome(row, None, 0.1)


def run(
    folder: Path,
    text: str = TEXT,
    *,
    knee: Path | None = None,
    limit: int | None = None,
    find: Callable[[Task], Outcome] = outcome,
) -> Path:
    """Run a sweep into a folder; ``knee`` is copied as the result of every workload's knee."""
    file = folder.parent / f"{folder.name}.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "evaluate", find)
        explored = explore(file, output=folder, limit=limit)
    record = open_sweep(folder)
    if knee is not None and explored.complete:
        knees = {}
        for number, workload in enumerate(record.workloads):
            place = f"knee/{number}"
            shutil.copytree(knee, folder / place)
            knees[workload] = {"point": _first_ended(record.frame, workload), "folder": place}
        note(folder, knees=knees)
    return folder


def _first_ended(frame, workload: str) -> int:
    own = frame[(frame["workload"] == workload) & frame["error"].isna()]
    return int(own["point"].iloc[-1])
