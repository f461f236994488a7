"""Train the demo's vision transformer on handwritten digits, trace it, and write its folder.

Which question this file answers: *where do graph.json, weights.safetensors and
samples.safetensors beside it come from?*

    python workloads/vit_digits/build.py [--output DIR] [--epochs N] [--seed N]

needs ``pip install '.[torch]'``, about 150 s of one CPU core, and no network: the images are the
1 797 handwritten digits (8 x 8 pixels, 17 grey levels) that scikit-learn installs. Of these, 1 437
train the model and 360 are held out, in proportion to the ten classes. Calibration images are
training images. Same seed, same machine and same versions give the same files.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for what the build scripts share

from pimsim.workload.files import save
from pimsim.workload.graph import Samples, Workload
from pimsim.workload.trace_torch import trace
from workload_building.vision import (
    VisionTransformer,
    learning_rate_ratio,
    shifted,
    show_progress,
)

FACTORY: Final = "workloads/vit_digits/build.py:model"
GREY_LEVELS: Final = 16.0
"""Largest pixel value of the data set; images are divided by it."""
HELD_OUT_IMAGES: Final = 360
CALIBRATION_IMAGES: Final = 128

BATCH: Final = 64
PEAK_LEARNING_RATE: Final = 2e-3
WEIGHT_DECAY: Final = 0.05
LABEL_SMOOTHING: Final = 0.05
WARM_UP_EPOCHS: Final = 5


def model() -> VisionTransformer:
    """Return the untrained model: 4 layers, width 64, 4 heads, 17 tokens, 0.2 M parameters."""
    return VisionTransformer()


@dataclass(frozen=True, slots=True)
class Digits:
    """The data set, split; images are (count, 1, 8, 8) float32 in 0..1."""

    train: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test: NDArray[np.float32]
    test_labels: NDArray[np.int64]

    @property
    def calibration(self) -> NDArray[np.float32]:
        """The training images on which quantization scales are found, without augmentation."""
        return self.train[:CALIBRATION_IMAGES]


def digits(seed: int) -> Digits:
    """Split scikit-learn's digits, stratified by class.

    Raises
    ------
    ValueError
        If an image is both a calibration and a held-out image.
    """
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / GREY_LEVELS).astype(np.float32).reshape(-1, 1, 8, 8)
    train, test, train_labels, test_labels = train_test_split(
        images,
        labels.astype(np.int64),
        test_size=HELD_OUT_IMAGES,
        stratify=labels,
        random_state=seed,
    )
    split = Digits(train, train_labels, test, test_labels)
    held_out = {image.tobytes() for image in split.test}
    shared = sum(image.tobytes() in held_out for image in split.calibration)
    if shared:
        raise ValueError(f"{shared} calibration images are among the held-out images")
    return split


def train(data: Digits, *, epochs: int, seed: int) -> VisionTransformer:
    """Train the model from scratch on one thread and return it in evaluation mode."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    net = model()
    batches = math.ceil(len(data.train) / BATCH)
    steps = epochs * batches
    warm_up_steps = min(WARM_UP_EPOCHS, epochs) * batches
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: learning_rate_ratio(step, warm_up_steps=warm_up_steps, steps=steps),
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
    for epoch in range(epochs):
        order = generator.permutation(len(data.train))
        total = 0.0
        for chosen in np.array_split(order, batches):
            images = torch.from_numpy(shifted(data.train[chosen], generator))
            loss = loss_of(net(images), torch.from_numpy(data.train_labels[chosen]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(chosen)
        show_progress(epoch + 1, epochs, total / len(data.train))
    return net.eval()


def build(*, epochs: int, seed: int) -> Workload:
    """Train, trace and attach the samples.

    The reference outputs are PyTorch's own logits on the held-out images.
    """
    torch.set_num_threads(1)  # small products: more threads are slower and change the last bits
    torch.use_deterministic_algorithms(True)
    data = digits(seed)
    net = train(data, epochs=epochs, seed=seed)
    example = torch.from_numpy(data.calibration[:2])
    traced = trace(net, (example,), name="vit_digits", task="image-classification", factory=FACTORY)
    with torch.no_grad():
        logits = net(torch.from_numpy(data.test)).numpy()
    correct = int(np.count_nonzero(logits.argmax(axis=1) == data.test_labels))
    print(f"{correct} of {len(logits)} held-out images right ({correct / len(logits):.2%})")
    (image,), (output,) = traced.inputs, traced.outputs
    samples = Samples(
        calibration={image: data.calibration},
        evaluation={image: data.test},
        labels=data.test_labels,
        reference={output: logits},
    )
    return replace(traced, samples=samples)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the folder from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, metavar="DIR")
    parser.add_argument("--epochs", type=int, default=150, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args(arguments)
    if options.epochs < 1:
        parser.error(f"--epochs must be 1 or more, got {options.epochs}")
    workload = build(epochs=options.epochs, seed=options.seed)
    save(workload, options.output)
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
