"""GPT against GPT-2 of transformers: a training step of equal size, one thread.

The rows "lean" show the shortest GPT that we could write: what PyTorch itself takes.
"""

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from genai_lib.components.attention import next_token_loss
from genai_lib.genres.decoder_only import ACTIVATIONS, GPT, GPTConfig
from tests.bench._lean import Lean
from tests.bench._timing import compare, row

# Batch, context, width, layers, heads, tokens in the vocabulary.
SHAPES = (
    (16, 64, 64, 2, 4, 96),
    (8, 128, 96, 3, 4, 96),
    (16, 64, 128, 4, 4, 1024),
)
GOAL = 0.8


class Reference(nn.Module):
    """GPT-2 of transformers, called as ours is."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=config.vocab_size,
                n_positions=config.context,
                n_embd=config.width,
                n_head=config.heads,
                n_layer=config.layers,
                bos_token_id=0,
                eos_token_id=0,
                attn_pdrop=0.0,
                embd_pdrop=0.0,
                resid_pdrop=0.0,
            )
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.model(tokens, use_cache=False).logits


def stepper(model: nn.Module, tokens: torch.Tensor, whole: bool):
    """Return a function that goes forward and backward, and if `whole` a step down."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        loss = next_token_loss(model, tokens)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if whole:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    return step


def main() -> None:
    """Print milliseconds of ours and of transformers, and their ratio."""
    torch.set_num_threads(1)
    print(f"{'GPT':<48}{'ours':>12}{'transformers':>12}  ratio")
    for batch, context, width, layers, heads, vocab_size in SHAPES:
        config = GPTConfig(vocab_size, context, width, heads, layers)
        lean = Lean(config, ACTIVATIONS[config.activation], causal=True)
        reference = Reference(config).train()
        tokens = torch.randint(vocab_size, (batch, context + 1))
        size = f"{batch}×{context}×{width}, {layers} layers"
        for name, whole in (("forward, backward", False), ("training step", True)):
            theirs = stepper(reference, tokens, whole)
            for kind, model in {"": GPT(config), "lean: ": lean}.items():
                figures = compare(stepper(model, tokens, whole), theirs, 31)
                print(row(f"{kind}{name} {size}", *figures, GOAL))


if __name__ == "__main__":
    main()
