"""The samples that a run looks at again and again: the same latents and the same conditions each time."""

import contextlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo import sampling
from ganzoo.data import render
from ganzoo.data.table import Batch, Table
from ganzoo.errors import InputError
from ganzoo.gan import GAN, GRID
from ganzoo.models.condition import Condition

if TYPE_CHECKING:
    from PIL import Image

PAIRS, PAIR_COLUMNS = 24, 4  # pictures of pairs: source, sample and target side by side


class Probe:
    """The conditions of a run's fixed samples: its data's first vectors or sources, and each label in turn."""

    def __init__(self, table: Table, condition: Condition) -> None:
        """Note the data, and what the generator is conditioned on."""
        self._table, self._kind = table, condition.kind

    def samples(self, gan: GAN, n: int, seed: int) -> Tensor:
        """Draw n samples (n, *sample_shape), by the network itself: the next will be from other weights."""
        rows = self._rows(n).condition if self._has_rows else None
        (samples,) = sampling.draw_chunks(
            gan.generator,
            gan.latent_dim,
            n,
            seed=seed,
            condition=sampling.choose_condition(gan.condition, n, None, rows),
            truncation=None,
            size=n,
            copies=None,
            precision="fp32",
        )
        return samples

    def picture(self, gan: GAN, seed: int) -> "Image.Image | None":
        """Draw samples into one picture, between source and target where there are such; None for other shapes."""
        with contextlib.suppress(InputError):
            if self._kind == "image":
                return self._picture_of_pairs(gan, seed)
            return gan.draw(seed=seed, condition=self._rows(GRID).condition if self._has_rows else None)
        return None

    def _picture_of_pairs(self, gan: GAN, seed: int) -> "Image.Image":
        rows = self._rows(PAIRS)
        samples = gan.sample(PAIRS, seed=seed, condition=rows.condition)
        sides = [side for side in (rows.condition, samples, rows.target) if side is not None]
        return render.draw(
            render.beside(sides), scale=self._table.scale, offset=self._table.offset, columns=PAIR_COLUMNS
        )

    @property
    def _has_rows(self) -> bool:
        return self._kind in ("vector", "image")

    def _rows(self, n: int) -> Batch:
        return self._table.batch(torch.arange(n) % len(self._table))
