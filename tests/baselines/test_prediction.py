"""Predictions as a user asks for them."""

import pytest

from pimsim.baselines import GpuPrediction, predict
from pimsim.baselines.calibration import stored
from pimsim.baselines.prediction import (
    BEST_BATCH_MAX,
    ENOUGH_RATIO,
    best_batch,
    kernel_times,
    predict_work,
    work_of,
)
from pimsim.errors import InputError, NotFoundError, WorkloadError
from pimsim.workload import load_workload
from tests.baselines.graphs import encoder

BERT, GPT2, LLAMA = (load_workload(name) for name in ("bert_base", "gpt2", "llama2_7b"))
# Of NVIDIA's tables for BERT large, which no test of the fit names: TensorRT 8.4.3, demo/BERT
LARGE_MS = [
    ("a100_40gb_sxm", "int8", 128, 1, 1.25),
    ("a100_40gb_sxm", "int8", 384, 16, 12.51),
    ("a100_40gb_sxm", "fp16", 128, 32, 13.85),
    ("a100_40gb_sxm", "fp16", 384, 128, 163.70),
    ("t4", "int8", 384, 1, 7.29),
    ("t4", "int8", 128, 64, 119.67),
    ("t4", "fp16", 384, 8, 92.92),
]


@pytest.mark.parametrize(("gpu", "precision", "seq", "batch", "latency_ms"), LARGE_MS)
def test_published_latencies_of_bert_large_are_met_within_a_fifth(
    gpu, precision, seq, batch, latency_ms
):
    found = predict(load_workload("bert_large"), gpu, batch=batch, seq=seq, precision=precision)
    assert found.latency_us / 1000 == pytest.approx(latency_ms, rel=0.2)


def test_a_prediction_says_what_it_is_of():
    found = predict(BERT, "A100", batch=4, seq=64, precision="int8")
    assert isinstance(found, GpuPrediction)
    assert (found.gpu, found.workload, found.batch, found.seq, found.precision) == (
        "a100_40gb_sxm",
        "bert_base",
        4,
        64,
        "int8",
    )
    assert found.kind == "gpu_roofline_calibrated"
    assert "A100" in found.source
    assert "40 runs" in found.source
    assert "assumed" in found.source
    assert sum(found.bound_ratio.values()) == pytest.approx(1.0)


def test_power_lies_between_idle_and_the_boards():
    for batch in (1, 32):
        found = predict(BERT, "t4", batch=batch, seq=128, precision="fp16")
        assert 20_000 < found.power_mw <= 70_000
    assert found.power_mw > 60_000  # busy


def test_larger_batches_take_longer_in_all_and_less_each():
    runs = [predict(BERT, "t4", batch=2**power, seq=128, precision="fp16") for power in range(8)]
    latencies = [run.latency_us for run in runs]
    each = [run.latency_us / run.batch for run in runs]
    energies = [run.energy_uj / run.batch for run in runs]
    assert latencies == sorted(latencies)
    assert each[:5] == sorted(each[:5], reverse=True)
    assert energies[:5] == sorted(energies[:5], reverse=True)
    # Beyond, activations leave the cache: both settle
    assert max(each[4:]) < 1.02 * min(each[4:])
    assert max(energies[4:]) < 1.01 * min(energies[4:])


def test_decoding_on_a_gpu_where_none_was_timed_expects_a_transfers_error():
    asked = {"batch": 1, "precision": "fp16", "context": 128}
    step = predict(LLAMA, "t4", phase="decode", **asked)
    prompt = predict(LLAMA, "t4", phase="prefill", **asked)
    assert step.expected_error_ratio == stored().transfer_error_ratio > prompt.expected_error_ratio
    assert f"latency ±{100 * step.expected_error_ratio:.0f} %" in step.source
    timed = predict(LLAMA, "a100_80gb_sxm", phase="decode", **asked)
    assert timed.expected_error_ratio < 0.3


def test_the_sum_of_the_kernels_is_the_latency():
    work = work_of(BERT, seq=128)
    times = kernel_times(work, "t4", batch=8, precision="int8")
    whole = predict_work(work, "t4", batch=8, precision="int8")
    assert sum(time.time_us for time in times) == pytest.approx(whole.latency_us)
    assert len(times) == len(work.kernels)


def test_a_decoding_step_of_a_large_model_takes_what_reading_its_weights_takes():
    """13.2 GB at 0.8 of 2039 GB/s is 8.1 ms; floors add a little."""
    step = predict(LLAMA, "a100_80gb_sxm", batch=1, precision="fp16", phase="decode", context=64)
    assert 8.1e3 < step.latency_us < 10e3
    assert step.bound_ratio["memory"] > 0.8
    assert (step.phase, step.context, step.seq) == ("decode", 64, None)


