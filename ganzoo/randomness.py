"""Every random draw comes from a generator seeded by a hash of integers and names.

So nothing about randomness has to be stored: a checkpoint holds counters, and sample `i` of seed `s` is a function of
`(s, i)` alone, whatever was drawn before it.
"""

import hashlib
import operator

import torch
from torch import Tensor

from ganzoo.errors import InputError


def hash_seed(*parts: int | str) -> int:
    """Hash integers and names to a seed in [0, 2^63), the same on every machine.

    Args:
        parts: What the draw belongs to, such as `(seed, step, "latents")`.
    """
    # NumPy's integers are taken as Python's, whose repr they do not share.
    plain = tuple(part if isinstance(part, str) else operator.index(part) for part in parts)
    digest = hashlib.blake2b(repr(plain).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """Return a CPU generator seeded with `hash_seed(*parts)`.

    Draws are made on the CPU and moved, so that a seed means the same samples on every device.
    """
    return torch.Generator().manual_seed(hash_seed(*parts))


def latents(start: int, stop: int, latent_dim: int, *, seed: int, truncation: float | None = None) -> Tensor:
    """Draw the latents of samples `start` to `stop - 1` of a seed, each from its own generator.

    Args:
        start: The first sample's number.
        stop: One more than the last sample's number.
        latent_dim: The length of a latent.
        seed: The seed.
        truncation: Draw from the normal distribution cut off at plus and minus this (Brock et al. 2019, section 3.1);
            None for the whole distribution.

    Returns:
        (stop - start, latent_dim) float32, on the CPU. Row i depends on (seed, start + i) alone.

    Raises:
        InputError: The truncation is not positive.
    """
    if truncation is not None and not truncation > 0:
        raise InputError(f"truncation is {truncation}; it takes a positive number, such as 0.7, or None")
    rows = torch.empty(stop - start, latent_dim)
    source = torch.Generator()
    for row, index in zip(rows, range(start, stop), strict=True):
        source.manual_seed(hash_seed(seed, index))
        if truncation is None:
            row.normal_(generator=source)
        else:
            torch.nn.init.trunc_normal_(row, a=-truncation, b=truncation, generator=source)
    return rows
