"""Every random draw comes from a generator seeded by a hash of integers and names.

So nothing about randomness has to be stored: a checkpoint holds counters, and sample `i` of seed `s` is a function of
`(s, i)` alone, whatever was drawn before it.
"""

import hashlib

import torch


def hash_seed(*parts: int | str) -> int:
    """Hash integers and names to a seed in [0, 2^63), the same on every machine.

    Args:
        parts: What the draw belongs to, such as `(seed, step, "latents")`.
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """Return a CPU generator seeded with `hash_seed(*parts)`.

    Draws are made on the CPU and moved, so that a seed means the same samples on every device.
    """
    return torch.Generator().manual_seed(hash_seed(*parts))
