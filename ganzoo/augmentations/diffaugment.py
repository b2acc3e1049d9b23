"""`diffaugment`: every picture recoloured, shifted and partly hidden (Zhao et al. 2020, arXiv 2006.10738, section 3.2).

In this order: brightness, x + b; saturation, m + s (x - m) around the mean m of a pixel's colours; contrast,
m + c (x - m) around the mean m of a picture's colours; a shift by whole pixels, with 0 coming in from outside; and a
rectangle of 0, a part of each side, around a random pixel. By default b is uniform in [-0.5, 0.5], s in [0, 2], c in
[0.5, 1.5], shifts reach an eighth of each side, and the rectangle has half of it, all as in the paper. 0 leaves
something out. Values are not cut off at -1 and 1, which would stop gradients.

Every picture is changed, at all times, and nothing adapts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganzoo.augmentations.augmentation import Augmentation, colours, on, uniform
from ganzoo.errors import ConfigError
from ganzoo.losses.checks import check_numbers


@dataclass(frozen=True)
class DiffAugment(Augmentation):
    """Colour, translation and cutout, on every picture.

    Grey pictures have no saturation, and alpha (the second or fourth channel) keeps its values.
    """

    brightness: float = 0.5  # what is added at most, where pictures lie in [-1, 1]
    saturation: float = 1.0  # how far its factor is from 1 at most
    contrast: float = 0.5  # likewise
    translation: float = 0.125  # of a side, at most
    cutout: float = 0.5  # of a side

    def __post_init__(self) -> None:
        limits = {"brightness": math.inf, "saturation": 1, "contrast": 1, "translation": 1, "cutout": 1}
        check_numbers("diffaugment", **{name: getattr(self, name) for name in limits})
        for name, high in limits.items():
            if not (0 <= (value := getattr(self, name)) <= high and value < math.inf):
                reach = "from 0 up" if high == math.inf else "from 0 to 1"
                raise ConfigError(f"diffaugment: {name} is {value}; it takes a number {reach}, 0 to leave it out")

    def augment(
        self, samples: Tensor, source: Tensor | None, rng: torch.Generator, *, state: Mapping[str, Tensor], images: int
    ) -> tuple[Tensor, Tensor | None]:
        """Change each sample, and move and hide the same pixels of its source."""
        count = len(samples)
        brightness, saturation, contrast, *places = uniform(rng, count, 7)  # all are drawn, whatever is left out
        around = [2 * draw - 1 for draw in (brightness, saturation, contrast)]
        samples = self._recoloured(samples, *around)
        together = samples if source is None else torch.cat([source, samples], dim=1)
        if self.translation:
            together = shifted(together, self._offsets(together, *places[:2]))
        if self.cutout:
            together = together * self._kept(together, *places[2:])
        if source is None:
            return together, None
        return together[:, source.shape[1] :], together[:, : source.shape[1]]

    def _recoloured(self, pictures: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
        """Change colours by three draws (N,) in [-1, 1]."""
        count = colours(pictures.shape[1])
        colour, alpha = pictures[:, :count], pictures[:, count:]
        if self.brightness:
            colour = colour + on(self.brightness * brightness, pictures)
        if self.saturation and count == 3:
            mean = colour.mean(1, keepdim=True)
            colour = mean + on(1 + self.saturation * saturation, pictures) * (colour - mean)
        if self.contrast:
            mean = colour.mean((1, 2, 3), keepdim=True)
            colour = mean + on(1 + self.contrast * contrast, pictures) * (colour - mean)
        return torch.cat([colour, alpha], dim=1) if alpha.shape[1] else colour

    def _offsets(self, pictures: Tensor, down: Tensor, right: Tensor) -> Tensor:
        """Turn two draws (N,) in [0, 1) into whole pixels (2, N), every one up to the farthest alike."""
        farthest = torch.tensor([[round(self.translation * side)] for side in pictures.shape[2:]])
        return (torch.stack([down, right]) * (2 * farthest + 1)).floor().long() - farthest

    def _kept(self, pictures: Tensor, down: Tensor, right: Tensor) -> Tensor:
        """Return (N, 1, H, W), 0 in a rectangle around a pixel that two draws (N,) in [0, 1) choose, else 1."""
        hidden = []
        for draw, side in zip((down, right), pictures.shape[2:], strict=True):
            length = round(self.cutout * side)
            first = (draw * side).floor().unsqueeze(1) - length // 2
            places = torch.arange(side).unsqueeze(0)
            hidden.append((places >= first) & (places < first + length))  # (N, side)
        rows, columns = hidden
        return (~(rows.unsqueeze(2) & columns.unsqueeze(1))).unsqueeze(1).to(pictures)


def shifted(pictures: Tensor, offsets: Tensor) -> Tensor:
    """Move pictures (N, C, H, W) by whole pixels, with 0 coming in from outside.

    Args:
        pictures: The pictures.
        offsets: (2, N) int64 on the CPU: how far down and right.
    """
    moved: Tensor = _Shift.apply(pictures, offsets)
    return moved


class _Shift(torch.autograd.Function):
    """Its gradient is the shift back, which has a gradient in turn; indexing would scatter instead, which is slow."""

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, offsets: Tensor) -> Tensor:
        ctx.offsets = offsets
        height, width = pictures.shape[2:]
        down, right = offsets.unsqueeze(2)
        rows, columns = torch.arange(height) - down, torch.arange(width) - right  # (N, H) and (N, W)
        inside = ((rows >= 0) & (rows < height)).unsqueeze(2) & ((columns >= 0) & (columns < width)).unsqueeze(1)
        numbers = torch.arange(len(pictures))[:, None, None]
        places = (numbers, rows.clamp(0, height - 1).unsqueeze(2), columns.clamp(0, width - 1).unsqueeze(1))
        number, row, column = (place.to(pictures.device) for place in places)
        found: Tensor = pictures[number, :, row, column].permute(0, 3, 1, 2) * inside.unsqueeze(1).to(pictures)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Shift.apply(gradient, -ctx.offsets), None
