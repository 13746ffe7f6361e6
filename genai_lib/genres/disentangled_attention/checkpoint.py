"""DeBERTa on disk, versions 2 and 3: its options, and the names of its weights.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention
"""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from genai_lib.genres.decoder_only import ACTIVATIONS
from genai_lib.genres.disentangled_attention.config import DebertaConfig
from genai_lib.genres.disentangled_attention.convolution import CONVOLVED
from genai_lib.pretrained import CONFIG, Fields, Tensors, find_folder

PREFIX = "deberta."
TERM_LISTS = {
    None: ("c2c",),
    "none": ("c2c",),
    "": ("c2c",),
    "c2p": ("c2c", "c2p"),
    "p2c": ("c2c", "p2c"),
    "c2p|p2c": ("c2c", "c2p", "p2c"),
    "p2c|c2p": ("c2c", "c2p", "p2c"),
}
# Two heads of the same wiring: that of transformers, and that of the released files.
LEGACY, RELEASED = "cls.predictions.", "lm_predictions.lm_head."
UNUSED = """attention_probs_dropout_prob hidden_dropout_prob pooler_dropout
    pooler_hidden_act pooler_hidden_size cls_dropout""".split()
# What a file may hold beside the weights: numbers of positions, the vectors of absolute
# ones that only the mask decoder of the training used, and a second, unused head.
LEFTOVERS = r"embeddings\.position_(ids|embeddings\.weight)|mask_predictions\..*"


def load(name: str | Path) -> tuple[DebertaConfig, dict[str, Tensor]]:
    """Read the configuration and the weights, under the names that `Deberta` gives.

    Parameters and errors are those of `Deberta.from_pretrained`.
    """
    folder = find_folder(name)
    settings, legacy = read_config(folder)
    tensors = Tensors(folder, PREFIX)
    head = _find_head(tensors, legacy)
    # The head of the released files has no table of its own.
    settings["tied"] |= head == RELEASED
    config = DebertaConfig(**settings, head=head is not None)
    return config, read_weights(tensors, config, head)


def read_config(folder: Path) -> tuple[dict, bool | None]:
    """Read the fields of a `DebertaConfig`, and which head there is, if it is said."""
    fields = Fields(folder, "deberta-v2")
    width, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    for option, supported in {
        "type_vocab_size": 0,
        "embedding_size": width,
        "attention_head_size": width // heads,
    }.items():
        fields.choice(option, [supported], default=supported)
    settings = {
        "vocab_size": fields.number("vocab_size"),
        "width": width,
        "heads": heads,
        "layers": fields.number("num_hidden_layers"),
        "hidden": fields.number("intermediate_size"),
        "activation": fields.choice("hidden_act", ACTIVATIONS, default="gelu"),
        "epsilon": fields.fraction("layer_norm_eps", 1e-7),
        "tied": fields.choice("tie_word_embeddings", [True, False], default=True),
        "deviation": fields.fraction("initializer_range", 0.02),
        **_read_positions(fields),
        **_read_convolution(fields),
    }
    legacy = fields.choice("legacy", [True, False, None], default=None)
    fields.ignore(*UNUSED)
    fields.finish()
    return settings, legacy


def _read_positions(fields: Fields) -> dict:
    """Read what the model knows of positions."""
    context = fields.number("max_position_embeddings")
    farthest = _number_or_none(fields, "max_relative_positions") or context
    buckets = _number_or_none(fields, "position_buckets")
    fields.choice("relative_attention", [True], default=False)
    listed = [text.split("|") for text in TERM_LISTS if text] + [[]]
    terms = fields.choice("pos_att_type", [*TERM_LISTS, *listed], default=None)
    both = fields.choice("position_biased_input", [True, False], default=True)
    norm = fields.choice("norm_rel_ebd", ["none", "layer_norm"], default="none")
    return {
        "context": context,
        "reach": buckets or farthest,
        "max_distance": farthest if buckets else None,
        "terms": TERM_LISTS["|".join(terms) if isinstance(terms, list) else terms],
        "absolute": "input" if both else "none",
        "shared": fields.choice("share_att_key", [True, False], default=False),
        "normed": norm == "layer_norm",
    }


def _read_convolution(fields: Fields) -> dict:
    """Read what stands beside the first block; nothing does in most of the files."""
    size = _number_or_none(fields, "conv_kernel_size")
    if size is None:
        fields.ignore("conv_act", "conv_groups")
        return {}
    if size % 2 == 0:
        raise ValueError(
            f"{fields.place}: conv_kernel_size={size}: an odd number is needed"
        )
    fields.choice("conv_groups", [1], default=1)
    activation = fields.choice("conv_act", CONVOLVED, default="tanh")
    return {"convolution": size, "convolved": activation}


def read_weights(
    tensors: Tensors, config: DebertaConfig, head: str | None
) -> dict[str, Tensor]:
    """Read every weight that the configuration asks for, and no other."""
    weights = {}
    for names, theirs, shape in layout(config):
        found = tensors.take(theirs, *shape)
        weights.update(dict.fromkeys(names, found))
    if config.head:
        weights |= _read_head(tensors, config, head, weights["embedding.weight"])
    tensors.ignore(LEFTOVERS)
    tensors.finish()
    return weights


