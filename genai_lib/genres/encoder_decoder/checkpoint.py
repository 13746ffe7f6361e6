"""The checkpoint format of T5: fields of config.json and names of weights.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder
"""

from genai_lib.components.attention import ACTIVATIONS
from genai_lib.config_fields import CONFIG, Fields
from genai_lib.genres.encoder_decoder.config import FEED_FORWARDS, Seq2SeqConfig
from genai_lib.pretrained import Format, leave_out_heads
from genai_lib.tensor_names import Names, Tensors

# Names of the embedding; old files store it under all three, others under one.
SHARED = (
    "shared.weight",
    "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
)
HEAD = "lm_head.weight"
FIELDS = {
    "vocab_size": "vocab_size",
    "width": "d_model",
    "head_width": "d_kv",
    "ffn_width": "d_ff",
    "heads": "num_heads",
    "encoder_layers": "num_layers",
    "decoder_layers": "num_decoder_layers",
    "feed_forward": "feed_forward_proj",
    "buckets": "relative_attention_num_buckets",
    "max_distance": "relative_attention_max_distance",
    "epsilon": "layer_norm_epsilon",
    "tied": "tie_word_embeddings",
    "scaled": "scale_decoder_outputs",
    "pad_token": "pad_token_id",
    "start_token": "decoder_start_token_id",
    "end_token": "eos_token_id",
}
DISTANCES = "layer.0.SelfAttention.relative_attention_bias"
TABLE = {
    "embedding.weight": SHARED,
    "to_logits.weight": HEAD,
    "encoder_norm.scale": "encoder.final_layer_norm.weight",
    "encoder.0.attention.positional_encoding.table": f"encoder.block.0.{DISTANCES}",
    "encoder.{}.attention_norm.scale": "encoder.block.{}.layer.0.layer_norm.weight",
    "encoder.{}.attention.to_query": "encoder.block.{}.layer.0.SelfAttention.q",
    "encoder.{}.attention.to_key": "encoder.block.{}.layer.0.SelfAttention.k",
    "encoder.{}.attention.to_value": "encoder.block.{}.layer.0.SelfAttention.v",
    "encoder.{}.attention.to_output": "encoder.block.{}.layer.0.SelfAttention.o",
    "encoder.{}.feed_forward_norm.scale": "encoder.block.{}.layer.1.layer_norm.weight",
    "encoder.{}.feed_forward.to_output": "encoder.block.{}.layer.1.DenseReluDense.wo",
    "decoder_norm.scale": "decoder.final_layer_norm.weight",
    "decoder.0.attention.positional_encoding.table": f"decoder.block.0.{DISTANCES}",
    "decoder.{}.attention_norm.scale": "decoder.block.{}.layer.0.layer_norm.weight",
    "decoder.{}.attention.to_query": "decoder.block.{}.layer.0.SelfAttention.q",
    "decoder.{}.attention.to_key": "decoder.block.{}.layer.0.SelfAttention.k",
    "decoder.{}.attention.to_value": "decoder.block.{}.layer.0.SelfAttention.v",
    "decoder.{}.attention.to_output": "decoder.block.{}.layer.0.SelfAttention.o",
    "decoder.{}.cross_norm.scale": "decoder.block.{}.layer.1.layer_norm.weight",
    "decoder.{}.cross_attention.to_query": "decoder.block.{}.layer.1.EncDecAttention.q",
    "decoder.{}.cross_attention.to_key": "decoder.block.{}.layer.1.EncDecAttention.k",
    "decoder.{}.cross_attention.to_value": "decoder.block.{}.layer.1.EncDecAttention.v",
    "decoder.{}.cross_attention.to_output": (
        "decoder.block.{}.layer.1.EncDecAttention.o"
    ),
    "decoder.{}.feed_forward_norm.scale": "decoder.block.{}.layer.2.layer_norm.weight",
    "decoder.{}.feed_forward.to_output": "decoder.block.{}.layer.2.DenseReluDense.wo",
}
PLAIN = {
    "encoder.{}.feed_forward.to_hidden": "encoder.block.{}.layer.1.DenseReluDense.wi",
    "decoder.{}.feed_forward.to_hidden": "decoder.block.{}.layer.2.DenseReluDense.wi",
}
GATED = {
    "encoder.{}.feed_forward.to_hidden": "encoder.block.{}.layer.1.DenseReluDense.wi_1",
    "encoder.{}.feed_forward.to_gate": "encoder.block.{}.layer.1.DenseReluDense.wi_0",
    "decoder.{}.feed_forward.to_hidden": "decoder.block.{}.layer.2.DenseReluDense.wi_1",
    "decoder.{}.feed_forward.to_gate": "decoder.block.{}.layer.2.DenseReluDense.wi_0",
}
# The first release has a bias table here that no layer uses.
UNREAD = (
    r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight"
)
UNUSED = """dropout_rate classifier_dropout initializer_factor is_decoder
    n_positions""".split()  # only in the first release


