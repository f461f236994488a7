"""Trace the standard transformers from their published sizes, without weights.

Which question this file answers: *where do the shape-only workloads bert_base, bert_large,
vit_base, vit_large, gpt2 and llama2_7b come from?*

    python workloads/transformers_configs/build.py [NAME ...] [--output DIR]

needs ``pip install '.[workloads]'``, a few minutes, and no network. Without names it builds all
six. The modules are those of Hugging Face's transformers, built on PyTorch's meta device from a
configuration: no weight is ever allocated, so Llama 2 takes hardly more memory than BERT. Attention
is the variant that is written out in products and a softmax ("eager"). Inputs have no padding and
hence no attention mask; decoders mask what comes later.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    ViTConfig,
    ViTForImageClassification,
)

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for what the build scripts share

from pimsim.errors import InputError, nearest
from pimsim.workload.files import save
from pimsim.workload.graph import LANGUAGE_MODELING, Workload
from pimsim.workload.trace_torch import trace
from workload_building.language import EXAMPLE_SHAPE, up_to

WORKLOADS: Final = Path(__file__).resolve().parents[1]
SCRIPT: Final = "workloads/transformers_configs/build.py"

Built = tuple[nn.Module, tuple[Tensor, ...]]
"""A model and its example inputs, on the meta device."""


def bert(**sizes: int) -> Built:
    """Return an encoder that ends at the last hidden state, without the pooler."""
    config = BertConfig(**sizes, attn_implementation="eager")
    with torch.device("meta"):
        model = BertModel(config, add_pooling_layer=False).eval()
    return model, (_token_ids(),)


def vit(**sizes: int) -> Built:
    """Return a classifier of images into the 1000 classes of ImageNet."""
    config = ViTConfig(num_labels=1000, **sizes, attn_implementation="eager")
    with torch.device("meta"):
        model = ViTForImageClassification(config).eval()
    image = (EXAMPLE_SHAPE[0], config.num_channels, config.image_size, config.image_size)
    return model, (torch.zeros(image, device="meta"),)


def bert_base() -> Built:
    """BERT base, uncased (Devlin et al., NAACL 2019): 12 layers of width 768."""
    return bert()


def bert_large() -> Built:
    """BERT large, uncased (Devlin et al., NAACL 2019): 24 layers of width 1024."""
    return bert(**LARGE)


def vit_base() -> Built:
    """ViT-B/16 for 224 x 224 pixels (Dosovitskiy et al., ICLR 2021): 12 layers of width 768."""
    return vit()


def vit_large() -> Built:
    """ViT-L/16 for 224 x 224 pixels (Dosovitskiy et al., ICLR 2021): 24 layers of width 1024."""
    return vit(**LARGE)


def gpt2(**sizes: int) -> Built:
    """GPT-2, the smallest (Radford et al., 2019): 12 layers of width 768, 1024 positions."""
    config = GPT2Config(**sizes, use_cache=False, attn_implementation="eager")
    with torch.device("meta"):
        model = GPT2LMHeadModel(config).eval()
    return model, (_token_ids(),)


def llama2_7b(**sizes: int) -> Built:
    """Llama 2 7B (Touvron et al., arXiv:2307.09288): 32 layers of width 4096, 4096 positions."""
    published = {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
    }
    config = LlamaConfig(**(published | sizes), use_cache=False, attn_implementation="eager")
    with torch.device("meta"):
        model = LlamaForCausalLM(config).eval()
    return model, (_token_ids(),)


LARGE: Final = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
"""What "large" means for BERT and ViT alike."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one workload is made."""

    model: Callable[[], Built]
    task: str


RECIPES: Final = {
    "bert_base": Recipe(bert_base, "feature-extraction"),
    "bert_large": Recipe(bert_large, "feature-extraction"),
    "vit_base": Recipe(vit_base, "image-classification"),
    "vit_large": Recipe(vit_large, "image-classification"),
    "gpt2": Recipe(gpt2, LANGUAGE_MODELING),
    "llama2_7b": Recipe(llama2_7b, LANGUAGE_MODELING),
}


def _token_ids() -> Tensor:
    return torch.zeros(EXAMPLE_SHAPE, dtype=torch.int64, device="meta")


def build(name: str, recipe: Recipe) -> Workload:
    """Trace one model; its texts may be as long as its table of positions."""
    model, examples = recipe.model()
    factory = f"{SCRIPT}:{name}"
    traced = trace(model, examples, name=name, task=recipe.task, factory=factory)
    return up_to(traced, model.config)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the folders from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(RECIPES)}")
    parser.add_argument("--output", type=Path, default=WORKLOADS, metavar="DIR")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in RECIPES:
            parser.error(f"there is no {name!r} here{nearest(name, RECIPES)}")
    for name in options.names or RECIPES:
        folder = options.output / name
        try:
            save(build(name, RECIPES[name]), folder)
        except InputError as error:
            sys.exit(f"error: {error}")
        size_kb = (folder / "graph.json").stat().st_size / 1000
        print(f"written to {folder} ({size_kb:.0f} kB)")


if __name__ == "__main__":
    main()
