"""Whether samples lie nearer to training pictures than to pictures that training never saw (memorisation)."""

import torch
from torch import Tensor

_ROWS = 2000  # rows of a distance matrix held at a time
_SAMPLES, _PICTURES = 2**27, 2**24  # values of samples, and of pictures, held as floats at a time


def memorisation(samples: Tensor, train: Tensor, test: Tensor) -> dict[str, float]:
    """Compare how near samples are to training pictures and to as many test pictures.

    A generator of new pictures is equally near to both. One that repeats training pictures is nearer to these.

    Args:
        samples: (N, D) features.
        train: (M, D) features of training pictures.
        test: (K, D) features of test pictures; as many, for the nearest of more pictures is nearer.

    Returns:
        By name: `nearest_ratio`, the median distance to the nearest training picture over that to the nearest test
        picture, at least 0; `nearer_to_train`, the share of samples whose nearest picture of all is a training picture,
        ties counting half, in [0, 1]. Of new pictures it is about M / (M + K).
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


def nearest_rows(
    samples: Tensor, pictures: Tensor, *, among: Tensor | None = None, own: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return how near each sample is to the nearest of many pictures, and which one that is.

    The nearest is looked for by a matrix product, whose rounding may choose another that is as near within a part in a
    thousand; the distance to what was chosen is exact. Only a block of either is held as floats at a time.

    Args:
        samples: (N, D), of any dtype.
        pictures: (M, D), of any dtype.
        among: (K,) rows of the pictures, which alone are searched; None searches all.
        own: (N,) the place, among those searched, of the picture that each sample is, which it is not held against.

    Returns:
        (N,) Euclidean distances, exactly 0 for a copy, and (N,) int64 places among the pictures that are searched.
    """
    among = torch.arange(len(pictures)) if among is None else among
    rows, block = (max(1, min(_ROWS, values // samples.shape[1])) for values in (_SAMPLES, _PICTURES))
    found = []
    for start in range(0, len(samples), rows):
        part = _as_floats(samples[start : start + rows])
        nearest_yet, places = torch.full((len(part),), torch.inf, dtype=part.dtype), among.new_zeros(len(part))
        for searched in torch.split(torch.arange(len(among)), block):
            known = _as_floats(pictures[among[searched]])
            # The squared distance, but for the part's own square, which is the same in a row.
            distances = torch.addmm(known.square().sum(1), part, known.T, alpha=-2)
            if own is not None:
                distances[own[start : start + rows, None] == searched] = torch.inf
            least, column = distances.min(1)
            places = torch.where(least < nearest_yet, searched[column], places)
            nearest_yet = torch.minimum(least, nearest_yet)
        found.append(((part - _as_floats(pictures[among[places]])).norm(dim=1), places))
    return torch.cat([distances for distances, _ in found]), torch.cat([places for _, places in found])


def _as_floats(rows: Tensor) -> Tensor:
    return rows.to(torch.promote_types(rows.dtype, torch.float32))
