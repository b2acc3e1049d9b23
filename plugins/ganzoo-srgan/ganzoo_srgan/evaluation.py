"""What enlarged pictures are worth: PSNR, SSIM, and the distance between a frozen network's features."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

WHITE = 255.0
WINDOW, DEVIATION = 11, 1.5  # of SSIM's Gaussian window, in pixels
STABLE_MEAN, STABLE_SPREAD = (0.01 * WHITE) ** 2, (0.03 * WHITE) ** 2  # SSIM's C1 and C2
_TINY = 1e-10


def psnr(pictures: Tensor, targets: Tensor) -> Tensor:
    """Return each picture's peak signal-to-noise ratio in dB: 10 log10(255^2 / mean square error).

    Args:
        pictures: (N, C, H, W) uint8.
        targets: The same shape, uint8.

    Returns:
        (N,) float64; infinite for equal pictures.
    """
    error = (pictures.double() - targets.double()).square().flatten(1).mean(1)
    return 10 * torch.log10(WHITE**2 / error)


def ssim(pictures: Tensor, targets: Tensor) -> Tensor:
    """Return each picture's structural similarity (Wang et al. 2004, equation 13, doi 10.1109/TIP.2003.819861).

    Means, variances and covariance are those of a Gaussian window of 11x11 pixels with a standard deviation of 1.5, at
    every place where it lies inside the picture; the value is the mean over places and channels.

    Args:
        pictures: (N, C, H, W) uint8, at least 11 pixels a side.
        targets: The same shape, uint8.

    Returns:
        (N,) float64, 1 for equal pictures.
    """
    x, y = pictures.double(), targets.double()
    channels = x.shape[1]
    places = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    line = torch.exp(-places.square() / (2 * DEVIATION**2))
    line = line / line.sum()
    window = torch.outer(line, line).expand(channels, 1, WINDOW, WINDOW)

    def mean(values: Tensor) -> Tensor:
        return F.conv2d(values, window, groups=channels)

    mean_x, mean_y = mean(x), mean(y)
    spread_x, spread_y = mean(x * x) - mean_x.square(), mean(y * y) - mean_y.square()
    together = mean(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + STABLE_MEAN) * (2 * together + STABLE_SPREAD)
    likeness = likeness / (mean_x.square() + mean_y.square() + STABLE_MEAN) / (spread_x + spread_y + STABLE_SPREAD)
    return likeness.flatten(1).mean(1)


def feature_distance(network: Callable[[Tensor], Sequence[Tensor]], pictures: Tensor, targets: Tensor) -> Tensor:
    """Return how far apart a frozen network sees each picture and its target.

    At each level features are divided by their length over channels, and the squared distances of the two are averaged
    over positions, and then over levels: as in LPIPS (Zhang et al. 2018, arXiv 1801.03924), without the weights that it
    has learned from people, and with another network; so the numbers are not LPIPS, and those of two networks cannot be
    compared.

    Args:
        network: Maps pictures in [-1, 1] to levels (N, C, h, w), such as `ganzoo_srgan.frozen.frozen_network`.
        pictures: (N, C, H, W) uint8.
        targets: The same shape, uint8.

    Returns:
        (N,) float32, from 0 to 4.
    """
    with torch.inference_mode():
        sides = [network(side.float() / (WHITE / 2) - 1) for side in (pictures, targets)]
        levels = [
            (_unit(own) - _unit(other)).square().sum(1).flatten(1).mean(1) for own, other in zip(*sides, strict=True)
        ]
        return torch.stack(levels).mean(0)


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True).sqrt() + _TINY)
