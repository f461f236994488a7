"""Models rebuilt from their workloads and timed on the host: the same loop as on a GPU."""

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from pimsim.baselines.measure_torch import CpuTimer, found_gpu, prepare, subject  # noqa: E402
from pimsim.baselines.measure_torch.session import cases, known_as, measure_all  # noqa: E402
from pimsim.baselines.measurement import Case, Setting, Settings, measure  # noqa: E402
from pimsim.baselines.runs import read_runs  # noqa: E402
from pimsim.errors import InputError, NotFoundError  # noqa: E402

FACTORY = """
import torch
from torch import nn


def tiny():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 4), nn.GELU()), (torch.ones(1, 8),)


def meta():
    with torch.device("meta"):
        model = nn.Sequential(nn.Embedding(10, 8), nn.LayerNorm(8))
        model.register_buffer("positions", torch.arange(4))
    return model, (torch.zeros(2, 4, dtype=torch.int64, device="meta"),)


def alone():
    return nn.Linear(2, 2)
"""


@pytest.fixture
def factory(tmp_path):
    path = tmp_path / "models.py"
    path.write_text(FACTORY)
    return path


def test_a_factorys_example_is_repeated_to_the_batch(factory):
    what = subject(f"{factory}:tiny")
    ready = prepare(what, Case("tiny", 5, "fp32"), "cpu")
    assert ready.call().shape == (5, 4)


def test_the_model_runs_in_the_precision_that_was_asked_for(factory):
    ready = prepare(subject(f"{factory}:tiny"), Case("tiny", 2, "bf16"), "cpu")
    assert ready.call().dtype is torch.bfloat16


def test_a_model_without_weights_gets_random_ones_and_valid_buffers(factory):
    ready = prepare(subject(f"{factory}:meta"), Case("meta", 3, "fp32"), "cpu")
    answer = ready.call()
    assert answer.shape == (3, 4, 8)
    assert torch.isfinite(answer).all()
    assert ready.model.positions.tolist() == [0, 0, 0, 0]


def test_a_workloads_model_is_rebuilt_from_its_graph():
    what = subject("vit_digits")
    assert what.workload is not None
    ready = prepare(what, Case("vit_digits", 2, "fp32"), "cpu")
    with torch.inference_mode():
        assert ready.call().shape == (2, 10)


def test_the_loop_gives_a_row_that_is_read_back(factory, tmp_path):
    told = []
    setting = Setting("cpu", "host", "2026-03-01", "test", "eager", torch=str(torch.__version__))
    path = tmp_path / "rows.yaml"
    count = measure_all(
        subject(f"{factory}:tiny"),
        cases([1, 4], ["fp32"]),
        into=(setting, path),
        timer=lambda what, case: CpuTimer(prepare(what, case, "cpu").call),
        meter=None,
        tell=told.append,
        settings=Settings(warm_up_runs=2, timed_runs=5),
    )
    assert count == 2
    assert [(run.model, run.batch) for run in read_runs(path)] == [("tiny", 1), ("tiny", 4)]
    assert told[0].startswith("tiny, batch 1, fp32: ")


def test_times_are_those_of_single_batches(factory):
    timer = CpuTimer(prepare(subject(f"{factory}:tiny"), Case("tiny", 1, "fp32"), "cpu").call)
    assert len(timer.times_us(7)) == 7
    point = measure(timer, None, Settings(warm_up_runs=1, timed_runs=3))
    assert point.latency_us > 0


def test_what_does_not_fit_names_the_case_and_keeps_the_rows_before_it(factory, tmp_path):
    def timer(what, case):
        if case.batch == 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return CpuTimer(prepare(what, case, "cpu").call)

    path = tmp_path / "rows.yaml"
    with pytest.raises(InputError, match=r"tiny at batch 4 in fp32 does not fit .* 1 rows were"):
        measure_all(
            subject(f"{factory}:tiny"),
            cases([1, 4], ["fp32"]),
            into=(Setting("cpu", "host", "2026-03-01", "test", "eager"), path),
            timer=timer,
            meter=None,
            tell=lambda line: None,
            settings=Settings(warm_up_runs=1, timed_runs=3),
        )
    assert len(read_runs(path)) == 1


def test_combinations_are_precision_by_length_by_batch():
    found = cases([1, 8], ["fp16", "bf16"], sequences=[128, 384])
    assert len(found) == 8
    assert (found[0].precision, found[0].seq, found[0].batch) == ("fp16", 128, 1)
    assert cases([1], ["fp16"])[0].seq is None


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"phase": "decode"}, "needs context"),
        ({"context": 4}, "needs context"),
        ({"phase": "x", "context": 4}, "known: prefill, decode"),
        ({"phase": "prefill", "context": 4, "sequences": [3]}, "leave seq out"),
        ({"phase": "decode", "context": 4, "execution": "cuda_graph"}, "which no CUDA graph holds"),
    ],
)
def test_cases_that_mean_nothing_are_refused(asked, message):
    with pytest.raises(InputError, match=message):
        cases([1], ["fp16"], **asked)


def test_what_pytorch_has_no_path_for_is_refused(factory):
    with pytest.raises(InputError, match="no path for a whole model in 'int8'; known: bf16, fp16"):
        prepare(subject(f"{factory}:tiny"), Case("tiny", 1, "int8"), "cpu")
    with pytest.raises(InputError, match="seq needs a workload"):
        prepare(subject(f"{factory}:tiny"), Case("tiny", 1, "fp32", seq=4), "cpu")
    with pytest.raises(InputError, match="returns no example inputs"):
        prepare(subject(f"{factory}:alone"), Case("alone", 1, "fp32"), "cpu")
    with pytest.raises(InputError, match="phase decode is measured for decoders"):
        prepare(subject(f"{factory}:tiny"), Case("tiny", 1, "fp32", None, "decode", 4), "cpu")
    with pytest.raises(NotFoundError):
        subject("vit_digit")


def test_a_step_of_a_decoder_finds_the_same_cache_every_time():
    transformers = pytest.importorskip("transformers")
    from pimsim.baselines.measure_torch.models import _step

    config = transformers.GPT2Config(n_layer=1, n_embd=8, n_head=2, n_positions=32)
    model = transformers.GPT2LMHeadModel(config).eval()
    tokens = torch.zeros(2, 6, dtype=torch.int64)
    with torch.inference_mode():
        step = _step(model, [tokens])
        first, second = step().logits, step().logits
    assert first.shape == (2, 1, 50257)
    assert torch.equal(first, second)


def test_without_a_gpu_there_is_one_message():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="no NVIDIA GPU that PyTorch can use was found"):
        found_gpu()


def test_devices_are_known_by_their_own_names():
    assert known_as("Tesla T4") == "t4"
    assert known_as("NVIDIA GeForce RTX 4090") == "rtx_4090"
    assert known_as("NVIDIA B200") == "NVIDIA B200"