def names(config: Seq2SeqConfig) -> Names:
    """Return the names of the weights in a file."""
    gated = config.feed_forward.startswith("gated-")
    return Names((GATED if gated else PLAIN) | TABLE, left_out=UNREAD)


def read(fields: Fields, tensors: Tensors) -> dict:
    """Read the attributes of a `Seq2SeqConfig`."""
    fields.called |= FIELDS
    fields.require({"is_encoder_decoder": True})
    layers = fields.number("num_layers")
    kind = fields.choice("feed_forward_proj", FEED_FORWARDS, default="relu")
    _check_activation(fields, kind)
    fields.ignore(*UNUSED)
    leave_out_heads(fields, tensors, {"T5ForConditionalGeneration", "T5Model"})
    tied, scaled = _head(fields, tensors)
    farthest = fields.number("relative_attention_max_distance", default=None)
    return {
        "vocab_size": fields.number("vocab_size"),
        "width": fields.number("d_model"),
        "heads": fields.number("num_heads"),
        "head_width": fields.number("d_kv"),
        "ffn_width": fields.number("d_ff"),
        "encoder_layers": layers,
        "decoder_layers": fields.number("num_decoder_layers", default=None) or layers,
        "feed_forward": kind,
        "buckets": fields.number("relative_attention_num_buckets"),
        "max_distance": farthest or Seq2SeqConfig.max_distance,
        "epsilon": fields.fraction("layer_norm_epsilon", Seq2SeqConfig.epsilon),
        "tied": tied,
        "scaled": scaled,
        "pad_token": _token(fields, "pad_token_id", default=0),
        "start_token": _token(fields, "decoder_start_token_id", default=0),
        "end_token": _token(fields, "eos_token_id", default=1),
    }


def _check_activation(fields: Fields, kind: str) -> None:
    """Check two newer fields, which repeat what `feed_forward_proj` says."""
    gated, activation = kind.startswith("gated-"), kind.removeprefix("gated-")
    if kind == "gated-gelu":
        activation = "gelu_new"
    function = ACTIVATIONS[activation]
    same = [name for name, other in ACTIVATIONS.items() if other is function]
    fields.choice("is_gated_act", [gated], default=gated)
    fields.choice("dense_act_fn", same, default=activation)


def _head(fields: Fields, tensors: Tensors) -> tuple[bool, bool]:
    """Return whether the head is tied to the embedding and whether it is scaled.

    Until transformers 5 one field told both. Newer files may say "tied" although the
    two tensors differ, so the tensors decide.
    """
    tied = fields.choice("tie_word_embeddings", [True, False], default=True)
    newer = "scale_decoder_outputs" in fields.values
    scaled = fields.choice("scale_decoder_outputs", [True, False], default=tied)
    tables = [tensors.left[name] for name in SHARED if name in tensors.left]
    if tied and HEAD in tensors.left and tables:
        same = tensors.left[HEAD].equal(tables[0])
        if not same and not newer:
            raise ValueError(
                f"{tensors.folder}: {HEAD} differs from {SHARED[0]}, though {CONFIG} "
                "says that tie_word_embeddings is true"
            )
        tied = same
    return tied, scaled


def _token(fields: Fields, name: str, default: int) -> int:
    value = fields.values.get(name)
    if value is not None and (type(value) is not int or value < 0):
        fields.refuse(name, "one token is needed")
    return default if value is None else value


def write(config: Seq2SeqConfig) -> dict:
    """Return the fields of config.json."""
    return {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "is_encoder_decoder": True,
        "is_gated_act": config.feed_forward.startswith("gated-"),
        "dropout_rate": 0.0,
        **{theirs: getattr(config, ours) for ours, theirs in FIELDS.items()},
    }


T5 = Format("t5", "transformer.", Seq2SeqConfig, read, write, names)
