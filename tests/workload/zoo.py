"""Small models of many families, for tests that trace them.

Sizes are tiny and vary, so that heads, widths and lengths cannot be taken for one another. Weights
are random and large enough that attention is not uniform.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

VOCABULARY = 61
WORDS: Mapping[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED: Mapping[str, Any] = {**WORDS, "num_key_value_heads": 2}
IMAGE: Mapping[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 16,
    "patch_size": 4,
}
GPT: Mapping[str, Any] = {
    "n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": VOCABULARY, "n_positions": 64,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
T5: Mapping[str, Any] = {
    "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4,
    "vocab_size": VOCABULARY, "decoder_start_token_id": 0,
}  # fmt: skip
AUDIO: Mapping[str, Any] = {
    "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 48,
    "num_mel_bins": 8, "max_source_positions": 10, "decoder_layers": 1, "vocab_size": VOCABULARY,
    "decoder_attention_heads": 4, "decoder_ffn_dim": 48, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip
WINDOWS: Mapping[str, Any] = {
    "image_size": 16, "patch_size": 2, "embed_dim": 16, "depths": [2, 1], "num_heads": [2, 4],
    "window_size": 4,
}  # fmt: skip
ALTERNATING: Mapping[str, Any] = {**GROUPED, "head_dim": 8, "sliding_window": 4}


@dataclass(frozen=True)
class Family:
    """How to build one model and what it is given."""

    model: str
    """Class in transformers, or ``module:class`` below ``transformers.models``."""
    kind: str
    """Type of the configuration."""
    config: Mapping[str, Any]
    inputs: tuple[str, ...] = ("input_ids",)
    heads: tuple[int, int, bool] | None = None
    """Heads, heads of the keys, and whether attention is causal, where all layers are alike."""


ENCODER = (4, 4, False)
DECODER = (4, 4, True)
SHARED = (4, 2, True)
MASKED = ("input_ids", "attention_mask")
PIXELS = ("pixel_values",)

NAMED: Mapping[str, Family] = {
    "bert": Family("BertModel", "bert", WORDS, MASKED, ENCODER),
    "bert_classifier": Family("BertForSequenceClassification", "bert", WORDS, MASKED, ENCODER),
    "vit": Family("ViTForImageClassification", "vit", IMAGE, PIXELS, ENCODER),
    "gpt2": Family("GPT2LMHeadModel", "gpt2", GPT, heads=DECODER),
    "llama": Family("LlamaForCausalLM", "llama", GROUPED, heads=SHARED),
    "llama_masked": Family("LlamaForCausalLM", "llama", GROUPED, MASKED, SHARED),
}
"""Traced with both attention implementations."""

OTHERS: Mapping[str, Family] = {
    "distilbert": Family(
        "DistilBertModel",
        "distilbert",
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "vocab_size": VOCABULARY},
        MASKED,
        ENCODER,
    ),
    "roberta": Family("RobertaModel", "roberta", WORDS, MASKED, ENCODER),
    "albert": Family("AlbertModel", "albert", {**WORDS, "embedding_size": 16}, MASKED, ENCODER),
    "electra": Family("ElectraModel", "electra", {**WORDS, "embedding_size": 16}, MASKED, ENCODER),
    "mpnet": Family("MPNetModel", "mpnet", WORDS, MASKED, ENCODER),
    "deberta": Family(
        "DebertaModel",
        "deberta",
        {**WORDS, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
        MASKED,
        ENCODER,
    ),
    "deberta_v2": Family(
        "DebertaV2Model",
        "deberta-v2",
        {
            **WORDS,
            "relative_attention": True,
            "pos_att_type": ["c2p", "p2c"],
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
        },
        MASKED,
        ENCODER,
    ),
    "modernbert": Family(
        "ModernBertModel",
        "modernbert",
        {**WORDS, "global_attn_every_n_layers": 2, "local_attention": 4},
        MASKED,
        ENCODER,
    ),
    "t5_encoder": Family("T5EncoderModel", "t5", T5, MASKED, ENCODER),
    "deit": Family("DeiTForImageClassification", "deit", IMAGE, PIXELS, ENCODER),
    "beit": Family(
        "BeitForImageClassification",
        "beit",
        {**IMAGE, "use_relative_position_bias": True},
        PIXELS,
        ENCODER,
    ),
    "swin": Family("SwinForImageClassification", "swin", WINDOWS, PIXELS),
    "clip_text": Family("CLIPTextModel", "clip_text_model", WORDS, MASKED, DECODER),
    "clip_vision": Family("CLIPVisionModel", "clip_vision_model", IMAGE, PIXELS, ENCODER),
    "siglip_vision": Family("SiglipVisionModel", "siglip_vision_model", IMAGE, PIXELS),
    "dinov2": Family("Dinov2Model", "dinov2", IMAGE, PIXELS, ENCODER),
    "whisper_encoder": Family(
        "whisper.modeling_whisper:WhisperEncoder", "whisper", AUDIO, ("input_features",), ENCODER
    ),
    "opt": Family(
        "OPTForCausalLM",
        "opt",
        {**WORDS, "ffn_dim": 48, "word_embed_proj_dim": 32},
        MASKED,
        DECODER,
    ),
    "gpt_neox": Family("GPTNeoXForCausalLM", "gpt_neox", WORDS, heads=DECODER),
    "gptj": Family("GPTJForCausalLM", "gptj", {**GPT, "rotary_dim": 4}, heads=DECODER),
    "gpt_neo": Family(
        "GPTNeoForCausalLM",
        "gpt_neo",
        {
            "hidden_size": 32,
            "num_layers": 2,
            "attention_types": [[["global", "local"], 1]],
            "num_heads": 4,
            "vocab_size": VOCABULARY,
            "max_position_embeddings": 64,
            "window_size": 4,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        heads=DECODER,
    ),
    "bloom": Family(
        "BloomForCausalLM",
        "bloom",
        {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": VOCABULARY},
        MASKED,
        DECODER,
    ),
    "falcon": Family(
        "FalconForCausalLM",
        "falcon",
        {**WORDS, "alibi": False, "new_decoder_architecture": True, "num_kv_heads": 2},
        heads=SHARED,
    ),
    "falcon_multi_query": Family(
        "FalconForCausalLM",
        "falcon",
        {**WORDS, "alibi": False, "multi_query": True},
        heads=(4, 1, True),
    ),
    "qwen2": Family("Qwen2ForCausalLM", "qwen2", GROUPED, heads=SHARED),
    "qwen3": Family("Qwen3ForCausalLM", "qwen3", {**GROUPED, "head_dim": 8}, MASKED, SHARED),
    "mistral": Family(
        "MistralForCausalLM", "mistral", {**GROUPED, "sliding_window": 4}, heads=SHARED
    ),
    "gemma": Family("GemmaForCausalLM", "gemma", {**GROUPED, "head_dim": 8}, heads=SHARED),
    "gemma2": Family(
        "Gemma2ForCausalLM", "gemma2", {**ALTERNATING, "query_pre_attn_scalar": 8}, heads=SHARED
    ),
    "phi": Family("PhiForCausalLM", "phi", GROUPED, heads=SHARED),
    "phi3": Family("Phi3ForCausalLM", "phi3", GROUPED, heads=SHARED),
    "stablelm": Family("StableLmForCausalLM", "stablelm", GROUPED, heads=SHARED),
}
"""Traced with eager attention."""

SLOW: Mapping[str, Family] = {
    "t5": Family("T5ForConditionalGeneration", "t5", T5, (*MASKED, "decoder_input_ids")),
    "camembert": Family("CamembertModel", "camembert", WORDS, MASKED, ENCODER),
    "xlm_roberta": Family("XLMRobertaModel", "xlm-roberta", WORDS, MASKED, ENCODER),
    "convbert": Family("ConvBertModel", "convbert", {**WORDS, "embedding_size": 32}, MASKED),
    "squeezebert": Family(
        "SqueezeBertModel", "squeezebert", {**WORDS, "embedding_size": 32}, MASKED, ENCODER
    ),
    "xlnet": Family(
        "XLNetModel",
        "xlnet",
        {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48, "vocab_size": VOCABULARY},
        MASKED,
        ENCODER,
    ),
    "gemma3": Family(
        "Gemma3ForCausalLM",
        "gemma3_text",
        {**ALTERNATING, "layer_types": ["sliding_attention", "full_attention"]},
        heads=SHARED,
    ),
    "olmo2": Family("Olmo2ForCausalLM", "olmo2", GROUPED, heads=SHARED),
    "cohere": Family("CohereForCausalLM", "cohere", GROUPED, heads=SHARED),
    "starcoder2": Family("Starcoder2ForCausalLM", "starcoder2", GROUPED, heads=SHARED),
    "granite": Family("GraniteForCausalLM", "granite", GROUPED, heads=SHARED),
    "nemotron": Family("NemotronForCausalLM", "nemotron", GROUPED, heads=SHARED),
    "helium": Family("HeliumForCausalLM", "helium", {**GROUPED, "head_dim": 8}, heads=SHARED),
    "smollm3": Family("SmolLM3ForCausalLM", "smollm3", GROUPED, heads=SHARED),
    "codegen": Family("CodeGenForCausalLM", "codegen", {**GPT, "rotary_dim": 4}, heads=DECODER),
    "openai_gpt": Family("OpenAIGPTModel", "openai-gpt", GPT, heads=DECODER),
    "mpt": Family(
        "MptForCausalLM",
        "mpt",
        {"d_model": 32, "n_heads": 4, "n_layers": 2, "vocab_size": VOCABULARY, "max_seq_len": 64},
        heads=DECODER,
    ),
    "bart_decoder": Family(
        "BartForCausalLM",
        "bart",
        {
            "d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 4,
            "decoder_ffn_dim": 48, "vocab_size": VOCABULARY, "max_position_embeddings": 64,
        },
        heads=DECODER,
    ),
    "segformer": Family(
        "SegformerForImageClassification",
        "segformer",
        {
            "num_encoder_blocks": 2, "depths": [1, 1], "sr_ratios": [2, 1],
            "hidden_sizes": [16, 32], "patch_sizes": [7, 3], "strides": [4, 2],
            "num_attention_heads": [1, 2], "mlp_ratios": [2, 2], "decoder_hidden_size": 32,
        },
        PIXELS,
    ),
}  # fmt: skip
"""Traced outside the quick suite."""


def build(family: Family, attention: str) -> "nn.Module":
    """One model with random weights, in evaluation mode."""
    import torch
    import transformers

    config = transformers.AutoConfig.for_model(family.kind, **family.config)
    config._attn_implementation = attention
    module, _, name = family.model.rpartition(":")
    place = importlib.import_module(f"transformers.models.{module}") if module else transformers
    torch.manual_seed(0)
    model: nn.Module = getattr(place, name)(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() < 2:
                parameter.add_(0.1 * torch.randn(parameter.shape))
            elif parameter.std() < 0.05:
                parameter.mul_(4.0)
    return model.eval()


def example(family: Family, batch: int, seq: int) -> dict[str, "torch.Tensor"]:
    """Random inputs; the last token of the first example is padding."""
    import torch

    torch.manual_seed(100 * batch + seq)
    made: Mapping[str, Callable[[], torch.Tensor]] = {
        "input_ids": lambda: torch.randint(3, VOCABULARY, (batch, seq)),
        "decoder_input_ids": lambda: torch.randint(3, VOCABULARY, (batch, seq + 1)),
        "attention_mask": lambda: torch.ones(batch, seq, dtype=torch.int64),
        "pixel_values": lambda: torch.randn(batch, 3, 16, 16),
        "input_features": lambda: torch.randn(batch, 8, 20),
    }
    inputs = {name: made[name]() for name in family.inputs}
    if "attention_mask" in inputs and seq > 1:
        inputs["attention_mask"][0, -1] = 0
    return inputs
