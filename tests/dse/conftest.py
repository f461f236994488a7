"""A sweep file in a folder of its own, and outcomes without a simulation."""

from pathlib import Path

import pytest

from pimsim.dse import executors, metrics
from pimsim.dse.store import Outcome
from pimsim.dse.task import Task

TEXT = """\
schema_version: 1
name: example
architecture: rap
workloads: [vit_digits]
axes:
  macros.mram.adc.levels: [5, 9, 17]
  chip.clock_ghz: {from: 0.5, to: 2.0, points: 4}
objectives: {energy_uj: minimize, latency_us: minimize}
samples: 4
"""


@pytest.fixture
def sweep_file(tmp_path):
    """Write a sweep file; returns a function that does, with parts of the text replaced."""

    def write(*replaced: tuple[str, str]) -> Path:
        text = TEXT
        for before, after in replaced:
            assert before in text
            text = text.replace(before, after)
        path = tmp_path / "example.yaml"
        path.write_text(text)
        return path

    return write


def invented(task: Task) -> Outcome:
    """An outcome that follows from the overrides alone: energy up with levels, latency down."""
    values = dict(text.partition("=")[::2] for text in task.overrides)
    levels = float(values.get("macros.mram.adc.levels", 9))
    clock = float(values.get("chip.clock_ghz", 1.0))
    if levels == 13:
        return Outcome(None, "MappingError: thirteen is refused", 0.1)
    row = dict.fromkeys(metrics.HEADLINES, 1.0)
    row |= {"energy_uj": levels * clock**2, "latency_us": 100 / clock + levels, "area_mm2": levels}
    return Outcome(row, None, 0.1)


@pytest.fixture
def without_simulation(monkeypatch):
    """Points are not simulated; returns the tasks in the order in which they are computed."""
    computed: list[Task] = []

    def evaluate(task: Task) -> Outcome:
        computed.append(task)
        return invented(task)

    monkeypatch.setattr(executors, "evaluate", evaluate)
    return computed
