"""The recurrent encoder-decoders of 2014: GRUs without and with attention.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder

Shape letters used in this file
    B  sequences in a batch    S  positions of the source    T  those of the target
    D  width of the model      V  tokens in the vocabulary

References
    [1] Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for
        Statistical Machine Translation", 2014, arXiv:1406.1078
    [2] Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to
        Align and Translate", 2014, arXiv:1409.0473
    [3] Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine
        Translation", 2015, arXiv:1508.04025
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from genai_lib.components.attention import attend
from genai_lib.genres.encoder_decoder.cache import ConditionalLM, RecurrentCache
from genai_lib.genres.encoder_decoder.config import Seq2SeqConfig, check_padding
from genai_lib.genres.encoder_decoder.model import check_target, check_tokens


class RecurrentSeq2Seq(nn.Module):
    """Two GRUs: the last state of the encoder is the first state of the decoder [1].

    It has the interface of `Seq2Seq`. Of the configuration it uses the vocabulary,
    the width and the special tokens.

    Parameters
    ----------
    config : Seq2SeqConfig
        With an even width, since half of the state reads forwards and half backwards.
    """

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        if config.width % 2:
            raise ValueError(f"width={config.width} must be even")
        self.config, width = config, config.width
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.encoder = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(width, width, batch_first=True)
        self.to_logits = nn.Linear(width, config.vocab_size)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Return logits (B, T, V) for (B, S) and (B, T), as `Seq2Seq.forward` does."""
        return self.decode(target, self.start(source))

    def start(self, source: Tensor) -> RecurrentCache:
        """Encode the source (B, S); the decoder starts from the last state.

        Raises
        ------
        ValueError
            If a row holds only padding, or padding before its last token.
        """
        check_tokens("source", source, self.config.vocab_size)
        check_padding("source", source, self.config.pad_token)
        real = source != self.config.pad_token  # (B, S)
        lengths = real.sum(dim=1).cpu()
        if not lengths.all():
            raise ValueError("source: a row holds only padding")
        packed = pack_padded_sequence(
            self.embedding(source), lengths, batch_first=True, enforce_sorted=False
        )
        outputs, last = self.encoder(packed)  # last: (2, B, D / 2)
        memory, _ = pad_packed_sequence(
            outputs, batch_first=True, total_length=source.shape[1]
        )
        state = torch.cat([last[0], last[1]], dim=-1)[None]  # (1, B, D)
        return RecurrentCache(memory, real[:, None], state)

    def decode(self, target: Tensor, cache: RecurrentCache) -> Tensor:
        """Return logits (B, T, V) for target tokens (B, T), and update the state."""
        check_target(target, self.config.vocab_size, len(cache.memory))
        states, cache.state = self.decoder(self.embedding(target), cache.state)
        return self.to_logits(self.output_states(states, cache))

    def output_states(self, states: Tensor, cache: RecurrentCache) -> Tensor:
        """Return the input of the output head (B, T, D): here the decoder states."""
        return states

    def conditioned_on(self, source: Tensor) -> ConditionalLM:
        """Fix the source (B, S); return a language model that `generate` accepts."""
        return ConditionalLM(self, source)


class AttentiveSeq2Seq(RecurrentSeq2Seq):
    """The recurrent model with attention from the decoder to the source [2, 3, §3.1].

    Parameters
    ----------
    config : Seq2SeqConfig
    """

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__(config)
        self.to_query = nn.Linear(config.width, config.width, bias=False)
        self.combine = nn.Linear(2 * config.width, config.width)

    def output_states(self, states: Tensor, cache: RecurrentCache) -> Tensor:
        """Return the input of the output head (B, T, D): states with their context."""
        context, _ = self.attend(states, cache)
        return self.combine(torch.cat([states, context], dim=-1)).tanh()

    def attend(self, states: Tensor, cache: RecurrentCache) -> tuple[Tensor, Tensor]:
        """Return the context vectors (B, T, D) of states and the weights (B, T, S)."""
        query = self.to_query(states)
        return attend(query, cache.memory, cache.memory, cache.memory_mask)
