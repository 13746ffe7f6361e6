"""T5 on disk: its options, and the names and shapes of its weights.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder
"""

import json
from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from genai_lib.genres.encoder_decoder.config import FEED_FORWARDS, Seq2SeqConfig
from genai_lib.pretrained import CONFIG, SINGLE, Fields, Tensors, find_folder

TABLE, HEAD = "shared.weight", "lm_head.weight"
# Old files store the table a second and a third time.
COPIES = r"(encoder|decoder)\.embed_tokens\.weight"
# A table that the first release had at a place where nothing reads it.
UNREAD = (
    r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight"
)
TOKENS = {
    "pad_token": "pad_token_id",
    "start_token": "decoder_start_token_id",
    "end_token": "eos_token_id",
}
PARTS = {
    "encoder": {"attention": "SelfAttention"},
    "decoder": {"attention": "SelfAttention", "cross_attention": "EncDecAttention"},
}
NORMS = {"attention": "attention_norm", "cross_attention": "cross_norm"}
UNUSED = ("dropout_rate", "classifier_dropout", "initializer_factor", "is_decoder")


def load(name: str | Path) -> tuple[Seq2SeqConfig, dict[str, Tensor]]:
    """Read the configuration and the weights, under the names `Seq2Seq` gives them.

    Parameters and errors are those of `Seq2Seq.from_pretrained`.
    """
    folder = find_folder(name)
    tensors = Tensors(folder)
    config = read_config(folder, tensors)
    return config, read_weights(tensors, config)


def read_config(folder: Path, tensors: Tensors) -> Seq2SeqConfig:
    """Read config.json; a ValueError names what is missing or not supported."""
    fields = Fields(folder, "t5")
    fields.choice("is_encoder_decoder", [True], default=True)
    layers = fields.number("num_layers")
    kind = fields.choice("feed_forward_proj", FEED_FORWARDS, default="relu")
    _check_activation(fields, kind)
    tied, scaled = _head(fields, tensors)
    tokens = {
        ours: _token(fields, theirs, default=int(ours == "end_token"))
        for ours, theirs in TOKENS.items()
    }
    config = Seq2SeqConfig(
        vocab_size=fields.number("vocab_size"),
        width=fields.number("d_model"),
        heads=fields.number("num_heads"),
        head_width=fields.number("d_kv"),
        hidden=fields.number("d_ff"),
        encoder_layers=layers,
        decoder_layers=fields.number("num_decoder_layers", default=None) or layers,
        feed_forward=kind,
        buckets=fields.number("relative_attention_num_buckets"),
        max_distance=fields.number("relative_attention_max_distance", default=None)
        or 128,
        epsilon=fields.fraction("layer_norm_epsilon", 1e-6),
        tied=tied,
        scaled=scaled,
        **tokens,
    )
    fields.ignore(*UNUSED, "n_positions")  # the first release names a length
    fields.finish()
    return config


def _check_activation(fields: Fields, kind: str) -> None:
    """Newer files say in two more fields what the name of the network says."""
    gated, activation = kind.startswith("gated-"), kind.removeprefix("gated-")
    if kind == "gated-gelu":
        activation = "gelu_new"
    fields.choice("is_gated_act", [gated], default=gated)
    fields.choice("dense_act_fn", [activation], default=activation)


def _head(fields: Fields, tensors: Tensors) -> tuple[bool, bool]:
    """Say whether the head is tied to the table, and whether it is scaled.

    One field told both until transformers 5. Since then it says that they are tied
    even where they are not, and the tensors tell.
    """
    tied = fields.choice("tie_word_embeddings", [True, False], default=True)
    newer = "scale_decoder_outputs" in fields.values
    scaled = fields.choice("scale_decoder_outputs", [True, False], default=tied)
    if tied and HEAD in tensors.left:
        same = TABLE in tensors.left and tensors.left[HEAD].equal(tensors.left[TABLE])
        if not same and not newer:
            raise ValueError(
                f"{tensors.folder}: {HEAD} differs from {TABLE}, though {CONFIG} says "
                "that tie_word_embeddings is true"
            )
        tied = same
    return tied, scaled


def _token(fields: Fields, name: str, default: int) -> int:
    value = fields.values.get(name)
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(f"{fields.place}: {name}={value!r}: one token is needed")
    return default if value is None else value


