"""Whether samples lie nearer to training pictures than to pictures that training never saw (memorisation)."""

import torch
from torch import Tensor

_ROWS = 2000  # rows of a distance matrix held at a time


def memorisation(samples: Tensor, train: Tensor, test: Tensor) -> dict[str, float]:
    """Compare how near samples are to training pictures and to as many test pictures.

    A generator of new pictures is equally near to both. One that repeats training pictures is nearer to these.

    Args:
        samples: (N, D) features.
        train: (M, D) features of training pictures.
        test: (M, D) features of test pictures, as many, for the nearest of more pictures is nearer.

    Returns:
        By name: `nearest_ratio`, the median distance to the nearest training picture over that to the nearest test
        picture, at least 0; `nearer_to_train`, the share of samples whose nearest picture of all is a training picture,
        ties counting half, in [0, 1].
    """
    to_train, to_test = nearest(samples, train), nearest(samples, test)
    nearer = (to_train < to_test).double() + (to_train == to_test).double() / 2
    # Of samples that all are copies of test pictures the median is 0; the smallest float keeps the ratio a number.
    smallest = torch.finfo(to_test.dtype).tiny
    ratio = float(to_train.median()) / max(float(to_test.median()), smallest)
    return {"nearest_ratio": ratio, "nearer_to_train": float(nearer.mean())}


def nearest(samples: Tensor, pictures: Tensor) -> Tensor:
    """Return each sample's Euclidean distance to the nearest of the pictures, exactly 0 for a copy.

    Args:
        samples: (N, D).
        pictures: (M, D).

    Returns:
        (N,), at least 0.
    """
    exact = "donot_use_mm_for_euclid_dist"  # a matrix product would be faster and lose the digits of small distances
    return torch.cat([torch.cdist(rows, pictures, compute_mode=exact).amin(1) for rows in torch.split(samples, _ROWS)])


def nearest_rows(samples: Tensor, pictures: Tensor, *, leave_one_out: bool = False) -> tuple[Tensor, Tensor]:
    """Return how near each sample is to the nearest of many pictures, and which one that is.

    The nearest is looked for by a matrix product, whose rounding may choose another that is as near within a part in a
    thousand; the distance to what was chosen is exact.

    Args:
        samples: (N, D).
        pictures: (M, D).
        leave_one_out: The samples are the pictures themselves, and each is held against the others.

    Returns:
        (N,) Euclidean distances, exactly 0 for a copy, and (N,) int64 rows.
    """
    rows = []
    for start in range(0, len(samples), _ROWS):
        part = samples[start : start + _ROWS]
        distances = torch.cdist(part, pictures, compute_mode="use_mm_for_euclid_dist")
        if leave_one_out:
            own = torch.arange(len(part))
            distances[own, start + own] = torch.inf
        rows.append(distances.argmin(1))
    chosen = torch.cat(rows)
    return (samples - pictures[chosen]).norm(dim=1), chosen
