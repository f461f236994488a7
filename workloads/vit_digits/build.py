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
from torch import Tensor, nn

from pimsim.workload.files import save
from pimsim.workload.graph import Samples, Workload
from pimsim.workload.trace_torch import trace

FACTORY: Final = "workloads/vit_digits/build.py:model"
GREY_LEVELS: Final = 16.0
"""Largest pixel value of the data set; images are divided by it."""
HELD_OUT_IMAGES: Final = 360
CALIBRATION_IMAGES: Final = 128
CLASSES: Final = 10

BATCH: Final = 64
PEAK_LEARNING_RATE: Final = 2e-3
WEIGHT_DECAY: Final = 0.05
LABEL_SMOOTHING: Final = 0.05
WARM_UP_EPOCHS: Final = 5
SHIFT_PIXELS: Final = 1


class Attention(nn.Module):
    """Multi-head self-attention written out as products and a softmax."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.head_width = width // heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        query = self._split(self.query(tokens))
        key = self._split(self.key(tokens))
        value = self._split(self.value(tokens))
        logits = torch.matmul(query, key.transpose(-2, -1)) * self.head_width**-0.5
        context = torch.matmul(torch.softmax(logits, dim=-1), value)
        return self.output(context.transpose(1, 2).flatten(2))

    def _split(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, width) to (batch, heads, tokens, head_width)."""
        return tokens.unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)


class Mlp(nn.Module):
    """The two-layer perceptron of a block."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.gelu = nn.GELU()
        self.down = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.down(self.gelu(self.up(tokens)))


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = Mlp(width, hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.attention_norm(tokens))
        return tokens + self.mlp(self.mlp_norm(tokens))


class VisionTransformer(nn.Module):
    """A small ViT (Dosovitskiy et al., ICLR 2021): patches, class token, pre-norm blocks.

    Parameters
    ----------
    layers, width, heads, hidden
        Blocks, token width, attention heads and width inside the perceptron.
    patch, image
        Sides of a patch and of the square, one-channel image. [pixel]
    """

    def __init__(
        self,
        *,
        layers: int = 4,
        width: int = 64,
        heads: int = 4,
        hidden: int = 256,
        patch: int = 2,
        image: int = 8,
    ) -> None:
        super().__init__()
        self.patch_embedding = nn.Conv2d(1, width, kernel_size=patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, (image // patch) ** 2 + 1, width))
        self.blocks = nn.ModuleList(Block(width, heads, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, side, side) grey images in 0..1 to (batch, classes) logits."""
        patches = self.patch_embedding(image).flatten(2).transpose(1, 2)
        class_token = self.class_token.expand(patches.shape[0], -1, -1)
        tokens = torch.cat([class_token, patches], dim=1) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens)[:, 0])


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


def shifted(images: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """Move every image by its own draw of -1, 0 or 1 pixel along each axis; edges become black."""
    count, _, height, width = images.shape
    margin = SHIFT_PIXELS
    padded = np.pad(images[:, 0], ((0, 0), (margin, margin), (margin, margin)))
    offsets = generator.integers(0, 2 * margin + 1, size=(2, count, 1))
    rows = offsets[0] + np.arange(height)
    columns = offsets[1] + np.arange(width)
    moved = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved[:, None]


def learning_rate_ratio(step: int, *, warm_up_steps: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    if step < warm_up_steps:
        return (step + 1) / warm_up_steps
    progress = (step - warm_up_steps) / max(1, steps - warm_up_steps)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


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


def show_progress(epoch: int, epochs: int, loss: float) -> None:
    """Rewrite one line on a terminal; elsewhere say nothing until the last epoch."""
    if sys.stderr.isatty():
        end = "\n" if epoch == epochs else ""
        print(f"\rtraining: epoch {epoch}/{epochs}, loss {loss:.4f}", end=end, file=sys.stderr)
        sys.stderr.flush()
    elif epoch == epochs:
        print(f"trained {epochs} epochs, loss {loss:.4f}", file=sys.stderr)


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
