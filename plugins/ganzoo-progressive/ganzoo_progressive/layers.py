"""The layers of Karras et al. 2018 (arXiv 1710.10196): equalized learning rate, pixel norm, minibatch deviation."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAKY_RELU_GAIN = math.sqrt(2)  # He et al. 2015: keeps the variance before a rectifier
EPSILON = 1e-8  # the paper's, in pixel norm and under the root of the deviation
MOMENTUM = 0.1  # as batch norm's


class EqualizedConv2d(nn.Conv2d):
    """A convolution with equalized learning rate (section 4.1): weights are drawn from N(0, 1) and scaled when used.

    With the scale gain / sqrt(fan in), outputs begin as with He's initialization, and all weights have the same size in
    an optimizer's eyes: a step of Adam changes each by the same share, whatever the layer's width. Biases begin at 0.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel_size: int | tuple[int, int], padding: int = 0, gain: float = 1.0
    ) -> None:
        """Build the layer.

        Args:
            inputs: Input channels.
            outputs: Output channels.
            kernel_size: The kernel's side, or (height, width).
            padding: Zeros at each side.
            gain: The standard deviation of outputs at the beginning, for independent inputs of mean square 1.
        """
        super().__init__(inputs, outputs, kernel_size, padding=padding)
        self.scale = gain / math.sqrt(self.weight[0].numel())

    def reset_parameters(self) -> None:
        """Draw fresh weights."""
        draw(self)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H', W')."""
        return F.conv2d(input, self.weight * self.scale, self.bias, padding=self.padding)


class EqualizedLinear(nn.Linear):
    """A linear layer with equalized learning rate; see `EqualizedConv2d`."""

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0) -> None:
        """Build the layer; the arguments are those of `EqualizedConv2d`."""
        super().__init__(inputs, outputs)
        self.scale = gain / math.sqrt(inputs)

    def reset_parameters(self) -> None:
        """Draw fresh weights."""
        draw(self)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, inputs) to (N, outputs)."""
        return F.linear(input, self.weight * self.scale, self.bias)


def draw(layer: nn.Conv2d | nn.Linear) -> None:
    """Draw a layer's weights from N(0, 1) and set its bias to 0."""
    if layer.weight.is_meta:
        return  # built to be loaded: there is nothing to draw
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class PixelNorm(nn.Module):
    """Each position's vector of channels is scaled to a mean square of 1 (section 4.2)."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        return input * (input.square().mean(1, keepdim=True) + EPSILON).rsqrt()


class MinibatchDeviation(nn.Module):
    """Adds a plane that tells how much the samples of a batch differ (section 3).

    In train mode it is the standard deviation over the whole batch of each feature at each position, averaged to one
    number. In eval mode, where a sample shall be judged alone, and in a batch of one, which has no deviation, it is the
    running average of the batches that were seen in train mode, real and generated ones alike.

    Attributes:
        track_running_stats: Whether a batch in train mode moves the running average, as with batch norm.
        running_deviation: The running average, a scalar.
    """

    running_deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.track_running_stats = True
        self.register_buffer("running_deviation", torch.ones(()))

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C + 1, H, W)."""
        deviation = self.running_deviation
        if self.training and len(input) > 1:
            # Samples of a batch may be close to each other, beyond what bfloat16 tells apart.
            values = input.to(torch.promote_types(input.dtype, torch.float32))
            deviation = (values.var(0, correction=0) + EPSILON).sqrt().mean()
            if self.track_running_stats:
                self.running_deviation.lerp_(deviation.detach().to(self.running_deviation.dtype), MOMENTUM)
        count, _, height, width = input.shape
        return torch.cat([input, deviation.to(input.dtype).expand(count, 1, height, width)], dim=1)
