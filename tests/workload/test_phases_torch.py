"""Prefill and decode of traced models against PyTorch's own cached steps."""

from typing import Any

import numpy as np
import pytest

from pimsim.workload.graph import Workload
from pimsim.workload.phases import caches
from pimsim.workload.reference import run
from tests.workload.families import VOCABULARY, small

pytestmark = pytest.mark.torch

CONTEXT, STEPS = 6, 2


def traced(model: Any, *, masked: bool) -> Workload:
    import torch

    from pimsim.workload.trace_torch import trace

    examples = {"input_ids": torch.ones(2, 5, dtype=torch.int64)}
    if masked:
        examples["attention_mask"] = torch.ones(2, 5, dtype=torch.int64)
    return trace(model, examples, name="decoder")


def given(workload: Workload, ids: np.ndarray, total: int, past: Any = None) -> list[np.ndarray]:
    known = {"input_ids": ids, "attention_mask": np.ones((len(ids), total), np.int64)}
    known |= past or {}
    return [known[name] for name in workload.inputs]


def error(found: np.ndarray, expected: Any) -> float:
    exact = expected.numpy()
    return float(np.abs(found - exact).max() / np.abs(exact).max())


@pytest.mark.parametrize(
    ("family", "attention", "masked"),
    [
        ("gpt2", "sdpa", False), ("gpt2", "eager", True), ("llama", "eager", False),
        ("llama", "sdpa", True), ("opt", "sdpa", True), ("neox", "eager", False),
        ("gemma", "sdpa", False), ("qwen2", "eager", True), ("mistral", "sdpa", False),
    ],
)  # fmt: skip
def test_phases_equal_the_cached_steps_of_pytorch(
    family: str, attention: str, masked: bool
) -> None:
    import torch

    model = small(family, attention)
    workload = traced(model, masked=masked)
    ids = np.random.default_rng(0).integers(3, VOCABULARY, (2, CONTEXT + STEPS))
    with torch.no_grad():
        expected = model(torch.from_numpy(ids[:, :CONTEXT]), use_cache=True)
        filled = workload.prefill(seq=CONTEXT)
        outputs = run(filled, *given(filled, ids[:, :CONTEXT], CONTEXT))
        assert error(outputs["logits"], expected.logits) <= 1e-4
        past = {cache.state: outputs[cache.tensor] for cache in caches(workload)}
        for length in range(CONTEXT, CONTEXT + STEPS):
            new = ids[:, length : length + 1]
            step = workload.decode(context=length)
            outputs = run(step, *given(step, new, length + 1, past))
            expected = model(
                torch.from_numpy(new), past_key_values=expected.past_key_values, use_cache=True
            )
            assert error(outputs["logits"], expected.logits) <= 1e-4
            for cache in caches(workload):
                rows = (past[cache.state], outputs[cache.tensor])
                past[cache.state] = np.concatenate(rows, axis=cache.axis)


def test_the_cache_of_grouped_queries_is_that_of_pytorch() -> None:
    import torch

    model = small("llama")
    workload = traced(model, masked=False)
    found = caches(workload)
    ids = np.random.default_rng(0).integers(3, VOCABULARY, (2, CONTEXT))
    filled = workload.prefill(seq=CONTEXT)
    outputs = run(filled, *given(filled, ids, CONTEXT))
    with torch.no_grad():
        layers = model(torch.from_numpy(ids), use_cache=True).past_key_values.layers
    assert len(found) == 2 * len(layers)
    for index, layer in enumerate(layers):
        keys, values = (outputs[cache.tensor] for cache in found[2 * index : 2 * index + 2])
        assert keys.shape == (2, 2, CONTEXT, 8)  # batch, key heads, tokens, depth
        assert error(keys, layer.keys) <= 1e-5
        assert error(values, layer.values) <= 1e-5


@pytest.mark.parametrize("family", ["bert", "vit"])
def test_encoders_have_no_phases(family: str) -> None:
    import torch

    from pimsim.errors import WorkloadError
    from pimsim.workload.trace_torch import trace

    ids = torch.ones(2, 5, dtype=torch.int64)
    examples = (torch.randn(2, 2, 16, 16),) if family == "vit" else (ids,)
    workload = trace(small(family), examples, name=family)
    reason = "has no dimension of tokens" if family == "vit" else "is not causal: every token sees"
    with pytest.raises(WorkloadError, match=reason):
        workload.decode(context=4)
