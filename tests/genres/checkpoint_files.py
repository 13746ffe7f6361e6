"""What the tests of checkpoints share: small files of each family, and their damage."""

import json
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file

from genai_lib.genres.decoder_only import GPT
from genai_lib.genres.disentangled_attention import Deberta
from genai_lib.genres.encoder_decoder import Seq2Seq
from genai_lib.genres.encoder_only import Bert


class Family(NamedTuple):
    """A class of ours, and how transformers calls and sizes its own.

    Attributes
    ----------
    ours : type
    config, whole, bare, source : str
        The classes of transformers of the configuration, of the model with a head and
        without, and the module they are in.
    tuned : list of str
        Those of models that were tuned to a task.
    sizes : dict
    tied : dict
        Names in a file of one tensor, by our name of it.
    fields : dict
        Options that a file cannot have, and what the error says.
    """

    ours: type
    config: str
    whole: str
    bare: str
    source: str
    tuned: list[str]
    sizes: dict
    tied: dict
    fields: dict


ENCODER = {
    "vocab_size": 31,
    "hidden_size": 12,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "intermediate_size": 20,
    "max_position_embeddings": 16,
}
HEAD = "cls.predictions."
FAMILIES = {
    "gpt2": Family(
        GPT,
        "GPT2Config",
        "GPT2LMHeadModel",
        "GPT2Model",
        "gpt2",
        [
            "GPT2ForSequenceClassification",
            "GPT2ForTokenClassification",
            "GPT2ForQuestionAnswering",
            "GPT2DoubleHeadsModel",
        ],
        {"vocab_size": 31, "n_positions": 16, "n_embd": 12, "n_head": 3, "n_layer": 2},
        {"embedding.weight": ["transformer.wte.weight", "lm_head.weight"]},
        {"n_head": (5, "n_embd=12 must be a multiple of n_head=5")},
    ),
    "bert": Family(
        Bert,
        "BertConfig",
        "BertForMaskedLM",
        "BertModel",
        "bert",
        [
            "BertForSequenceClassification",
            "BertForTokenClassification",
            "BertForQuestionAnswering",
            "BertForMultipleChoice",
            "BertForNextSentencePrediction",
        ],
        ENCODER,
        {
            "embedding.weight": [
                "bert.embeddings.word_embeddings.weight",
                f"{HEAD}decoder.weight",
            ],
            "head.to_logits.bias": [f"{HEAD}bias", f"{HEAD}decoder.bias"],
        },
        {
            "num_attention_heads": (
                5,
                "hidden_size=12 must be a multiple of num_attention_heads=5",
            ),
        },
    ),
    "deberta-v2": Family(
        Deberta,
        "DebertaV2Config",
        "DebertaV2ForMaskedLM",
        "DebertaV2Model",
        "deberta_v2",
        [
            "DebertaV2ForSequenceClassification",
            "DebertaV2ForTokenClassification",
            "DebertaV2ForQuestionAnswering",
            "DebertaV2ForMultipleChoice",
        ],
        ENCODER
        | {
            "relative_attention": True,
            "pos_att_type": ["c2p", "p2c"],
            "position_biased_input": False,
            "position_buckets": 6,
        },
        {
            "embedding.weight": [
                "deberta.embeddings.word_embeddings.weight",
                f"{HEAD}decoder.weight",
            ],
            "head.to_logits.bias": [f"{HEAD}bias", f"{HEAD}decoder.bias"],
        },
        {
            "position_buckets": (1, "position_buckets=1 must be at least 2"),
            "max_relative_positions": (2, "max_relative_positions=2 above 4"),
        },
    ),
    "t5": Family(
        Seq2Seq,
        "T5Config",
        "T5ForConditionalGeneration",
        "T5Model",
        "t5",
        ["T5ForSequenceClassification", "T5ForQuestionAnswering"],
        {
            "vocab_size": 31,
            "d_model": 12,
            "d_kv": 4,
            "num_heads": 3,
            "d_ff": 20,
            "num_layers": 2,
            "relative_attention_num_buckets": 8,
            "decoder_start_token_id": 0,
        },
        {
            "embedding.weight": [
                "shared.weight",
                "encoder.embed_tokens.weight",
                "decoder.embed_tokens.weight",
                "lm_head.weight",
            ]
        },
        {
            "relative_attention_num_buckets": (
                3,
                "relative_attention_num_buckets=3 must be at least 4",
            ),
            "relative_attention_max_distance": (
                2,
                "relative_attention_max_distance=2 must be above",
            ),
            "eos_token_id": (99, "eos_token_id=99 must be from 0 to vocab_size=31"),
        },
    ),
}


def write_reference(folder, family, kind=None, **options):
    """Save a model of transformers whose every weight shows, and return it."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    config = getattr(transformers, family.config)(**family.sizes)
    model = getattr(transformers, kind or family.whole)(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.05, 0.3)
    model.eval().save_pretrained(folder, **options)
    return model


def edit_config(folder, **changes):
    """Change fields of config.json; the value "dropped" removes a field."""
    path = folder / "config.json"
    fields = json.loads(path.read_text()) | changes
    fields = {name: value for name, value in fields.items() if value != "dropped"}
    path.write_text(json.dumps(fields))


def edit_tensors(folder, change):
    """Let `change` work on the tensors of a file, or return a dict of others."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    changed = change(tensors)
    save_file(changed if isinstance(changed, dict) else tensors, path)
