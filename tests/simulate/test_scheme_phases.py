"""4-bit schemes on a decoder: a plain cache stays in its cells, a compressed one does not."""

from dataclasses import replace
from typing import Any

import pytest

from pimsim import simulate
from pimsim.config import load_architecture
from pimsim.records import MacroCounts
from pimsim.workload.graph import Samples, Workload
from tests.workload.decoders import DEPTH, HEADS, decoder, inputs_of, tokens

CONTEXT, BATCH = 5, 2


@pytest.fixture(scope="module")
def language_model() -> Workload:
    workload = decoder(layers=1, kv_heads=2)
    samples = Samples(
        calibration=dict(inputs_of(workload, tokens(4, 12, seed=3))),
        evaluation=dict(inputs_of(workload, tokens(2, 12, seed=4))),
        labels=tokens(2, 12, seed=5),
        reference={},
    )
    return replace(workload, samples=samples)


def step(workload: Workload, scheme: str) -> Any:
    chip = load_architecture(
        "rap_int8", overrides=[f"numerics.scheme={scheme}", "numerics.group=4"]
    )
    return simulate(
        chip, workload, chips=1, compare=(), phase="decode", context=CONTEXT, batch=BATCH
    )


def written(result: Any, op: str) -> MacroCounts:
    (macro,) = next(counts for counts in result.counts if counts.op == op).macros
    return macro


@pytest.mark.parametrize("values", [True, False])
@pytest.mark.parametrize("scheme", ["qrazor_w4a4", "quartz_w4a4"])
def test_a_plain_cache_takes_only_the_new_token(
    language_model: Workload, scheme: str, values: bool
) -> None:
    workload = language_model if values else replace(language_model, weights={}, samples=None)
    result = step(workload, scheme)
    for op in ("layers.0.scores", "layers.0.context"):
        assert written(result, op).program_pulses == BATCH * HEADS * DEPTH * 8
    if values:
        assert result.accuracy.logit_snr_db > 0


@pytest.mark.parametrize("values", [True, False])
def test_a_compressed_cache_is_written_whole_in_half_the_cells(
    language_model: Workload, values: bool
) -> None:
    workload = language_model if values else replace(language_model, weights={}, samples=None)
    result = step(workload, "qrazor_w4a4kv4")
    for op in ("layers.0.scores", "layers.0.context"):
        assert written(result, op).program_pulses == BATCH * HEADS * DEPTH * (CONTEXT + 1) * 4
