"""Past fakes, so that a discriminator does not forget what it has learned of them (Shrivastava et al. 2017)."""

import torch
from torch import Tensor

from ganzoo.shares import cut, gather


class FakePool:
    """Keeps the latest fakes and gives some of them back in place of new ones (Zhu et al. 2017, section 4).

    While it is not full, new fakes are kept and given back. Then each new one is, half of the time, exchanged for a
    kept one drawn at random.

    Attributes:
        fakes: What is kept, (M, *sample_shape) with M up to `size`.
    """

    def __init__(self, size: int, sample_shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        """Make an empty pool for so many fakes; for 0 it gives back what it is given."""
        self.size = size
        self.fakes = torch.empty(0, *sample_shape, dtype=dtype, device=device)

    def exchange(self, fakes: Tensor, rng: torch.Generator) -> Tensor:
        """Return fakes to show the discriminator.

        Where several processes share a batch, all of them hold the same pool of the whole batch's fakes.

        Args:
            fakes: New ones (N, *sample_shape), without a graph.
            rng: What the exchanges are drawn from, on the CPU.

        Returns:
            As many, each of them new or kept, in the pool's dtype.
        """
        if not self.size:
            return fakes
        shown = gather(fakes.to(self.fakes.dtype)).clone()
        kept = list(self.fakes)
        places = torch.randint(self.size, (len(shown),), generator=rng).tolist()
        exchanged = (torch.rand(len(shown), generator=rng) < 0.5).tolist()
        for row, (place, is_exchanged) in enumerate(zip(places, exchanged, strict=True)):
            new = shown[row].clone()
            if len(kept) < self.size:
                kept.append(new)
            elif is_exchanged:
                shown[row], kept[place] = kept[place], new
        self.fakes = torch.stack(kept)
        return cut(shown)
