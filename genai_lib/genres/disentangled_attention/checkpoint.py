"""DeBERTa's checkpoint format, versions 2 and 3: configuration and tensor names.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention
"""

from genai_lib.config_fields import CONFIG, Fields
from genai_lib.genres.disentangled_attention.config import DebertaConfig
from genai_lib.genres.disentangled_attention.convolution import CONVOLVED
from genai_lib.genres.encoder_only.checkpoint import FIELDS, masked_names
from genai_lib.pretrained import Format, leave_out_heads
from genai_lib.tensor_names import Names, Tensors

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
# One head under two names: that of transformers, and that of the released files.
LEGACY, RELEASED = "cls.predictions.", "lm_predictions.lm_head."
LAYER, ITS_ATTENTION = "encoder.layer.{}", "encoder.layer.{}.attention.self"
TABLE = {
    "embedding": "embeddings.word_embeddings",
    "absolute.table": "embeddings.position_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
    "positions.table": "encoder.rel_embeddings",
    "positions.norm": "encoder.LayerNorm",
    "blocks.{}.attention.to_query": f"{ITS_ATTENTION}.query_proj",
    "blocks.{}.attention.to_key": f"{ITS_ATTENTION}.key_proj",
    "blocks.{}.attention.to_value": f"{ITS_ATTENTION}.value_proj",
    "blocks.{}.attention.position_projections.c2p": f"{ITS_ATTENTION}.pos_key_proj",
    "blocks.{}.attention.position_projections.p2c": f"{ITS_ATTENTION}.pos_query_proj",
    "blocks.{}.attention.to_output": f"{LAYER}.attention.output.dense",
    "blocks.{}.attention_norm": f"{LAYER}.attention.output.LayerNorm",
    "blocks.{}.feed_forward.to_hidden": f"{LAYER}.intermediate.dense",
    "blocks.{}.feed_forward.to_output": f"{LAYER}.output.dense",
    "blocks.{}.feed_forward_norm": f"{LAYER}.output.LayerNorm",
    "blocks.0.convolution.norm": "encoder.conv.LayerNorm",
    "blocks.0.convolution.window": "encoder.conv.conv",
    "head.transform": (f"{LEGACY}transform.dense", f"{RELEASED}dense"),
    "head.norm": (f"{LEGACY}transform.LayerNorm", f"{RELEASED}LayerNorm"),
    "head.to_logits.weight": (f"{LEGACY}decoder.weight", f"{RELEASED}decoder.weight"),
    "head.to_logits.bias": (
        *(f"{LEGACY}bias", f"{LEGACY}decoder.bias"),
        *(f"{RELEASED}bias", f"{RELEASED}decoder.bias"),
    ),
}
UNUSED = """attention_probs_dropout_prob hidden_dropout_prob pooler_dropout
    pooler_hidden_act pooler_hidden_size cls_dropout""".split()
# Tensors that are not loaded: position ids, the absolute position embeddings that only
# the enhanced mask decoder of the pre-training used, and a second, unused head.
LEFT_OUT = r"embeddings\.position_(ids|embeddings\.weight)|mask_predictions\..*"
# The pooler of a model that was fine-tuned on a task.
POOLER = r"pooler\.dense\.(weight|bias)"


def read(fields: Fields, tensors: Tensors) -> dict:
    """Read the attributes of a `DebertaConfig`; the head is found in the tensors."""
    settings = DebertaConfig.read(fields, FIELDS)
    settings["ffn_width"] = fields.number("intermediate_size")
    width, heads = settings["width"], settings["heads"]
    fields.require(
        {
            "type_vocab_size": 0,
            "embedding_size": width,
            "attention_head_size": width // heads,
        }
    )
    settings |= _read_positions(fields) | _read_convolution(fields)
    fields.ignore(*UNUSED)
    own = {"DebertaV2ForMaskedLM", "DebertaV2Model"}
    leave_out_heads(fields, tensors, own, also=POOLER)
    head = _find_head(fields, tensors)
    settings["head"] = head is not None
    # The head of the released files has no output matrix of its own.
    settings["tied"] |= head == RELEASED
    return settings


