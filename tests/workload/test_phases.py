"""Prefill and decode: the same numbers as the whole sequence, from one trace."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pimsim.errors import WorkloadError
from pimsim.workload.checks import check_graph, check_samples, check_weights
from pimsim.workload.files import load, save
from pimsim.workload.graph import Samples, Workload
from pimsim.workload.phases import caches, resident_rows
from pimsim.workload.reference import run
from tests.workload.decoders import DEPTH, VOCABULARY, decoder, inputs_of, tokens

VARIANTS: Mapping[str, dict[str, Any]] = {
    "shared keys": {"kv_heads": 2},
    "one key head": {"kv_heads": 1, "rotary": True},
    "rotary": {"kv_heads": 4, "rotary": True},
    "attention mask": {"with_mask": True},
    "last token only": {"only_last": True},
}


def answer(workload: Workload, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return run(workload, *(given[name] for name in workload.inputs))


def with_samples(workload: Workload, *, seq: int, labels: np.ndarray | None = None) -> Workload:
    samples = Samples(
        calibration=dict(inputs_of(workload, tokens(3, seq, seed=5))),
        evaluation=dict(inputs_of(workload, tokens(4, seq, seed=6))),
        labels=labels,
        reference={},
    )
    check_samples(workload, samples, "test")
    return replace(workload, samples=samples)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("context", [1, 6])
def test_steps_against_the_cache_equal_the_whole_sequence(
    options: dict[str, Any], context: int
) -> None:
    workload, steps = decoder(**options), 3
    ids = tokens(2, context + steps)
    whole = answer(workload, inputs_of(workload, ids))["logits"]
    filled = workload.prefill(seq=context)
    check_graph(filled, "prefill")
    outputs = answer(filled, inputs_of(workload, ids[:, :context]))
    past = {cache.state: outputs[cache.tensor] for cache in caches(workload)}
    for length in range(context, context + steps):
        step = workload.decode(context=length)
        check_graph(step, "decode")
        check_weights(step, "decode")
        given = {**inputs_of(workload, ids[:, : length + 1]), **past}
        given["input_ids"] = ids[:, length : length + 1]
        outputs = answer(step, given)
        expected = whole[:, length]
        if options.get("only_last"):
            expected = answer(workload, inputs_of(workload, ids[:, : length + 1]))["logits"]
        assert np.abs(outputs["logits"].reshape(expected.shape) - expected).max() <= (
            1e-5 * np.abs(expected).max()
        )
        for cache in caches(workload):
            past[cache.state] = np.concatenate(
                [past[cache.state], outputs[cache.tensor]], axis=cache.axis
            )


def test_the_cache_is_one_tensor_of_keys_and_one_of_values_per_layer() -> None:
    workload = decoder(kv_heads=2, rotary=True)
    found = caches(workload)
    assert [cache.tensor for cache in found] == [
        "layers.0.key.rotary", "layers.0.value.heads", "layers.1.key.rotary",
        "layers.1.value.heads",
    ]  # fmt: skip
    assert [cache.axis for cache in found] == [2] * 4
    for cache in found:  # once per key-value head, not per query head
        assert workload.tensors[cache.tensor].shape == ("batch", 2, "seq", DEPTH)


def test_inputs_and_outputs_of_the_phases() -> None:
    workload = decoder(with_mask=True)
    rows = tuple(cache.tensor for cache in caches(workload))
    filled, step = workload.prefill(seq=7), workload.decode(context=7)
    assert filled.inputs == ("input_ids", "attention_mask")
    assert filled.outputs == step.outputs == ("logits", *rows)
    assert step.inputs == ("input_ids", "attention_mask", *(f"{row}.past" for row in rows))
    assert filled.tensors["logits"].shape == ("batch", 7, VOCABULARY)
    assert step.tensors["logits"].shape == ("batch", 1, VOCABULARY)
    assert step.tensors["input_ids"].shape == ("batch", 1)
    assert step.tensors["attention_mask"].shape == ("batch", 8)
    for row in rows:
        assert step.tensors[f"{row}.past"].kind == "state"
        assert step.tensors[f"{row}.past"].shape == ("batch", 2, 7, DEPTH)
        assert step.tensors[row].shape == ("batch", 2, 1, DEPTH)
        assert filled.tensors[row].shape == ("batch", 2, 7, DEPTH)
    assert resident_rows(step) == rows
    assert resident_rows(filled) == resident_rows(workload) == ()
    assert step.dims == {"batch": (1, 64), "context": (7, 7)}
    assert filled.dims == {"batch": (1, 64), "seq": (7, 7)}


def test_a_step_computes_one_row_of_every_product_and_keeps_the_weights() -> None:
    workload = decoder()
    step = workload.decode(context=9)
    for op in step.ops:
        if op.kind == "linear":
            assert step.tensors[op.output].resolved({"batch": 1})[-2] == 1
    assert step.weights.keys() == workload.weights.keys()
    groups = {op.name: op.group for op in workload.ops if op.group}
    assert {op.name: op.group for op in step.ops if op.group} == groups


def test_phases_of_a_shape_only_decoder(tmp_path: Any) -> None:
    workload = replace(decoder(), weights={})
    for phase in (workload.prefill(seq=5), workload.decode(context=5)):
        assert phase.shape_only
        save(phase, tmp_path / "phase")
        assert load(tmp_path / "phase") == phase


def test_a_decoding_step_is_saved_and_loaded(tmp_path: Any) -> None:
    step = decoder(with_mask=True).decode(context=3)
    save(step, tmp_path / "step")
    loaded = load(tmp_path / "step")
    assert replace(loaded, weights={}) == replace(step, weights={})


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_models_without_phases_are_refused(phase: str, tiny: Workload) -> None:
    ask = {"prefill": {"seq": 4}, "decode": {"context": 4}}[phase]
    with pytest.raises(WorkloadError, match="has no dimension of tokens") as caught:
        getattr(tiny, phase)(**ask)
    assert "(its dimensions: batch); only causal decoders have phases" in str(caught.value)
    encoder = decoder(causal=False)
    with pytest.raises(WorkloadError) as caught:
        getattr(encoder, phase)(**ask)
    assert str(caught.value) == (
        "workload 'decoder': attention layer 'layers.0' is not causal: every token sees later "
        "ones, so that keys and values of earlier tokens change with every new token and cannot "
        f"be kept; {phase} needs a causal decoder, as GPT-2 and Llama are"
    )
    plain = replace(encoder, ops=tuple(replace(op, group=None) for op in encoder.ops))
    with pytest.raises(WorkloadError, match="outside any attention layer that pimsim recognizes"):
        getattr(plain, phase)(**ask)


def test_a_phase_of_a_phase_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r"is a decoding step already \(context = 3\)"):
        decoder().decode(context=3).decode(context=4)
    with pytest.raises(WorkloadError, match="is fixed at seq = 5"):
        decoder().prefill(seq=5).decode(context=4)


def test_a_context_beyond_the_model_is_refused_with_its_numbers() -> None:
    with pytest.raises(WorkloadError) as caught:
        decoder().decode(context=16)
    assert str(caught.value) == (
        "a context of 16 tokens and the new one make seq = 17: workload 'decoder': seq = 17 needs "
        "row 16 of table 'where.weight' (op 'where'), whose 16 rows are 0 to 15; seq can be at "
        "most 16"
    )
    with pytest.raises(WorkloadError, match="decode needs a context of at least 1 token, got 0"):
        decoder().decode(context=0)
    assert decoder().decode(context=15).dims["context"] == (15, 15)


# --- samples -------------------------------------------------------------------------------------


def test_prefill_takes_the_first_tokens_of_the_samples() -> None:
    labels = tokens(4, 9, seed=7)
    workload = with_samples(decoder(with_mask=True), seq=9, labels=labels)
    filled = workload.prefill(seq=5)
    assert filled.samples is not None
    check_samples(filled, filled.samples, "prefill")
    ids = workload.samples.evaluation["input_ids"]  # type: ignore[union-attr]
    assert np.array_equal(filled.samples.evaluation["input_ids"], ids[:, :5])
    assert filled.samples.labels is not None
    assert np.array_equal(filled.samples.labels, labels[:, :5])


def test_decode_fills_the_cache_from_the_samples_and_takes_their_next_token() -> None:
    labels = tokens(4, 9, seed=7)
    workload = with_samples(decoder(with_mask=True), seq=9, labels=labels)
    step = workload.decode(context=5)
    assert step.samples is not None
    check_samples(step, step.samples, "decode")
    original = workload.samples.evaluation  # type: ignore[union-attr]
    found = step.samples.evaluation
    assert step.samples.count == 4
    assert np.array_equal(found["input_ids"], original["input_ids"][:, 5:6])
    assert np.array_equal(found["attention_mask"], original["attention_mask"][:, :6])
    filled = answer(workload.prefill(seq=5), {k: v[:, :5] for k, v in original.items()})
    for cache in caches(workload):
        assert np.allclose(found[cache.state], filled[cache.tensor], rtol=1e-5, atol=1e-6)
    assert step.samples.labels is not None
    assert np.array_equal(step.samples.labels, labels[:, 5:6])
    logits = answer(step, found)["logits"]
    whole = answer(workload, original)["logits"][:, 5:6]
    assert np.abs(logits - whole).max() <= 1e-5 * np.abs(whole).max()


def test_as_many_evaluation_samples_as_asked_for() -> None:
    step = with_samples(decoder(), seq=9).decode(context=4, samples=2)
    assert step.samples is not None
    assert step.samples.count == 2
    assert len(step.samples.calibration["input_ids"]) == 3


def test_caches_are_computed_only_when_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def counted(*given: Any) -> dict[str, np.ndarray]:
        calls.append(given)
        return run(*given)

    step = with_samples(decoder(), seq=9).decode(context=4)
    assert step.samples is not None
    monkeypatch.setattr("pimsim.workload.reference.run", counted)
    assert step.samples.evaluation["input_ids"].shape == (4, 1)
    assert not calls
    assert step.samples.evaluation["layers.0.key.heads.past"].shape == (4, 2, 4, DEPTH)
    assert step.samples.evaluation["layers.1.key.heads.past"].shape == (4, 2, 4, DEPTH)
    assert len(calls) == 1
    with pytest.raises(KeyError):
        step.samples.evaluation["layers.1.key"]


def test_large_caches_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = with_samples(decoder(), seq=9)
    small = workload.decode(context=4)
    monkeypatch.setattr("pimsim.workload.phase_samples._MEMORY_BYTES", 0)
    monkeypatch.setattr("pimsim.workload.phase_samples._CHUNK_ELEMENTS", 1)
    large = workload.decode(context=4)
    assert small.samples is not None
    assert large.samples is not None
    for name in small.inputs[1:]:
        assert isinstance(large.samples.evaluation[name], np.memmap)
        assert np.allclose(large.samples.evaluation[name], small.samples.evaluation[name])


def test_samples_that_are_too_short_are_refused_with_their_length() -> None:
    workload = with_samples(decoder(), seq=9)
    with pytest.raises(WorkloadError) as caught:
        workload.decode(context=9)
    assert str(caught.value) == (
        "decoding against 9 tokens takes 10 of each sample, but the samples of workload "
        "'decoder' have 9; ask for a context of at most 8"
    )
    with pytest.raises(WorkloadError) as caught:
        workload.prefill(seq=10)
    assert str(caught.value) == (
        "prefill takes 10 tokens of each sample, but the samples of workload 'decoder' have 9; "
        "ask for at most 9"
    )
