"""Masks, angles and indices that follow from stored tables alone, at the length that is run."""

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.quantization import quantize
from pimsim.workload.graph import Workload
from tests.quantization.traced import CONVENTIONAL, RAP, Traced, run_float, run_ideal, shapes_only

TOKENS, WIDTH = 6, 8
ROTARY = {
    chip.name: load_architecture(
        chip.name, overrides=[f"units.rotary={{model: {model}, lanes: 8}}"]
    )
    for chip, model in ((RAP, "table_rotary"), (CONVENTIONAL, "fp32_rotary"))
}
EVERY = pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda a: a.name)


def masked(*, moved: bool) -> Workload:
    """A softmax under a stored lower triangle, as it is or cut to the length of the run."""
    traced = Traced()
    size = 2 * TOKENS if moved else TOKENS
    keep = traced.stored("triangle", np.tril(np.ones((size, size))))
    if moved:
        for axis in (0, 1):
            keep = traced.op(f"cut{axis}", "slice", keep, axis=axis, start=0, stop=TOKENS, step=1)
    keep = traced.op("keep", "gt", keep, scalar=0.5)
    logits = traced.op("mask", "mask", traced.input("x", TOKENS, TOKENS), keep, fill=-1e30)
    return traced.build(traced.op("softmax", "softmax", logits, axis=-1))


@pytest.mark.parametrize("moved", [False, True])
@EVERY
def test_a_stored_mask_hides_what_it_says(architecture, moved):
    workload = masked(moved=moved)
    found = run_ideal(workload, architecture).outputs["softmax:out"]
    exact = run_float(workload)["softmax:out"]
    assert not np.triu(found, 1).any()
    np.testing.assert_allclose(found, exact, atol=0.03)
    bare = quantize(shapes_only(workload), architecture)
    assert [op.name for op in bare.ops] == [op.name for op in quantize(workload, architecture).ops]


@pytest.mark.parametrize("chip", ROTARY)
def test_stored_angles_turn_as_in_float(chip):
    traced = Traced()
    angles = np.arange(2 * TOKENS)[:, None] * np.tile(10.0 ** -np.arange(WIDTH // 2), 2)
    turns = []
    for name, values in (("cosine", np.cos(angles)), ("sine", np.sin(angles))):
        table = traced.stored(name, values)
        turns.append(traced.op(f"{name}s", "slice", table, axis=0, start=0, stop=TOKENS, step=1))
    x = traced.input("x", TOKENS, WIDTH)
    workload = traced.build(traced.op("turn", "rotary", x, *turns, interleaved=False))
    found = run_ideal(workload, ROTARY[chip]).outputs["turn:out"]
    exact = run_float(workload)["turn:out"]
    np.testing.assert_allclose(found, exact, atol=0.02 * np.abs(exact).max())
