"""Pictures under affine maps, twice differentiable, and the maps as matrices."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BICUBIC, REFLECTION = 2, 2  # what torch's own kernels call them


def translation(right: Tensor, down: Tensor) -> Tensor:
    """Return the maps (N, 3, 3) that move by pixels, each (N,)."""
    return _matrices([[1.0, 0.0, right], [0.0, 1.0, down], [0.0, 0.0, 1.0]], right)


def scaling(across: Tensor, down: Tensor) -> Tensor:
    """Return the maps (N, 3, 3) that scale width and height around the centre by factors, each (N,)."""
    return _matrices([[across, 0.0, 0.0], [0.0, down, 0.0], [0.0, 0.0, 1.0]], across)


def rotation(angle: Tensor) -> Tensor:
    """Return the maps (N, 3, 3) that turn around the centre by angles (N,) in radians, from right to down."""
    cosine, sine = angle.cos(), angle.sin()
    return _matrices([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]], angle)


def _matrices(rows: list[list[Tensor | float]], like: Tensor) -> Tensor:
    return torch.stack([torch.stack([like.new_zeros(len(like)) + entry for entry in row], -1) for row in rows], -2)


def warped(pictures: Tensor, maps: Tensor) -> Tensor:
    """Return pictures under affine maps, by bicubic interpolation; beyond an edge there is the mirrored picture.

    Args:
        pictures: (N, C, H, W), floating point.
        maps: (N, 3, 3) float64 on the CPU: where each point goes, in pixels right and down from the centre.
    """
    height, width = pictures.shape[2:]
    half = torch.tensor([width / 2, height / 2, 1.0], dtype=maps.dtype)
    # Where each point comes from, with edges at -1 and 1.
    back = torch.linalg.inv(maps) * half / half.unsqueeze(1)
    theta = back[:, :2].to(pictures.dtype).to(pictures.device)
    found: Tensor = _Resample.apply(pictures, F.affine_grid(theta, list(pictures.shape), align_corners=False))
    return found


class _Resample(torch.autograd.Function):
    """`grid_sample`, whose own gradient has no gradient; as it is linear in pictures, that is a resampling again."""

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = pictures.shape
        return F.grid_sample(pictures, grid, mode="bicubic", padding_mode="reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _Spread.apply(gradient, grid, ctx.shape), None


class _Spread(torch.autograd.Function):
    """The transposed map: each value goes to the pixels that it was interpolated from."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        pictures = values.new_zeros(shape)  # its values do not matter to the gradient at it
        spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            values, pictures, grid, BICUBIC, REFLECTION, False, [True, False]
        )[0]
        return spread

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return _Resample.apply(gradient, grid), None, None
