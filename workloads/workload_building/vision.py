"""The small vision transformer that two workloads train, and how it is trained.

Which question this module answers: *which network are vit_digits and vit_fashion, and on which
images and learning rate does it learn?*
"""

import math
import sys
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

CLASSES: Final = 10
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


def show_progress(epoch: int, epochs: int, loss: float) -> None:
    """Rewrite one line on a terminal; elsewhere say nothing until the last epoch."""
    if sys.stderr.isatty():
        end = "\n" if epoch == epochs else ""
        print(f"\rtraining: epoch {epoch}/{epochs}, loss {loss:.4f}", end=end, file=sys.stderr)
        sys.stderr.flush()
    elif epoch == epochs:
        print(f"trained {epochs} epochs, loss {loss:.4f}", file=sys.stderr)
