"""BERT against BERT of transformers: a training step of equal size, one thread.

Transformers scores every position. The rows "all scores" do so as well, the rows
"step" score the chosen positions alone, as the chapter trains: the loss and its
gradients are the same. The rows "lean" score every position with the shortest BERT that
we could write, for what PyTorch itself takes.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional
from transformers import BertConfig as TheirConfig
from transformers import BertForMaskedLM

from genai_lib.genres.encoder_only import (
    Bert,
    BertConfig,
    mask_tokens,
    masked_loss,
    masked_loss_fast,
)
from tests.bench._lean import Lean
from tests.bench._timing import compare, row

# Batch, context, width, layers, heads, tokens in the vocabulary.
SHAPES = (
    (16, 32, 64, 2, 4, 100),
    (16, 64, 64, 2, 4, 100),
    (8, 128, 96, 3, 4, 100),
    (16, 64, 128, 4, 4, 1024),
)
GOAL = 0.9


class Reference(nn.Module):
    """BERT of transformers, called as ours is."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.model = BertForMaskedLM(
            TheirConfig(
                vocab_size=config.vocab_size,
                max_position_embeddings=config.context,
                hidden_size=config.width,
                num_attention_heads=config.heads,
                num_hidden_layers=config.layers,
                intermediate_size=config.ffn_width,
                attention_probs_dropout_prob=0.0,
                hidden_dropout_prob=0.0,
            )
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.model(tokens).logits


def stepper(model: nn.Module, batch: tuple, loss_of: Callable):
    """Return a function that takes one step of the training."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        loss = loss_of(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def main() -> None:
    """Print milliseconds of ours and of transformers, and their ratio."""
    torch.set_num_threads(1)
    print(f"{'BERT':<48}{'ours':>12}{'transformers':>12}  ratio")
    for batch, context, width, layers, heads, vocab_size in SHAPES:
        config = BertConfig(vocab_size, context, width, heads, layers, pooler=False)
        models = Bert(config), Reference(config).train()
        counts = [sum(p.numel() for p in model.parameters()) for model in models]
        if counts[0] != counts[1]:
            raise ValueError(f"the models have {counts} parameters")
        tokens = torch.randint(vocab_size, (batch, context))
        masked = mask_tokens(tokens, 0, vocab_size)
        size = f"{batch}×{context}×{width}, {layers} layers"
        theirs = stepper(models[1], masked, masked_loss)
        lean = Lean(config, functional.gelu, causal=False)
        for name, model, loss in (
            ("step", models[0], masked_loss_fast),
            ("all scores", models[0], masked_loss),
            ("lean", lean, masked_loss),
        ):
            figures = compare(stepper(model, masked, loss), theirs, 31)
            print(row(f"{name} {size}", *figures, GOAL))


if __name__ == "__main__":
    main()
