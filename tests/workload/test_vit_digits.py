"""The bundled demo: what its files promise, checked without PyTorch."""

from pathlib import Path

import numpy as np
import pytest

from pimsim.workload.files import load
from pimsim.workload.graph import Workload
from pimsim.workload.reference import run
from pimsim.workload.summary import macs, parameters

FOLDER = Path(__file__).parents[2] / "workloads" / "vit_digits"


@pytest.fixture(scope="module")
def workload() -> Workload:
    return load(FOLDER)


def test_numpy_reproduces_pytorchs_logits_on_all_held_out_images(workload: Workload) -> None:
    assert workload.samples is not None
    (image,), (output,) = workload.inputs, workload.outputs
    logits = run(workload, workload.samples.evaluation[image])[output]
    reference = workload.samples.reference[output]
    assert logits.dtype == np.float32
    assert np.abs(logits - reference).max() <= 1e-4 * np.abs(reference).max()


def test_at_least_98_percent_of_360_held_out_images_are_right(workload: Workload) -> None:
    assert workload.samples is not None
    (image,), (output,) = workload.inputs, workload.outputs
    answers = run(workload, workload.samples.evaluation[image])[output].argmax(axis=1)
    assert workload.samples.count == 360
    assert np.count_nonzero(answers == workload.samples.labels) >= 0.98 * 360


def test_no_calibration_image_is_evaluated(workload: Workload) -> None:
    assert workload.samples is not None
    (image,) = workload.inputs
    calibration = {row.tobytes() for row in workload.samples.calibration[image]}
    evaluation = {row.tobytes() for row in workload.samples.evaluation[image]}
    assert len(workload.samples.calibration[image]) == 128
    assert calibration.isdisjoint(evaluation)


def test_the_files_take_at_most_2_megabytes(workload: Workload) -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) <= 2_000_000


def test_counts_are_those_of_the_architecture(workload: Workload) -> None:
    """4 layers, width 64, 17 tokens, 4 heads of 16, perceptron 256, patch 2, 10 classes."""
    block = 4 * (64 * 64 + 64) + (64 * 256 + 256) + (256 * 64 + 64) + 2 * (64 + 64)
    stem = (64 * 4 + 64) + 64 + 17 * 64
    assert parameters(workload) == stem + 4 * block + 2 * 64 + (64 * 10 + 10)
    counts = macs(workload, workload.bind(batch=1))
    assert counts.static == 16 * 64 * 4 + 4 * 17 * (4 * 64 * 64 + 2 * 64 * 256) + 64 * 10
    assert counts.dynamic == 4 * 4 * 2 * 17 * 17 * 16


def test_each_block_is_one_attention_group_with_all_roles(workload: Workload) -> None:
    for layer in range(4):
        name = f"blocks.{layer}.attention"
        members = {op.group.role: op for op in workload.ops if op.group and op.group.name == name}
        assert set(members) == {
            "query", "key", "value", "logits", "scale", "softmax", "context", "output",
        }  # fmt: skip
        assert members["query"].name == f"{name}.query"
        assert members["logits"].kind == members["context"].kind == "matmul"
        assert members["scale"].attributes == {"scalar": 0.25}
        assert all(
            op.group is not None and (op.group.heads, op.group.kv_heads) == (4, 4)
            for op in members.values()
        )
