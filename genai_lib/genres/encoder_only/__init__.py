"""BERT, an encoder-only model, and the masked language modelling that trains it.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only
"""

from genai_lib.genres.encoder_only.config import BertConfig
from genai_lib.genres.encoder_only.heads import (
    BertClassifier,
    MaskedHead,
    padding_mask,
)
from genai_lib.genres.encoder_only.infilling import (
    choose_masked,
    masked_accuracy,
    masked_windows,
)
from genai_lib.genres.encoder_only.masking import (
    IGNORED,
    mask_tokens,
    masked_loss,
    masked_loss_fast,
)
from genai_lib.genres.encoder_only.model import Bert

__all__ = [
    "IGNORED",
    "Bert",
    "BertClassifier",
    "BertConfig",
    "MaskedHead",
    "choose_masked",
    "mask_tokens",
    "masked_loss",
    "masked_loss_fast",
    "masked_windows",
    "padding_mask",
    "masked_accuracy",
]