def test_a_prompt_is_bound_by_arithmetic_and_its_last_step_costs_a_fraction():
    prompt = predict(GPT2, "l4", batch=8, precision="fp16", phase="prefill", context=512)
    step = predict(GPT2, "l4", batch=8, precision="fp16", phase="decode", context=512)
    assert prompt.bound_ratio["compute"] > 0.8
    assert step.latency_us < prompt.latency_us / 10


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16", "fp8", "int8"])
def test_every_precision_of_a_new_gpu_can_be_asked_for(precision):
    found = predict(BERT, "h100_sxm", batch=32, seq=128, precision=precision)
    assert found.precision == precision


def test_fewer_bits_are_never_slower_on_large_batches():
    latencies = [
        predict(BERT, "a100", batch=64, seq=128, precision=precision).latency_us
        for precision in ("fp32", "tf32", "fp16", "int8")
    ]
    assert latencies == sorted(latencies, reverse=True)


def test_memory_is_weights_cache_and_activations():
    """Llama 2 7B: 6.74 G weights and 2 x 32 x 4096 values per token, two bytes each."""
    step = predict(LLAMA, "h200", batch=4, precision="fp16", phase="decode", context=999)
    stored = 2 * (6_738_415_616 + 4 * 2 * 32 * 4096 * 1000)
    assert stored < step.memory_bytes < 1.01 * stored


def test_what_does_not_fit_is_refused_with_the_numbers_and_what_fits():
    with pytest.raises(InputError) as caught:
        predict(LLAMA, "t4", batch=64, precision="fp16", phase="decode", context=2048)
    message = str(caught.value)
    assert "at batch 64 needs 84.4 GB (weights 13.5, cache of keys and values 68.8" in message
    assert "NVIDIA T4 has 16 GB: a batch of 2 fits" in message
    fits = predict(LLAMA, "t4", batch=2, precision="fp16", phase="decode", context=2048)
    assert fits.memory_bytes <= 16e9
    with pytest.raises(InputError, match="batch 3 needs"):
        predict(LLAMA, "t4", batch=3, precision="fp16", phase="decode", context=2048)


def test_a_model_that_is_too_large_alone_fits_with_no_batch():
    with pytest.raises(InputError, match="not even one input fits"):
        predict(LLAMA, "orin_nano", batch=1, precision="fp16", phase="decode", context=8)


def test_the_best_batch_is_the_smallest_that_nearly_reaches_the_highest_throughput():
    work = work_of(BERT, seq=128)
    best = best_batch(work, "a100_40gb_sxm", "int8")
    half = predict_work(work, "a100_40gb_sxm", batch=best.batch // 2, precision="int8")
    batches = [2**power for power in range(BEST_BATCH_MAX.bit_length())]
    highest = max(
        predict_work(work, "a100_40gb_sxm", batch=batch, precision="int8").throughput_per_s
        for batch in batches
    )
    assert best.batch in batches
    assert best.throughput_per_s >= ENOUGH_RATIO * highest
    assert half.throughput_per_s < ENOUGH_RATIO * highest


def test_the_best_batch_fits_the_memory():
    work = work_of(LLAMA, phase="decode", context=2048)
    assert best_batch(work, "t4", "fp16").batch == 2


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"batch": 0}, InputError, "batch must be 1 or more, got 0"),
        ({"gpu": "t5"}, NotFoundError, "unknown GPU 't5'"),
        ({"precision": "int4"}, NotFoundError, "unknown precision 'int4'; NVIDIA T4 has"),
        ({"precision": "fp8"}, NotFoundError, "NVIDIA T4 has no fp8; it has fp32, fp16, int8"),
        ({"seq": None}, InputError, "takes 1 to 512 tokens: say how many with seq"),
        ({"seq": 513}, WorkloadError, "513"),
        ({"context": 3}, InputError, "context = 3 needs a phase"),
        ({"phase": "prefil"}, InputError, "unknown phase 'prefil'; did you mean 'prefill'"),
        ({"phase": "decode", "context": 8, "seq": None}, WorkloadError, "causal decoder"),
    ],
)
def test_nonsense_is_refused_with_what_is_allowed(changes, error, message):
    asked = {"gpu": "t4", "batch": 1, "seq": 128, "precision": "int8"} | changes
    with pytest.raises(error) as caught:
        predict(BERT, asked.pop("gpu"), **asked)
    assert message in str(caught.value)


def test_an_operation_without_attention_groups_is_predicted_too():
    bare = encoder(layers=2)
    found = predict(bare, "t4", batch=8, precision="fp16")
    assert found.latency_us > 0
    assert found.launches == 14
