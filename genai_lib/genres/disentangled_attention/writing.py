"""DeBERTa written to disk, as versions 2 and 3 have it.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention
"""

import json
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from genai_lib.genres.disentangled_attention.checkpoint import LEGACY, PREFIX, layout
from genai_lib.genres.disentangled_attention.config import DebertaConfig
from genai_lib.pretrained import CONFIG, SINGLE

# Our names of what is in the head, and those of the file.
HEAD = {"mix": "transform.dense", "norm": "transform.LayerNorm"}


def save(config: DebertaConfig, weights: dict[str, Tensor], folder: str | Path) -> None:
    """Write both files; see `Deberta.save_pretrained`."""
    if config.absolute == "decoder" or "c2c" not in config.terms:
        raise ValueError(
            f"absolute={config.absolute!r} and terms={config.terms}: a file has no "
            "mask decoder, and always the term c2c"
        )
    prefix, stored = PREFIX if config.head else "", {}
    for names, theirs, _ in layout(config):
        stored[prefix + theirs] = weights[names[0]].contiguous()
    if config.head:
        stored |= _head(config, weights)
    fields = {**_sizes(config), **_positions(config), **_convolution(config)}
    Path(folder).mkdir(parents=True, exist_ok=True)
    save_file(stored, Path(folder) / SINGLE, metadata={"format": "pt"})
    (Path(folder) / CONFIG).write_text(json.dumps(fields, indent=2) + "\n")


def _head(config: DebertaConfig, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {f"{LEGACY}bias": weights["head.to_logits.bias"]}
    for kind in ("weight", "bias"):
        for ours, theirs in HEAD.items():
            found[f"{LEGACY}{theirs}.{kind}"] = weights[f"head.{ours}.{kind}"]
        if not config.tied:
            own = weights[f"head.to_logits.{kind}"].clone()
            found[f"{LEGACY}decoder.{kind}"] = own
    return found


def _sizes(config: DebertaConfig) -> dict:
    return {
        "architectures": ["DebertaV2ForMaskedLM" if config.head else "DebertaV2Model"],
        "model_type": "deberta-v2",
        "vocab_size": config.vocab_size,
        "hidden_size": config.width,
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "intermediate_size": config.hidden,
        "type_vocab_size": 0,
        "hidden_act": config.activation,
        "layer_norm_eps": config.epsilon,
        "initializer_range": config.deviation,
        "tie_word_embeddings": config.tied,
        "legacy": True,
    }


def _positions(config: DebertaConfig) -> dict:
    grouped = config.max_distance is not None
    return {
        "max_position_embeddings": config.context,
        "position_biased_input": config.absolute == "input",
        "relative_attention": True,
        "max_relative_positions": config.max_distance if grouped else config.reach,
        "position_buckets": config.reach if grouped else -1,
        "pos_att_type": [term for term in config.terms if term != "c2c"],
        "share_att_key": config.shared,
        "norm_rel_ebd": "layer_norm" if config.normed else "none",
    }


def _convolution(config: DebertaConfig) -> dict:
    if config.convolution is None:
        return {}
    return {
        "conv_kernel_size": config.convolution,
        "conv_act": config.convolved,
        "conv_groups": 1,
    }
