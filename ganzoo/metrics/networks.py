"""The bundled judges' two architectures: small classifiers of 28x28 grey pictures, features from the last hidden layer.

They differ on purpose (strided plain stack, pooled residual blocks), so that what both say of a model is said of the
model and not of one network's taste.
"""

import torch
from torch import Tensor, nn

SIZE = 28  # height and width of a judged picture
FEATURES = 128  # the length of a feature vector; a Frechet distance needs more samples than this
CLASSES = 10


class Judge(nn.Module):
    """A classifier that normalises uint8 pictures itself, so that both sides of a comparison are treated alike.

    Attributes:
        body: Maps (N, 1, 28, 28) floats in [-1, 1] to (N, channels) non-negative floats.
        embed: Maps these to the features.
        classify: Maps features to logits.
    """

    def __init__(self, body: nn.Module, channels: int) -> None:
        super().__init__()
        self.body = body
        self.embed = nn.Sequential(nn.Linear(channels, FEATURES), nn.ReLU())
        self.classify = nn.Linear(FEATURES, CLASSES)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Look at pictures.

        Args:
            pictures: (N, 1, 28, 28) uint8.

        Returns:
            Features (N, 128), non-negative, and logits (N, 10).
        """
        normalised = pictures.to(torch.float32).sub(127.5).div(127.5)
        features = self.embed(self.body(normalised))  # (N, 128)
        return features, self.classify(features)


def plain() -> Judge:
    """Return a stack of convolutions that halves the resolution by stride, and averages over space."""
    body = nn.Sequential(
        *_convolution(1, 32, kernel=5, stride=2),  # (N, 32, 14, 14)
        *_convolution(32, 48),
        *_convolution(48, 96, stride=2),  # (N, 96, 7, 7)
        *_convolution(96, 96),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),  # (N, 96)
    )
    return Judge(body, 96)


def residual() -> Judge:
    """Return three residual blocks (He et al. 2016, https://arxiv.org/abs/1512.03385) with max pooling between."""
    body = nn.Sequential(
        *_convolution(1, 16),
        nn.MaxPool2d(2),  # (N, 16, 14, 14)
        Block(16, 40),
        nn.MaxPool2d(2),  # (N, 40, 7, 7)
        Block(40, 80),
        Block(80, 80),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),  # (N, 80)
    )
    return Judge(body, 80)


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the width changes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *_convolution(inputs, outputs),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W), non-negative."""
        return torch.relu(self.main(values) + self.shortcut(values))


def _convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()