def read_weights(tensors: Tensors, config: Seq2SeqConfig) -> dict[str, Tensor]:
    """Read every weight that the configuration asks for, and no other."""
    weights = {
        ours: tensors.take(theirs, *shape) for ours, theirs, shape in layout(config)
    }
    for part in PARTS:
        for i in range(1, getattr(config, f"{part}_layers")):
            ours = f"{part}.{i}.attention.scheme.table.weight"
            weights[ours] = weights[f"{part}.0.attention.scheme.table.weight"]
    if config.tied:
        weights["to_logits.weight"] = weights["embedding.weight"]
        tensors.ignore(HEAD)
    _check_copies(tensors, weights["embedding.weight"])
    tensors.ignore(f"{COPIES}|{UNREAD}")
    tensors.finish()
    return weights


def _check_copies(tensors: Tensors, table: Tensor) -> None:
    for part in PARTS:
        name = f"{part}.embed_tokens.weight"
        if name in tensors.left and not tensors.take(name, *table.shape).equal(table):
            raise ValueError(f"{tensors.folder}: {name} differs from {TABLE}")


def save(config: Seq2SeqConfig, weights: dict[str, Tensor], folder: str | Path) -> None:
    """Write both files; see `Seq2Seq.save_pretrained`."""
    stored = {theirs: weights[ours].contiguous() for ours, theirs, _ in layout(config)}
    gated = config.feed_forward.startswith("gated-")
    fields = {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "is_encoder_decoder": True,
        "vocab_size": config.vocab_size,
        "d_model": config.width,
        "d_kv": config.head_width,
        "d_ff": config.hidden,
        "num_heads": config.heads,
        "num_layers": config.encoder_layers,
        "num_decoder_layers": config.decoder_layers,
        "feed_forward_proj": config.feed_forward,
        "is_gated_act": gated,
        "relative_attention_num_buckets": config.buckets,
        "relative_attention_max_distance": config.max_distance,
        "layer_norm_epsilon": config.epsilon,
        "tie_word_embeddings": config.tied,
        "scale_decoder_outputs": config.scaled,
        "dropout_rate": 0.0,
        **{theirs: getattr(config, ours) for ours, theirs in TOKENS.items()},
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    save_file(stored, Path(folder) / SINGLE, metadata={"format": "pt"})
    (Path(folder) / CONFIG).write_text(json.dumps(fields, indent=2) + "\n")


def layout(config: Seq2SeqConfig) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Yield for each weight its name here, its name there and its shape."""
    width, table = config.width, (config.vocab_size, config.width)
    yield "embedding.weight", TABLE, table
    if not config.tied:
        yield "to_logits.weight", HEAD, table
    for part, attentions in PARTS.items():
        yield f"{part}_norm.scale", f"{part}.final_layer_norm.weight", (width,)
        distances = "SelfAttention.relative_attention_bias.weight"
        yield (
            f"{part}.0.attention.scheme.table.weight",
            f"{part}.block.0.layer.0.{distances}",
            (config.buckets, config.heads),
        )
        for i in range(getattr(config, f"{part}_layers")):
            for ours, theirs, shape in _block(config, attentions):
                yield f"{part}.{i}.{ours}", f"{part}.block.{i}.{theirs}", shape


def _block(config: Seq2SeqConfig, attentions: dict[str, str]):
    width, inner = config.width, config.heads * config.head_width
    for place, (ours, theirs) in enumerate(attentions.items()):
        yield f"{NORMS[ours]}.scale", f"layer.{place}.layer_norm.weight", (width,)
        for name in ("query", "key", "value", "output"):
            shape = (width, inner) if name == "output" else (inner, width)
            there = f"layer.{place}.{theirs}.{name[0]}.weight"
            yield f"{ours}.to_{name}.weight", there, shape
    place = len(attentions)
    yield "feed_forward_norm.scale", f"layer.{place}.layer_norm.weight", (width,)
    gated = config.feed_forward.startswith("gated-")
    maps = {"to_hidden": "wi_1", "to_gate": "wi_0"} if gated else {"to_hidden": "wi"}
    for ours, theirs in (maps | {"to_output": "wo"}).items():
        shape = (width, config.hidden)
        shape = shape if ours == "to_output" else shape[::-1]
        there = f"layer.{place}.DenseReluDense.{theirs}.weight"
        yield f"feed_forward.{ours}.weight", there, shape
