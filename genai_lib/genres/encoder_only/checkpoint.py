"""BERT's checkpoint format: configuration and tensor names.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only

A file may hold the encoder alone, or also a pooler, a head that computes the logits of
tokens, and a head for next sentence prediction. The last one is not loaded.
"""

from genai_lib.config_fields import Fields
from genai_lib.genres.encoder_only.config import BertConfig
from genai_lib.pretrained import Format, leave_out_heads
from genai_lib.tensor_names import Names, Tensors

PREFIX, POOLER, HEAD = "bert.", "pooler.", "cls.predictions."
BIAS, DECODER_BIAS = f"{HEAD}bias", f"{HEAD}decoder.bias"
FIELDS = {
    "vocab_size": "vocab_size",
    "context": "max_position_embeddings",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "layers": "num_hidden_layers",
    "ffn_width": "intermediate_size",
    "activation": "hidden_act",
    "epsilon": "layer_norm_eps",
    "tied": "tie_word_embeddings",
    "init_std": "initializer_range",
}
TABLE = {
    "embedding": "embeddings.word_embeddings",
    "positional_encoding.table": "embeddings.position_embeddings",
    "type_embedding": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
    "blocks.{}.attention.to_query": "encoder.layer.{}.attention.self.query",
    "blocks.{}.attention.to_key": "encoder.layer.{}.attention.self.key",
    "blocks.{}.attention.to_value": "encoder.layer.{}.attention.self.value",
    "blocks.{}.attention.to_output": "encoder.layer.{}.attention.output.dense",
    "blocks.{}.attention_norm": "encoder.layer.{}.attention.output.LayerNorm",
    "blocks.{}.feed_forward.to_hidden": "encoder.layer.{}.intermediate.dense",
    "blocks.{}.feed_forward.to_output": "encoder.layer.{}.output.dense",
    "blocks.{}.feed_forward_norm": "encoder.layer.{}.output.LayerNorm",
    "pooler": f"{POOLER}dense",
    "head.transform": f"{HEAD}transform.dense",
    "head.norm": f"{HEAD}transform.LayerNorm",
    "head.to_logits": f"{HEAD}decoder",
    "head.to_logits.bias": (BIAS, DECODER_BIAS),
}
# The head for next sentence prediction, and the position ids of old files.
LEFT_OUT = r"cls\.seq_relationship\.(weight|bias)|embeddings\.position_ids"
SUPPORTED = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "is_encoder_decoder": False,
}
# Model classes that must have a head.
WITH_HEAD = {"BertForMaskedLM", "BertForPreTraining"}
# Dropout rates, and options of poolers that no BERT in use has.
UNUSED = """attention_probs_dropout_prob hidden_dropout_prob classifier_dropout
    directionality pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers
    pooler_size_per_head pooler_type""".split()
# Old files call the weight and the bias of a LayerNorm gamma and beta.
OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


def read(fields: Fields, tensors: Tensors) -> dict:
    """Read the attributes of a `BertConfig`; the tensors show which parts it has."""
    settings = BertConfig.read(fields, FIELDS)
    settings["ffn_width"] = fields.number("intermediate_size")
    settings["token_types"] = fields.number("type_vocab_size")
    fields.called["token_types"] = "type_vocab_size"
    fields.require(SUPPORTED)
    fields.ignore(*UNUSED)
    _rename_old(tensors)
    leave_out_heads(fields, tensors, own=WITH_HEAD | {"BertModel"})
    needs_head = bool(WITH_HEAD & fields.architectures)
    settings["head"] = needs_head or tensors.any(HEAD)
    settings["pooler"] = tensors.any(POOLER)
    return settings


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


def write(config: BertConfig) -> dict:
    """Return the fields of config.json."""
    return {
        "architectures": ["BertForMaskedLM" if config.head else "BertModel"],
        "model_type": "bert",
        "type_vocab_size": config.token_types,
        **config.write(FIELDS),
    }


def names(config: BertConfig) -> Names:
    """Return the tensor names; a model without a head writes them without a prefix."""
    prefix = PREFIX if config.head else ""
    return masked_names(config, TABLE, prefix=prefix, left_out=LEFT_OUT)


def masked_names(config, table: dict, **options) -> Names:
    """Return the tensor names of a model with a head like BERT's.

    Files hold the bias of such a head twice. Programs read the first copy if the head
    is tied to the embedding, and the second if it is not.
    """
    if config.head and not config.tied:
        table = table | {"head.to_logits.bias": DECODER_BIAS}
        options["copies"] = {BIAS: DECODER_BIAS}
    return Names(table, heads=("cls.",), **options)


BERT = Format("bert", PREFIX, BertConfig, read, write, names)
