"""Multi-scale statistical similarity: how alike the patches of two sets of pictures are, with no network.

Section 5 of Karras et al. 2018 (arXiv 1710.10196). Each picture becomes a Laplacian pyramid, from its full side down to
16 pixels; of each level 128 patches of 7x7 pixels are taken at random places of each picture, every channel of a set is
brought to mean 0 and deviation 1, and two sets are compared by their sliced Wasserstein distance: the mean over 512
random directions of the mean distance between sorted projections. Fine levels tell of edges and texture, the coarsest
of shapes and their place. As in the paper, numbers are times 1000. Unlike it, 512 directions at once, without repeats.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.errors import InputError

COARSEST_SIDE = 16
PATCH, PATCHES, DIRECTIONS = 7, 128, 512
UNIT = 1000
BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)  # of Burt and Adelson's pyramid


def sliced_wasserstein(samples: Tensor, reference: Tensor, *, seed: int = 0) -> dict[int, float]:
    """Compare the patches of two sets of pictures.

    Args:
        samples: (N, C, H, W), uint8 or floating point; the shorter side is at least 16.
        reference: As many, of the same shape and in the same units.
        seed: The seed of places and directions.

    Returns:
        For each level, by its shorter side in pixels, the distance times 1000, at least 0; finest first.

    Raises:
        InputError: The sets are of different shapes, or too small.
    """
    if samples.shape != reference.shape or samples.dim() != 4 or min(samples.shape[2:]) < COARSEST_SIDE:
        raise InputError(
            f"patches of {tuple(samples.shape)} and {tuple(reference.shape)} were to be compared; give equally many "
            f"pictures (N, C, H, W), of at least {COARSEST_SIDE} pixels a side"
        )
    rng = torch.Generator().manual_seed(seed)
    found = {}
    for ours, theirs in zip(laplacian_pyramid(samples), laplacian_pyramid(reference), strict=True):
        first, second = (standardized(patches(level, rng)) for level in (ours, theirs))
        directions = F.normalize(torch.randn(first.shape[1], DIRECTIONS, generator=rng), dim=0)
        gaps = [
            ((first @ each).sort(dim=0)[0] - (second @ each).sort(dim=0)[0]).abs().mean()
            for each in torch.split(directions, DIRECTIONS // 8, dim=1)
        ]
        found[min(ours.shape[2:])] = UNIT * float(torch.stack(gaps).mean())
    return found


def laplacian_pyramid(pictures: Tensor) -> list[Tensor]:
    """Split pictures into what each resolution adds, finest first; the last level is the coarsest picture itself.

    Args:
        pictures: (N, C, H, W); sides are halved while both are even and the shorter one stays at least 16.
    """
    levels, current = [], pictures.float()
    while min(current.shape[2:]) >= 2 * COARSEST_SIDE and all(side % 2 == 0 for side in current.shape[2:]):
        coarser = blurred(current)[:, :, ::2, ::2]
        spread = torch.zeros_like(current)
        spread[:, :, ::2, ::2] = coarser * 4  # three of four pixels are empty
        levels.append(current - blurred(spread))
        current = coarser
    return [*levels, current]


def blurred(pictures: Tensor) -> Tensor:
    """Smooth with a 5x5 binomial kernel, mirrored at the borders."""
    row = torch.tensor(BINOMIAL, dtype=pictures.dtype) / sum(BINOMIAL)
    channels = pictures.shape[1]
    kernel = (row[:, None] * row).expand(channels, 1, -1, -1)
    return F.conv2d(F.pad(pictures, (2, 2, 2, 2), mode="reflect"), kernel, groups=channels)


def patches(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Take patches at random places: (N, C, H, W) -> (N * 128, C, 7, 7)."""
    count, _, height, width = pictures.shape
    windows = pictures.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # (N, C, H - 6, W - 6, 7, 7), a view
    picture = torch.arange(count).repeat_interleave(PATCHES)
    top = torch.randint(height - PATCH + 1, (count * PATCHES,), generator=rng)
    left = torch.randint(width - PATCH + 1, (count * PATCHES,), generator=rng)
    return windows[picture, :, top, left]


def standardized(taken: Tensor) -> Tensor:
    """Bring each channel of all patches to mean 0 and deviation 1, and flatten: (M, C, 7, 7) -> (M, C * 49)."""
    deviation, mean = torch.std_mean(taken, dim=(0, 2, 3), correction=0, keepdim=True)
    return ((taken - mean) / deviation.clamp(min=1e-8)).flatten(1)
