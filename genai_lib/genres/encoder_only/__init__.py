"""BERT, the model that reads both sides, and the masking that trains it.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/test_encoder_only.py
"""

from genai_lib.genres.encoder_only.masking import IGNORED, mask_tokens, masked_loss

__all__ = ["IGNORED", "mask_tokens", "masked_loss"]
