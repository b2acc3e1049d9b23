"""The network of `judge-openmoji`, which tells the groups of emoji apart."""

import torch
from torch import Tensor, nn

FEATURES = 64  # fewer than half of the 208 held-out pictures, so that two halves of them can be compared
GROUPS = 10


class Network(nn.Module):
    """Convolutions that halve the resolution by stride, an average over space, and a hidden layer: the features."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(3, 24, kernel=5, stride=2),  # (N, 24, 32, 32)
            *_convolution(24, 48, stride=2),  # (N, 48, 16, 16)
            *_convolution(48, 96, stride=2),  # (N, 96, 8, 8)
            *_convolution(96, 128),
            *_convolution(128, 128, stride=2),  # (N, 128, 4, 4)
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),  # (N, 128)
        )
        self.embed = nn.Sequential(nn.Linear(128, FEATURES), nn.ReLU())
        self.drop = nn.Dropout(0.2)
        self.classify = nn.Linear(FEATURES, GROUPS)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Look at pictures.

        Args:
            pictures: (N, 3, 64, 64) uint8, or floats from 0 to 255.

        Returns:
            Features (N, 64), not negative, and logits (N, 10).
        """
        normalised = pictures.to(torch.float32).sub(127.5).div(127.5)
        features = self.embed(self.body(normalised))  # (N, 64)
        return features, self.classify(self.drop(features))


def _convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()