def layout(config: DebertaConfig) -> Iterator[tuple[list[str], str, tuple[int, ...]]]:
    """Yield our names, the name in the file and the shape of each tensor of the body.

    The table of distances has a name in every attention, as they share it.
    """
    width = config.width
    blocks = [f"blocks.{i}.attention.scheme" for i in range(config.layers)]
    words = (config.vocab_size, width)
    yield ["embedding.weight"], "embeddings.word_embeddings.weight", words
    if config.absolute == "input":
        theirs = "embeddings.position_embeddings.weight"
        yield ["absolute.table.weight"], theirs, (config.context, width)
    parts = {("table.weight", "rel_embeddings.weight"): (2 * config.reach, width)}
    for kind in ("weight", "bias") if config.normed else ():
        parts[f"norm.{kind}", f"LayerNorm.{kind}"] = (width,)
    for (ours, theirs), shape in parts.items():
        names = [f"{place}.{ours}" for place in ("positions", *blocks)]
        yield names, f"encoder.{theirs}", shape
    for kind in ("weight", "bias"):
        for ours, theirs in _norms(config):
            yield [f"{ours}.{kind}"], f"{theirs}.{kind}", (width,)
        for ours, (theirs, *shape) in _maps(config).items():
            shape = tuple(shape if kind == "weight" else shape[:1])
            yield [f"{ours}.{kind}"], f"{theirs}.{kind}", shape


def _norms(config: DebertaConfig) -> Iterator[tuple[str, str]]:
    yield "embedding_norm", "embeddings.LayerNorm"
    for i in range(config.layers):
        theirs = f"encoder.layer.{i}."
        yield f"blocks.{i}.attention_norm", f"{theirs}attention.output.LayerNorm"
        yield f"blocks.{i}.feed_forward_norm", f"{theirs}output.LayerNorm"
    if config.convolution is not None:
        yield "blocks.0.convolution.norm", "encoder.conv.LayerNorm"


def _maps(config: DebertaConfig) -> dict[str, tuple[str, *tuple[int, ...]]]:
    """Return the name in the file and the shape of each map: outputs, then inputs."""
    width, hidden, found = config.width, config.hidden, {}
    own = {"c2p": "pos_key_proj", "p2c": "pos_query_proj"}
    for i in range(config.layers):
        ours, theirs = f"blocks.{i}.attention.", f"encoder.layer.{i}."
        inside = f"{theirs}attention.self."
        for name in ("query", "key", "value"):
            found[f"{ours}to_{name}"] = (f"{inside}{name}_proj", width, width)
        for term in own if not config.shared else ():
            if term in config.terms:
                place = f"{ours}position_maps.{term}"
                found[place] = (f"{inside}{own[term]}", width, width)
        found[f"{ours}to_output"] = (f"{theirs}attention.output.dense", width, width)
        ours = f"blocks.{i}.feed_forward."
        found[f"{ours}to_hidden"] = (f"{theirs}intermediate.dense", hidden, width)
        found[f"{ours}to_output"] = (f"{theirs}output.dense", width, hidden)
    if (size := config.convolution) is not None:
        found["blocks.0.convolution.window"] = ("encoder.conv.conv", width, width, size)
    return found


def _number_or_none(fields: Fields, name: str) -> int | None:
    if fields.values.get(name) in (-1, 0, None):
        fields.ignore(name)
        return None
    return fields.number(name)


def _find_head(tensors: Tensors, legacy: bool | None) -> str | None:
    """Return how the names of the head begin; None if there is none."""
    found = [
        h for h in (LEGACY, RELEASED) if any(n.startswith(h) for n in tensors.left)
    ]
    wanted = {True: LEGACY, False: RELEASED}.get(legacy)
    if len(found) > 1 or (found and wanted and found != [wanted]):
        raise ValueError(
            f"{tensors.folder}: {CONFIG} says legacy={legacy}, the head in the files "
            f"is {' and '.join(found)}"
        )
    return found[0] if found else None


def _read_head(
    tensors: Tensors, config: DebertaConfig, head: str, table: Tensor
) -> dict[str, Tensor]:
    width, inner = config.width, "transform." if head == LEGACY else ""
    shapes = {"weight": (width, width), "bias": (width,)}
    weights = {}
    for kind, shape in shapes.items():
        name = f"{head}{inner}dense.{kind}"
        weights[f"head.mix.{kind}"] = tensors.take(name, *shape)
        name = f"{head}{inner}LayerNorm.{kind}"
        weights[f"head.norm.{kind}"] = tensors.take(name, width)
    weights["head.to_logits.weight"] = table
    weights["head.to_logits.bias"] = tensors.take(f"{head}bias", config.vocab_size)
    decoder = f"{head}decoder."
    for kind in ("weight", "bias"):
        ours, name = f"head.to_logits.{kind}", f"{decoder}{kind}"
        if name not in tensors.left and (config.tied or head != LEGACY):
            continue
        own = tensors.take(name, *weights[ours].shape)
        if config.tied and not own.equal(weights[ours]):
            raise ValueError(
                f"{tensors.folder}: {name} differs from what it is tied to, though "
                f"{CONFIG} says that tie_word_embeddings is true"
            )
        weights[ours] = own
    return weights
