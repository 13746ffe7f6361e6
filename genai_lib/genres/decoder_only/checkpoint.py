"""GPT-2 on disk: its options, and the names and shapes of its weights.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only

GPT-2 stores a linear map as (inputs, outputs), transposed against `nn.Linear`, and the
maps to queries, keys and values side by side in one matrix.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from genai_lib.genres.decoder_only.config import ACTIVATIONS, GPTConfig
from genai_lib.pretrained import CONFIG, SINGLE, Fields, Tensors, find_folder

PREFIX = "transformer."
HEAD = "lm_head.weight"
PACKED = [f"attention.to_{name}" for name in ("query", "key", "value")]
# Masks that old files store beside the weights.
MASKS = r"h\.\d+\.attn\.(bias|masked_bias)"
# What old files say and no program reads.
OLD = ("n_special", "predict_special_tokens")
DROPOUTS = ("attn_pdrop", "embd_pdrop", "resid_pdrop")
SUMMARY = ("activation", "first_dropout", "proj_to_labels", "type", "use_proj")


def load(name: str | Path) -> tuple[GPTConfig, dict[str, Tensor]]:
    """Read the configuration and the weights, under the names that `GPT` gives them.

    Parameters and errors are those of `GPT.from_pretrained`.
    """
    folder = find_folder(name)
    config = read_config(folder)
    return config, read_weights(folder, config)


def read_config(folder: Path) -> GPTConfig:
    """Read config.json; a ValueError names what is missing or not supported."""
    fields = Fields(folder, "gpt2")
    context = fields.number("n_positions")
    fields.choice("n_ctx", [context], default=context)
    for option, supported in {
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
        "add_cross_attention": False,
        "is_encoder_decoder": False,
    }.items():
        fields.choice(option, [supported], default=supported)
    config = GPTConfig(
        vocab_size=fields.number("vocab_size"),
        context=context,
        width=fields.number("n_embd"),
        heads=fields.number("n_head"),
        layers=fields.number("n_layer"),
        hidden=fields.number("n_inner", default=None),
        activation=fields.choice("activation_function", ACTIVATIONS, "gelu_new"),
        epsilon=fields.fraction("layer_norm_epsilon", 1e-5),
        tied=fields.choice("tie_word_embeddings", [True, False], default=True),
        deviation=fields.fraction("initializer_range", 0.02),
    )
    summary = [f"summary_{name}" for name in SUMMARY]
    fields.ignore("is_decoder", *OLD, *DROPOUTS, *summary)
    fields.finish()
    return config


def read_weights(folder: Path, config: GPTConfig) -> dict[str, Tensor]:
    """Read every weight that the configuration asks for, and no other."""
    tensors = Tensors(folder, PREFIX)
    weights = {}
    for names, theirs, shape in layout(config):
        found = tensors.take(theirs, *shape)
        if names[0].startswith("blocks") and found.ndim == 2:
            found = found.mT
        for name, part in zip(names, found.chunk(len(names)), strict=True):
            weights[name] = part.contiguous()
    table = weights["embedding.weight"]
    weights["to_logits.weight"] = table
    if not config.tied or HEAD in tensors.left:
        weights["to_logits.weight"] = tensors.take(HEAD, *table.shape)
    if config.tied and not weights["to_logits.weight"].equal(table):
        raise ValueError(
            f"{folder}: {HEAD} differs from wte.weight, though {CONFIG} says that "
            "tie_word_embeddings is true"
        )
    tensors.ignore(MASKS)
    tensors.finish()
    return weights


def save(config: GPTConfig, weights: dict[str, Tensor], folder: str | Path) -> None:
    """Write both files; see `GPT.save_pretrained`."""
    stored = {} if config.tied else {HEAD: weights["to_logits.weight"]}
    for names, theirs, _ in layout(config):
        packed = torch.cat([weights[name] for name in names])
        if names[0].startswith("blocks") and packed.ndim == 2:
            packed = packed.mT
        stored[PREFIX + theirs] = packed.contiguous()
    fields = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_positions": config.context,
        "n_embd": config.width,
        "n_head": config.heads,
        "n_layer": config.layers,
        "n_inner": config.hidden,
        "activation_function": config.activation,
        "layer_norm_epsilon": config.epsilon,
        "initializer_range": config.deviation,
        "tie_word_embeddings": config.tied,
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    save_file(stored, Path(folder) / SINGLE, metadata={"format": "pt"})
    (Path(folder) / CONFIG).write_text(json.dumps(fields, indent=2) + "\n")


def layout(config: GPTConfig) -> Iterator[tuple[list[str], str, tuple[int, ...]]]:
    """Yield our names, the name of GPT-2 and its shape for every tensor but the head.

    Several names of ours share one tensor.
    """
    width, hidden = config.width, config.hidden
    maps = (
        (PACKED, "attn.c_attn", width, 3 * width),
        (["attention.to_output"], "attn.c_proj", width, width),
        (["feed_forward.to_hidden"], "mlp.c_fc", width, hidden),
        (["feed_forward.to_output"], "mlp.c_proj", hidden, width),
    )
    yield ["embedding.weight"], "wte.weight", (config.vocab_size, width)
    yield ["scheme.table.weight"], "wpe.weight", (config.context, width)
    for i in range(config.layers):
        for names, theirs, inputs, outputs in maps:
            for kind, shape in {
                "weight": (inputs, outputs),
                "bias": (outputs,),
            }.items():
                ours = [f"blocks.{i}.{name}.{kind}" for name in names]
                yield ours, f"h.{i}.{theirs}.{kind}", shape
    norms = {"norm": "ln_f"}
    for i in range(config.layers):
        norms[f"blocks.{i}.attention_norm"] = f"h.{i}.ln_1"
        norms[f"blocks.{i}.feed_forward_norm"] = f"h.{i}.ln_2"
    for ours, theirs in norms.items():
        for kind in ("weight", "bias"):
            yield [f"{ours}.{kind}"], f"{theirs}.{kind}", (width,)
