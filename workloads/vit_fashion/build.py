"""Train a vision transformer on pictures of clothes, trace it, and write its folder.

Which question this file answers: *where does the workload vit_fashion come from?*

    python workloads/vit_fashion/build.py [--data DIR] [--output DIR] [--epochs N] [--seed N]

needs ``pip install '.[torch]'``, the four files of Fashion-MNIST (Debian's package
``dataset-fashion-mnist`` installs them where ``--data`` looks by default), and about half an hour
of one CPU core. 60 000 images train the model and the other 10 000 are held out; calibration images
are training images. Training saves its state after every epoch and goes on from there when it is
started again. It runs in bfloat16 where PyTorch's autocast allows it; parameters stay float32. Same
seed, same machine and same versions give the same files, interrupted or not.
"""

import argparse
import gzip
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for what the build scripts share

from pimsim.errors import InputError
from pimsim.workload.files import save
from pimsim.workload.graph import Samples, Workload
from pimsim.workload.trace_torch import trace
from workload_building.output import cached_workload, check_data
from workload_building.vision import (
    VisionTransformer,
    learning_rate_ratio,
    shifted,
    show_progress,
)

NAME: Final = "vit_fashion"
FACTORY: Final = "workloads/vit_fashion/build.py:model"
DATA: Final = Path("/usr/share/datasets/fashion-mnist")
SIDE: Final = 28
"""Height and width of an image. [pixel]"""
GREY_MAX: Final = 255.0
"""Largest pixel value of the data set; images are divided by it."""
CALIBRATION_IMAGES: Final = 128
FILES: Final = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}

EPOCHS: Final = 16
BATCH: Final = 128
PEAK_LEARNING_RATE: Final = 1e-3
WEIGHT_DECAY: Final = 0.05
LABEL_SMOOTHING: Final = 0.05
WARM_UP_EPOCHS: Final = 1


def model() -> VisionTransformer:
    """Return the untrained model: 6 layers, width 128, 4 heads, 17 tokens, 1.2 M parameters."""
    return VisionTransformer(layers=6, width=128, heads=4, hidden=512, patch=7, image=SIDE)


@dataclass(frozen=True, slots=True)
class Clothes:
    """The data set; images are (count, 1, 28, 28) float32 in 0..1."""

    train: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test: NDArray[np.float32]
    test_labels: NDArray[np.int64]


