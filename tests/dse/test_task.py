"""A task is computed as what it was when it got its key, or not at all."""

from dataclasses import replace
from shutil import copytree

import pytest

from pimsim.config import workload_path
from pimsim.config.bundled import architecture_path
from pimsim.dse.task import Run, Task, evaluate, identified
from pimsim.errors import InputError

RUN = Run(str(workload_path("vit_digits")), 0, 1, 1, 1, None, None, None)


@pytest.fixture
def task(tmp_path):
    """A task on an architecture file of its own."""
    path = tmp_path / "chip.yaml"
    path.write_text(architecture_path("rap").read_text(encoding="utf-8"), encoding="utf-8")
    return Task(str(path), ("chip.clock_ghz=2.0",), RUN)


def test_the_key_is_that_of_the_content_not_of_the_path(task):
    assert (
        identified(task).key
        == identified(replace(task, architecture=str(architecture_path("rap")))).key
    )
    assert identified(task).key != identified(replace(task, overrides=())).key
    assert identified(task).key != identified(replace(task, run=replace(RUN, seed=1))).key


@pytest.mark.parametrize(
    ("before", "after"), [("node_nm: 28.0", "node_nm: 7.0"), ("node_nm: 28.0", "node_nm: many")]
)
def test_a_file_that_changes_under_a_sweep_is_an_error_not_an_outcome(task, before, after):
    asked, path = replace(task, key=identified(task).key), architecture_path(task.architecture)
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(InputError, match="was changed while the sweep ran; run it again with"):
        evaluate(asked)


def test_a_workload_that_changes_is_read_again(task, tmp_path):
    folder = tmp_path / "vit_digits"
    copytree(RUN.workload, folder)
    moved = replace(task, run=replace(RUN, workload=str(folder)))
    assert identified(moved).key == identified(task).key
    described = folder / "graph.json"
    described.write_text(described.read_text().replace('"image-classification"', '"regression"', 1))
    assert identified(moved).key != identified(task).key
