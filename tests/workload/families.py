"""Small models of well-known families with random weights; imports transformers when called."""

from collections.abc import Mapping
from typing import Any

VOCABULARY = 61

_WORDS: Mapping[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_SHARED: Mapping[str, Any] = {**_WORDS, "num_key_value_heads": 2}
_FAMILIES: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "bert": ("BertModel", "bert", _WORDS),
    "vit": (
        "ViTForImageClassification",
        "vit",
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 48,
            "num_channels": 2,
            "image_size": 16,
            "patch_size": 4,
        },
    ),
    "gpt2": (
        "GPT2LMHeadModel",
        "gpt2",
        {
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
            "n_positions": 64,
            "vocab_size": VOCABULARY,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
    ),
    "llama": ("LlamaForCausalLM", "llama", _SHARED),
    "opt": ("OPTForCausalLM", "opt", {**_WORDS, "ffn_dim": 48, "word_embed_proj_dim": 32}),
    "neox": ("GPTNeoXForCausalLM", "gpt_neox", _WORDS),
    "gemma": ("GemmaForCausalLM", "gemma", {**_SHARED, "head_dim": 8}),
    "qwen2": ("Qwen2ForCausalLM", "qwen2", _SHARED),
    "mistral": ("MistralForCausalLM", "mistral", _SHARED),
}
"""Class, type of the configuration, and its settings."""


def small(family: str, attention: str = "eager") -> Any:
    """A model of two layers in evaluation mode, attention far from uniform."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    name, kind, settings = _FAMILIES[family]
    config = transformers.AutoConfig.for_model(kind, **settings)
    config._attn_implementation = attention
    torch.manual_seed(0)
    model_class = getattr(transformers, name)
    model = model_class(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4.0)
    return model.eval()
