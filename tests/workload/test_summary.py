"""Parameters and MACs against counts made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pimsim.workload.files import load
from pimsim.workload.graph import Op, TensorSpec, Workload
from pimsim.workload.summary import (
    MacCounts,
    OpCounts,
    content_hash,
    counts,
    counts_by_op,
    macs,
    macs_by_op,
    parameters,
)
from tests.workload.decoders import VOCABULARY, WIDTH, decoder


def spec(name: str, *shape: int | str, kind: str = "activation") -> TensorSpec:
    return TensorSpec(name, shape, "float32", kind)  # type: ignore[arg-type]


@pytest.fixture
def attention_sketch() -> Workload:
    """An embedding by convolution, one projection and Q·Kᵀ of the tokens with themselves."""
    tensors = (
        spec("x", "batch", 4, 8, 8, kind="input"),
        spec("kernel", 6, 2, 3, 3, kind="weight"),
        spec("pixels", "batch", 6, 6, 6),
        spec("flat", "batch", 36, 6),
        spec("weight", 5, 6, kind="weight"),
        spec("bias", 5, kind="weight"),
        spec("table", 5, 7, kind="constant"),
        spec("query", "batch", 36, 5),
        spec("transposed", "batch", 5, 36),
        spec("logits", "batch", 36, 36),
        spec("fixed", "batch", 36, 7),
    )
    return Workload(
        name="sketch",
        task=None,
        factory=None,
        dims={"batch": (1, 8)},
        inputs=("x",),
        outputs=("logits", "fixed"),
        tensors={tensor.name: tensor for tensor in tensors},
        ops=(
            Op("embed", "convolution", ("x", "kernel"), ("pixels",), {"groups": 2}),
            Op("flatten", "view", ("pixels",), ("flat",), {"shape": ("batch", 36, 6)}),
            Op("project", "linear", ("flat", "weight", "bias"), ("query",)),
            Op("turn", "permute", ("query",), ("transposed",), {"axes": (0, 2, 1)}),
            Op("score", "matmul", ("query", "transposed"), ("logits",)),
            Op("look", "matmul", ("query", "table"), ("fixed",)),
        ),
    )


def test_parameters_are_the_trained_weights_without_constants(attention_sketch: Workload) -> None:
    assert parameters(attention_sketch) == 6 * 2 * 9 + 5 * 6 + 5


def test_each_product_counts_outputs_times_summed_length(attention_sketch: Workload) -> None:
    assert macs_by_op(attention_sketch, {"batch": 2}) == {
        "embed": MacCounts(2 * 6 * 36 * (2 * 9), 0),  # a filter sees 2 of the 4 channels
        "project": MacCounts(2 * 36 * 5 * 6, 0),
        "score": MacCounts(0, 2 * 36 * 36 * 5),  # both operands are computed
        "look": MacCounts(2 * 36 * 7 * 5, 0),  # one operand is stored
    }


def test_totals_grow_with_the_batch_and_split_by_origin(attention_sketch: Workload) -> None:
    one, eight = (macs(attention_sketch, {"batch": batch}) for batch in (1, 8))
    assert one.static == 6 * 36 * 18 + 36 * 5 * 6 + 36 * 7 * 5
    assert one.dynamic == 36 * 36 * 5
    assert one.total == one.static + one.dynamic
    assert (eight.static, eight.dynamic) == (8 * one.static, 8 * one.dynamic)


def test_everything_of_every_operation(attention_sketch: Workload) -> None:
    found = counts_by_op(attention_sketch, {"batch": 2})
    assert [*found] == [op.name for op in attention_sketch.ops]
    assert found["embed"] == OpCounts(6 * 2 * 9, MacCounts(2 * 6 * 36 * 18, 0), 2 * 6 * 36 * 4)
    assert found["flatten"] == found["turn"] == OpCounts(0, MacCounts(0, 0), 0)
    assert found["project"] == OpCounts(5 * 6 + 5, MacCounts(2 * 36 * 5 * 6, 0), 2 * 36 * 5 * 4)
    assert found["look"].parameters == 0  # a constant is not trained
    total = counts(attention_sketch, {"batch": 2})
    assert total.parameters == sum(one.parameters for one in found.values())
    assert total.macs == macs(attention_sketch, {"batch": 2})
    assert total.activation_bytes == 4 * 2 * (6 * 36 + 36 * 5 + 36 * 36 + 36 * 7)


def test_shared_weights_count_once_and_look_ups_multiply_nothing() -> None:
    workload = decoder(layers=1)
    found = counts_by_op(workload, {"batch": 2, "seq": 5})
    table = VOCABULARY * WIDTH
    assert (found["tokens"].parameters, found["logits"].parameters) == (table, 0)
    assert found["tokens"].macs == MacCounts(0, 0)
    assert found["logits"].macs == MacCounts(2 * 5 * table, 0)
    assert sum(one.parameters for one in found.values()) == parameters(workload)
    assert found["causal"].activation_bytes == 5 * 5  # truth values take a byte


def test_a_stored_operand_that_is_moved_first_is_static(attention_sketch: Workload) -> None:
    move = Op("moved", "permute", ("table",), ("moved",), {"axes": (0, 1)})
    look = replace(attention_sketch.ops[-1], inputs=("query", "moved"))
    workload = replace(
        attention_sketch,
        ops=(move, *attention_sketch.ops[:-1], look),
        tensors={**attention_sketch.tensors, "moved": spec("moved", 5, 7)},
    )
    assert macs(workload, {"batch": 2}) == macs(attention_sketch, {"batch": 2})


def test_the_hash_is_that_of_the_content_wherever_it_is(tiny: Workload, tiny_folder: Path) -> None:
    assert content_hash(load(tiny_folder)) == content_hash(tiny)
    turned = {name: np.asfortranarray(value) for name, value in reversed(tiny.weights.items())}
    assert content_hash(replace(tiny, weights=turned)) == content_hash(tiny)


def test_any_change_changes_the_hash(tiny: Workload) -> None:
    assert tiny.samples is not None
    weights = {**tiny.weights, "fc.bias": np.nextafter(tiny.weights["fc.bias"], np.float32(9))}
    labels = np.asarray(tiny.samples.labels)
    changed = (
        tiny,
        replace(tiny, name="other"),
        replace(tiny, weights=weights),
        replace(tiny, weights={}, samples=None),
        replace(tiny, samples=None),
        replace(tiny, samples=replace(tiny.samples, labels=1 - labels)),
        replace(tiny, samples=replace(tiny.samples, labels=None)),
        replace(tiny, samples=replace(tiny.samples, calibration=tiny.samples.evaluation)),
    )
    assert len({content_hash(workload) for workload in changed}) == len(changed)
