"""Encoders and decoders of many families come through with the same numbers, at any shape."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pimsim.workload.graph import Workload
from pimsim.workload.reference import run
from tests.workload.zoo import NAMED, OTHERS, SLOW, Family, build, example

if TYPE_CHECKING:
    import torch
    from torch import nn

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:::transformers")]

SHAPES = ((1, 5), (2, 9), (3, 4))
"""Batch and tokens; the trace is made at 2 and 7."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def traced(family: Family, model: "nn.Module", **options: Any) -> Workload:
    from pimsim.workload.trace_torch import trace

    return trace(model, example(family, 2, 7), **options)


def assert_same(
    workload: Workload, model: "nn.Module", inputs: Mapping[str, "torch.Tensor"]
) -> None:
    import torch

    config: Any = model.config
    config.use_cache = False
    with torch.no_grad():
        expected = model(**inputs)
    outputs = run(workload, *(inputs[name].numpy() for name in workload.inputs))
    assert outputs.keys() <= expected.keys()
    for name, value in outputs.items():
        reference = expected[name].numpy()
        assert np.abs(value - reference).max() <= 1e-4 * np.abs(reference).max()


def check(family: Family, attention: str) -> None:
    model = build(family, attention)
    workload = traced(family, model)
    for batch, seq in SHAPES:
        assert_same(workload, model, example(family, batch, seq))
    layers = {op.group.name: op.group for op in workload.ops if op.group is not None}
    assert len(layers) >= 2
    if family.heads is not None:
        found = {(group.heads, group.kv_heads, group.causal) for group in layers.values()}
        assert found == {family.heads}
    assert "batch" in workload.dims
    assert ("seq" in workload.dims) == ("input_ids" in family.inputs)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", NAMED)
def test_the_named_models_equal_pytorch(name: str, attention: str) -> None:
    check(NAMED[name], attention)


@pytest.mark.parametrize("name", OTHERS)
def test_other_families_equal_pytorch(name: str) -> None:
    check(OTHERS[name], "eager")


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_more_families_equal_pytorch(name: str) -> None:
    check(SLOW[name], "eager")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["distilbert", "roberta", "deit", "opt", "falcon", "qwen3"])
def test_other_families_equal_pytorch_with_fused_attention(name: str) -> None:
    check(OTHERS[name], "sdpa")


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_fused_attention_has_the_operations_of_eager_attention(name: str) -> None:
    """One guard for rows without any key apart, where the mask comes from an input."""
    kinds = []
    for attention in ("eager", "sdpa"):
        workload = traced(NAMED[name], build(NAMED[name], attention))
        moved = {op.name for op in workload.ops if op.group is not None}
        kinds.append([op.kind for op in workload.ops if op.name in moved])
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_recognition_changes_no_number_and_can_be_switched_off(name: str) -> None:
    model = build(NAMED[name], "eager")
    plain = traced(NAMED[name], model, recognize=False)
    named = traced(NAMED[name], model)
    standard = {"rms_norm", "rotary", "mask", "gelu"}
    assert standard.isdisjoint(op.kind for op in plain.ops)
    assert len(standard.intersection(op.kind for op in named.ops)) >= 2
    assert len(named.ops) < len(plain.ops)
    tokens = example(NAMED[name], 3, 6)["input_ids"].numpy()
    before, after = run(plain, tokens)["logits"], run(named, tokens)["logits"]
    assert np.abs(before - after).max() <= 2e-6 * np.abs(before).max()


def test_names_come_from_the_modules() -> None:
    workload = traced(NAMED["llama"], build(NAMED["llama"], "eager"))
    names = {op.name: op.kind for op in workload.ops}
    layer = "model.layers.1"
    assert names[f"{layer}.self_attn.q_proj"] == names[f"{layer}.mlp.down_proj"] == "linear"
    assert names[f"{layer}.input_layernorm"] == names["model.norm"] == "rms_norm"
    assert names[f"{layer}.mlp.act_fn"] == "silu"
    assert names[f"{layer}.self_attn.rotary"] == "rotary"
    assert names["model.embed_tokens"] == "embedding"
    assert workload.outputs == ("logits",)


def test_the_weight_of_gpt2s_conv1d_is_stored_as_a_linear_layers() -> None:
    model = build(NAMED["gpt2"], "eager")
    workload = traced(NAMED["gpt2"], model)
    original = model.get_parameter("transformer.h.0.attn.c_attn.weight").detach().numpy()
    stored = workload.weights["transformer.h.0.attn.c_attn.weight"]
    assert stored.shape == (96, 32)
    assert np.shares_memory(stored, original)
    assert np.array_equal(stored, original.T)
    (fused,) = (op for op in workload.ops if op.name == "transformer.h.0.attn.c_attn")
    assert (fused.kind, workload.tensors[fused.output].shape) == ("linear", ("batch", "seq", 96))


def test_tied_weights_are_one_tensor() -> None:
    model = build(NAMED["gpt2"], "eager")
    workload = traced(NAMED["gpt2"], model)
    (head,) = (op for op in workload.ops if op.name == "lm_head")
    assert head.inputs[1] == "transformer.wte.weight"
    assert "lm_head.weight" not in workload.tensors
