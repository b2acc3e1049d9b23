"""Layers rearranged for inference: fewer and faster operations with the same outputs, up to rounding.

In eval mode batch norm is one factor and one summand for each channel, which the linear layer or convolution before it
can take over (Jacob et al. 2018, section 3.2, arXiv 1712.05877). All of this is done to a copy of a network, never to
the network itself; an architecture's `fold()` says what may be done to its own (see `ganzoo.inference`).
"""

import copy
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import fusion

FEW_CHANNELS = 4  # up to so many output channels a transposed convolution is faster as a matrix product
MOST_NUMBERS = 2**20  # what such a product makes at a time, to stay in the processor's cache
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def fold_sequences(network: nn.Module) -> None:
    """Fold batch norm into the layer before it, wherever the two are neighbours in a plain `nn.Sequential`.

    Transposed convolutions to few channels become `TransposedProduct`, others get their bias added after them, and
    activations work in place. Only for a network that calls each of its sequences as a whole: what lies between two
    layers of one changes.

    Args:
        network: A network in eval mode; its own modules are replaced.
    """
    for name, child in list(network.named_children()):
        fold_sequences(child)
        if type(child) is nn.Sequential:
            setattr(network, name, nn.Sequential(*_folded(list(child))))


def _folded(layers: list[nn.Module]) -> list[nn.Module]:
    folded: list[nn.Module] = []
    for layer in layers:
        joined = fold_pair(folded[-1], layer) if folded else None
        if joined is None:
            folded.append(layer)
        else:
            folded[-1] = joined
    arranged = [each for layer in folded for each in _arranged(layer)]
    return [_in_place(layer, before) for layer, before in zip(arranged, [None, *arranged], strict=False)]


def _in_place(layer: nn.Module, before: nn.Module | None) -> nn.Module:
    """Return an activation that overwrites what the layer before it has just made, and any other layer as it is."""
    if type(layer) not in (nn.ReLU, nn.LeakyReLU) or type(before) not in (Shift, nn.Linear, *CONVOLUTIONS, *TRANSPOSED):
        return layer
    activation = copy.copy(layer)
    activation.inplace = True  # type: ignore[assignment]
    return activation


def _arranged(layer: nn.Module) -> list[nn.Module]:
    """Return what does the same as a layer in less time."""
    if type(layer) is not nn.ConvTranspose2d or layer.padding_mode != "zeros":
        return [layer]
    if layer.out_channels <= FEW_CHANNELS and layer.groups == 1:
        return [TransposedProduct(layer)]
    if layer.bias is None:
        return [layer]
    # With a bias of its own a transposed convolution can take half as long again on a processor.
    bias, without = Shift(layer.bias), copy.copy(layer)
    without._parameters = {**layer._parameters, "bias": None}
    return [without, bias]


def fold_pair(layer: nn.Module, norm: nn.Module) -> nn.Module | None:
    """Return a layer that does what a linear layer or convolution and the batch norm after it do.

    Args:
        layer: What comes first, in eval mode.
        norm: What comes second, in eval mode.

    Returns:
        The new layer; None where the two are not of exactly such kinds, as with parametrized weights, or where the norm
        keeps no running statistics.
    """
    if not _is_foldable(norm):
        return None
    if type(layer) is nn.Linear and layer.out_features == norm.num_features and norm.affine:
        return fusion.fuse_linear_bn_eval(layer, norm)
    if isinstance(layer, CONVOLUTIONS) and type(layer) in CONVOLUTIONS and layer.out_channels == norm.num_features:
        return fusion.fuse_conv_bn_eval(layer, norm)
    if isinstance(layer, TRANSPOSED) and type(layer) in TRANSPOSED and layer.out_channels == norm.num_features:
        return fusion.fuse_conv_bn_eval(layer, norm, transpose=True) if layer.groups == 1 else None
    return None


def _is_foldable(norm: nn.Module) -> TypeGuard[_BatchNorm]:
    # Subclasses may compute anything; so only the exact types are known.
    return type(norm) in NORMS and isinstance(norm.running_mean, Tensor) and isinstance(norm.running_var, Tensor)


