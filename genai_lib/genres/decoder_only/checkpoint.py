"""GPT-2's checkpoint format: configuration and tensor names.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only

GPT-2 stores the weight of a linear layer as (inputs, outputs), the transpose of
`nn.Linear`'s, and the query, key and value projections side by side in one matrix.
"""

from genai_lib.config_fields import Fields
from genai_lib.genres.decoder_only.config import GPTConfig
from genai_lib.pretrained import Format, leave_out_heads
from genai_lib.tensor_names import Names, Tensors

FIELDS = {
    "vocab_size": "vocab_size",
    "context": "n_positions",
    "width": "n_embd",
    "heads": "n_head",
    "layers": "n_layer",
    "ffn_width": "n_inner",
    "activation": "activation_function",
    "epsilon": "layer_norm_epsilon",
    "tied": "tie_word_embeddings",
    "init_std": "initializer_range",
}
TABLE = {
    "embedding": "wte",
    "positional_encoding.table": "wpe",
    "blocks.{}.attention_norm": "h.{}.ln_1",
    "blocks.{}.attention.to_query": "h.{}.attn.c_attn",
    "blocks.{}.attention.to_key": "h.{}.attn.c_attn",
    "blocks.{}.attention.to_value": "h.{}.attn.c_attn",
    "blocks.{}.attention.to_output": "h.{}.attn.c_proj",
    "blocks.{}.feed_forward_norm": "h.{}.ln_2",
    "blocks.{}.feed_forward.to_hidden": "h.{}.mlp.c_fc",
    "blocks.{}.feed_forward.to_output": "h.{}.mlp.c_proj",
    "norm": "ln_f",
    "to_logits": "lm_head",
}
NAMES = Names(
    TABLE,
    prefix="transformer.",
    heads=("lm_head.",),
    transposed=r"blocks\.",
    # Causal masks that old files store beside the weights.
    left_out=r"h\.\d+\.attn\.(bias|masked_bias)",
)
SUPPORTED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
    "is_encoder_decoder": False,
}
# Fields without a meaning here: leftovers of old files, dropout rates, another head.
UNUSED = """n_special predict_special_tokens attn_pdrop embd_pdrop resid_pdrop
    is_decoder summary_activation summary_first_dropout summary_proj_to_labels
    summary_type summary_use_proj""".split()


def read(fields: Fields, tensors: Tensors) -> dict:
    """Read the attributes of a `GPTConfig`."""
    settings = GPTConfig.read(fields, FIELDS)
    settings["ffn_width"] = fields.number("n_inner", default=None)
    fields.choice("n_ctx", [settings["context"]], default=settings["context"])
    fields.require(SUPPORTED)
    fields.ignore(*UNUSED)
    leave_out_heads(fields, tensors, own={"GPT2LMHeadModel", "GPT2Model"})
    return settings


def write(config: GPTConfig) -> dict:
    """Return the fields of config.json."""
    kind = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}
    return kind | config.write(FIELDS)


GPT2 = Format("gpt2", "transformer.", GPTConfig, read, write, lambda config: NAMES)
