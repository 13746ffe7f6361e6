"""Simulated quantization of whole models: rounding, planted outliers, smoothing.

Each function returns a changed copy of a model.

Chapter  chapters/components/softmax_one.ipynb
Tests    tests/components/softmax_one

References
    [1] Xiao et al., "SmoothQuant", 2023, arXiv:2211.10438
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from genai_lib.checks import check_above_zero, check_each, check_share, check_whole
from genai_lib.components.attention import TransformerBlock
from genai_lib.components.softmax_one.outliers import (
    check_bits,
    fake_quantize,
    smoothing_scales,
)


class QuantizedLinear(nn.Module):
    """A linear layer whose weights and inputs are rounded, each to one grid per tensor.

    Parameters
    ----------
    linear : nn.Linear
    weight_bits, input_bits : int
        As `bits` in `fake_quantize`. The grid of the inputs is fitted to each call.
    """

    def __init__(self, linear: nn.Linear, weight_bits: int, input_bits: int) -> None:
        super().__init__()
        bits = check_bits(weight_bits=weight_bits, input_bits=input_bits)
        weight_bits, input_bits = bits
        self.in_features = linear.in_features  # read by attention
        self.register_buffer("weight", fake_quantize(linear.weight.data, weight_bits))
        self.bias, self.input_bits = linear.bias, input_bits

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs)."""
        rounded = fake_quantize(x, self.input_bits)
        return functional.linear(rounded, self.weight, self.bias)


class SmoothedLinear(nn.Sequential):
    """A linear layer with outliers moved from its inputs to its weights [1, eq. 3].

    Each input channel is divided by a number and its weights are multiplied by it, so
    the function stays the same. In practice the division is folded into the layer
    before, where it costs nothing.

    Parameters
    ----------
    linear : nn.Linear
    scales : Tensor of shape (inputs,)
        One positive number for each channel.
    """

    def __init__(self, linear: nn.Linear, scales: Tensor) -> None:
        multiplied = copy.deepcopy(linear)
        multiplied.weight.data *= scales
        super().__init__(_Divide(scales), multiplied)
        self.in_features = linear.in_features


class _Divide(nn.Module):
    def __init__(self, scales: Tensor) -> None:
        super().__init__()
        self.register_buffer("scales", scales)

    def forward(self, x: Tensor) -> Tensor:
        return x / self.scales


def quantize_linears(model: nn.Module, weight_bits: int, input_bits: int) -> nn.Module:
    """Round the weights and the inputs of every linear layer in a model.

    "W8A8" is 8 bits for both.

    Parameters
    ----------
    model : nn.Module
    weight_bits, input_bits : int
    """
    return _replace_linears(
        model, lambda x, _: QuantizedLinear(x, weight_bits, input_bits)
    )


def smooth_linears(
    model: nn.Module, examples: Tensor, strength: float = 0.5
) -> nn.Module:
    """Replace every linear layer by a `SmoothedLinear`, which computes the same [1].

    Parameters
    ----------
    model : nn.Module
    examples : Tensor
        Inputs of the model, on which the largest magnitude of each channel is measured.
    strength : float, default=0.5
        As in `smoothing_scales`.
    """
    check_share(strength=strength)
    largest = _largest_inputs(model, examples)

    def smooth(linear: nn.Linear, name: str) -> nn.Module:
        scales = smoothing_scales(largest[name], linear.weight.data, strength)
        return SmoothedLinear(linear, scales)

    return _replace_linears(model, smooth)


def plant_outliers(
    model: nn.Module, channels: Sequence[int], factor: float
) -> nn.Module:
    """Scale up some normalised channels of each block; the function stays the same.

    In each `TransformerBlock` the scale of the normalisation is multiplied, and the
    columns of the linear layers that read it are divided, so that only the activations
    in between change.

    Parameters
    ----------
    model : nn.Module
        With at least one `TransformerBlock`.
    channels : sequence of int
    factor : float
    """
    (factor,) = check_above_zero(factor=factor)
    planted = copy.deepcopy(model)
    blocks = [x for x in planted.modules() if isinstance(x, TransformerBlock)]
    if not blocks:
        raise ValueError("model has no TransformerBlock")
    for block in blocks:
        attention = block.attention
        readers = (attention.to_query, attention.to_key, attention.to_value)
        _enlarge(block.attention_norm, readers, channels, factor)
        feed_forward = (block.feed_forward.to_hidden,)
        _enlarge(block.feed_forward_norm, feed_forward, channels, factor)
    return planted


@torch.no_grad()
def _enlarge(norm: nn.LayerNorm, readers, channels, factor) -> None:
    known = partial(check_whole, 0, len(norm.weight) - 1)
    channels = check_each(known, channels=channels)
    norm.weight[channels] *= factor
    norm.bias[channels] *= factor
    for linear in readers:
        linear.weight[:, channels] /= factor


@torch.no_grad()
def _largest_inputs(model: nn.Module, examples: Tensor) -> dict[str, Tensor]:
    """Map each linear layer's name to the largest magnitude of each input channel."""
    largest, hooks = {}, []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):

            def note(module, inputs, name=name):
                seen = inputs[0].reshape(-1, module.in_features).abs().amax(dim=0)
                largest[name] = torch.maximum(largest.get(name, seen), seen)

            hooks.append(module.register_forward_pre_hook(note))
    try:
        model(examples)
    finally:
        for hook in hooks:
            hook.remove()
    return largest


def _replace_linears(model: nn.Module, make: Callable[[nn.Linear, str], nn.Module]):
    """Copy a model, with each linear layer replaced by `make(linear, name)`."""
    changed = copy.deepcopy(model)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            parent, _, own = name.rpartition(".")
            setattr(changed.get_submodule(parent), own, make(module, name))
    return changed