def fold_planes(linear: nn.Module, norm: nn.Module, shape: tuple[int, int, int]) -> nn.Linear | None:
    """Return a layer that does what a linear layer, its rows as planes, and the batch norm of the planes do.

    Its outputs are in the order of `PlanesLast`, which is that of `torch.channels_last` in memory.

    Args:
        linear: From (N, inputs) to (N, channels * height * width).
        norm: Over (N, channels, height, width), in eval mode.
        shape: (channels, height, width).

    Returns:
        The new layer; None where the two are not of exactly such kinds.
    """
    if type(linear) is not nn.Linear or not _is_foldable(norm) or not norm.affine:
        return None
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        return None
    with torch.no_grad():
        factor = norm.weight * torch.rsqrt(variance + norm.eps)
        shift = norm.bias - mean * factor
        weight = linear.weight.view(*shape, -1) * factor[:, None, None, None]  # (C, h, w, inputs)
        bias = shift[:, None, None].expand(shape)
        if linear.bias is not None:
            bias = bias + linear.bias.view(shape) * factor[:, None, None]
        folded = nn.Linear(linear.in_features, linear.out_features, device="meta")
        folded.weight = nn.Parameter(weight.permute(1, 2, 0, 3).flatten(0, 2).contiguous().to(linear.weight.dtype))
        folded.bias = nn.Parameter(bias.permute(1, 2, 0).flatten().contiguous().to(linear.weight.dtype))
    return folded.eval()


class PlanesLast(nn.Module):
    """Rows (N, height * width * channels) as planes (N, channels, height, width), without moving a number."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        """Note the shape (channels, height, width)."""
        super().__init__()
        channels, height, width = shape
        self.shape = (height, width, channels)

    def forward(self, rows: Tensor) -> Tensor:
        """Return (N, channels, height, width)."""
        return rows.view(-1, *self.shape).permute(0, 3, 1, 2)


class Shift(nn.Module):
    """A number added to each channel of (N, C, h, w), in place."""

    def __init__(self, bias: Tensor) -> None:
        """Take the numbers (C,)."""
        super().__init__()
        self.bias = nn.Parameter(bias.detach()[:, None, None].clone(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return x with the numbers added."""
        return x.add_(self.bias)


class TransposedProduct(nn.Module):
    """A transposed convolution to few channels, as what it is: a matrix product, and overlapping patches added up.

    The kernels for convolutions work on blocks of channels, most of which would be empty.
    """

    def __init__(self, convolution: nn.ConvTranspose2d) -> None:
        """Take the weights of a convolution without groups."""
        super().__init__()
        matrix = convolution.weight.detach().flatten(1).t().contiguous()  # (out * kh * kw, in)
        self.matrix = nn.Parameter(matrix, requires_grad=False)
        bias = convolution.bias
        self.bias = None if bias is None else nn.Parameter(bias.detach()[:, None, None].clone(), requires_grad=False)
        self.kernel_size, self.stride = convolution.kernel_size, convolution.stride
        self.padding, self.dilation = convolution.padding, convolution.dilation
        self.output_padding = convolution.output_padding

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, h, w) to (N, out, h', w'), in float32 where x has fewer bits."""
        size = [
            (side - 1) * self.stride[k] - 2 * int(self.padding[k])
            + self.dilation[k] * (self.kernel_size[k] - 1) + self.output_padding[k] + 1
            for k, side in enumerate(x.shape[2:])
        ]  # fmt: skip
        rows = max(1, MOST_NUMBERS // (len(self.matrix) * x.shape[2] * x.shape[3]))
        return (
            torch.cat([self._few(part, size) for part in torch.split(x, rows)]) if len(x) > rows else self._few(x, size)
        )

    def _few(self, x: Tensor, size: list[int]) -> Tensor:
        patches = self.matrix @ x.flatten(2)  # (N, out * kh * kw, h * w)
        if patches.dtype in (torch.bfloat16, torch.float16):
            patches = patches.float()
        padding = (int(self.padding[0]), int(self.padding[1]))
        summed = F.fold(patches, size, self.kernel_size, self.dilation, padding, self.stride)  # type: ignore[arg-type]
        return summed if self.bias is None else summed.add_(self.bias)
