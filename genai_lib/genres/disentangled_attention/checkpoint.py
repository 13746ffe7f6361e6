"""DeBERTa on disk, versions 2 and 3: its options, and the names of its weights.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/test_disentangled_attention_checkpoint.py
"""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from genai_lib.genres.decoder_only import ACTIVATIONS
from genai_lib.genres.disentangled_attention.config import DebertaConfig
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
    pooler_hidden_act pooler_hidden_size cls_dropout conv_act conv_groups""".split()
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
    """Read the fields of a `DebertaConfig`, and which head there is, if that is said."""
    fields = Fields(folder, "deberta-v2")
    width, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    context = fields.number("max_position_embeddings")
    farthest = _number_or_none(fields, "max_relative_positions") or context
    buckets = _number_or_none(fields, "position_buckets")
    for option, supported in {
        "type_vocab_size": [0],
        "conv_kernel_size": [0],
        "embedding_size": [width],
        "attention_head_size": [width // heads],
    }.items():
        fields.choice(option, supported, default=supported[0])
    fields.choice("relative_attention", [True], default=False)
    listed = [text.split("|") for text in TERM_LISTS if text] + [[]]
    terms = fields.choice("pos_att_type", [*TERM_LISTS, *listed], default=None)
    input_too = fields.choice("position_biased_input", [True, False], default=True)
    norm = fields.choice("norm_rel_ebd", ["none", "layer_norm"], default="none")
    settings = {
        "vocab_size": fields.number("vocab_size"),
        "context": context,
        "width": width,
        "heads": heads,
        "layers": fields.number("num_hidden_layers"),
        "hidden": fields.number("intermediate_size"),
        "reach": buckets or farthest,
        "max_distance": farthest if buckets else None,
        "terms": TERM_LISTS["|".join(terms) if isinstance(terms, list) else terms],
        "absolute": "input" if input_too else "none",
        "shared": fields.choice("share_att_key", [True, False], default=False),
        "normed": norm == "layer_norm",
        "activation": fields.choice("hidden_act", ACTIVATIONS, default="gelu"),
        "epsilon": fields.fraction("layer_norm_eps", 1e-7),
        "tied": fields.choice("tie_word_embeddings", [True, False], default=True),
    }
    legacy = fields.choice("legacy", [True, False, None], default=None)
    fields.ignore(*UNUSED)
    fields.finish()
    return settings, legacy


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
    width, hidden, blocks = config.width, config.hidden, range(config.layers)
    places = ["positions"] + [f"blocks.{i}.attention.scheme" for i in blocks]
    norms = {"embedding_norm": "embeddings.LayerNorm"}
    maps = {}
    for i in blocks:
        ours, theirs = f"blocks.{i}.attention.", f"encoder.layer.{i}.attention."
        for name in ("query", "key", "value"):
            maps[f"{ours}to_{name}"] = (f"{theirs}self.{name}_proj", width, width)
        own = {"c2p": "pos_key_proj", "p2c": "pos_query_proj"}
        for term in set(config.terms) & set(own) if not config.shared else ():
            maps[f"{ours}position_maps.{term}"] = (
                f"{theirs}self.{own[term]}",
                width,
                width,
            )
        maps[f"{ours}to_output"] = (f"{theirs}output.dense", width, width)
        ours, theirs = f"blocks.{i}.feed_forward", f"encoder.layer.{i}."
        maps[f"{ours}.to_hidden"] = (f"{theirs}intermediate.dense", hidden, width)
        maps[f"{ours}.to_output"] = (f"{theirs}output.dense", width, hidden)
        norms[f"blocks.{i}.attention_norm"] = f"{theirs}attention.output.LayerNorm"
        norms[f"{ours}_norm"] = f"{theirs}output.LayerNorm"
    yield ["embedding.weight"], "embeddings.word_embeddings.weight", (
        config.vocab_size,
        width,
    )
    table = "embeddings.position_embeddings.weight"
    if config.absolute == "input":
        yield ["absolute.table.weight"], table, (config.context, width)
    names = [f"{place}.table.weight" for place in places]
    yield names, "encoder.rel_embeddings.weight", (2 * config.reach, width)
    for ours, (theirs, outputs, inputs) in maps.items():
        yield [f"{ours}.weight"], f"{theirs}.weight", (outputs, inputs)
        yield [f"{ours}.bias"], f"{theirs}.bias", (outputs,)
    for kind in ("weight", "bias"):
        for ours, theirs in norms.items():
            yield [f"{ours}.{kind}"], f"{theirs}.{kind}", (width,)
        if config.normed:
            names = [f"{place}.norm.{kind}" for place in places]
            yield names, f"encoder.LayerNorm.{kind}", (width,)


def _number_or_none(fields: Fields, name: str) -> int | None:
    if fields.values.get(name) in (-1, 0, None):
        fields.ignore(name)
        return None
    return fields.number(name)


def _find_head(tensors: Tensors, legacy: bool | None) -> str | None:
    """Return how the names of the head begin; None if there is none."""
    found = [h for h in (LEGACY, RELEASED) if any(n.startswith(h) for n in tensors.left)]
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
        weights[f"to_guess.0.{kind}"] = tensors.take(name, *shape)
        name = f"{head}{inner}LayerNorm.{kind}"
        weights[f"to_guess.2.{kind}"] = tensors.take(name, width)
    weights["to_logits.weight"] = table
    weights["to_logits.bias"] = tensors.take(f"{head}bias", config.vocab_size)
    decoder = f"{head}decoder."
    for kind in ("weight", "bias"):
        ours, name = f"to_logits.{kind}", f"{decoder}{kind}"
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