def _read_positions(fields: Fields) -> dict:
    """Read the fields about positions."""
    context = fields.number("max_position_embeddings")
    farthest = _number_or_none(fields, "max_relative_positions") or context
    buckets = _number_or_none(fields, "position_buckets")
    fields.called["max_distance"] = "max_relative_positions"
    fields.called["max_relative_distance"] = (
        "position_buckets" if buckets else "max_relative_positions"
    )
    fields.choice("relative_attention", [True], default=False)
    listed = [text.split("|") for text in TERM_LISTS if text] + [[]]
    terms = fields.choice("pos_att_type", [*TERM_LISTS, *listed], default=None)
    both = fields.choice("position_biased_input", [True, False], default=True)
    norm = fields.choice("norm_rel_ebd", ["none", "layer_norm"], default="none")
    return {
        "max_relative_distance": buckets or farthest,
        "max_distance": farthest if buckets else None,
        "terms": TERM_LISTS["|".join(terms) if isinstance(terms, list) else terms],
        "absolute": "input" if both else "none",
        "shared": fields.choice("share_att_key", [True, False], default=False),
        "normed": norm == "layer_norm",
    }


def _read_convolution(fields: Fields) -> dict:
    """Read the fields of the convolution; most files have none."""
    size = _number_or_none(fields, "conv_kernel_size")
    if size is None:
        fields.ignore("conv_act", "conv_groups")
        return {}
    if size % 2 == 0:
        fields.refuse("conv_kernel_size", "an odd number is needed")
    fields.choice("conv_groups", [1], default=1)
    activation = fields.choice("conv_act", CONVOLVED, default="tanh")
    return {"convolution": size, "convolved": activation}


def _number_or_none(fields: Fields, name: str) -> int | None:
    if fields.values.get(name) in (-1, 0, None):
        fields.ignore(name)
        return None
    return fields.number(name)


def _find_head(fields: Fields, tensors: Tensors) -> str | None:
    """Return the prefix of the head's tensor names, or None if there is no head."""
    legacy = fields.choice("legacy", [True, False, None], default=None)
    found = [head for head in (LEGACY, RELEASED) if tensors.any(head)]
    wanted = {True: LEGACY, False: RELEASED}.get(legacy)
    if len(found) > 1 or (found and wanted and found != [wanted]):
        raise ValueError(
            f"{tensors.folder}: {CONFIG} says legacy={legacy}, the head in the files "
            f"is {' and '.join(found)}"
        )
    return found[0] if found else None


def write(config: DebertaConfig) -> dict:
    """Return the fields of config.json."""
    grouped = config.max_distance is not None
    k = config.max_relative_distance
    fields = {
        "architectures": ["DebertaV2ForMaskedLM" if config.head else "DebertaV2Model"],
        "model_type": "deberta-v2",
        "type_vocab_size": 0,
        "legacy": True,
        **config.write(FIELDS),
        "position_biased_input": config.absolute == "input",
        "relative_attention": True,
        "max_relative_positions": config.max_distance
        if grouped
        else config.max_relative_distance,
        "position_buckets": k if grouped else -1,
        "pos_att_type": [term for term in config.terms if term != "c2c"],
        "share_att_key": config.shared,
        "norm_rel_ebd": "layer_norm" if config.normed else "none",
    }
    if config.convolution is not None:
        fields["conv_kernel_size"] = config.convolution
        fields |= {"conv_act": config.convolved, "conv_groups": 1}
    return fields


def names(config: DebertaConfig) -> Names:
    """Return the tensor names; a model without a head writes them without a prefix."""
    prefix = PREFIX if config.head else ""
    return masked_names(config, TABLE, prefix=prefix, left_out=LEFT_OUT)


DEBERTA = Format("deberta-v2", PREFIX, DebertaConfig, read, write, names)