def clothes(folder: Path) -> Clothes:
    """Read the four files of Fashion-MNIST (Xiao et al., arXiv:1708.07747).

    Raises
    ------
    InputError
        If a file is missing or is not of the IDX format.
    """
    arrays: list[NDArray[Any]] = []
    for images, labels in FILES.values():
        pixels = read_idx(folder / images)
        if pixels.shape[1:] != (SIDE, SIDE):
            raise InputError(
                f"{folder / images}: has shape {pixels.shape}, not (n, {SIDE}, {SIDE})"
            )
        names = read_idx(folder / labels)
        if names.shape != pixels.shape[:1]:
            raise InputError(
                f"{folder / labels}: {names.shape} labels for {len(pixels)} images in {images}"
            )
        arrays += [(pixels / GREY_MAX).astype(np.float32)[:, None], names.astype(np.int64)]
    return Clothes(*arrays)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read a compressed IDX file of unsigned bytes.

    The format is that of MNIST (Y. LeCun, C. Cortes): two zero bytes, the element type (8 is
    unsigned byte), the number of axes, each axis as a big-endian 32-bit number, then the elements.

    Raises
    ------
    InputError
        If the file is missing or holds something else.
    """
    check_data(
        path,
        "Fashion-MNIST",
        "install it with `apt-get install dataset-fashion-mnist`, or give "
        "the folder of its four .gz files with --data",
    )
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: is not a whole gzip file ({error})") from None
    axes = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    shape = tuple(np.frombuffer(content[4 : 4 + 4 * axes], ">u4").tolist())
    elements = np.frombuffer(content[4 + 4 * axes :], np.uint8)
    if not axes or len(shape) != axes or elements.size != np.prod(shape):
        raise InputError(f"{path}: is not a whole IDX file of unsigned bytes")
    return elements.reshape(shape)


@dataclass(frozen=True, slots=True)
class Training:
    """How the model learns; a saved state is continued only under the same numbers."""

    epochs: int
    seed: int

    def run(self, net: VisionTransformer, data: Clothes, saved: Path) -> VisionTransformer:
        """Train on one thread, from the state in ``saved`` if there is one.

        Every epoch has its own random numbers, so an interrupted training ends at the same
        parameters as one that was not.
        """
        batches = -(-len(data.train) // BATCH)
        optimizer = torch.optim.AdamW(
            net.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: learning_rate_ratio(
                step,
                warm_up_steps=min(WARM_UP_EPOCHS, self.epochs) * batches,
                steps=self.epochs * batches,
            ),
        )
        parts = {"model": net, "optimizer": optimizer, "schedule": schedule}
        for epoch in range(self._resume(parts, saved), self.epochs):
            generator = np.random.default_rng([self.seed, epoch])
            total = 0.0
            for chosen in np.array_split(generator.permutation(len(data.train)), batches):
                images = torch.from_numpy(augmented(data.train[chosen], generator))
                loss = loss_of(net, images, torch.from_numpy(data.train_labels[chosen]))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(chosen)
            self._save(parts, saved, epoch + 1)
            show_progress(epoch + 1, self.epochs, total / len(data.train))
        return net.eval()

    def _resume(self, parts: dict[str, Any], saved: Path) -> int:
        """Restore a saved state; return how many epochs it has seen."""
        if not saved.exists():
            return 0
        state = torch.load(saved, weights_only=True)
        if (state["epochs"], state["seed"]) != (self.epochs, self.seed):
            raise InputError(
                f"{saved}: is the state of a training of {state['epochs']} epochs with seed "
                f"{state['seed']}, not of {self.epochs} with seed {self.seed}; go on with the same "
                "numbers, or remove the file"
            )
        for name, part in parts.items():
            part.load_state_dict(state[name])
        print(f"{saved}: going on after epoch {state['epoch']}", file=sys.stderr)
        return int(state["epoch"])

    def _save(self, parts: dict[str, Any], saved: Path, epoch: int) -> None:
        saved.parent.mkdir(parents=True, exist_ok=True)
        state = {name: part.state_dict() for name, part in parts.items()}
        partial = saved.with_name(f".{saved.name}.partial")
        torch.save({"epochs": self.epochs, "seed": self.seed, "epoch": epoch, **state}, partial)
        partial.replace(saved)


def augmented(images: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """Shift each image by up to one pixel and mirror half of them."""
    mirrored = generator.random(len(images)) < 0.5
    moved = shifted(images, generator)
    moved[mirrored] = moved[mirrored][..., ::-1]
    return moved


def loss_of(net: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross entropy with smoothed labels; the products run in bfloat16."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = net(images)
    return nn.functional.cross_entropy(logits.float(), labels, label_smoothing=LABEL_SMOOTHING)


def logits_of(net: nn.Module, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs of the model in float32."""
    with torch.no_grad():
        parts = [net(part) for part in torch.from_numpy(images).split(500)]
    return np.concatenate([part.numpy() for part in parts])


def build(data: Clothes, training: Training, saved: Path) -> Workload:
    """Train, trace and attach the samples.

    The reference outputs are PyTorch's own logits on the held-out images.
    """
    torch.set_num_threads(1)  # small products: more threads are slower and change the last bits
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(training.seed)
    net = training.run(model(), data, saved)
    calibration = data.train[:CALIBRATION_IMAGES]
    example = torch.from_numpy(calibration[:2])
    traced = trace(net, (example,), name=NAME, task="image-classification", factory=FACTORY)
    logits = logits_of(net, data.test)
    correct = int(np.count_nonzero(logits.argmax(axis=1) == data.test_labels))
    print(f"{correct} of {len(logits)} held-out images right ({correct / len(logits):.2%})")
    (image,), (output,) = traced.inputs, traced.outputs
    samples = Samples(
        calibration={image: calibration},
        evaluation={image: data.test},
        labels=data.test_labels,
        reference={output: logits},
    )
    return replace(traced, samples=samples)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the folder from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR")
    parser.add_argument("--output", type=Path, default=cached_workload(NAME), metavar="DIR")
    parser.add_argument("--epochs", type=int, default=EPOCHS, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args(arguments)
    if options.epochs < 1:
        parser.error(f"--epochs must be 1 or more, got {options.epochs}")
    saved = options.output.with_name(f"{options.output.name}.training.pt")
    try:
        workload = build(clothes(options.data), Training(options.epochs, options.seed), saved)
        save(workload, options.output)
    except InputError as error:
        sys.exit(f"error: {error}")
    saved.unlink(missing_ok=True)
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
