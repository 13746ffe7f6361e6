"""BERT on disk: its options, and the names and shapes of its weights.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only

A file may hold the encoder alone, or with a pooler, a head that scores tokens, and one
that predicts the next sentence. The last is left out.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from genai_lib.genres.decoder_only.config import ACTIVATIONS
from genai_lib.genres.encoder_only.config import BertConfig
from genai_lib.pretrained import CONFIG, SINGLE, Fields, Tensors, find_folder

PREFIX, POOLER, HEAD = "bert.", "pooler.", "cls.predictions."
TABLE = "embeddings.word_embeddings.weight"
DECODER = HEAD + "decoder"
# Of the task of the next sentence, and numbers of positions in old files.
LEFT_OUT = r"cls\.seq_relationship\.(weight|bias)|embeddings\.position_ids"
# Kinds of models that cannot do without a head.
WITH_HEAD = {"BertForMaskedLM", "BertForPreTraining"}
# Sizes of dropout, and of a pooler that no BERT in use has.
UNUSED = """attention_probs_dropout_prob hidden_dropout_prob classifier_dropout
    directionality pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers
    pooler_size_per_head pooler_type""".split()
# Old files call the scale and the shift of a LayerNorm by their letters.
OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


def load(name: str | Path) -> tuple[BertConfig, dict[str, Tensor]]:
    """Read the configuration and the weights, under the names that `Bert` gives them.

    Parameters and errors are those of `Bert.from_pretrained`.
    """
    folder = find_folder(name)
    config, needs_head = read_config(folder)
    tensors = Tensors(folder, PREFIX)
    _rename_old(tensors)
    has_head = any(name.startswith(HEAD) for name in tensors.left)
    has_pooler = any(name.startswith(POOLER) for name in tensors.left)
    config = replace(config, head=has_head or needs_head, pooler=has_pooler)
    return config, read_weights(tensors, config)


def read_config(folder: Path) -> tuple[BertConfig, bool]:
    """Read config.json, and whether it speaks of a model with a head.

    A ValueError names what is missing or not supported.
    """
    fields = Fields(folder, "bert")
    for option, supported in {
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "add_cross_attention": False,
        "is_encoder_decoder": False,
    }.items():
        fields.choice(option, [supported], default=supported)
    config = BertConfig(
        vocab_size=fields.number("vocab_size"),
        context=fields.number("max_position_embeddings"),
        width=fields.number("hidden_size"),
        heads=fields.number("num_attention_heads"),
        layers=fields.number("num_hidden_layers"),
        hidden=fields.number("intermediate_size"),
        types=fields.number("type_vocab_size"),
        activation=fields.choice("hidden_act", ACTIVATIONS, "gelu"),
        epsilon=fields.fraction("layer_norm_eps", 1e-12),
        tied=fields.choice("tie_word_embeddings", [True, False], default=True),
        deviation=fields.fraction("initializer_range", 0.02),
    )
    fields.ignore(*UNUSED)
    fields.finish()
    kinds = fields.values.get("architectures")
    return config, bool(WITH_HEAD & set(kinds if isinstance(kinds, list) else ()))


def read_weights(tensors: Tensors, config: BertConfig) -> dict[str, Tensor]:
    """Read every weight that the configuration asks for, and no other."""
    weights = {
        ours: tensors.take(theirs, *shape) for ours, theirs, shape in layout(config)
    }
    if config.head:
        bias = HEAD + "bias"
        twins = {"weight": (TABLE, weights["embedding.weight"])}
        twins["bias"] = bias, tensors.take(bias, config.vocab_size)
        for kind, (name, twin) in twins.items():
            weights[f"head.to_logits.{kind}"] = _decoder(
                tensors, config.tied, kind, name, twin
            )
    tensors.ignore(LEFT_OUT)
    tensors.finish()
    return weights


def _decoder(tensors: Tensors, tied: bool, kind: str, name: str, twin: Tensor):
    """Return the weight or the bias of the scores, which may be stored twice."""
    theirs = f"{DECODER}.{kind}"
    # Files of an untied model may still name the bias once.
    needed = kind == "weight" and not tied
    if theirs not in tensors.left and not needed:
        return twin
    found = tensors.take(theirs, *twin.shape)
    if tied and not found.equal(twin):
        raise ValueError(
            f"{tensors.folder}: {theirs} differs from {name}, though {CONFIG} says "
            "that tie_word_embeddings is true"
        )
    return found


def _rename_old(tensors: Tensors) -> None:
    renamed = {}
    for name, tensor in tensors.left.items():
        for old, new in OLD_NAMES.items():
            if name.endswith(old):
                name = name.removesuffix(old) + new
        if name in renamed:
            raise ValueError(f"{tensors.folder} has {name!r} under two names")
        renamed[name] = tensor
    tensors.left = renamed


def save(config: BertConfig, weights: dict[str, Tensor], folder: str | Path) -> None:
    """Write both files; see `Bert.save_pretrained`."""
    prefix = PREFIX if config.head else ""
    stored = {}
    for ours, theirs, _ in layout(config):
        place = theirs if theirs.startswith(HEAD) else prefix + theirs
        stored[place] = weights[ours].contiguous()
    if config.head:
        stored[HEAD + "bias"] = weights["head.to_logits.bias"]
        if not config.tied:
            stored[f"{DECODER}.weight"] = weights["head.to_logits.weight"]
            stored[f"{DECODER}.bias"] = weights["head.to_logits.bias"].clone()
    fields = {
        "architectures": ["BertForMaskedLM" if config.head else "BertModel"],
        "model_type": "bert",
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.context,
        "hidden_size": config.width,
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "intermediate_size": config.hidden,
        "type_vocab_size": config.types,
        "hidden_act": config.activation,
        "layer_norm_eps": config.epsilon,
        "initializer_range": config.deviation,
        "tie_word_embeddings": config.tied,
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    save_file(stored, Path(folder) / SINGLE, metadata={"format": "pt"})
    (Path(folder) / CONFIG).write_text(json.dumps(fields, indent=2) + "\n")


def layout(config: BertConfig) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Yield our name, the name of BERT and the shape of all but the last scores."""
    for ours, theirs, count in (
        ("embedding", "word_embeddings", config.vocab_size),
        ("scheme.table", "position_embeddings", config.context),
        ("type_embedding", "token_type_embeddings", config.types),
    ):
        shape = (count, config.width)
        yield f"{ours}.weight", f"embeddings.{theirs}.weight", shape
    for ours, theirs, shape in maps(config):
        yield f"{ours}.weight", f"{theirs}.weight", shape
        yield f"{ours}.bias", f"{theirs}.bias", shape[:1]


def maps(config: BertConfig) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Yield both names of all that has a weight and a bias, and the weight's shape."""
    width, hidden = config.width, config.hidden
    square, norm = (width, width), (width,)
    in_block = {
        "attention.to_query": ("attention.self.query", square),
        "attention.to_key": ("attention.self.key", square),
        "attention.to_value": ("attention.self.value", square),
        "attention.to_output": ("attention.output.dense", square),
        "attention_norm": ("attention.output.LayerNorm", norm),
        "feed_forward.to_hidden": ("intermediate.dense", (hidden, width)),
        "feed_forward.to_output": ("output.dense", (width, hidden)),
        "feed_forward_norm": ("output.LayerNorm", norm),
    }
    yield "norm", "embeddings.LayerNorm", norm
    for i in range(config.layers):
        for ours, (theirs, shape) in in_block.items():
            yield f"blocks.{i}.{ours}", f"encoder.layer.{i}.{theirs}", shape
    if config.pooler:
        yield "pooler", f"{POOLER}dense", square
    if config.head:
        yield "head.mix", f"{HEAD}transform.dense", square
        yield "head.norm", f"{HEAD}transform.LayerNorm", norm
