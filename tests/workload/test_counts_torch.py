"""MACs of traced models against PyTorch's own counter."""

from typing import Any

import pytest

from pimsim.workload import summary
from tests.workload.families import VOCABULARY, small

pytestmark = pytest.mark.torch


def examples(family: str, batch: int, seq: int) -> tuple[Any, ...]:
    import torch

    if family == "vit":
        return (torch.randn(batch, 2, 16, 16),)
    return (torch.randint(3, VOCABULARY, (batch, seq)),)


def flops(model: Any, inputs: tuple[Any, ...]) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(*inputs)
    return int(counter.get_total_flops())


@pytest.mark.parametrize("family", ["bert", "vit", "gpt2", "llama"])
def test_two_macs_are_what_pytorch_counts_of_eager_attention(family: str) -> None:
    from pimsim.workload.trace_torch import trace

    eager = small(family, "eager")
    found = {}
    for attention in ("eager", "sdpa"):
        model = small(family, attention)
        workload = trace(model, examples(family, 2, 6), name=family)
        total = sum(parameter.numel() for parameter in model.parameters())
        for batch, seq in ((1, 5), (3, 11)):
            dims = {"batch": batch, "seq": seq} if "seq" in workload.dims else {"batch": batch}
            counts = summary.counts(workload, workload.bind(**dims))
            assert 2 * counts.macs.total == flops(eager, examples(family, batch, seq))
            assert counts.parameters == total
            by_op = summary.counts_by_op(workload, workload.bind(**dims)).values()
            assert sum(one.macs.total for one in by_op) == counts.macs.total
            assert found.setdefault((batch, seq), counts.macs) == counts.macs
    assert all(counts.static and counts.dynamic for counts in found.values())
