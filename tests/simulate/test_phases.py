"""Runs of a decoder's phases: what is written, moved and timed when the cache is on the chip."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pimsim import simulate
from pimsim.config import load_architecture
from pimsim.errors import InputError, MappingError, WorkloadError
from pimsim.records import MacroCounts
from pimsim.workload.checks import check_samples
from pimsim.workload.graph import Samples, Workload
from tests.workload.decoders import DEPTH, HEADS, decoder, inputs_of, tokens

CONTEXT, BITS = 6, 8


@pytest.fixture(scope="module")
def language_model() -> Workload:
    workload = decoder(layers=1, kv_heads=2)
    samples = Samples(
        calibration=dict(inputs_of(workload, tokens(4, 12, seed=3))),
        evaluation=dict(inputs_of(workload, tokens(4, 12, seed=4))),
        labels=tokens(4, 12, seed=5),
        reference={},
    )
    check_samples(workload, samples, "test")
    return replace(workload, samples=samples)


def run(workload: Workload, arch: str = "rap_int8", **options: Any) -> Any:
    return simulate(arch, workload, chips=1, compare=(), **options)


def written(result: Any, op: str) -> MacroCounts:
    (macro,) = next(counts for counts in result.counts if counts.op == op).macros
    return macro


@pytest.mark.parametrize("arch", ["rap_int8", "conventional"])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("values", [True, False])
def test_a_step_writes_only_the_new_token(
    language_model: Workload, arch: str, batch: int, values: bool
) -> None:
    """The passes also check there that mapping and timing count the same movement and reads."""
    workload = language_model if values else replace(language_model, weights={}, samples=None)
    result = run(workload, arch, phase="decode", context=CONTEXT, batch=batch)
    samples = 4 if values else batch
    keys, rows = written(result, "layers.0.scores"), written(result, "layers.0.context")
    for macro in (keys, rows):
        assert macro.program_pulses == samples * HEADS * DEPTH * BITS
        assert macro.programmed_ones + macro.programmed_zeros == macro.program_pulses
    assert keys.row_writes == samples * HEADS * DEPTH  # one column of every word line
    assert rows.row_writes == samples * HEADS
    assert result.timeline.latency_ps > 0
    assert (result.accuracy is not None) == values


def test_the_cache_of_every_sample_of_a_batch_has_its_own_macros(language_model: Workload) -> None:
    shapes = replace(language_model, weights={}, samples=None)
    one, two = (run(shapes, phase="decode", context=CONTEXT, batch=n) for n in (1, 2))
    assert written(two, "layers.0.scores").reads == 2 * written(one, "layers.0.scores").reads
    chip = load_architecture("rap_int8", overrides=["tile.macros.sram=1", "chip.tiles=14"])
    assert run(shapes, chip, phase="decode", context=CONTEXT).latency_us > 0
    with pytest.raises(MappingError) as caught:
        run(shapes, chip, phase="decode", context=CONTEXT, batch=2)
    assert "cache of earlier tokens, which stays in its macros, and the new one: 7x3 x 8" in str(
        caught.value
    )


def test_the_cache_is_neither_read_from_nor_held_in_the_global_buffer(
    language_model: Workload,
) -> None:
    shapes = replace(language_model, weights={}, samples=None)
    short, long = (run(shapes, phase="decode", context=n) for n in (2, 14))
    for op in ("layers.0.scores", "layers.0.context"):
        moved = [
            next(counts for counts in result.counts if counts.op == op).moved
            for result in (short, long)
        ]
        assert moved[0].global_buffer_read_bits == moved[1].global_buffer_read_bits == 0
    keys = [
        next(counts for counts in result.counts if counts.op == "layers.0.scores").moved
        for result in (short, long)
    ]
    assert keys[0] == keys[1]  # the query and the new token's key, whatever the context
    assert written(short, "layers.0.scores").row_writes == (
        written(long, "layers.0.scores").row_writes
    )


def test_prefill_writes_all_its_tokens(language_model: Workload) -> None:
    result = run(language_model, phase="prefill", context=CONTEXT)
    keys = written(result, "layers.0.scores")
    assert keys.program_pulses == 4 * HEADS * DEPTH * CONTEXT * BITS
    assert result.workload["name"] == "decoder-prefill-6"
    assert result.manifest.dims == {"batch": 1, "seq": CONTEXT}


def test_a_step_answers_what_the_whole_model_answers(language_model: Workload) -> None:
    result = run(language_model, phase="decode", context=CONTEXT)
    assert result.accuracy is not None
    assert result.accuracy.samples == 4
    assert result.accuracy.logit_snr_db > 15
    assert result.workload["name"] == "decoder-decode-6"
    assert result.manifest.dims == {"batch": 1, "context": CONTEXT}


def test_fewer_samples_are_prepared_where_fewer_are_asked_for(language_model: Workload) -> None:
    result = run(language_model, phase="decode", context=CONTEXT, samples=2)
    assert result.accuracy is not None
    assert result.accuracy.samples == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": 4}, "context = 4 needs a phase of a decoder"),
        ({"phase": "decode"}, "decode needs context, the number of tokens in the cache"),
        ({"phase": "prefill"}, "prefill needs context, the number of tokens in the prompt"),
        ({"phase": "decode", "context": 4, "seq": 4}, "seq = 4 means nothing for decode"),
        ({"phase": "prefill", "context": 4, "seq": 5}, "context = 4 and seq = 5 differ"),
        ({"phase": "prefil", "context": 4}, "unknown phase 'prefil'; did you mean 'prefill'?"),
    ],
)
def test_requests_that_mean_nothing(
    language_model: Workload, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        run(language_model, **options)


def test_a_context_beyond_the_samples(language_model: Workload) -> None:
    with pytest.raises(WorkloadError, match="ask for a context of at most 11"):
        run(language_model, phase="decode", context=12)


def test_weights_that_are_not_finite_are_refused_before_the_run(language_model: Workload) -> None:
    spoilt = dict(language_model.weights)
    spoilt["where.weight"] = np.full_like(spoilt["where.weight"], np.nan)
    with pytest.raises(WorkloadError, match=r"'where.weight' has 192 of 192 values that are NaN"):
        run(replace(language_model, weights=spoilt))
